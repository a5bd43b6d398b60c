package sim

import "time"

// epoch is what true time zero is called.
var epoch = time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)

// farFuture is when nothing ever happens.
var farFuture = epoch.AddDate(100, 0, 0)

// A machineClock is one machine's clock: it runs too fast or too slow by so many
// millionths, and what it shows is wrong by an offset that a step changes.
type machineClock struct {
	drift  int64         // in parts per million
	offset time.Duration // of what it shows, at the moment
}

// elapsed is how much of its own time has passed at t since true time zero.
func (c *machineClock) elapsed(t instant) int64 {
	return int64(t) + int64(t)/1_000_000*c.drift + int64(t)%1_000_000*c.drift/1_000_000
}

// wall is what the machine's clock shows at t.
func (c *machineClock) wall(t instant) time.Time {
	return epoch.Add(c.offset + time.Duration(c.elapsed(t)))
}

// A runClock is the clock of one run on one machine: it has taken the wall clock
// once, and a step of that in mid-run moves nothing.
type runClock struct {
	machine *machineClock
	offset  time.Duration
}

func (c *machineClock) forRun() runClock { return runClock{c, c.offset} }

// at is what the run's clock shows at t.
func (c *runClock) at(t instant) time.Time {
	return epoch.Add(c.offset + time.Duration(c.machine.elapsed(t)))
}

// local is an instant at which the run's clock shows t or a little later.
func (c *runClock) local(t time.Time) instant {
	if t.After(farFuture) {
		return never
	}
	due := int64(t.Sub(epoch) - c.offset)
	at := instant(due - due/1_000_000*c.machine.drift)
	for c.machine.elapsed(at) < due {
		at += instant(max(1, due-c.machine.elapsed(at)))
	}
	return at
}
