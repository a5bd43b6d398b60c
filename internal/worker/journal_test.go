package worker

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"downbeat/internal/clock"
	"downbeat/internal/message"
	"downbeat/internal/streams"
	"downbeat/internal/testkit"
	"downbeat/internal/worker/runlog"
)

// newTestJournal makes the journal of a run of two processes.
func newTestJournal(t *testing.T) (*journal, chan error) {
	t.Helper()
	log, err := runlog.Create(filepath.Join(t.TempDir(), "log"), []byte("job"))
	testkit.Check(t, err)
	t.Cleanup(func() { testkit.Check(t, log.Close()) })
	failures := make(chan error, 10)
	job := &message.Job{Run: message.NewRun(message.NewPublisher()), Host: testHost, Commands: make([]message.Command, 2)}
	return newJournal(job, clock.New(0), log, func(err error) { failures <- err }), failures
}

// records reads the whole log back.
func records(t *testing.T, j *journal) (all [][]byte) {
	t.Helper()
	reader := j.log.Reader(1)
	for {
		_, record, ok, err := reader.Next(nil)
		testkit.Check(t, err)
		if !ok {
			return all
		}
		all = append(all, record)
	}
}

func TestOutputIsJournaledBeforeTheEventThatFollowsIt(t *testing.T) {
	t.Parallel()
	j, _ := newTestJournal(t)
	j.output(0, streams.Stdout, time.Now(), []byte("one\ntw"))
	j.output(1, streams.Stderr, time.Now(), []byte("oh\n"))
	j.output(0, streams.Stdout, time.Now(), []byte("o\n"))
	testkit.Check(t, j.event(message.Event{Kind: message.Committed}))
	got := records(t, j)
	if len(got) != 2 {
		t.Fatalf("%d records, want a batch and an event", len(got))
	}
	o, err := message.DecodeOutput(got[0])
	testkit.Check(t, err)
	e, err := message.DecodeEvent(got[1])
	testkit.Check(t, err)
	segments := slices.Collect(o.Segments())
	if o.Seq != 1 || e.Seq != 2 || e.Kind != message.Committed || len(segments) != 3 {
		t.Fatalf("batch %d of %d segments, then %s %d, want 1 of 3, then committed 2", o.Seq, len(segments), e.Kind, e.Seq)
	}
	if last := segments[2]; last.Command != 0 || last.Offset != 6 || last.Line != 1 {
		t.Errorf("the last segment begins at %d in line %d of command %d, want 6, 1, 0", last.Offset, last.Line, last.Command)
	}
}

func TestOutputIsJournaledSoonWithoutAnyEvent(t *testing.T) {
	t.Parallel()
	j, _ := newTestJournal(t)
	appended := j.log.Appended()
	j.output(0, streams.Stdout, time.Now(), []byte("prompt> "))
	testkit.Receive(t, appended, "the output is appended")
}

func TestBigWritesAreSplitIntoBoundedBatches(t *testing.T) {
	t.Parallel()
	j, _ := newTestJournal(t)
	big := bytes.Repeat([]byte("0123456789abcde\n"), 70_000) // over 1 MB
	j.output(0, streams.Stdout, time.Now(), []byte("first\n"))
	j.output(0, streams.Stdout, time.Now(), big)
	testkit.Check(t, j.event(message.Event{Kind: message.Committed}))
	var got []byte
	var lines uint64
	all := records(t, j)
	for i, record := range all[:len(all)-1] {
		if limit := 2*batchBytes + 1024; len(record) > limit {
			t.Errorf("batch %d has %d bytes, want at most %d", i, len(record), limit)
		}
		o, err := message.DecodeOutput(record)
		testkit.Check(t, err)
		for s := range o.Segments() {
			if s.Offset != uint64(len(got)) || s.Line != lines {
				t.Fatalf("a segment begins at %d in line %d, want %d in %d", s.Offset, s.Line, len(got), lines)
			}
			got = append(got, s.Data...)
			lines += uint64(bytes.Count(s.Data, []byte{'\n'}))
		}
	}
	if want := append([]byte("first\n"), big...); !bytes.Equal(got, want) {
		t.Errorf("%d bytes came back, not the %d that were written", len(got), len(want))
	}
}

func TestLogThatTakesNoMoreIsReportedOnce(t *testing.T) {
	t.Parallel()
	j, failures := newTestJournal(t)
	testkit.Check(t, j.log.Close())
	j.output(0, streams.Stdout, time.Now(), bytes.Repeat([]byte{'x'}, 3*batchBytes))
	err := testkit.Receive(t, failures, "somebody is told")
	if !errors.Is(err, os.ErrClosed) {
		t.Errorf("error %v, want that of the log", err)
	}
	if err := j.event(message.Event{Kind: message.Committed}); !errors.Is(err, os.ErrClosed) {
		t.Errorf("an event was taken after output was lost: %v", err)
	}
	if len(failures) > 0 {
		t.Error("it is reported again")
	}
}

func TestLastEventTellsWhatIsMissingOfALogThatTookNoMore(t *testing.T) {
	t.Parallel()
	j, failures := newTestJournal(t)
	j.output(0, streams.Stdout, time.Now(), []byte("kept\n"))
	testkit.Check(t, j.event(message.Event{Kind: message.Committed}))
	j.fail(syscall.ENOSPC)
	if err := testkit.Receive(t, failures, "somebody is told"); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("error %v, want that of the log", err)
	}
	j.output(0, streams.Stdout, time.Now(), []byte("lost\n"))
	if err := j.event(message.Event{Kind: message.Exited, Exited: &message.ExitedInfo{ExitCode: 7}}); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("error %v, want that of the log", err)
	}

	testkit.Check(t, j.last(&message.Event{Kind: message.Done, Done: &message.DoneInfo{Outcome: message.HostDone}}))

	got := records(t, j)
	if len(got) != 4 {
		t.Fatalf("%d records, want a batch and three events", len(got))
	}
	exited, err := message.DecodeEvent(got[2])
	testkit.Check(t, err)
	done, err := message.DecodeEvent(got[3])
	testkit.Check(t, err)
	if exited.Seq != 3 || exited.Exited == nil || exited.Exited.ExitCode != 7 {
		t.Errorf("event 3 is %+v, want the exit", exited)
	}
	if done.Seq != 4 || done.Done == nil || done.Done.Outcome != message.HostLost || !strings.Contains(done.Done.Reason, "output is missing: no space left") {
		t.Errorf("event 4 is %+v %+v, want that output is missing", done, done.Done)
	}
}

func TestLogThatTookNoMoreOfEventsAloneMissesNothing(t *testing.T) {
	t.Parallel()
	j, _ := newTestJournal(t)
	j.fail(syscall.ENOSPC)
	testkit.Check(t, j.last(&message.Event{Kind: message.Done, Done: &message.DoneInfo{Outcome: message.HostStopped, Reason: "the disk is full"}}))
	done, err := message.DecodeEvent(records(t, j)[0])
	testkit.Check(t, err)
	if done.Done.Outcome != message.HostStopped {
		t.Errorf("outcome %s, want it as it was", done.Done.Outcome)
	}
}
