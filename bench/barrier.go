package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// barrierOf is how many processes meet.
const barrierOf = 100

// A meeting is how long after the last arrival at a barrier what happened, in milliseconds.
type meeting struct {
	instant series // that was agreed on
	first   series // return
	last    series // return
}

// barriers measures a barrier, beside the broker's round trip and beside what this machine takes
// to wake as many processes over sockets without anything else: the last return is the last of a
// hundred processes that had a turn on its cores.
func (b *bed) barriers(ctx context.Context) error {
	over, err := b.meetings(ctx)
	if err != nil {
		return err
	}
	trip, err := b.roundTrip(ctx)
	if err != nil {
		return err
	}
	var plain meeting
	for range b.rounds {
		if err := b.plainMeeting(ctx, &plain); err != nil {
			return err
		}
	}
	fmt.Printf("a barrier of %d processes, from the last arrival to the last return, ms: %s; the broker's round trip %.2f, ratio of medians %.1f\n",
		barrierOf, over.last, trip, over.last.median()/trip)
	fmt.Printf("  of that to the agreed instant %s, to the first return %s\n", over.instant, over.first)
	fmt.Printf("  as many that one process wakes over sockets, ms: to the first return %s, to the last %s; ratio of medians %.1f\n",
		plain.first, plain.last, over.last.median()/plain.last.median())
	return nil
}

// barrierArgs are the arguments of a process that comes to the barrier. They come one after the
// other, as those do that have worked before: on one machine a hundred at once would measure how
// fast it is.
func barrierArgs(pause string) []string { return []string{"loaded", strconv.Itoa(barrierOf), pause} }

// meetings repeats a datapoint whose processes meet at a barrier.
func (b *bed) meetings(ctx context.Context) (m meeting, err error) {
	runs, err := b.repeat(ctx, map[string]any{
		"name": "barrier",
		"groups": map[string]any{
			"p": map[string]any{"on": hosts, "count": barrierOf, "run": strings.Join(append([]string{b.path("barrier")}, barrierArgs("{{mul 3 .rank}}")...), " ")},
		},
	})
	if err != nil {
		return m, err
	}
	for _, run := range runs {
		outputs, err := filepath.Glob(filepath.Join(run.dir, "*", "p.*.out"))
		if err != nil {
			return m, err
		}
		var texts []string
		for _, path := range outputs {
			text, err := os.ReadFile(path)
			if err != nil {
				return m, err
			}
			texts = append(texts, string(text))
		}
		came, err := m.note(texts)
		if err != nil {
			return m, err
		}
		if len(run.Barriers) != 1 {
			return m, fmt.Errorf("%d barriers were opened, want 1", len(run.Barriers))
		}
		m.instant = append(m.instant, milliseconds(run.Barriers[0].OpenedAt.Sub(came)))
	}
	return m, nil
}

// note takes in what the processes of one barrier have printed, and returns when the last came.
func (m *meeting) note(texts []string) (came time.Time, err error) {
	if len(texts) != barrierOf {
		return came, fmt.Errorf("%d processes have met, want %d", len(texts), barrierOf)
	}
	var asked, first, last int64
	for _, text := range texts {
		var from, to int64
		if _, err := fmt.Sscan(text, &from, &to); err != nil {
			return came, fmt.Errorf("a process at the barrier has printed %q: %w", text, err)
		}
		asked, last = max(asked, from), max(last, to)
		if first == 0 || to < first {
			first = to
		}
	}
	m.first = append(m.first, milliseconds(time.Duration(first-asked)))
	m.last = append(m.last, milliseconds(time.Duration(last-asked)))
	return time.Unix(0, asked), nil
}

// plainMeeting starts the same processes, and answers all in a loop once the last has come.
func (b *bed) plainMeeting(ctx context.Context, m *meeting) error {
	path := b.path("plain")
	listener, err := new(net.ListenConfig).Listen(ctx, "unix", path)
	if err != nil {
		return err
	}
	defer func() { _ = listener.Close() }()
	processes := make([]*exec.Cmd, barrierOf)
	outputs := make([]strings.Builder, barrierOf)
	for i := range processes {
		cmd := exec.CommandContext(ctx, b.path("barrier"), barrierArgs(strconv.Itoa(3*i))...)
		cmd.Env = append(os.Environ(), "DOWNBEAT_SYNC="+path)
		cmd.Stdout, cmd.Stderr = &outputs[i], os.Stderr
		if err := cmd.Start(); err != nil {
			return err
		}
		processes[i] = cmd
	}
	err = wake(listener)
	texts := make([]string, barrierOf)
	for i, cmd := range processes {
		err = errors.Join(err, cmd.Wait())
		texts[i] = outputs[i].String()
	}
	if err == nil {
		_, err = m.note(texts)
	}
	return err
}

// wake waits for all, and then answers them.
func wake(listener net.Listener) error {
	var conns []net.Conn
	defer func() {
		for _, conn := range conns {
			_ = conn.Close()
		}
	}()
	request := make([]byte, 512)
	for range barrierOf {
		conn, err := listener.Accept()
		if err != nil {
			return err
		}
		conns = append(conns, conn)
		if _, err := conn.Read(request); err != nil {
			return err
		}
	}
	for _, conn := range conns {
		if _, err := conn.Write([]byte("HTTP/1.1 204 No Content\r\n\r\n")); err != nil {
			return err
		}
	}
	return nil
}
