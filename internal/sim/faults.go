package sim

import "time"

// arrange has the plan's faults strike in time; those that strike after an effect
// are looked for there.
func (w *world) arrange() {
	for i := range w.plan.Faults {
		f := &w.plan.Faults[i]
		if f.Effect == 0 {
			w.e.after(f.At, func() { w.strike(f) })
		}
	}
}

// strike has a fault happen.
func (w *world) strike(f *Fault) {
	w.happened(uint64(f.Kind), uint64(f.Who))
	switch {
	case f.Kind.ofHost():
		w.note("** %s: %s%s", f.Kind, w.hosts[f.Who].name, lasting(f.Lasts))
		w.hosts[f.Who].strike(f)
	case f.Kind.ofPublisher():
		w.note("** %s: %s%s", f.Kind, w.pubs[f.Who].name, lasting(f.Lasts))
		w.pubs[f.Who].strike(f)
	default:
		if w.net.down {
			return
		}
		w.note("** %s%s", f.Kind, lasting(f.Lasts))
		w.net.stop(f.Kind == BrokerEmptied)
		w.e.after(f.Lasts, func() {
			w.note("the broker is back")
			w.net.start()
			for _, p := range w.pubs {
				p.reconnected()
			}
		})
	}
}

func lasting(d time.Duration) string {
	switch d {
	case 0:
		return ""
	case Forever:
		return ", for good"
	}
	return ", for " + d.String()
}

func (h *host) strike(f *Fault) {
	now := h.w.e.now
	if h.plan.Unserved {
		return
	}
	switch f.Kind {
	case WorkerKilled:
		h.kill(f)
	case HostDown:
		h.powerOff(f)
	case WorkerLeaves:
		if h.worker != nil {
			h.worker.leave(f.Lasts)
		}
	case HostCutOff:
		h.w.net.cutOff(h.station, true, true, f.Lasts)
	case HostMute:
		h.w.net.cutOff(h.station, true, false, f.Lasts)
	case HostDeaf:
		h.w.net.cutOff(h.station, false, true, f.Lasts)
	case HostDiskFull:
		h.disk.full, h.disk.packed = true, f.Guard
		h.w.e.after(f.Lasts, func() { h.disk.full = false })
	case LogUnreadable:
		h.disk.unreadable = true
		h.w.e.after(f.Lasts, func() { h.disk.unreadable = false })
	case WallClockStepped:
		h.clock.offset += f.By
	case RecordLost:
		h.disk.forgetful = true
	case Stalled:
		h.stalled = max(h.stalled, now.add(f.Lasts))
	default:
	}
}
