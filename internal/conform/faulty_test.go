package conform

import (
	"context"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"downbeat/internal/message"
	"downbeat/internal/queue"
	"downbeat/internal/queue/amqp"
	"downbeat/internal/queue/amqp/rabbittest"
	"downbeat/internal/runner"
	"downbeat/internal/testkit"
	"downbeat/internal/worker"
)

// A fault is what a worker or a publisher of ours is made to do wrong: the test binary
// is one that does, if it is called with the fault's name.
type fault struct {
	role Role
	// play is the case by which it is found, and rule the rule that it breaks.
	play string
	rule Rule
	// event and control change what is sent, each on its nth time, from 1.
	event   func(e *message.Event, nth int)
	control func(p *message.Payload, c *message.Control, nth int)
	// trusting: the worker takes what nobody has signed.
	trusting bool
}

var faults = map[string]fault{
	"wrong-totals": {Worker, "plain", RuleTotals, func(e *message.Event, _ int) {
		if e.Done != nil {
			e.Done.Totals[0].StdoutBytes++
		}
	}, nil, false},
	"other-bytes": {Worker, "resend", RuleResend, func(e *message.Event, nth int) {
		if e.Exited != nil && nth > 1 {
			e.Exited.UserUS++
		}
	}, nil, false},
	"early-start": {Worker, "delay", RuleRelease, func(e *message.Event, _ int) {
		for i := range e.Started {
			e.Started[i].StartedAt = e.Started[i].StartedAt.Add(-time.Second)
		}
	}, nil, false},
	"wrong-echo": {Worker, "plain", RuleHeartbeat, func(e *message.Event, nth int) {
		if e.Heartbeat != nil && e.Heartbeat.Probe != nil && nth == 1 {
			e.Heartbeat.Probe.SentAt = e.Heartbeat.Probe.SentAt.Add(time.Nanosecond)
		}
	}, nil, false},
	"trusting": {Worker, "bad-signature", RuleCase, nil, nil, true},
	"ack-ahead": {Publisher, "plain", RuleAck, nil, func(_ *message.Payload, c *message.Control, _ int) {
		if c.Kind == message.Keepalive && c.Ack > 2 {
			c.Ack += 7
		}
	}, false},
	"serial-again": {Publisher, "plain", RuleSerial, nil, func(p *message.Payload, c *message.Control, nth int) {
		if c.Kind == message.Keepalive && nth == 2 {
			p.Serial = 1
		}
	}, false},
	"apart": {Publisher, "plain", RuleTogether, nil, func(p *message.Payload, c *message.Control, _ int) {
		if c.Kind == message.Start && p.Host == "bravo" {
			c.At = c.At.Add(time.Second)
		}
	}, false},
	"for-ever": {Publisher, "plain", RuleExpiry, nil, func(p *message.Payload, c *message.Control, nth int) {
		if c.Kind == message.Keepalive && nth == 1 {
			p.Expires = p.Expires.Add(100 * time.Hour)
		}
	}, false},
}

// A faulty broker changes what is sent.
type faulty struct {
	queue.Broker
	fault fault
	key   ed25519.PrivateKey

	mu    sync.Mutex
	count map[string]int
}

// nth counts how often something was sent.
func (f *faulty) nth(what string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.count[what]++
	return f.count[what]
}

func (f *faulty) changed(m queue.Message) queue.Message {
	s := seen{Message: Message{From: Peer, Body: m.Body}}
	s.open(nil)
	switch {
	case s.event != nil && f.fault.event != nil:
		f.fault.event(s.event, f.nth(fmt.Sprint(s.event.Kind, s.event.Seq)))
		m.Body, _ = s.event.Encode()
	case s.control != nil && f.fault.control != nil:
		f.fault.control(s.payload, s.control, f.nth(s.payload.Host+string(s.control.Kind)))
		m.Body, _ = message.Seal(s.payload.Address, s.control, f.key)
	}
	return m
}

func (f *faulty) Publish(ctx context.Context, name string, m queue.Message) error {
	return f.Broker.Publish(ctx, name, f.changed(m))
}

func (f *faulty) Enqueue(ctx context.Context, name string, m queue.Message) queue.Confirm {
	return f.Broker.Enqueue(ctx, name, f.changed(m))
}

// beFaulty is the test binary as a worker or publisher with a fault. It reads what
// the kit tells it from the environment.
func beFaulty(name, argument string) int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	if err := playFaulty(ctx, faults[name], argument); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

func playFaulty(ctx context.Context, f fault, argument string) (err error) {
	broker, err := amqp.Open(ctx, os.Getenv("DOWNBEAT_QUEUE_URL"), queue.Options{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, broker.Close()) }()
	b := &faulty{Broker: broker, fault: f, count: make(map[string]int)}
	if f.role == Worker {
		return beWorker(ctx, b, argument)
	}
	return bePublisher(ctx, b, argument)
}

func beWorker(ctx context.Context, b *faulty, host string) (err error) {
	keys, err := message.ReadPublicKeys(os.Getenv("DOWNBEAT_TRUSTED_KEYS"))
	if err != nil {
		return err
	}
	trust := message.Trust{Keys: keys}
	if b.fault.trusting {
		trust = message.Trust{Unsigned: true}
	}
	processes, err := runner.New(runner.Options{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, processes.Close()) }()
	dir := os.Getenv("DOWNBEAT_STATE_DIR")
	w, err := worker.New(worker.Config{
		Broker: b, Runner: processes, Namespace: os.Getenv("DOWNBEAT_NAMESPACE"), Host: host, StateDir: dir, Dir: dir,
		Trust: trust, Environ: []string{"PATH=" + os.Getenv("PATH")}, Lease: 30 * time.Second, Version: "faulty",
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.Close()) }()
	return w.Run(ctx)
}

// bePublisher has the kit's own way to make a run publish the file.
func bePublisher(ctx context.Context, b *faulty, file string) (err error) {
	if b.key, err = message.ReadPrivateKey(os.Getenv("DOWNBEAT_KEY")); err != nil {
		return err
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp(filepath.Dir(file), "faulty-")
	if err != nil {
		return err
	}
	s := &stage{
		ctx: ctx, kit: &Kit{Timeout: 3 * time.Second}, namespace: os.Getenv("DOWNBEAT_NAMESPACE"), host: "alpha", dir: dir, key: b.key, broker: b,
	}
	_, err = s.gather(string(text))
	return err
}

// newKit is a kit whose subject is the test binary, with what it needs to be cleaned
// up after the test.
func newKit(t *testing.T, role Role, command ...string) *Kit {
	t.Helper()
	self, err := os.Executable()
	testkit.Check(t, err)
	processes, err := runner.New(runner.Options{})
	testkit.Check(t, err)
	t.Cleanup(func() { testkit.Check(t, processes.Close()) })
	return &Kit{
		Role: role, Command: append([]string{self}, command...), Environ: []string{"PATH=" + os.Getenv("PATH")}, QueueURL: rabbittest.URL(t),
		Seed: 1, Parallel: 2, Timeout: 20 * time.Second, Scratch: t.TempDir(), Runner: processes,
	}
}

// A worker or publisher of ours that does one thing wrong is found by the case that is
// about it, and no other rule is in the way.
func TestFaultsAreFound(t *testing.T) {
	t.Parallel()
	for name, f := range faults {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			placeholder := map[Role]string{Worker: "{host}", Publisher: "{file}"}[f.role]
			kit := newKit(t, f.role, faultyArg, name, placeholder)
			i := slices.IndexFunc(Cases(f.role), func(c Case) bool { return c.Name == f.play })
			results, err := kit.Run(t.Context(), Cases(f.role)[i:i+1])
			testkit.Check(t, err)
			r := results[0]
			if r.Outcome != Failed || !slices.ContainsFunc(r.Broken, func(b Broken) bool { return b.Rule == f.rule }) {
				var text strings.Builder
				r.WriteText(&text)
				told, _ := json.Marshal(r.Broken)
				t.Errorf("want rule %s to be broken, got %s\n%s", f.rule, told, &text)
			}
		})
	}
}
