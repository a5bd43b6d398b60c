package fakeworker

import (
	"context"
	"slices"
	"time"

	"downbeat/internal/message"
	"downbeat/internal/queue"
	"downbeat/internal/streams"
	"downbeat/internal/testkit"
)

// Send sends an event without a number.
func (w *Worker) Send(to string, e message.Event) {
	e.Host, e.Time = w.host, w.Clock.Now()
	data, err := e.Encode()
	if err == nil {
		err = w.broker.Publish(context.Background(), to, queue.Message{Body: data})
	}
	if err != nil {
		w.t.Error(err)
	}
}

// Publish sends a message as it is.
func (w *Worker) Publish(data []byte) {
	w.t.Helper()
	testkit.Check(w.t, w.broker.Publish(w.t.Context(), w.Job.ReplyTo, queue.Message{Body: data}))
}

// Number gives the next event its number.
func (w *Worker) Number() uint64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.seq++
	return w.seq
}

// Event logs an event and sends it.
func (w *Worker) Event(e message.Event) {
	w.t.Helper()
	e.Run, e.Host, e.Seq = w.Job.Run, w.host, w.Number()
	if e.Time.IsZero() {
		e.Time = w.Clock.Now()
	}
	data, err := e.Encode()
	testkit.Check(w.t, err)
	w.mu.Lock()
	w.latest = data
	w.mu.Unlock()
	w.Publish(data)
}

// Repeat sends the latest event again, as if it had not heard that any was safe.
func (w *Worker) Repeat() {
	w.t.Helper()
	w.mu.Lock()
	w.acked = 0
	data := w.latest
	w.mu.Unlock()
	w.Publish(data)
}

// Ready says that every process is held. The worker knows whatever its job uses.
func (w *Worker) Ready() {
	w.t.Helper()
	w.Event(message.Event{Kind: message.Ready, Ready: &message.ReadyInfo{Hold: "ptrace", Version: "v9", Features: w.Job.Uses()}})
}

// Armed takes the start of a beat, says that it is known, and returns its instant on the
// host's clock.
func (w *Worker) Armed(beat int) time.Time {
	w.t.Helper()
	start := w.Expect(message.Start)
	if start.Beat != beat {
		w.t.Fatalf("%s got the start of beat %d, want %d", w.host, start.Beat, beat)
	}
	w.Event(message.Event{Kind: message.Armed, Armed: &message.ArmedInfo{Beat: beat, At: start.At}})
	return start.At
}

// Began says that a life of a process began at that time on the host's clock.
func (w *Worker) Began(command, life int, at time.Time) {
	w.t.Helper()
	w.Event(message.Event{Kind: message.Started, Started: []message.StartedInfo{{Command: command, Life: life, PID: 100 + command + 1000*life, StartedAt: at}}})
}

// ProcessReady says that a process can be used or, with a reason, that it can't.
func (w *Worker) ProcessReady(command int, reason string) {
	w.t.Helper()
	w.Event(message.Event{Kind: message.ProcessReady, ProcessReady: &message.ProcessReadyInfo{Command: command, Reason: reason}})
}

// Committed says that the host keeps its processes for this run.
func (w *Worker) Committed() {
	w.t.Helper()
	w.mu.Lock()
	probe := w.commit
	w.mu.Unlock()
	w.Event(message.Event{Kind: message.Committed, Committed: &message.CommittedInfo{Probe: probe}})
}

// Started says that all processes began at that time on the host's clock.
func (w *Worker) Started(at time.Time) {
	w.t.Helper()
	var infos []message.StartedInfo
	for i := range w.Job.In(message.PhaseRun) {
		infos = append(infos, message.StartedInfo{Command: i, PID: 100 + i, StartedAt: at})
	}
	w.Event(message.Event{Kind: message.Started, Started: infos})
}

// Exited tells of the end of a command.
func (w *Worker) Exited(info message.ExitedInfo) {
	w.t.Helper()
	w.Event(message.Event{Kind: message.Exited, Exited: &info})
}

// Exit says that a command has exited now.
func (w *Worker) Exit(command, code int) {
	w.t.Helper()
	w.Exited(message.ExitedInfo{Command: command, ExitCode: code, StartedAt: w.Clock.Now(), EndedAt: w.Clock.Now()})
}

// Step says that a command of the setup or the teardown has begun, and exited.
func (w *Worker) Step(command, code int) {
	w.t.Helper()
	at := w.Clock.Now()
	w.Event(message.Event{Kind: message.Started, Started: []message.StartedInfo{{Command: command, PID: 300 + command, StartedAt: at}}})
	w.Exited(message.ExitedInfo{Command: command, ExitCode: code, StartedAt: at, EndedAt: at.Add(3 * time.Millisecond), UserUS: 3})
}

// Output sends one piece of one stream; the lines are as a person counts them.
func (w *Worker) Output(command int, stream streams.Stream, text string, lines uint64) {
	w.t.Helper()
	seq := w.Number()
	total := &w.totals[command]
	sum, count := &total.StdoutBytes, &total.StdoutLines
	if stream == streams.Stderr {
		sum, count = &total.StderrBytes, &total.StderrLines
	}
	var b message.Batch
	b.Reset(w.Job.Run, w.host, seq, w.Clock.Now())
	b.Add(message.Segment{Command: command, Stream: stream, At: w.Clock.Now(), Offset: *sum, Line: *count, Data: []byte(text)})
	*sum += uint64(len(text))
	*count += lines
	w.Publish(b.Bytes())
}

// Files sends a batch of files.
func (w *Worker) Files(pieces ...message.Piece) {
	w.t.Helper()
	var p message.Pieces
	for _, piece := range pieces {
		p.Add(piece)
	}
	w.Publish(p.Pack().Append(nil, w.Job.Run, w.host, w.Number()))
}

// Done closes the account with what was really sent.
func (w *Worker) Done(outcome string) { w.t.Helper(); w.Close(message.DoneInfo{Outcome: outcome}) }

// DoneWithFiles is the same of a host that has sent its files.
func (w *Worker) DoneWithFiles(files message.FileTotals) {
	w.t.Helper()
	w.Close(message.DoneInfo{Outcome: message.HostDone, Files: &files})
}

// Close closes the account, with the totals of what was really sent.
func (w *Worker) Close(d message.DoneInfo) {
	w.t.Helper()
	d.Totals = slices.Clone(w.totals)
	w.Event(message.Event{Kind: message.Done, Done: &d})
}

// Obey carries a stop out: every process given ends by TERM.
func (w *Worker) Obey(processes ...int) *message.Control {
	w.t.Helper()
	stop := w.Expect(message.Stop)
	w.Event(message.Event{Kind: message.Stopping, Time: stop.At, Stopping: &message.StoppingInfo{Cause: stop.Cause}})
	for _, i := range processes {
		w.Exited(message.ExitedInfo{Command: i, ExitCode: -1, Signal: "SIGTERM", Stopped: true, StartedAt: stop.At, EndedAt: stop.At})
	}
	w.Done(message.HostDone)
	return stop
}

// Want asks for a part of a file.
func (w *Worker) Want(info message.WantInfo) {
	w.t.Helper()
	w.Send(w.Job.ReplyTo, message.Event{Kind: message.Want, Run: w.Job.Run, Want: &info})
}

// Offer takes the workers to where they have been asked to commit.
func Offer(workers ...*Worker) {
	for _, w := range workers {
		w.t.Helper()
		w.Take()
		w.Ready()
	}
	for _, w := range workers {
		w.Expect(message.Commit)
	}
}

// Hold takes the workers to where they keep their processes for the run.
func Hold(workers ...*Worker) {
	Offer(workers...)
	for _, w := range workers {
		w.t.Helper()
		w.Committed()
	}
}

// Release takes the workers to where their processes run, and returns the last start.
func Release(workers ...*Worker) *message.Control {
	Hold(workers...)
	var start *message.Control
	for _, w := range workers {
		w.t.Helper()
		start = w.Expect(message.Start)
		w.Started(start.At)
	}
	return start
}
