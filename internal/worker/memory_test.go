package worker

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"downbeat/internal/message"
	"downbeat/internal/testkit"
	"downbeat/internal/worker/course"
)

// A worker whose state is removed, or a part of it, makes it again: it takes the
// next job, goes on with the run that it has, and starts none twice.
func TestStateThatIsRemovedUnderAWorkerIsMadeAgain(t *testing.T) {
	t.Parallel()
	for name, remove := range map[string]func(s *site, v *service) error{
		"all of it":  func(s *site, v *service) error { return os.RemoveAll(s.state) },
		"the host's": func(s *site, v *service) error { return os.RemoveAll(v.w.dir) },
		"runs":       func(s *site, v *service) error { return os.RemoveAll(v.w.runsDir()) },
		"seen":       func(s *site, v *service) error { return os.RemoveAll(v.w.seenDir()) },
		"the lock":   func(s *site, v *service) error { return os.Remove(filepath.Join(v.w.dir, "lock")) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			v := s.serve(nil)
			trace := filepath.Join(t.TempDir(), "trace")
			over, running := s.job("echo over >>"+trace), s.job("echo here; read line <"+trace+".go; echo $line")
			testkit.Check(t, os.WriteFile(trace+".go", []byte("went on\n"), 0o600))
			body := s.Send(over)
			s.Await(over, message.Ready)
			s.Commit(over)
			s.Release(over)
			s.finish(over)
			s.Start(running)
			testkit.Check(t, remove(s, v))
			s.finishRemoved(running)
			if got := s.Of(running).Output["stdout.0"]; got != "here\nwent on\n" {
				t.Errorf("the run that was there wrote %q", got)
			}
			s.Publish(testHost, body) // again
			next := s.job("echo next >>" + trace)
			s.Start(next)
			if done := s.finish(next); done.Outcome != message.HostDone {
				t.Errorf("the next run: %+v", done)
			}
			if got, err := os.ReadFile(trace); err != nil || string(got) != "over\nnext\n" {
				t.Errorf("the processes left %q (%v), want each once", got, err)
			}
			if other, err := New(s.config()); err == nil {
				testkit.Check(t, other.Close())
				t.Error("a second worker could take the place")
			}
			v.stop()
			again, err := New(s.config()) // which knows of both by the disk alone
			testkit.Check(t, err)
			t.Cleanup(func() { testkit.Check(t, again.Close()) })
			for _, job := range []*message.Job{over, next} {
				if again.judgeJob(job.Run) != course.Again {
					t.Errorf("run %s is forgotten after a restart", job.Run)
				}
			}
		})
	}
}

// finishRemoved waits for the end of a run whose directory may be gone already.
func (s *site) finishRemoved(job *message.Job) {
	s.t.Helper()
	s.Await(job, message.Done)
	s.Ack(job)
	s.removed(job)
}

// Marks that the disk has not taken are kept, and written when it does.
func TestMarksAreWrittenWhenTheDiskTakesThem(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	w, err := New(s.config())
	testkit.Check(t, err)
	t.Cleanup(func() { testkit.Check(t, w.Close()) })
	testkit.Check(t, os.Remove(w.seenDir()))
	w.admission.Remember("01RUN", time.Now())
	w.unwritten["01RUN"] = true
	if err := w.writeMarks(false); err == nil {
		t.Error("written, though there is no directory")
	}
	if w.judgeJob("01RUN") != course.Again {
		t.Error("what the disk has not taken is forgotten")
	}
	testkit.Check(t, os.Mkdir(w.seenDir(), 0o700))
	testkit.Check(t, w.writeMarks(false))
	if !w.seenOnDisk("01RUN") {
		t.Error("the mark was not written")
	}
	testkit.Check(t, os.Remove(filepath.Join(w.seenDir(), "01RUN")))
	testkit.Check(t, w.writeMarks(false))
	if w.seenOnDisk("01RUN") {
		t.Error("a mark that was written is written again")
	}
}
