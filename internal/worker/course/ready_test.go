package course

import (
	"testing"
	"time"

	"downbeat/internal/message"
)

var (
	aPort = message.Readiness{Port: 80, WithinMS: 5000}
	aLine = message.Readiness{Line: "ready", WithinMS: 5000}
)

func TestReadiness(t *testing.T) {
	t.Parallel()
	s := newSite(t, readyBy(0, aPort)).released().want(Running, "release at 1s, probe 0.0")
	s.in(Probed{Command: 0, Life: 1}, Probed{Command: 1}).want(Running, "") // neither was asked for
	s.in(Probed{At: epoch.Add(2 * time.Second)}).want(Running, "log started, log process_ready").saying(message.ProcessReady, "0.0 at 2s")
	s.pass(20*time.Second).in(s.end(0, 0, 0)).want(Running, "log exited")
}

func TestNotReadyInTime(t *testing.T) {
	t.Parallel()
	s := newSite(t, readyBy(0, aPort)).released().pass(4999 * time.Millisecond).skip()
	s.pass(time.Millisecond).want(Running, "end probe 0")
	s.in(Probed{Err: "connection refused"}).want(Running, "log process_ready").saying(message.ProcessReady, "0.0 at 6s: it was not ready within 5s: connection refused")
	s.in(Probed{}).want(Running, "") // too late
	s = newSite(t, readyBy(0, aPort)).released().pass(5 * time.Second)
	s.in(Probed{At: s.now}).saying(message.ProcessReady, "0.0 at 6s") // it had just been found
	s = newSite(t, readyBy(0, aPort)).released().pass(5 * time.Second).skip()
	s.in(s.end(0, 0, 0), Probed{Err: "connection refused"}).want(Running, "log exited, log process_ready")
	newSite(t, readyBy(0, aLine)).released().pass(5*time.Second).saying(message.ProcessReady, "0.0 at 6s: it was not ready within 5s")
	s = newSite(t, readyBy(0, aPort)).released()
	s.in(Probed{At: s.now, Err: "no such program"}).saying(message.ProcessReady, "0.0 at 1s: no such program")
}

func TestEndBeforeReady(t *testing.T) {
	t.Parallel()
	s := newSite(t, readyBy(0, aPort)).released().skip()
	s.in(s.end(0, 0, 3)).want(Running, "log started, log exited, end probe 0, log process_ready")
	s.saying(message.ProcessReady, "0.0 at 1s: it exited with status 3 after 1s, before it was ready")
	s = newSite(t, readyBy(0, aPort)).released()
	s.in(s.end(0, 0, 0)).saying(message.ProcessReady, "0.0 at 1s: it ended with status 0, before it was ready")
}

// A life after which another comes need not become ready; that has its own time.
func TestEachLifeIsSoughtToBeReady(t *testing.T) {
	t.Parallel()
	s := newSite(t, readyBy(0, aPort), restarting(0, message.RestartOnFailure, 1, 4*time.Second)).released().pass(time.Second).skip()
	s.in(s.end(0, 0, 1)).want(Running, "log exited, end probe 0")
	s.pass(4*time.Second).in(s.life(0, 1)).want(Running, "start 0 at 6s as #1, probe 0.1")
	s.in(Probed{Life: 0}).pass(4*time.Second).want(Running, "log started")
	s.pass(time.Second).in(Probed{Life: 1, Err: "no answer"}).saying(message.ProcessReady, "0.1 at 11s: it was not ready within 5s: no answer")
}

// Nobody waits for a process to become ready that is being stopped.
func TestNotReadyInAStop(t *testing.T) {
	t.Parallel()
	s := newSite(t, readyBy(0, aPort), readyBy(1, aPort)).released().stop().skip()
	s.in(s.end(0, 0, 1)).pass(10*time.Second).want(Stopping, "log started, log exited, end probe 0, end probe 1")
}

func TestReadyByALine(t *testing.T) {
	t.Parallel()
	s := newSite(t, readyBy(0, aLine)).released().want(Running, "release at 1s")
	s.in(Lined{0, epoch.Add(2 * time.Second)}, Lined{0, epoch.Add(3 * time.Second)}).want(Running, "log started, log process_ready").saying(message.ProcessReady, "0.0 at 2s")
}

// A line may be read before it is known that its process has begun, and after it is known
// that it has ended.
func TestLinesAreEarlyAndLate(t *testing.T) {
	t.Parallel()
	s := newSite(t, readyBy(0, aLine)).reach(Armed)
	s.in(Lined{0, s.now}, s.life(0, 0)).want(Armed, "log started, log process_ready").saying(message.ProcessReady, "0.0 at 0s")

	s = newSite(t, readyBy(0, aLine)).released().skip()
	s.in(s.end(0, 0, 0)).pass(249*time.Millisecond).in(Lined{0, s.now}).want(Running, "log started, log exited, log process_ready").saying(message.ProcessReady, "0.0 at 1.249s")
	s.pass(20*time.Second).want(Running, "")

	s = newSite(t, readyBy(0, aLine)).released().skip()
	s.in(s.end(0, 0, 0)).pass(lineGrace).want(Running, "log started, log exited, log process_ready")
	s.saying(message.ProcessReady, "0.0 at 1.25s: it ended with status 0, before it was ready")

	s = newSite(t, readyBy(0, aLine)).released().skip()
	s.in(s.end(0, 0, 0), setDone()).want(Clearing, "log started, log exited, log process_ready, clear") // all that it wrote has come
}

// A line of an earlier life does not make the next one ready.
func TestLineOfAnEarlierLife(t *testing.T) {
	t.Parallel()
	s := newSite(t, readyBy(0, aLine), restarting(0, message.RestartAlways, 1, 0)).released()
	s.in(s.end(0, 0, 0)).pass(time.Second).in(Lined{0, s.now}).pass(time.Second).in(s.life(0, 1)).skip()
	s.in(Lined{0, epoch.Add(2 * time.Second)}).want(Running, "")
	s.in(Lined{0, s.now}).saying(message.ProcessReady, "0.1 at 3s")
}
