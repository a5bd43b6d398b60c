package conduct

import (
	"fmt"
	"slices"
	"time"

	"downbeat/internal/clock"
	"downbeat/internal/message"
)

// A hub is where the processes of a run meet: barriers, values, marks. It knows neither hosts
// nor messages. What it answers is collected in out.
type hub struct {
	values   map[string][]byte
	bytes    int                // of all values
	barriers map[string][]asker // that have not opened: who has come, and waits, by name
	gone     map[string][]asker // of these: who came and waits no longer
	gets     map[string][]asker // for values that are not there yet, by name
	names    map[string]bool    // of all kinds together, each with its kind
	marks    []Mark
	opened   []Barrier
	due      time.Time // when the next of those that wait has waited long enough; zero: nobody waits
	out      []reply
}

// An asker is a process that has asked for something.
type asker struct {
	host    int
	id      uint64 // of what it asks for, on its host
	process string // its name, as far as it is known
	count   int    // of a barrier
	at      time.Time
	by      time.Time // until when it waits
}

// A reply is what an asker gets. Those to the members of a barrier go on at one instant.
type reply struct {
	host     int
	answer   message.Answer
	together bool
}

// A Mark is an instant that a process has named.
type Mark struct {
	Name    string
	Host    int
	Process string // empty if it is not known
	At      clock.Instant
}

// A Barrier is one that has opened.
type Barrier struct {
	Name            string
	Count           int
	FirstAt, LastAt time.Time // when its members came
	OpenedAt        time.Time // when they went on
}

const (
	// defaultWithin is how long a barrier waits that does not say.
	defaultWithin = 30 * time.Second
	// maxValues is how many bytes the values of a run can have together.
	maxValues = 16 << 20
	// maxMarks is how many marks, and how many openings of barriers, are kept of a run.
	maxMarks = 10_000
)

// ask takes in what a process asks for. It reports whether that has set a mark.
func (b *hub) ask(info *message.AskedInfo, who asker) (marked bool) {
	if err := info.Check(); err != nil {
		b.refuse(who, err.Error())
		return false
	}
	if !b.enter(kindOf(info.What) + info.Name) {
		b.refuse(who, fmt.Sprintf("the run has %d names already, which is as many as it can have", message.MaxSyncNames))
		return false
	}
	who.by = who.at.Add(info.Within())
	switch info.What {
	case message.AskBarrier:
		b.come(info, who)
	case message.AskPut:
		b.put(info, who)
	case message.AskGet:
		b.get(info, who)
	case message.AskMark:
		if len(b.marks) >= maxMarks {
			b.refuse(who, fmt.Sprintf("the run has %d marks already, which is as many as it can have", maxMarks))
			return false
		}
		b.reply(who, message.Answer{})
		return true
	}
	return false
}

// kindOf tells names apart: one can be that of a barrier, of a value and of a mark.
func kindOf(what message.AskedWhat) string {
	if what == message.AskGet {
		what = message.AskPut
	}
	return string(what) + " "
}

// enter notes a name, if there is room for it.
func (b *hub) enter(name string) bool {
	if !b.names[name] {
		if len(b.names) >= message.MaxSyncNames {
			return false
		}
		if b.names == nil {
			b.names = make(map[string]bool)
		}
		b.names[name] = true
	}
	return true
}

func (b *hub) reply(who asker, a message.Answer) {
	a.ID = who.id
	b.out = append(b.out, reply{host: who.host, answer: a})
}

func (b *hub) refuse(who asker, why string) { b.reply(who, message.Answer{Error: why}) }

// come has a process come to a barrier, and opens it if it is the last.
func (b *hub) come(info *message.AskedInfo, who asker) {
	who.count = info.Count
	if info.WithinMS == 0 {
		who.by = who.at.Add(defaultWithin)
	}
	all := b.barriers[info.Name]
	if len(all) > 0 && all[0].count != who.count {
		b.refuse(who, fmt.Sprintf("barrier %s is for %d, as %s has said, and not for %d", info.Name, all[0].count, all[0].name(), who.count))
		return
	}
	if b.barriers == nil {
		b.barriers, b.gone = make(map[string][]asker), make(map[string][]asker)
	}
	all = append(all, who)
	if len(all) < who.count {
		b.barriers[info.Name] = all
		b.gone[info.Name] = slices.DeleteFunc(b.gone[info.Name], func(g asker) bool { return g.process == who.process })
		b.due = sooner(b.due, who.by)
		return
	}
	delete(b.barriers, info.Name)
	delete(b.gone, info.Name)
	opened := Barrier{Name: info.Name, Count: who.count, FirstAt: all[0].at, LastAt: all[0].at}
	for _, m := range all {
		if m.at.Before(opened.FirstAt) {
			opened.FirstAt = m.at
		}
		if m.at.After(opened.LastAt) {
			opened.LastAt = m.at
		}
		b.reply(m, message.Answer{})
		b.out[len(b.out)-1].together = true
	}
	if len(b.opened) < maxMarks {
		b.opened = append(b.opened, opened)
	}
	b.reckon()
}

// put gives a name a value, and that to all who wait for it.
func (b *hub) put(info *message.AskedInfo, who asker) {
	more := len(info.Value) - len(b.values[info.Name])
	if b.bytes+more > maxValues {
		b.refuse(who, fmt.Sprintf("the values of the run would have more than %d bytes together", maxValues))
		return
	}
	if b.values == nil {
		b.values = make(map[string][]byte)
	}
	b.values[info.Name] = info.Value
	b.bytes += more
	b.reply(who, message.Answer{})
	for _, g := range b.gets[info.Name] {
		b.reply(g, message.Answer{Value: info.Value})
	}
	delete(b.gets, info.Name)
	b.reckon()
}

// get gives a process a value, as soon as there is one.
func (b *hub) get(info *message.AskedInfo, who asker) {
	value, there := b.values[info.Name]
	switch {
	case there:
		b.reply(who, message.Answer{Value: value})
	case info.WithinMS == 0:
		b.refuse(who, "there is no value "+info.Name)
	default:
		if b.gets == nil {
			b.gets = make(map[string][]asker)
		}
		b.gets[info.Name] = append(b.gets[info.Name], who)
		b.due = sooner(b.due, who.by)
	}
}

// expire answers those who have waited long enough. missing names those of the run who have
// not come to a barrier, all who have being given.
func (b *hub) expire(now time.Time, missing func([]asker) string) {
	for _, name := range sortedNames(b.gets) {
		b.gets[name] = b.giveUp(b.gets[name], now, func(asker, []asker) string { return "nobody has put the value " + name }, func(asker) {})
		if len(b.gets[name]) == 0 {
			delete(b.gets, name)
		}
	}
	for _, name := range sortedNames(b.barriers) {
		gone := b.gone[name]
		b.barriers[name] = b.giveUp(b.barriers[name], now, func(late asker, all []asker) string {
			came := slices.Concat(gone, all)
			text := fmt.Sprintf("barrier %s: %d of %d have come: %s", name, len(came), late.count, joinNames(namesOfAskers(came)))
			if len(gone) > 0 {
				text += fmt.Sprintf("; no longer there: %s", joinNames(namesOfAskers(gone)))
			}
			if others := missing(came); others != "" {
				text += "; not " + others
			}
			return text
		}, func(late asker) { b.gone[name] = append(b.gone[name], late) })
		if len(b.barriers[name]) == 0 {
			delete(b.barriers, name)
			delete(b.gone, name)
		}
	}
	b.reckon()
}

// giveUp answers those of a list whose time is over, and gives the others. note is called for
// each that it has answered.
func (b *hub) giveUp(all []asker, now time.Time, why func(late asker, all []asker) string, note func(asker)) (left []asker) {
	for _, w := range all {
		if now.Before(w.by) {
			left = append(left, w)
			continue
		}
		note(w)
		b.reply(w, message.Answer{TimedOut: true, Error: fmt.Sprintf("after %s: %s", w.by.Sub(w.at).Round(time.Millisecond), why(w, all))})
	}
	return left
}

// reckon finds out when the next has waited long enough.
func (b *hub) reckon() {
	b.due = time.Time{}
	for _, list := range []map[string][]asker{b.gets, b.barriers} {
		for _, all := range list {
			for _, w := range all {
				b.due = sooner(b.due, w.by)
			}
		}
	}
}

// sortedNames gives the names in a map in their order, so that a run can be played again.
func sortedNames(of map[string][]asker) []string {
	names := make([]string, 0, len(of))
	for name := range of {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// name is what people call a process that asks for something.
func (w *asker) name() string {
	if w.process == "" {
		return "a process"
	}
	return w.process
}

func namesOfAskers(all []asker) []string {
	names := make([]string, len(all))
	for i := range all {
		names[i] = all[i].name()
	}
	return names
}
