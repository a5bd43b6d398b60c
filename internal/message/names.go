package message

import (
	"crypto/rand"
	"fmt"
	"regexp"
	"strings"

	"github.com/oklog/ulid/v2"
)

// AnyHost addresses every host; only a [Hello] may carry it.
const AnyHost = "*"

// JobsQueue is the queue on which host takes its jobs, and any [Hello].
func JobsQueue(namespace, host string) string { return namespace + ".jobs." + host }

// ControlQueue is the queue on which host takes the controls of its runs.
func ControlQueue(namespace, host string) string { return namespace + ".control." + host }

// EventsQueue is the queue on which the publisher of that id takes events.
func EventsQueue(namespace, publisher string) string { return namespace + ".events." + publisher }

// replyPattern is the last part of the name of a queue of events.
var replyPattern = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

// CheckReplyTo reports whether replyTo names a queue of events of the namespace: to
// no other is anything ever answered, whoever asks.
func CheckReplyTo(namespace, replyTo string) error {
	id, ok := strings.CutPrefix(replyTo, EventsQueue(namespace, ""))
	if !ok || !replyPattern.MatchString(id) {
		return fmt.Errorf("%w: reply_to is %.80q, which is not a queue of events of namespace %s", ErrMalformed, replyTo, namespace)
	}
	return nil
}

// JobsGroup is the broadcast group that all jobs queues of a namespace are in.
func JobsGroup(namespace string) string { return namespace + ".jobs" }

// DeadQueue holds what workers could not accept, each with the reason.
func DeadQueue(namespace string) string { return namespace + ".dead" }

// A run id is a ULID: ten characters of time, ten that name the publisher
// process, and six that are random. So anybody who knows the run knows the
// queue on which its publisher listens, and can ask it to cancel.
const (
	publisherLen = 10
	runLen       = ulid.EncodedSize
)

// NewPublisher makes the id of a publisher process: 50 random bits.
func NewPublisher() string {
	return randomID()[runLen-16:][:publisherLen]
}

// NewRun makes the id of a run of that publisher. Ids sort by the time at
// which they were made; the elder of two runs is the one with the lesser id.
func NewRun(publisher string) string {
	id := randomID()
	return id[:10] + publisher + id[10+publisherLen:]
}

func randomID() string {
	return ulid.MustNew(ulid.Now(), rand.Reader).String()
}

// PublisherOf says which publisher made the run, or that run is not a run id.
func PublisherOf(run string) (string, error) {
	if err := CheckRun(run); err != nil {
		return "", err
	}
	return run[10 : 10+publisherLen], nil
}

// SamePublisher reports whether both are runs of one publisher.
func SamePublisher(run, other string) bool {
	a, err := PublisherOf(run)
	b, otherErr := PublisherOf(other)
	return err == nil && otherErr == nil && a == b
}

// CheckRun reports whether run has the form of a run id.
func CheckRun(run string) error {
	id, err := ulid.ParseStrict(run)
	if err != nil || id.String() != run {
		return fmt.Errorf("%w: %.40q is not a run id (26 characters such as 01JD5W9M4QX3T0C9V8Z7Y6R5PK)", ErrMalformed, run)
	}
	return nil
}

// Names become parts of queue names and of file names on every host, so they
// are kept to what all of those allow.
var (
	namePattern      = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._-]{0,62}$`)
	namespacePattern = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_-]{0,31}$`)
)

// CheckName reports whether name can name a host, a group or a process.
func CheckName(name string) error {
	if !namePattern.MatchString(name) {
		return fmt.Errorf("%.80q is not a usable name: 1 to 63 letters, digits, '.', '_' and '-', the first a letter, a digit or '_'", name)
	}
	return nil
}

// CheckNamespace reports whether namespace can prefix the queues' names.
func CheckNamespace(namespace string) error {
	if !namespacePattern.MatchString(namespace) {
		return fmt.Errorf("%.80q is not a usable namespace: 1 to 32 letters, digits, '_' and '-', the first a letter, a digit or '_'", namespace)
	}
	return nil
}

// ProcessName is the name of process index in group; a process of the small
// form of the file has no group and is named by its index alone.
func ProcessName(group string, index int) string {
	if group == "" {
		return fmt.Sprint(index)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s.%d", group, index)
	return b.String()
}
