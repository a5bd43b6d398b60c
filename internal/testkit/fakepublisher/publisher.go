// Package fakepublisher plays a publisher towards a worker under test: it sends jobs and
// controls as it is told to, and keeps what comes.
package fakepublisher

import (
	"slices"
	"testing"
	"time"

	"downbeat/internal/message"
	"downbeat/internal/queue"
	"downbeat/internal/testkit"
)

// A Publisher is one publisher with its queue of events. It is for one goroutine. What it
// can't do fails the test; what doesn't come does so after [testkit.Timeout].
type Publisher struct {
	T         testing.TB
	Broker    queue.Broker
	Namespace string
	ID        string // as in its runs' ids
	// Here are answers to hellos that were not awaited yet.
	Here []*message.Event

	consumer queue.Consumer
	heard    map[string]*Heard // by run
}

// New makes a publisher, and declares its queue of events.
func New(t testing.TB, broker queue.Broker, namespace string) *Publisher {
	t.Helper()
	p := &Publisher{T: t, Broker: broker, Namespace: namespace, ID: message.NewPublisher(), heard: make(map[string]*Heard)}
	testkit.Check(t, broker.Declare(t.Context(), queue.Spec{Name: p.Events()}))
	var err error
	p.consumer, err = broker.Consume(t.Context(), p.Events(), 1000)
	testkit.Check(t, err)
	return p
}

// Events is the name of the publisher's queue.
func (p *Publisher) Events() string { return message.EventsQueue(p.Namespace, p.ID) }

// Job describes a run of these shell scripts on a host, one process each, named p.0 and
// so on.
func (p *Publisher) Job(host string, scripts ...string) *message.Job {
	j := &message.Job{
		Run: message.NewRun(p.ID), Host: host, ReplyTo: p.Events(), Experiment: "locks", Datapoint: 1,
		LeaseMS: testkit.Timeout.Milliseconds(), GraceMS: 1000, WindowBytes: 8 << 20,
	}
	j.Since = j.Run
	for i, script := range scripts {
		j.Commands = append(j.Commands, message.Command{
			Name: message.ProcessName("p", i), Phase: message.PhaseRun, Group: "p", Index: i, Rank: i, Local: i,
			Argv: []string{"/bin/sh", "-c", script}, OKExit: []int{0},
		})
	}
	return j
}

// Aged makes the job older than any that is made by Job.
func Aged(job *message.Job) *message.Job {
	job.Since = "00" + job.Run[2:]
	return job
}

// Address is what the job is sealed with.
func (p *Publisher) Address(job *message.Job) message.Address {
	return message.Address{
		Purpose: message.PurposeJob, Namespace: p.Namespace, Host: job.Host, Run: job.Run, Expires: time.Now().Add(time.Hour),
	}
}

// Seal makes the bytes of an unsigned job.
func (p *Publisher) Seal(job *message.Job) []byte {
	p.T.Helper()
	body, err := message.Seal(p.Address(job), job, nil)
	testkit.Check(p.T, err)
	return body
}

// Send publishes a job and returns its bytes.
func (p *Publisher) Send(job *message.Job) []byte {
	p.T.Helper()
	body := p.Seal(job)
	p.Publish(job.Host, body)
	return body
}

// Publish puts bytes on a host's queue of jobs.
func (p *Publisher) Publish(host string, body []byte) {
	p.T.Helper()
	testkit.Check(p.T, p.Broker.Publish(p.T.Context(), message.JobsQueue(p.Namespace, host), queue.Message{Body: body}))
}

// Tell sends a control, with the next serial number.
func (p *Publisher) Tell(job *message.Job, c message.Control) {
	p.T.Helper()
	of := p.Of(job)
	of.Serial++
	body, err := message.Seal(message.Address{
		Purpose: message.PurposeControl, Namespace: p.Namespace, Host: job.Host, Run: job.Run, Serial: of.Serial,
		Expires: time.Now().Add(time.Hour),
	}, c, nil)
	testkit.Check(p.T, err)
	p.control(job.Host, body)
}

// Ack acknowledges everything, once it has come.
func (p *Publisher) Ack(job *message.Job) {
	p.T.Helper()
	of := p.Of(job)
	for of.Complete() < of.last {
		p.Receive()
	}
	p.Tell(job, message.Control{Kind: message.Keepalive, Ack: of.Complete()})
}

// AckUntil acknowledges everything that comes until there is an event of that kind.
func (p *Publisher) AckUntil(job *message.Job, kind message.EventKind) *message.Event {
	p.T.Helper()
	of := p.Of(job)
	for !slices.ContainsFunc(of.Events, func(e *message.Event) bool { return e.Kind == kind }) {
		p.Tell(job, message.Control{Kind: message.Keepalive, Ack: of.Complete()})
		p.Receive()
	}
	return p.Await(job, kind)
}

// Chunk sends a part of a file, as publishers do when asked.
func (p *Publisher) Chunk(host string, c *message.Chunk) {
	p.T.Helper()
	p.control(host, c.Encode())
}

// control puts bytes on a host's queue of controls.
func (p *Publisher) control(host string, body []byte) {
	p.T.Helper()
	testkit.Check(p.T, p.Broker.Publish(p.T.Context(), message.ControlQueue(p.Namespace, host), queue.Message{Body: body}))
}

// Hello makes the bytes of a hello to a host, which is to be answered to that queue. Its
// nonce is "n", and it has a probe.
func (p *Publisher) Hello(host, replyTo string) []byte {
	p.T.Helper()
	body, err := message.Seal(message.Address{
		Purpose: message.PurposeControl, Namespace: p.Namespace, Host: host, Expires: time.Now().Add(time.Hour),
	}, message.Control{Kind: message.Hello, ReplyTo: replyTo, Nonce: "n", Probe: new(message.Probe)}, nil)
	testkit.Check(p.T, err)
	return body
}

// Ready sends a job and waits until it is ready.
func (p *Publisher) Ready(job *message.Job) {
	p.T.Helper()
	p.Send(job)
	p.Await(job, message.Ready)
}

// Commit has the host keep its processes for the run.
func (p *Publisher) Commit(job *message.Job) {
	p.T.Helper()
	p.Tell(job, message.Control{Kind: message.Commit})
	p.Await(job, message.Committed)
}

// Release lets the processes of a job that is committed begin, and returns their pids.
func (p *Publisher) Release(job *message.Job) []int {
	p.T.Helper()
	p.Tell(job, message.Control{Kind: message.Start, At: time.Now().Add(5 * time.Millisecond)})
	var pids []int
	for len(pids) < job.Count(message.PhaseRun) {
		for _, s := range p.Await(job, message.Started).Started {
			if job.Commands[s.Command].Phase == message.PhaseRun {
				pids = append(pids, s.PID)
			}
		}
	}
	return pids
}

// Start takes a job all the way to where its processes run.
func (p *Publisher) Start(job *message.Job) []int {
	p.T.Helper()
	p.Ready(job)
	p.Commit(job)
	return p.Release(job)
}
