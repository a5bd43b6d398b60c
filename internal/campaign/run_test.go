package campaign

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"downbeat/internal/outcome"
	"downbeat/internal/results"
)

// fakeRunner makes runs that last for a second from the opening of their gate, and then
// take a second more until they are over.
type fakeRunner struct {
	outcome func(Attempt) outcome.Run // nil: all succeed
	fails   error                     // of Make
	onOpen  func(Attempt)

	mu     sync.Mutex // guards log
	log    []string
	began  time.Time
	number int
}

func (f *fakeRunner) say(format string, args ...any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.log = append(f.log, fmt.Sprintf("%s ", time.Since(f.began))+fmt.Sprintf(format, args...))
}

func (f *fakeRunner) Make(a Attempt) (Task, error) {
	if f.fails != nil {
		return nil, f.fails
	}
	f.number++
	f.say("r%d is made", f.number)
	return &fakeTask{f, a, fmt.Sprintf("r%d", f.number)}, nil
}

func (f *fakeRunner) Retrying(r Retry) { f.say("attempt %d of %d", r.Attempt, r.Of) }
func (f *fakeRunner) Pausing(p Pause)  { f.say("pause for %s before %d", p.For, p.Point.Index) }

type fakeTask struct {
	*fakeRunner
	attempt Attempt
	id      string
}

func (t *fakeTask) Run() string { return t.id }
func (t *fakeTask) Number() int { return t.attempt.Try }

func (t *fakeTask) Do(ctx context.Context, open <-chan struct{}, ended func(outcome.Run)) (results.Record, error) {
	select {
	case <-open:
	case <-ctx.Done():
		select {
		case <-open:
		default:
			t.say("%s leaves: %v", t.id, context.Cause(ctx))
			return results.Record{}, context.Cause(ctx)
		}
	}
	released, word := time.Now(), outcome.RunSucceeded
	if t.outcome != nil {
		word = t.outcome(t.attempt)
	}
	select {
	case <-time.After(time.Second):
	case <-ctx.Done():
		t.say("%s stops: %v", t.id, context.Cause(ctx))
		word = outcome.RunAborted
	}
	ended(word)
	time.Sleep(time.Second) //nolint:forbidigo // on virtual time
	return results.Record{Run: t.id, Outcome: word, ReleasedAt: released, EndedAt: time.Now()}, nil
}

func (t *fakeTask) Opened(Progress) {
	t.say("%s is opened", t.id)
	if t.onOpen != nil {
		t.onOpen(t.attempt)
	}
}

func (t *fakeTask) Over(r Report) { t.say("%s is over: %s", t.id, r.Record.Outcome) }

// drive runs a campaign on virtual time, and checks what its runner was told.
func drive(t *testing.T, ctx context.Context, config Config, f *fakeRunner, want string) (got Result) { //nolint:revive // t comes first in this package
	t.Helper()
	f.began = time.Now()
	got = Run(ctx, config, f)
	var lines []string
	for line := range strings.Lines(want) {
		if line = strings.TrimSpace(line); line != "" {
			lines = append(lines, line)
		}
	}
	if !slices.Equal(f.log, lines) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(f.log, "\n"), strings.Join(lines, "\n"))
	}
	return got
}

// A run is prepared while the results of the one before come home, and its gate is opened
// once that is over.
func TestRunPreparesTheNext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := &fakeRunner{}
		got := drive(t, t.Context(), Config{Source: points(2)}, f, `
			0s r1 is made
			0s r1 is opened
			1s r2 is made
			2s r1 is over: succeeded
			2s r2 is opened
			4s r2 is over: succeeded`)
		if got.Succeeded() != 2 || got.Took != 4*time.Second {
			t.Errorf("got %+v", got)
		}
	})
}

// A run that fails is tried again, and a pause passes before the next datapoint.
func TestRunRetriesAndPauses(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := &fakeRunner{outcome: func(a Attempt) outcome.Run {
			if a.Point.Index == 1 && a.Try == 1 {
				return outcome.RunFailed
			}
			return outcome.RunSucceeded
		}}
		got := drive(t, t.Context(), Config{Source: points(2), Retries: 1, Pause: 10 * time.Second}, f, `
			0s r1 is made
			0s r1 is opened
			1s r2 is made
			2s r1 is over: failed
			2s attempt 2 of 2
			2s r2 is opened
			4s r2 is over: succeeded
			4s pause for 10s before 2
			14s r3 is made
			14s r3 is opened
			16s r3 is over: succeeded`)
		if got.Succeeded() != 2 {
			t.Errorf("got %+v", got)
		}
	})
}

// When the context ends, the run under way is stopped with its cause, the one that is
// prepared is given up, and Run waits for both.
func TestRunInterrupted(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		defer cancel(nil)
		time.AfterFunc(1500*time.Millisecond, func() { cancel(errors.New("^C")) })
		got := drive(t, ctx, Config{Source: points(2)}, &fakeRunner{}, `
			0s r1 is made
			0s r1 is opened
			1s r2 is made
			1.5s r2 leaves: another run comes first
			2s r1 is over: succeeded`)
		if !got.Interrupted || got.Ran != 1 || got.Left() != 1 {
			t.Errorf("got %+v", got)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		defer cancel(nil)
		time.AfterFunc(500*time.Millisecond, func() { cancel(errors.New("^C")) })
		got := drive(t, ctx, Config{Source: points(2), Retries: 1}, &fakeRunner{}, `
			0s r1 is made
			0s r1 is opened
			500ms r1 stops: ^C
			1.5s r1 is over: aborted`)
		if !got.Interrupted || len(got.Failures) != 1 {
			t.Errorf("got %+v", got)
		}
	})
}

// A pause ends with the context.
func TestRunInterruptedInAPause(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		got := Run(ctx, Config{Source: points(2), Pause: time.Hour}, &fakeRunner{began: time.Now()})
		if !got.Interrupted || got.Took != 5*time.Second {
			t.Errorf("got %+v", got)
		}
	})
}

// Where the context has ended already, no run is made.
func TestRunInterruptedBeforeItBegins(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	got := drive(t, ctx, Config{Source: points(2)}, &fakeRunner{}, "")
	if !got.Interrupted || got.Left() != 2 {
		t.Errorf("got %+v", got)
	}
}

// A signal that comes while a run is opened stops that run.
func TestRunInterruptedAtTheOpening(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		f := &fakeRunner{began: time.Now(), onOpen: func(Attempt) { cancel() }}
		got := Run(ctx, Config{Source: points(1)}, f)
		if !got.Interrupted || len(got.Failures) != 1 || got.Failures[0].Outcome != outcome.RunAborted {
			t.Errorf("got %+v, and %q", got, f.log)
		}
	})
}

// A run that can't be made ends the campaign with that error.
func TestRunThatCantBeMade(t *testing.T) {
	t.Parallel()
	got := Run(t.Context(), Config{Source: points(2)}, &fakeRunner{fails: errDisk})
	if !errors.Is(got.Err, errDisk) || got.Left() != 2 {
		t.Errorf("got %+v", got)
	}
}
