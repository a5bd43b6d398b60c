package faults

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"downbeat/internal/message"
	"downbeat/internal/outcome"
	"downbeat/internal/queue"
	"downbeat/internal/results"
	"downbeat/internal/streams"
	"downbeat/internal/testkit"
)

// hostile are names that nobody should ever get to see as a path or on a terminal.
var hostile = []string{
	"../../../../outside", "/outside", "..", ".", "a/b", "a\x00b", "a\nb", "\x1b[2J\x07", "-rf", "a b", "ä", "\xff\xfe", "",
	strings.Repeat("x", 10_000), strings.Repeat("../", 3_000) + "outside", strings.Repeat("\x00", 70_000),
}

// A bad message lies on a worker's queue, and is to be refused for that reason.
type bad struct {
	queue  string
	body   []byte
	reason error
}

// A junkyard makes bad messages, the same for the same seed.
type junkyard struct {
	*cluster
	random   *rand.Rand
	stranger ed25519.PrivateKey
}

const junkHost = "alpha"

func (y *junkyard) address(purpose message.Purpose) message.Address {
	return message.Address{
		Purpose: purpose, Namespace: y.namespace, Host: junkHost, Run: message.NewRun(message.NewPublisher()), Serial: 1,
		Expires: time.Now().Add(time.Hour),
	}
}

func (y *junkyard) job(run string) *message.Job {
	return &message.Job{
		Run: run, Host: junkHost, ReplyTo: message.EventsQueue(y.namespace, "NOBODY"), Since: run, Experiment: "junk", Datapoint: 1,
		Commands: []message.Command{{Name: "p.0", Phase: message.PhaseRun, OKExit: []int{0}, Group: "p", Argv: []string{"touch", "outside"}}},
		LeaseMS:  1000, WindowBytes: 1 << 20,
	}
}

// seal signs whatever it is given.
func (y *junkyard) seal(a message.Address, content any, key ed25519.PrivateKey) []byte {
	body, err := message.Seal(a, content, key)
	testkit.Check(y.t, err)
	return body
}

// content is a job or a control that is as it should be.
func (y *junkyard) content(a message.Address) any {
	if a.Purpose == message.PurposeJob {
		return y.job(a.Run)
	}
	return message.Control{Kind: message.Commit}
}

// kinds are the ways in which a message can be bad on the queue of jobs as well
// as on that of controls.
func (y *junkyard) kinds() []func(message.Address) ([]byte, error) {
	some := func(of []string) string { return of[y.random.IntN(len(of))] }
	good := func(a message.Address) []byte { return y.seal(a, y.content(a), y.key) }
	return []func(message.Address) ([]byte, error){
		func(message.Address) ([]byte, error) { // garbage
			body := make([]byte, y.random.IntN(3000))
			for i := range body {
				body[i] = byte(y.random.Uint32())
			}
			return body, message.ErrMalformed
		},
		func(a message.Address) ([]byte, error) { // truncated
			body := good(a)
			return body[:y.random.IntN(len(body))], message.ErrMalformed
		},
		func(a message.Address) ([]byte, error) { // of another version
			return bytes.Replace(good(a), []byte(`"downbeat":2`), fmt.Appendf(nil, `"downbeat":%d`, 3+y.random.IntN(1000)), 1), message.ErrVersion
		},
		func(message.Address) ([]byte, error) { // deep
			return bytes.Repeat([]byte(some([]string{"[", `{"a":`, `{"payload":[`})), 1+y.random.IntN(50_000)), message.ErrMalformed
		},
		func(a message.Address) ([]byte, error) { // deep inside, and signed
			depth := 1 + y.random.IntN(3000)
			deep := strings.Repeat(`{"processes":[`, depth) + strings.Repeat("]}", depth)
			return y.seal(a, json.RawMessage(deep), y.key), message.ErrMalformed
		},
		func(a message.Address) ([]byte, error) { // not signed
			return y.seal(a, y.content(a), nil), message.ErrUnsigned
		},
		func(a message.Address) ([]byte, error) { // by a stranger
			return y.seal(a, y.content(a), y.stranger), message.ErrUntrusted
		},
		func(a message.Address) ([]byte, error) { // changed on its way
			return bytes.Replace(good(a), []byte(a.Run), []byte(message.NewRun("AAAAAAAAAA")), 1), message.ErrForged
		},
		func(a message.Address) ([]byte, error) { // for somebody else
			a.Host = "bravo"
			return good(a), message.ErrMisdirect
		},
		func(a message.Address) ([]byte, error) { // for nobody who can be
			a.Host = some(hostile[:12])
			return good(a), message.ErrMalformed
		},
		func(a message.Address) ([]byte, error) { // of a namespace that can't be
			a.Namespace = some(hostile)
			return good(a), message.ErrMalformed
		},
		func(a message.Address) ([]byte, error) { // of a run that can't be
			a.Run = some(slices.DeleteFunc(slices.Clone(hostile), func(s string) bool { return s == "" }))
			return good(a), message.ErrMalformed
		},
		func(message.Address) ([]byte, error) { // of a time that can't be, which the reason would quote
			return fmt.Appendf(nil, `{"downbeat":2,"payload":%q}`, `{"expires":"`+strings.Repeat("9", 1+y.random.IntN(100_000))+`"}`), message.ErrMalformed
		},
	}
}

// badJob is signed, and bad as no publisher of ours would make it.
func (y *junkyard) badJob() ([]byte, error) {
	a := y.address(message.PurposeJob)
	j := y.job(a.Run)
	name := hostile[y.random.IntN(len(hostile))]
	switch y.random.IntN(7) {
	case 0:
		j.Commands[0].Name = name
	case 1:
		j.ReplyTo = name
	case 2:
		a.Run = name
	case 3:
		j.Since = name
	case 4:
		j.Commands = append(j.Commands, j.Commands[0])
	case 5:
		j.Commands[0].Argv = nil
	case 6: // a hello that would have the worker write to any queue
		a.Purpose, a.Run = message.PurposeControl, ""
		return y.seal(a, message.Control{Kind: message.Hello, Nonce: "n", ReplyTo: "x" + hostile[y.random.IntN(14)]}, y.key), message.ErrMalformed
	}
	return y.seal(a, j, y.key), message.ErrMalformed
}

// badControl is the same for controls.
func (y *junkyard) badControl() ([]byte, error) {
	a := y.address(message.PurposeControl)
	switch y.random.IntN(4) {
	case 0:
		a.Purpose = message.PurposeJob
		return y.seal(a, y.job(a.Run), y.key), message.ErrMalformed
	case 1:
		a.Run = ""
		return y.seal(a, message.Control{Kind: message.Hello, Nonce: "n", ReplyTo: message.EventsQueue(y.namespace, "NOBODY")}, y.key), message.ErrMisdirect
	case 2:
		return y.sized(a, message.Control{Kind: message.ControlKind(hostile[y.random.IntN(len(hostile))])})
	}
	return y.sized(a, message.Control{Kind: message.Stop, Cause: message.StopCause(hostile[y.random.IntN(len(hostile))])})
}

// sized seals a control that is malformed, or too large to be looked at.
func (y *junkyard) sized(a message.Address, c message.Control) ([]byte, error) {
	content, err := json.Marshal(c)
	testkit.Check(y.t, err)
	if len(content) > message.MaxControl {
		return y.seal(a, c, y.key), message.ErrTooLarge
	}
	return y.seal(a, c, y.key), message.ErrMalformed
}

// forWorker makes n bad messages for the worker's two queues.
func (y *junkyard) forWorker(n int) []bad {
	var all []bad
	queues := map[message.Purpose]string{
		message.PurposeJob: message.JobsQueue(y.namespace, junkHost), message.PurposeControl: message.ControlQueue(y.namespace, junkHost),
	}
	kinds := y.kinds()
	for i := range n {
		purpose, particular := message.PurposeJob, y.badJob
		if i%2 == 1 {
			purpose, particular = message.PurposeControl, y.badControl
		}
		b := bad{queue: queues[purpose]}
		if kind := y.random.IntN(len(kinds) + 3); kind < len(kinds) {
			b.body, b.reason = kinds[kind](y.address(purpose))
		} else {
			b.body, b.reason = particular()
		}
		all = append(all, b)
	}
	for _, name := range queues {
		all = append(all, bad{name, make([]byte, message.MaxSigned+1), message.ErrTooLarge})
	}
	return all
}

// forPublisher makes n messages that a publisher can't use.
func (y *junkyard) forPublisher(n int) [][]byte {
	var all [][]byte
	run := message.NewRun(message.NewPublisher())
	var batch message.Batch
	for i := range n {
		batch.Reset(run, hostile[y.random.IntN(len(hostile))], uint64(i), time.Now())
		batch.Add(message.Segment{Command: 1 << 20, Offset: 1 << 60, Data: []byte("x")})
		event := message.Event{Kind: message.Done, Run: run, Host: hostile[i%len(hostile)], Seq: uint64(i), Done: &message.DoneInfo{Totals: make([]streams.Total, 9)}}
		data, err := event.Encode()
		testkit.Check(y.t, err)
		body, _ := y.kinds()[y.random.IntN(5)](y.address(message.PurposeControl))
		all = append(all, [][]byte{bytes.Clone(batch.Bytes()), data, data[:y.random.IntN(len(data))], body}[y.random.IntN(4)])
	}
	return all
}

// A thousand bad messages on every queue are each refused, with the reason where
// there is somebody to ask, and disturb neither the run that goes on meanwhile nor
// the next; nothing is written where it doesn't belong.
func TestBadMessagesAreRefusedOneByOne(t *testing.T) {
	t.Parallel()
	for transport, n := range map[string]int{"mem": 1000, "amqp": 300} {
		t.Run(transport, func(t *testing.T) {
			t.Parallel()
			y := newJunkyard(t, transport)
			broker, p := y.connect(), y.publisher(y.connect())
			before := tree(t, filepath.Dir(y.state))
			goOn := filepath.Join(scratch(t), "go on")
			finish := make(chan results.Record)
			go func() {
				record, _ := run(t, p, fmt.Sprintf("name: long\nhosts: {%s: [{shell: true, run: 'until test -e \"%s\"; do sleep 0.1; done; echo well'}]}\n", junkHost, goOn))
				finish <- record
			}()
			runs := filepath.Join(y.state, y.namespace, junkHost, "runs")
			var id string
			testkit.WaitFor(t, "the run is on the host", func() bool {
				entries, err := os.ReadDir(runs)
				testkit.Check(t, err)
				for _, e := range entries {
					id = e.Name()
				}
				return id != ""
			})
			publisherID, err := message.PublisherOf(id)
			testkit.Check(t, err)

			all := y.forWorker(n / 3 * 2)
			for _, b := range all {
				testkit.Check(t, broker.Publish(t.Context(), b.queue, queue.Message{Body: b.body}))
			}
			for _, body := range y.forPublisher(n / 3) {
				testkit.Check(t, broker.Publish(t.Context(), message.EventsQueue(y.namespace, publisherID), queue.Message{Body: body}))
			}
			y.compare(broker, all)
			if during := tree(t, filepath.Dir(y.state), filepath.Join(runs, id)); !slices.Equal(during, before) {
				t.Errorf("on the disk there are now %q, before %q", during, before)
			}
			testkit.Check(t, os.WriteFile(goOn, nil, 0o600))
			if got := <-finish; got.Outcome != outcome.RunSucceeded || got.Processes[0].StdoutLines != 1 {
				t.Errorf("the run meanwhile: %s (%s), want succeeded", got.Outcome, got.Reason)
			}
			if got, _ := run(t, p, "name: next\nhosts: {alpha: [echo well]}\n"); got.Outcome != outcome.RunSucceeded {
				t.Errorf("the next run: %s (%s), want succeeded", got.Outcome, got.Reason)
			}
		})
	}
}

func newJunkyard(t *testing.T, transport string) *junkyard {
	t.Helper()
	c := newCluster(t, transport)
	var err error
	_, c.key, err = ed25519.GenerateKey(nil)
	testkit.Check(t, err)
	_, stranger, err := ed25519.GenerateKey(nil)
	testkit.Check(t, err)
	c.state = filepath.Join(c.state, "parent", "state") // so that ../../ is seen
	c.serve(c.config(junkHost, c.connect()))
	return &junkyard{cluster: c, random: rand.New(rand.NewPCG(1, 0)), stranger: stranger}
}

// compare takes all dead letters and looks whether each message is among them, with
// its reason and source.
func (y *junkyard) compare(broker queue.Broker, all []bad) {
	y.t.Helper()
	dead, err := broker.Consume(y.t.Context(), message.DeadQueue(y.namespace), 100)
	testkit.Check(y.t, err)
	defer func() { testkit.Check(y.t, dead.Close()) }()
	left := make(map[string][]bad)
	for _, b := range all {
		kept := string(b.body[:min(len(b.body), 64<<10)])
		left[kept] = append(left[kept], b)
	}
	ctx, cancel := context.WithTimeout(y.t.Context(), testkit.Timeout)
	defer cancel()
	for n := range all {
		d, err := dead.Receive(ctx)
		if err != nil {
			y.t.Fatalf("%d of %d have been dead-lettered: %v", n, len(all), err)
		}
		testkit.Check(y.t, d.Ack(ctx))
		source, reason := d.Header[queue.HeaderSource], d.Header[queue.HeaderReason]
		same := left[string(d.Body)]
		i := slices.IndexFunc(same, func(b bad) bool { return b.queue == source && strings.Contains(reason, b.reason.Error()) })
		if i < 0 {
			y.t.Errorf("%.100q of %s was refused because of %.300q, want one of %d others", d.Body, source, reason, len(same))
			continue
		}
		left[string(d.Body)] = slices.Delete(same, i, i+1)
	}
}
