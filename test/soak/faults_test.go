//go:build soak && linux

package soak

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"syscall"
	"time"

	"downbeat/internal/message"
	"downbeat/internal/queue"
	"downbeat/internal/testkit"
)

// suspension is how long a program is suspended: less than the lease.
const suspension = 3 * time.Second

// A fault is something that goes wrong; odds are how often, compared with others.
type fault struct {
	name string
	odds int
	do   func(*soak)
}

func faults() []fault {
	return []fault{
		{"worker killed, started again", 6, func(s *soak) {
			s.victim().kill(time.Duration(s.random.IntN(1500)) * time.Millisecond)
		}},
		{"publisher killed, resumed", 4, func(s *soak) {
			if s.experimenter.signal(syscall.SIGKILL) {
				s.experimenter.kills++
			}
		}},
		{"a worker's connections cut", 5, func(s *soak) { s.anyone().proxy.Cut() }},
		{"the publisher's connections cut", 3, func(s *soak) { s.experimenter.proxy.Cut() }},
		{"worker suspended for 3 s", 3, func(s *soak) {
			pid := s.anyone().process.PID()
			check(s.t, syscall.Kill(pid, syscall.SIGSTOP))
			<-time.After(suspension)
			check(s.t, syscall.Kill(pid, syscall.SIGCONT))
		}},
		{"publisher suspended for 3 s", 3, func(s *soak) {
			if s.experimenter.signal(syscall.SIGSTOP) {
				<-time.After(suspension)
				s.experimenter.signal(syscall.SIGCONT)
			}
		}},
		{"junk on the queues", 5, (*soak).junk},
		{"broker killed, started again", 1, func(s *soak) {
			check(s.t, s.node.Kill())
			check(s.t, s.node.Restart(s.t.Context()))
		}},
	}
}

// pick draws a fault.
func pick(all []fault, random *rand.Rand) fault {
	sum := 0
	for _, f := range all {
		sum += f.odds
	}
	n := random.IntN(sum)
	for _, f := range all {
		if n -= f.odds; n < 0 {
			return f
		}
	}
	panic("unreachable")
}

// anyone draws a worker, victim one that may be killed.
func (s *soak) anyone() *member { return s.fleet[s.random.IntN(len(s.fleet))] }

func (s *soak) victim() *member {
	for {
		if m := s.anyone(); m.host != spared {
			return m
		}
	}
}

// junk puts what nobody can understand on a host's queues and, where there is a
// publisher, on its.
func (s *soak) junk() {
	bodies := [][]byte{
		[]byte("junk"), bytes.Repeat([]byte("["), 100_000), make([]byte, 1<<20),
		[]byte(`{"downbeat":9,"purpose":"job","namespace":"soak"}`), []byte(`{"downbeat":2,"payload":"{\"purpose`),
		[]byte("DBO\x02\x00\x00\x00"), []byte(`{"downbeat":2,"event":"done","run":"../../x","done":{}}`),
	}
	host := s.anyone().host
	targets := []string{message.JobsQueue(namespace, host), message.ControlQueue(namespace, host)}
	if id := s.newestPublisher(); id != "" {
		targets = append(targets, message.EventsQueue(namespace, id))
	}
	for i, target := range targets {
		for _, body := range bodies {
			ctx, cancel := context.WithTimeout(s.t.Context(), testkit.Timeout)
			err := s.broker.Publish(ctx, target, queue.Message{Body: body, Persistent: true})
			cancel()
			if i < 2 {
				check(s.t, err)
				s.junked++
			} else if err != nil && !errors.Is(err, queue.ErrNoQueue) {
				s.t.Error(fmt.Errorf("junk for %s: %w", target, err))
			}
		}
	}
}
