package sim

import (
	"cmp"
	"iter"
	"slices"
	"time"

	"downbeat/internal/message"
	"downbeat/internal/publisher/conduct"
)

// do carries one effect out.
func (c *publisherRun) do(e conduct.Effect) {
	switch e := e.(type) {
	case conduct.SendJob:
		c.sendJob(e.Host)
	case conduct.Send:
		c.send(e.Host, e.Control)
	case conduct.Inquire:
		c.w.e.after(time.Millisecond, func() {
			c.step(conduct.Inquired{Host: e.Host, Late: e.Late, Why: c.hosts[e.Host].host.name + " does not answer"})
		})
	case conduct.Measure:
		c.measure(e)
	case conduct.Ship:
		c.ship(e.Host, e.Want)
	case conduct.Store:
		c.store(e.Host, e.Pieces)
	case conduct.StoreFiles:
		c.storeFiles(e.Host, e.Pieces)
	case conduct.StoreSamples:
		c.storeSamples(e.Host, e.Block)
	case conduct.CloseFiles:
		c.files[e.Host].open = ""
		c.files[e.Host].told = e.Missing != ""
	case conduct.Flush:
		c.flush()
	case conduct.HostMoved:
		if c.w.notes != nil {
			c.w.note("%s: %s: %s is %s %s", c.p.name, c.w.short(c.id), c.hosts[e.Host].host.name, e.Phase, cmp.Or(c.w.short(e.Detail), e.Detail))
		}
	case conduct.Started, conduct.Exited, conduct.BeatBegins, conduct.ProcessReady, conduct.Acted, conduct.Marked:
	case conduct.StopBegun:
		c.stopped, c.stopSent = e.Cause, c.w.e.now
		if c.w.notes != nil {
			c.w.note("%s: stops %s (%s: %s)", c.p.name, c.w.short(c.id), e.Cause, e.Reason)
		}
	case conduct.HostsFree:
		c.freed = true
		c.p.freed(c.number)
	case conduct.Warn:
		if c.w.notes != nil {
			c.w.note("%s: warning %d of %s: %s", c.p.name, e.What, c.w.short(c.id), e.Detail)
		}
	}
}

func (c *publisherRun) sendJob(host int) {
	o := &c.hosts[host]
	p := &parcel{
		kind: jobParcel, from: c.p.station, to: o.host.station, run: c.id, host: o.host.name, job: o.job, size: 2000, persistent: true,
		expires: c.w.e.now.add(c.plan.ReadyTimeout + time.Minute), valid: o.expires,
	}
	if !c.w.net.send(p) {
		c.post(conduct.Unsendable{Host: host, Reason: "no worker has ever served host " + o.host.name})
	}
}

func (c *publisherRun) send(host int, control *message.Control) {
	o := &c.hosts[host]
	if len(c.p.station.held) > 64*len(c.hosts) { // the outbox is full
		return
	}
	o.serial++
	c.mustWait(o, control)
	c.ledger.hosts[host].agreed(control, c.core.Clock(host))
	if control.Probe != nil {
		control.Probe.SentAt = c.now()
	}
	if c.w.notes != nil && !c.w.plain {
		c.w.note("%s: sends %s %s", c.p.name, o.host.name, c.w.control(control))
	}
	c.w.net.send(c.w.net.parcels.put(parcel{
		kind: controlParcel, from: c.p.station, to: o.host.station, run: c.id, host: o.host.name, control: control, serial: o.serial, size: 300,
		expires: c.w.e.now.add(c.plan.Lease), valid: c.now().Add(10 * time.Minute),
	}))
}

// ship sends a host a file that it lacks.
func (c *publisherRun) ship(host int, want message.WantInfo) {
	o := &c.hosts[host]
	part := &c.plan.Parts[host]
	for i := range o.job.Files {
		if o.job.Files[i].SHA256 != want.SHA256 {
			continue
		}
		if part.Ships[i].Gone {
			c.post(conduct.NotShipped{Host: host, Why: part.Ships[i].Path + ": no such file or directory"})
			return
		}
		c.w.net.send(&parcel{kind: chunkParcel, from: c.p.station, to: o.host.station, run: c.id, host: o.host.name, chunk: &chunk{want.SHA256}, size: part.Ships[i].Bytes})
		return
	}
	c.w.ledger.violate("nothing invented: a file is shipped to %s that its job does not name", o.host.name)
}

// A chunk is the content of a shipped file.
type chunk struct{ sum string }

// store puts output into the results.
func (c *publisherRun) store(host int, pieces []conduct.Piece) {
	for i := range pieces {
		c.pieces++
		if c.plan.FullAfter > 0 && c.pieces > c.plan.FullAfter {
			c.broken()
			return
		}
		p := &pieces[i]
		c.w.ledger.stored(&c.ledger.hosts[host], c.local(host, p.Command), p.Stream, p.Data)
	}
}

// local is the number by which a host knows a command.
func (c *publisherRun) local(host, command int) int {
	return slices.Index(c.hosts[host].numbers, command)
}

// broken tells the rules, once, that the results take no more.
func (c *publisherRun) broken() {
	c.full = true
	if !c.told {
		c.told = true
		c.post(conduct.NotStored{Why: "no space left on device"})
	}
}

func (c *publisherRun) flush() {
	if c.full {
		c.broken()
	}
}

func (c *publisherRun) storeFiles(host int, pieces iter.Seq[message.Piece]) {
	f := &c.files[host]
	for p := range pieces {
		switch p.Kind {
		case message.FileBegin:
			f.open, f.bytes = p.Path, 0
		case message.FileData:
			f.bytes += uint64(len(p.Data))
		case message.FileEnd:
			if f.bytes != p.Size {
				c.w.ledger.violate("nothing lost: %s of %s has %d bytes in the results, and %d on its host", f.open, c.hosts[host].host.name, f.bytes, p.Size)
			}
			f.done = append(f.done, f.open)
			f.open = ""
		case message.FileMissing:
			f.open = ""
		case message.FilesAnew:
			*f = fileTake{}
		}
	}
}
