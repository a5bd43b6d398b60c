package conform

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"downbeat/internal/message"
	"downbeat/internal/queue"
	"downbeat/internal/queue/queuetest/chaos"
)

// caseTimeout bounds a case as a whole.
const caseTimeout = 3 * time.Minute

// A network is what is done to the messages of a case.
type network uint8

const (
	calm     network = iota // nothing
	shuffled                // they come twice, late and out of order
	lossy                   // and some don't come at all, but for jobs
)

// odds of what happens to messages. Jobs are spared, as brokers lose none.
func (n network) odds() chaos.Odds {
	switch n {
	case calm:
	case shuffled:
		return chaos.Odds{Twice: 0.3, Late: 0.4, LateBy: 300 * time.Millisecond}
	case lossy:
		return chaos.Odds{Twice: 0.15, Late: 0.2, LateBy: 200 * time.Millisecond, Lost: 0.1, Spared: []string{".jobs."}}
	}
	return chaos.Odds{}
}

// A stage is what one case is played on. It belongs to the goroutine that plays it.
type stage struct {
	ctx       context.Context // of the case
	kit       *Kit
	seed      uint64
	net       network
	began     time.Time
	namespace string
	host      string // the worker under test
	dir       string
	key       ed25519.PrivateKey
	trace     *Trace
	plain     queue.Broker // the connection as it is
	broker    queue.Broker // the same, seen and disturbed

	subject *subject
	mayEnd  bool // the subject may end by itself now
	// For the judge, and for the cleaning up afterwards.
	skew      map[string]time.Duration
	tolerance time.Duration
	queues    []string
	runs      []string // on the host of the worker under test
	closers   []func() error
	stderrs   []*tail
}

// A failure is a rule that was broken in a way that no message shows.
type failure struct {
	rule Rule
	text string
}

func (f *failure) Error() string { return f.text }

func (s *stage) failed(rule Rule, format string, args ...any) error {
	return &failure{rule, fmt.Sprintf(format, args...)}
}

// errSkip is wrapped where a case can't be played with this subject; the text says why.
var errSkip = errors.New("skipped")

// playCase plays a case, judges it, and leaves nothing.
func (k *Kit) playCase(parent context.Context, c *Case) Result {
	ctx, cancel := context.WithTimeout(parent, caseTimeout)
	defer cancel()
	s := &stage{
		ctx: ctx, kit: k, seed: k.seedOf(c), net: c.net, began: time.Now(), host: "alpha", trace: &Trace{},
		namespace: "conform-" + strings.ToLower(message.NewPublisher()), tolerance: 500 * time.Millisecond,
	}
	if c.net != calm {
		s.tolerance = 2 * time.Second
	}
	err := s.open()
	if err == nil {
		err = c.play(s)
	}
	if closeErr := s.close(); err == nil || closeErr != nil && errors.Is(err, errSkip) {
		err = closeErr
	}
	if parent.Err() != nil {
		return Result{Name: c.Name, Shows: c.Shows, Outcome: Skipped, Reason: "interrupted"}
	}
	return s.result(c, err)
}

// open makes all that a case needs.
func (s *stage) open() (err error) {
	if s.plain, err = s.kit.dial(s.ctx); err != nil {
		return err
	}
	odds := s.net.odds()
	tapped := &tap{s.plain, s.trace}
	s.broker = chaos.New(chaos.Sending(tapped, s.seed, odds), s.seed, odds)
	if s.dir, err = os.MkdirTemp(s.kit.Scratch, "downbeat-conform-"); err != nil {
		return fmt.Errorf("make a directory for the case: %w", err)
	}
	if _, err = message.GenerateKey(s.path("keys"), "conform"); err != nil {
		return err
	}
	s.key, err = message.ReadPrivateKey(s.path("keys", message.PrivateKeyFile))
	return err
}

// settleAfter is how long a broker has to carry out what a program sent before it was
// killed, such as the declaration of a queue.
const settleAfter = 300 * time.Millisecond

// path is a path in the case's directory.
func (s *stage) path(elements ...string) string {
	return filepath.Join(append([]string{s.dir}, elements...)...)
}

// public is the key that the subject's envelopes, or ours, are checked with.
func (s *stage) public() ed25519.PublicKey { return s.key.Public().(ed25519.PublicKey) }

// close ends what is still running and removes everything. The first error is what the
// subject has left behind.
func (s *stage) close() (err error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(s.ctx), 30*time.Second)
	defer cancel()
	keep := func(e error) {
		if err == nil {
			err = e
		}
	}
	killed := s.subject != nil && s.subject.end()
	for _, c := range slices.Backward(s.closers) {
		keep(c())
	}
	if s.kit.Role == Worker {
		keep(s.sweep(ctx, s.runs...))
	}
	if s.broker != nil {
		keep(s.deleteQueues(ctx))
		if killed {
			// The broker may have carried out since what it was sent just before.
			time.Sleep(settleAfter) //nolint:forbidigo // nothing tells when the broker has read all of a connection
			keep(s.deleteQueues(ctx))
			keep(s.deleteGroup(ctx))
		}
		keep(s.broker.Close())
	}
	if s.dir != "" {
		if e := os.RemoveAll(s.dir); e != nil {
			keep(s.failed(RuleLeft, "what is left in the case's directory can't be removed: %v", e))
		}
	}
	return err
}

// sweep ends what is left of these runs, which is nothing if the worker did.
func (s *stage) sweep(ctx context.Context, runs ...string) error {
	var err error
	for _, run := range runs {
		n, e := s.kit.Runner.Sweep(ctx, []string{message.EnvPrefix + "RUN=" + run, message.EnvPrefix + "HOST=" + s.host})
		switch {
		case e != nil && err == nil:
			err = e
		case n > 0 && err == nil:
			err = s.failed(RuleLeft, "%d processes of run %s were left", n, run)
		}
	}
	return err
}

// deleteQueues deletes all queues that the case can have made.
func (s *stage) deleteQueues(ctx context.Context) error {
	names := append([]string{message.DeadQueue(s.namespace)}, s.queues...)
	for _, m := range s.received() { // of a publisher that could not do so itself
		if m.job != nil && !slices.Contains(names, m.job.ReplyTo) {
			names = append(names, m.job.ReplyTo)
		}
	}
	for _, host := range hosts {
		names = append(names, message.JobsQueue(s.namespace, host), message.ControlQueue(s.namespace, host))
	}
	var errs []error
	for _, name := range names {
		errs = append(errs, s.plain.Delete(ctx, name))
	}
	return errors.Join(errs...)
}

// deleteGroup removes the exchange of the namespace, which goes with its last queue,
// even where the subject was killed before it had bound one to it.
func (s *stage) deleteGroup(ctx context.Context) error {
	name := message.JobsQueue(s.namespace, s.host)
	if err := s.plain.Declare(ctx, queue.Spec{Name: name, Group: message.JobsGroup(s.namespace)}); err != nil {
		return err
	}
	return s.plain.Delete(ctx, name)
}

// hosts are those that occur in cases.
var hosts = []string{"alpha", "bravo"}

// pause lets time pass in which something must not happen.
func (s *stage) pause(d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-s.ctx.Done():
		return context.Cause(s.ctx)
	}
}

// environ is what the subject finds in its environment.
func (s *stage) environ(more ...string) []string {
	env := append([]string(nil), s.kit.Environ...)
	env = append(env, "DOWNBEAT_QUEUE_URL="+s.kit.QueueURL, "DOWNBEAT_NAMESPACE="+s.namespace)
	return append(env, more...)
}

// command is the subject's command line with an argument filled in.
func (s *stage) command(placeholder, value string) []string {
	argv := make([]string, len(s.kit.Command))
	for i, arg := range s.kit.Command {
		argv[i] = strings.ReplaceAll(arg, placeholder, value)
	}
	return argv
}

// launch starts the subject.
func (s *stage) launch(argv, environ []string) error {
	subject, err := startSubject(argv, environ, "")
	if err != nil {
		return err
	}
	s.subject = subject
	s.stderrs = append(s.stderrs, subject.stderr)
	return nil
}

// unexpectedEnd is closed when the subject has ended and should not have; nil while it
// is not running, or may end.
func (s *stage) unexpectedEnd() <-chan struct{} {
	if s.subject == nil || s.mayEnd {
		return nil
	}
	return s.subject.ended
}

// end waits for the subject to end, and reports another exit status than that.
func (s *stage) end(within time.Duration, want int, why string) error {
	ctx, cancel := context.WithTimeout(s.ctx, within)
	defer cancel()
	status, err := s.subject.wait(ctx)
	switch {
	case err != nil:
		return s.failed(RuleExit, "the program has not ended within %s, %s", within, why)
	case status != want:
		return s.failed(RuleExit, "the exit status is %d, and should be %d, %s", status, want, why)
	}
	return nil
}
