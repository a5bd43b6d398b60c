package conform

import (
	"cmp"
	"crypto/ed25519"
	"io/fs"
	"slices"
	"strings"
	"testing"
	"time"

	"downbeat/docs/protocol"
	"downbeat/internal/message"
	"downbeat/internal/testkit"
)

// goldenConversations are those of docs/protocol.
func goldenConversations(t *testing.T) []*protocol.Conversation {
	t.Helper()
	files, err := fs.Glob(protocol.Conversations, "conversations/*.jsonl")
	testkit.Check(t, err)
	var all []*protocol.Conversation
	for _, file := range files {
		data, err := fs.ReadFile(protocol.Conversations, file)
		testkit.Check(t, err)
		c, err := protocol.ReadConversation(data)
		testkit.Check(t, err)
		all = append(all, c)
	}
	if len(all) == 0 {
		t.Fatal("there are no golden conversations")
	}
	return all
}

// heard is what one side of a conversation has said and heard, in that order: what it
// said stands where it was sent, and what it was told where it arrived, which is the
// strictest order to judge it by.
func heard(t *testing.T, c *protocol.Conversation, subject string) []seen {
	t.Helper()
	ordered := slices.SortedFunc(slices.Values(c.Messages), func(a, b protocol.Message) int { return cmp.Compare(a.Order, b.Order) })
	var all []Message
	for i := range ordered {
		m := &ordered[i]
		body, err := m.Body()
		testkit.Check(t, err)
		switch {
		case m.From == subject:
			all = append(all, Message{At: c.Epoch.Add(m.Sent()), From: Subject, Queue: m.Queue, Body: body})
		case m.To == subject && !m.Lost:
			all = append(all, Message{At: c.Epoch.Add(m.Arrived()), From: Peer, Queue: m.Queue, Body: body})
		}
	}
	slices.SortStableFunc(all, func(a, b Message) int { return cmp.Or(a.At.Compare(b.At), cmp.Compare(b.From, a.From)) })
	return look(all, goldenPublic(t, c))
}

func goldenPublic(t *testing.T, c *protocol.Conversation) ed25519.PublicKey {
	t.Helper()
	key, err := message.ParsePublicKey(c.Public)
	testkit.Check(t, err)
	return key
}

// sides are those who speak in a conversation: publishers and hosts.
func sides(c *protocol.Conversation) (publishers, hosts []string) {
	for i := range c.Messages {
		m := &c.Messages[i]
		if strings.HasPrefix(m.Queue, c.Namespace+".jobs.") {
			publishers, hosts = append(publishers, m.From), append(hosts, m.To)
		}
	}
	slices.Sort(publishers)
	slices.Sort(hosts)
	return slices.Compact(publishers), slices.Compact(hosts)
}

// Every message of the golden conversations can be decoded, is signed and not expired
// if it is an envelope, and is as the schemas have it.
func TestGoldenConversationsAreWellFormed(t *testing.T) {
	t.Parallel()
	for _, c := range goldenConversations(t) {
		for i := range c.Messages {
			m := &c.Messages[i]
			body, err := m.Body()
			testkit.Check(t, err)
			s := look([]Message{{At: c.Epoch.Add(max(m.Sent(), m.Arrived())), From: Subject, Queue: m.Queue, Body: body}}, goldenPublic(t, c))[0]
			if s.err != nil {
				t.Errorf("%s, message %d: %v", c.Conversation, i+1, s.err)
			}
			if k, _ := destination(c.Namespace, m.Queue); k == toNobody {
				t.Errorf("%s, message %d goes to %s", c.Conversation, i+1, m.Queue)
			}
		}
	}
}

// The kit finds no rule broken in the golden conversations, on either side.
func TestGoldenConversationsKeepToTheRules(t *testing.T) {
	t.Parallel()
	for _, c := range goldenConversations(t) {
		publishers, hosts := sides(c)
		for _, host := range hosts {
			if found := judgeWorker(heard(t, c, host), c.Namespace, host); len(found) > 0 {
				t.Errorf("%s: %s: %+v", c.Conversation, host, found)
			}
		}
		for _, publisher := range publishers {
			if found := judgePublisher(heard(t, c, publisher), c.Namespace, nil, time.Millisecond); len(found) > 0 {
				t.Errorf("%s: %s: %+v", c.Conversation, publisher, found)
			}
		}
	}
}
