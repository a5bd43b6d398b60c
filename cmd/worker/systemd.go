package main

import (
	"fmt"
	"log/slog"
	"net"
	"os"
	"strconv"
	"sync"
	"time"
)

// A systemd tells systemd how the daemon is doing, if it runs as a service of Type=notify: see
// sd_notify(3). Otherwise its methods do nothing.
type systemd struct {
	socket string        // empty: not run by systemd
	within time.Duration // the watchdog's timeout; 0: there is no watchdog
	log    *slog.Logger
}

// newSystemd takes systemd's variables for this process out of the environment: a process of an
// experiment must not speak for the daemon.
func newSystemd(log *slog.Logger) *systemd {
	s := &systemd{socket: os.Getenv("NOTIFY_SOCKET"), within: watchdog(), log: log}
	for _, name := range []string{"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"} {
		_ = os.Unsetenv(name) // fails for malformed names only
	}
	return s
}

// watchdog is the watchdog's timeout; 0 if there is none, or it watches another process.
func watchdog() time.Duration {
	if pid := os.Getenv("WATCHDOG_PID"); pid != "" && pid != strconv.Itoa(os.Getpid()) {
		return 0
	}
	usec, err := strconv.ParseInt(os.Getenv("WATCHDOG_USEC"), 10, 64)
	if err != nil || usec <= 0 {
		return 0
	}
	return time.Duration(usec) * time.Microsecond
}

// ready ends the start of the service. Later calls only change the status,
// which systemctl shows.
func (s *systemd) ready(status string) { s.send("READY=1\nSTATUS=" + status) }

func (s *systemd) stopping(status string) { s.send("STOPPING=1\nSTATUS=" + status) }

// watch feeds the watchdog, each time after alive has returned, until the function that it
// returns is called. So a daemon that hangs is killed and started again.
func (s *systemd) watch(alive func()) (stop func()) {
	if s.socket == "" || s.within == 0 {
		return func() {}
	}
	done := make(chan struct{})
	var feeding sync.WaitGroup
	feeding.Go(func() {
		ticker := time.NewTicker(s.within / 3)
		defer ticker.Stop()
		for {
			alive()
			s.send("WATCHDOG=1")
			select {
			case <-done:
				return
			case <-ticker.C:
			}
		}
	})
	return func() {
		close(done)
		feeding.Wait()
	}
}

// send is sd_notify(3). An error is logged, and otherwise ignored.
func (s *systemd) send(state string) {
	if s.socket == "" {
		return
	}
	if err := s.trySend(state); err != nil {
		s.log.Warn("systemd can't be told how the worker is doing", "error", err)
	}
}

func (s *systemd) trySend(state string) error {
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: s.socket, Net: "unixgram"})
	if err != nil {
		return fmt.Errorf("reach NOTIFY_SOCKET=%s: %w", s.socket, err)
	}
	defer func() { _ = conn.Close() }()
	if err := conn.SetWriteDeadline(time.Now().Add(time.Second)); err != nil {
		return err
	}
	_, err = conn.Write([]byte(state))
	return err
}
