package worker

import (
	"sync"

	"downbeat/internal/message"
	"downbeat/internal/streams"
	"downbeat/internal/worker/probe"
)

// isReady stands for the line by which a process is seen to be ready, in place of the
// number of a watch.
const isReady = -1

// lines are those that are looked for in what one command writes. Its two streams are read
// by a goroutine each.
type lines struct {
	ready   [2]*probe.Lines // nil: no line says that it is ready
	watches []watched

	mu     sync.Mutex
	wanted bool // the line that says so has not come of this life
}

// watched is what one of the job's watches looks for in a command's streams.
type watched struct {
	number int
	in     [2]*probe.Lines
	told   *quota
}

// A quota bounds how many lines of a watch are told, of all commands together.
type quota struct {
	mu   sync.Mutex
	left int
}

// take reports whether one more is told.
func (q *quota) take() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.left--
	return q.left >= 0
}

// linesOf are what is looked for in the output of a job's commands, by their numbers.
func linesOf(job *message.Job) map[int]*lines {
	all := make(map[int]*lines)
	of := func(n int) *lines {
		if all[n] == nil {
			all[n] = &lines{wanted: true}
		}
		return all[n]
	}
	for n, c := range job.In(message.PhaseRun) {
		if c.Ready != nil && c.Ready.Line != "" {
			of(n).ready = finders(c.Ready.Line)
		}
	}
	for i := range job.Watches {
		w := &job.Watches[i]
		told := &quota{left: w.Most}
		for _, n := range w.Commands {
			of(n).watches = append(of(n).watches, watched{i, finders(w.Line), told})
		}
	}
	return all
}

// finders are one for each stream.
func finders(pattern string) [2]*probe.Lines {
	var all [2]*probe.Lines
	for i := range all {
		all[i] = probe.NewLines(pattern)
	}
	return all
}

// anew is for when a life has begun or has ended: a line that comes now may be of another.
func (l *lines) anew() {
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.wanted = true
}

// want reports whether the line that says that the command is ready is of interest, which
// it is once in a life.
func (l *lines) want() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	wanted := l.wanted
	l.wanted = false
	return wanted
}

// feed looks at the next piece of a stream, and calls found for each line.
func (l *lines) feed(stream streams.Stream, data []byte, found func(watch int)) {
	if r := l.ready[stream]; r != nil && r.Feed(data) > 0 && l.want() {
		found(isReady)
	}
	for i := range l.watches {
		w := &l.watches[i]
		for range w.in[stream].Feed(data) {
			if w.told.take() {
				found(w.number)
			}
		}
	}
}

// close looks at what has no newline, as nothing more comes.
func (l *lines) close(stream streams.Stream, found func(watch int)) {
	if r := l.ready[stream]; r != nil && r.Close() && l.want() {
		found(isReady)
	}
	for i := range l.watches {
		if w := &l.watches[i]; w.in[stream].Close() && w.told.take() {
			found(w.number)
		}
	}
}
