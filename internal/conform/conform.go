// Package conform is a kit for those who write a worker or a publisher in another
// language. It runs the program under test (the subject) against the real other half,
// over a real RabbitMQ and through a network that loses, doubles and reorders
// messages, case by case, and holds the whole conversation against the rules of
// docs/protocol.md.
//
// A [Case] is played on a stage: a namespace, a directory and a key pair of its own.
// Its tap sees every message as the broker carried it; once the case has been played,
// a judge goes through the trace ([Rule] names what it looks for). Where the real
// other half would never do what a case needs, a peer is played by hand.
package conform

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"downbeat/internal/message"
	"downbeat/internal/queue"
	"downbeat/internal/queue/dial"
	"downbeat/internal/runner"
)

// A Role is what the subject is.
type Role string

// The roles.
const (
	Worker    Role = "worker"
	Publisher Role = "publisher"
)

// A Case is one thing that a subject has to do right.
type Case struct {
	Name string
	// Shows says what the case shows, as a sentence.
	Shows string
	// Needs are the features of a worker without which the case is skipped.
	Needs []message.Feature
	net   network
	play  func(*stage) error
}

// Cases are those for a role, in the order in which they are reported.
func Cases(role Role) []Case {
	if role == Worker {
		return workerCases()
	}
	return publisherCases()
}

// A Kit is what a subject is examined with. All fields but Progress are required.
type Kit struct {
	Role Role
	// Command is the subject's command line, in whose arguments {host} or {file} is
	// replaced.
	Command []string
	// Environ is what it inherits ("KEY=value"), without the kit's own settings.
	Environ []string
	// QueueURL is the broker's, which has to be a RabbitMQ.
	QueueURL string
	// Seed decides what happens to messages.
	Seed uint64
	// Parallel is how many cases are played at a time.
	Parallel int
	// Timeout bounds each wait for the subject to do something.
	Timeout time.Duration
	// Scratch is where the directories of cases are made, and removed.
	Scratch string
	// Runner ends what is left of a run.
	Runner *runner.Runner
	// Progress, if any, is told of each result as it comes.
	Progress func(Result)
}

// Errors of Run; branch on them with errors.Is.
var (
	// ErrBroker: the broker can't be used, so no case was played.
	ErrBroker = errors.New("no broker")
	// ErrSubject: the subject does not even start.
	ErrSubject = errors.New("the program can't be examined")
	// ErrNotRabbitMQ: the kit plays its cases over RabbitMQ alone.
	ErrNotRabbitMQ = errors.New("the kit needs a RabbitMQ (amqp:// or amqps://)")
)

// Run plays the cases and returns their results in the same order. When ctx ends, it
// cleans up and returns ctx's error.
func (k *Kit) Run(ctx context.Context, cases []Case) ([]Result, error) {
	features, err := k.features(ctx, cases)
	if err != nil {
		return nil, err
	}
	results := make([]Result, len(cases))
	told := make(chan Result)
	telling := make(chan struct{})
	go func() {
		defer close(telling)
		for r := range told {
			if k.Progress != nil {
				k.Progress(r)
			}
		}
	}()
	var group errgroup.Group
	group.SetLimit(max(k.Parallel, 1))
	for i := range cases {
		group.Go(func() error {
			results[i] = k.try(ctx, &cases[i], features)
			told <- results[i]
			return nil
		})
	}
	err = group.Wait()
	close(told)
	<-telling
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	return results, err
}

// features asks the subject what it knows, where a case depends on that.
func (k *Kit) features(ctx context.Context, cases []Case) (known []message.Feature, err error) {
	if err := k.reach(ctx); err != nil {
		return nil, err
	}
	if !slices.ContainsFunc(cases, func(c Case) bool { return len(c.Needs) > 0 }) {
		return nil, nil
	}
	asking := Case{Name: "features", play: func(s *stage) error {
		p, err := s.serve()
		if err != nil {
			return err
		}
		here, err := p.hello()
		if err == nil {
			known = here.Here.Features
		}
		return err
	}}
	if r := k.playCase(ctx, &asking); r.Outcome == Failed && r.Broken[0].Rule == RuleExit {
		return nil, fmt.Errorf("%w: %s: %s", ErrSubject, r.Broken[0].Text, strings.Join(r.Stderr, "; "))
	}
	return known, nil // if it does not answer, the case `hello` fails, and says why
}

// reach makes sure that there is a broker, before anything is said to have failed.
func (k *Kit) reach(ctx context.Context) error {
	if !strings.HasPrefix(strings.ToLower(k.QueueURL), "amqp") {
		return fmt.Errorf("%w, and %s is not one", ErrNotRabbitMQ, dial.Redact(k.QueueURL))
	}
	b, err := k.dial(ctx)
	if err != nil {
		return err
	}
	return b.Close()
}

func (k *Kit) dial(ctx context.Context) (queue.Broker, error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	b, err := dial.Open(ctx, k.QueueURL, queue.Options{ClientName: "downbeat-conform"})
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrBroker, dial.Redact(k.QueueURL), err)
	}
	return b, nil
}

// seedOf is the seed of a case: it is the same whichever other cases are played.
func (k *Kit) seedOf(c *Case) uint64 {
	sum := fnv.New64a()
	sum.Write([]byte(c.Name))
	return k.Seed ^ sum.Sum64()
}

// try plays a case if the subject knows what it needs.
func (k *Kit) try(ctx context.Context, c *Case, known []message.Feature) Result {
	if lacking := message.Lacking(c.Needs, known); len(lacking) > 0 {
		return Result{Name: c.Name, Shows: c.Shows, Outcome: Skipped, Reason: "the worker doesn't know " + message.JoinFeatures(lacking)}
	}
	if ctx.Err() != nil {
		return Result{Name: c.Name, Shows: c.Shows, Outcome: Skipped, Reason: "interrupted"}
	}
	return k.playCase(ctx, c)
}
