package sim

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"downbeat/docs/protocol"
	"downbeat/internal/message"
)

// Each side of a golden conversation is played again against the file: what the others
// say comes out of it, and what this side says has to be what stands there. The rules
// are those that ship; what no message tells (what commands do, when a worker is
// killed, when a run is published) is played by the world, as the scenario says.

// Hosts that are told what the publishers say in a golden conversation say what the
// hosts say in it, byte by byte and at the same time.
func TestHostsSayWhatTheyDoInGoldenConversations(t *testing.T) {
	t.Parallel()
	for _, name := range golden {
		c := readGolden(t, name)
		r := newReplay(t, c, func(station string) bool { return !strings.HasPrefix(station, "publisher") })
		for _, s := range tell(t, name).steps {
			switch s.words[0] {
			case "publish": // the publisher is in the file
				p, number, err := r.s.enlist(s.words, s.below)
				check(t, err)
				r.s.w.names[c.Runs[s.words[1]]] = s.words[1]
				r.s.w.ledger.open(c.Runs[s.words[1]], &p.plan.Runs[number])
			case "kill", "power-off", "leave", "cut-off", "fill-disk":
				r.at(s.at, func() { check(t, r.s.fault(s.words, nil)) })
			default:
			}
		}
		r.play(t)
	}
}

// Publishers that are told what the hosts say in a golden conversation say what the
// publishers say in it, byte by byte and at the same time.
func TestPublishersSayWhatTheyDoInGoldenConversations(t *testing.T) {
	t.Parallel()
	for _, name := range golden {
		r := newReplay(t, readGolden(t, name), func(station string) bool { return strings.HasPrefix(station, "publisher") })
		for _, s := range tell(t, name).steps {
			if s.words[0] == "publish" {
				r.at(s.at, func() { check(t, r.s.publish(s.words, s.below)) })
			}
		}
		r.play(t)
	}
}

func readGolden(t *testing.T, name string) *protocol.Conversation {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(goldenDir, name+".jsonl"))
	check(t, err)
	c, err := protocol.ReadConversation(data)
	check(t, err)
	return c
}

// A replay is a world with one side of a conversation: nothing that is sent in it
// arrives, and all that arrives comes out of the file.
type replay struct {
	s      *Scenario
	c      *protocol.Conversation
	played func(station string) bool // whether it is on the side that is played
	said   []Message
}

func newReplay(t *testing.T, c *protocol.Conversation, played func(string) bool) *replay {
	t.Helper()
	r := &replay{s: NewScenario(), c: c, played: played}
	hosts := []string{"hosts"}
	for _, m := range c.Messages {
		if host, ok := strings.CutPrefix(m.Queue, c.Namespace+".jobs."); ok && !slices.Contains(hosts, host) {
			hosts = append(hosts, host)
		}
	}
	check(t, r.s.hosts(hosts, nil))
	r.s.w.net.add(operator).deliver = func(*parcel) {}
	r.s.w.net.filter = func(p *parcel) int {
		if r.played(p.from.name) {
			r.said = append(r.said, r.s.w.message(p))
		}
		return 0
	}
	return r
}

// at has something done at an instant, after what else happens then.
func (r *replay) at(when instant, do func()) {
	r.s.w.e.at(when, func() { r.s.w.e.at(when, do) })
}

// play lets the conversation take its course, and compares.
func (r *replay) play(t *testing.T) {
	t.Helper()
	end := instant(0)
	for i := range r.c.Messages {
		m := &r.c.Messages[i]
		end = max(end, instant(max(m.Sent(), m.Arrived())))
		if m.Lost || !r.played(m.To) {
			continue
		}
		p := r.parcel(t, m)
		r.s.w.e.at(instant(m.Sent()), func() {
			r.s.w.e.at(instant(m.Arrived()), func() { r.station(m.To).deliver(p) })
		})
	}
	for r.s.w.e.next(end) {
	}
	r.compare(t)
}

// station is whose name that is; a publisher may not have begun anything yet.
func (r *replay) station(name string) *station {
	stations := r.s.w.net.stations
	if i := slices.IndexFunc(stations, func(s *station) bool { return s.name == name }); i >= 0 {
		return stations[i]
	}
	return &station{name: name}
}

// parcel is a message of the file.
func (r *replay) parcel(t *testing.T, m *protocol.Message) *parcel {
	t.Helper()
	body, err := m.Body()
	check(t, err)
	head, err := message.HeaderOf(body)
	check(t, err)
	sum := fnv.New64a()
	_, _ = sum.Write(body)
	p := &parcel{kind: eventParcel, from: r.station(m.From), to: r.station(m.To), run: head.Run, host: head.Host, seq: head.Seq, size: len(body)}
	rec := &record{size: len(body), sum: sum.Sum64()}
	switch {
	case head.Envelope:
		check(t, p.open(body))
	case head.Frame == message.FrameChunk:
		c, err := message.DecodeChunk(body)
		check(t, err)
		p.kind, p.chunk, p.size = chunkParcel, &chunk{fmt.Sprintf("%x", c.Sum)}, len(c.Data)
	case head.Frame == message.FrameOutput:
		o, err := message.DecodeOutput(body)
		check(t, err)
		rec.output, p.record = slices.Collect(o.Segments()), rec
	case head.Frame == message.FrameFiles:
		f, err := message.DecodeFiles(body)
		check(t, err)
		pieces, _, err := f.Pieces(nil)
		check(t, err)
		rec.files, p.record = slices.Collect(pieces), rec
	default:
		rec.event, err = message.DecodeEvent(body)
		check(t, err)
		p.record = rec
	}
	return p
}

// open fills in what an envelope holds.
func (p *parcel) open(body []byte) error {
	payload, err := message.ReadEnvelope(body)
	if err != nil {
		return err
	}
	p.run, p.host, p.serial, p.valid = payload.Run, payload.Host, payload.Serial, payload.Expires
	if payload.Purpose == message.PurposeJob {
		p.kind = jobParcel
		p.job, err = payload.Job()
		return err
	}
	p.kind = controlParcel
	if p.control, err = payload.Control(); err == nil && p.control.Kind == message.Cancel {
		p.kind = cancelParcel
	}
	return err
}

// compare holds what was said against the file: from each to each, in its order.
func (r *replay) compare(t *testing.T) {
	t.Helper()
	type line struct {
		at    time.Duration
		order int
		body  []byte
	}
	got, want := make(map[string][]line), make(map[string][]line)
	var pairs []string
	for i := range r.said {
		m := onTheWire(t, &r.said[i])
		body, err := m.Body()
		check(t, err)
		got[m.From+" to "+m.To] = append(got[m.From+" to "+m.To], line{m.Sent(), m.Order, body})
	}
	for i := range r.c.Messages {
		m := &r.c.Messages[i]
		if !r.played(m.From) || m.From == operator {
			continue
		}
		body, err := m.Body()
		check(t, err)
		pair := m.From + " to " + m.To
		want[pair] = append(want[pair], line{m.Sent(), m.Order, body})
		if !slices.Contains(pairs, pair) {
			pairs = append(pairs, pair)
		}
	}
	for pair := range got {
		if want[pair] == nil {
			t.Errorf("%s: %s: %d messages, want none", r.c.Conversation, pair, len(got[pair]))
		}
	}
	for _, pair := range pairs {
		slices.SortFunc(want[pair], func(a, b line) int { return cmp.Compare(a.order, b.order) })
		for i := range max(len(got[pair]), len(want[pair])) {
			var g, w line
			if i < len(got[pair]) {
				g = got[pair][i]
			}
			if i < len(want[pair]) {
				w = want[pair][i]
			}
			if g.at != w.at || !bytes.Equal(g.body, w.body) {
				t.Errorf("%s: %s: message %d is at %s\n%s\nwant at %s\n%s", r.c.Conversation, pair, i+1, g.at, shown(g.body), w.at, shown(w.body))
				break
			}
		}
	}
}

// shown is a message as a person reads it.
func shown(body []byte) string {
	var e message.Envelope
	if json.Unmarshal(body, &e) == nil && e.Payload != "" {
		return e.Payload
	}
	return fmt.Sprintf("%.2000q", body)
}
