package metric

import (
	"math"
	"strings"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"downbeat/internal/experiment"
)

// A histogramLog reads the lines of HdrHistogram's log format:
//
//	#[StartTime: 1441812279.474 (seconds since epoch), ...]
//	"StartTimestamp","Interval_Length","Interval_Max","Interval_Compressed_Histogram"
//	0.127,1.007,2.769,HISTFAAAAEV42pNpmSzMwMCgyAABTBDKT4GBgdnNYMcCBvsPEBEJISEuATEZMQ4uASkhIR4nrxg9v2lMaxhvMekILGZkKmcCAEf2CsI=
//	Tag=A,0.127,1.007,2.769,HISTF...
//
// A line may also have a histogram alone.
type histogramLog struct {
	search *search
	into   *reducer

	begun float64 // seconds since the epoch, if the log says so; else 0
	base  float64 // what times of intervals count from
	based bool    // it is known
}

// Beginnings of encoded histograms.
const (
	encodedV2      = "HISTF" // V2, compressed
	encodedAny     = "HIST"
	encodedDoubles = "DHIST"
)

// An interval is a line of the log.
type interval struct {
	tag           string
	start, length float64 // seconds
	timed         bool
	histogram     string // encoded
}

func (l *histogramLog) line(line []byte) {
	s := l.search
	text := strings.TrimSpace(string(line))
	switch {
	case text == "":
	case text[0] == '#':
		l.comment(text)
	case strings.HasPrefix(text, `"StartTimestamp"`):
		s.known = true
		s.note(noRow, "%s has no interval", s.place)
	case !isInterval(text) && s.isOutput():
		s.note(noLine, "no line of %s is one of a log of histograms", s.place)
	default:
		l.interval(text)
	}
}

// isInterval reports whether a line seems to be meant as an interval.
func isInterval(text string) bool {
	if strings.HasPrefix(text, "Tag=") || strings.HasPrefix(text, encodedAny) || strings.Contains(text, ","+encodedAny) || strings.Contains(text, ","+encodedDoubles) {
		return true
	}
	cells := strings.Split(text, ",")
	if len(cells) != 4 {
		return false
	}
	for _, cell := range cells[:3] {
		if _, ok := number(cell); !ok {
			return false
		}
	}
	return true
}

// comment takes what a comment says of times.
func (l *histogramLog) comment(text string) {
	if strings.HasPrefix(text, "#[Histogram log") {
		l.search.known = true
	}
	if v, ok := secondsIn(text, "#[StartTime:"); ok {
		l.begun = v
	}
	if v, ok := secondsIn(text, "#[BaseTime:"); ok {
		l.base, l.based = v, true
	}
}

func secondsIn(text, key string) (float64, bool) {
	rest, ok := strings.CutPrefix(text, key)
	if !ok {
		return 0, false
	}
	word, _, _ := strings.Cut(strings.TrimSpace(rest), " ")
	return number(strings.TrimSuffix(word, "]"))
}

// interval takes the values of an interval.
func (l *histogramLog) interval(text string) {
	s := l.search
	i, wrong := parseInterval(text)
	if wrong != "" {
		s.left.note(s.place, s.row, "%s", wrong)
		return
	}
	s.known = true
	if !l.picks(i.tag) {
		return
	}
	h, err := hdrhistogram.DecodePacked([]byte(i.histogram))
	if err != nil {
		s.left.note(s.place, s.row, "has a histogram that is damaged: %v", err)
		return
	}
	if s.times != nil && s.source.File != "" && !l.stamp(i) {
		return
	}
	if h.Populated() == 0 {
		s.note(noValue, "%s has nothing but empty histograms", s.place)
		return
	}
	s.addReading(reading{bars: barsOf(h)}, l.into)
}

// parseInterval takes a line apart, or says what is wrong with it.
func parseInterval(text string) (i interval, wrong string) {
	if rest, ok := strings.CutPrefix(text, "Tag="); ok {
		if i.tag, text, ok = strings.Cut(rest, ","); !ok {
			return i, "is cut off behind its tag"
		}
	}
	cells := strings.Split(text, ",")
	for n := range cells {
		cells[n] = strings.TrimSpace(cells[n])
	}
	i.histogram = cells[len(cells)-1]
	if len(cells) == 4 {
		start, ok := number(cells[0])
		length, too := number(cells[1])
		if !ok || !too || length < 0 {
			return i, "has no valid times"
		}
		i.start, i.length, i.timed = start, length, true
	}
	switch {
	case len(cells) != 1 && len(cells) != 4, len(cells) == 1 && i.tag == "" && !strings.Contains(i.histogram, encodedAny):
		return i, "is not a line of a log of histograms"
	case strings.HasPrefix(i.histogram, encodedV2):
		return i, ""
	case strings.HasPrefix(i.histogram, encodedDoubles):
		return i, "has a histogram of doubles, and not of whole numbers"
	case strings.HasPrefix(i.histogram, encodedAny):
		return i, "has a histogram in another encoding than V2, compressed"
	}
	return i, "has no histogram: " + quoted(i.histogram)
}

// picks reports whether intervals with a tag count.
func (l *histogramLog) picks(tag string) bool {
	s := l.search
	want := s.metric.Tag
	switch {
	case want == experiment.AnyTag, tag == want:
		return true
	case want == "":
		s.note(noMatch, "%s has only intervals with a tag: tag: %q would take these, and tag: %q all", s.place, tag, experiment.AnyTag)
	default:
		s.note(noMatch, "%s has no interval with the tag %q", s.place, want)
	}
	return false
}

// longAgo is how far before the log's beginning a time lies that counts from it: HdrHistogram's
// own readers tell so.
const longAgo = 365 * 24 * 3600

// stamp finds out when an interval of a file was, on the publisher's clock. It reports whether the
// interval may count: it does not if only a part of it lies in the metric's window.
func (l *histogramLog) stamp(i interval) bool {
	s, t := l.search, l.search.times
	if !l.based {
		if l.begun > 0 && i.start < l.begun-longAgo {
			l.base = l.begun
		}
		l.based = true
	}
	start := l.base + i.start
	if t.known = i.timed && start > longAgo && start < math.MaxInt32; !t.known {
		s.left.note(s.place, s.row, "has no time: the log does not say when it began")
		return false
	}
	offset, bound := time.Duration(t.host.ClockOffsetUS)*time.Microsecond, time.Duration(t.host.ClockErrorUS)*time.Microsecond
	from := time.Unix(0, int64(start*1e9)).Add(-offset)
	to := from.Add(time.Duration(i.length * 1e9))
	t.at = from.Add(to.Sub(from) / 2)
	p := t.period
	if p == nil {
		return true
	}
	if p.near(from, bound-1) || p.near(to, bound-1) { // not if it is right there and all is known
		t.nearIntervals++
	}
	if from.Before(p.from.at) && to.After(p.from.at) || from.Before(p.to.at) && to.After(p.to.at) {
		t.across++
		return false
	}
	return true
}
