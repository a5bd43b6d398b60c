package worker

import (
	"sync"
	"time"

	"downbeat/internal/clock"
	"downbeat/internal/message"
	"downbeat/internal/runner"
	"downbeat/internal/samples"
	"downbeat/internal/worker/sampler"
)

const (
	// blockFor is how long a block of samples is filled, blockBytes how large it grows: large
	// enough that a sample costs little on its way, small enough that little is lost when the
	// worker dies.
	blockFor   = 5 * time.Second
	blockBytes = 64 << 10
)

// A sampling samples the processes of a run and the host, from the first release to the last
// process, and puts that into the run's log.
type sampling struct {
	job     *message.Job
	clock   *clock.Clock
	journal *journal

	sampler *sampler.Sampler // nil: the job asks for none
	builder samples.Builder
	stop    chan struct{}
	running sync.WaitGroup
}

// prepare makes the sampler of a set that was prepared, before anything of it begins; nil: none was.
func (s *sampling) prepare(set *runner.Set) {
	if s.job.SampleMS == 0 || set == nil {
		return
	}
	s.sampler = sampler.New(sampler.Options{Cgroup: set.Cgroup(), Mark: marks(s.job), Owner: message.EnvPrefix + "PROCESS="})
}

// began and ended tell of a life of a command, the number of which is among all commands of the job.
// The runner's goroutines call them.
func (s *sampling) began(command, pid int) {
	if s.sampler != nil {
		s.sampler.Began(s.job.Commands[command].Name, pid)
	}
}

func (s *sampling) ended(e *runner.Exit) {
	if s.sampler != nil && e.Err == nil {
		s.sampler.Ended(e.PID, e.User, e.System)
	}
}

// begin has a sample taken now, and then at the release and after each interval. The first one is
// there so that what is counted from the release on has something to count from.
func (s *sampling) begin(release time.Time) {
	if s.sampler == nil || s.stop != nil {
		return
	}
	s.stop = make(chan struct{})
	first := s.clock.Local(release)
	s.running.Go(func() {
		s.take()
		s.loop(first)
	})
}

// loop samples at first and after each interval, until stop is closed. What it is late for by an
// interval or more is left out.
func (s *sampling) loop(first time.Time) {
	every := s.job.SampleEvery()
	timer := time.NewTimer(time.Until(first))
	defer timer.Stop()
	next := first
	for {
		select {
		case <-timer.C:
		case <-s.stop:
			return
		}
		s.take()
		now := time.Now()
		for next = next.Add(every); !next.After(now); next = next.Add(every) {
			continue
		}
		timer.Reset(time.Until(next))
	}
}

// take takes a sample, and logs those of some seconds.
func (s *sampling) take() {
	s.sampler.Sample(&s.builder, s.clock.Now())
	if time.Duration(s.builder.Rows())*s.job.SampleEvery() >= blockFor || s.builder.Len() >= blockBytes {
		s.flush()
	}
}

func (s *sampling) flush() {
	if s.builder.Rows() > 0 {
		s.journal.samples(s.builder.Block())
	}
}

// end takes the last sample, of what all have come to, and logs what there is. It returns once
// that is in the log.
func (s *sampling) end() {
	if s.stop == nil {
		return
	}
	close(s.stop)
	s.running.Wait()
	s.take()
	s.flush()
	s.stop, s.sampler = nil, nil
}
