package report

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"downbeat/internal/outcome"
	"downbeat/internal/results"
	"downbeat/internal/terminal"
)

// An overview is the first part of the page: how the experiment went.
type overview struct {
	Tiles        []tile
	Squares      []square
	Kinds        []link
	Failures     []failure
	MoreFailures int
	Notices      []string
	Differences  []string
	Hosts        *hostTable
	GoesOn       bool
}

type tile struct{ Label, Value, Note, Kind string }

// A square is one run in the row of all runs.
type square struct {
	Kind, Link, Title string
	Superseded        bool
}

// A failure is the common reason of runs that failed in the same way.
type failure struct {
	Kind, Outcome, Reason, Count string
	Words                        string // the last line of standard error of one of them
	Runs                         []link
	More                         int
}

type link struct{ Kind, Link, Text string }

// How much is listed; the rest is in the table.
const (
	mostFailures  = 12
	mostOfFailure = 20
)

func (r *Report) overview(sorted []*run, superseded map[*run]bool, summaries []results.Summary) overview {
	g := overview{Squares: squares(sorted, superseded), Kinds: kinds(sorted)}
	done, open := progress(sorted)
	g.GoesOn = r.goesOn(done, sorted, summaries)
	g.Tiles = append(g.Tiles, r.successTile(sorted, done), timeTile(sorted))
	g.Tiles = append(g.Tiles, skewTiles(sorted)...)
	g.Tiles = append(g.Tiles, runsTile(sorted, superseded, open))
	g.Failures = failures(sorted, superseded)
	if more := len(g.Failures) - mostFailures; more > 0 {
		g.Failures, g.MoreFailures = g.Failures[:mostFailures], more
	}
	g.Differences, g.Hosts = differences(sorted, superseded), hosts(sorted)
	g.Notices = append(missingMetrics(sorted), r.logNotice(sorted)...)
	return g
}

// progress counts the datapoints that have a run, and the runs that have no record.
func progress(sorted []*run) (done, open int) {
	datapoints := map[string]bool{}
	for _, r := range sorted {
		if r.complete {
			datapoints[r.record.DatapointKey()] = true
		} else {
			open++
		}
	}
	return len(datapoints), open
}

func (r *Report) successTile(sorted []*run, done int) tile {
	good := len(counted(sorted))
	t := tile{Label: "succeeded", Value: fmt.Sprintf("%d of %s", good, terminal.Count(uint64(done), "datapoint")), Kind: string(outcome.RunSucceeded)}
	if r.options.Planned > 0 {
		atMost := ""
		if r.options.Goal != nil {
			atMost = "at most "
		}
		t.Note = fmt.Sprintf("%d of %s%s have run", done, atMost, terminal.Count(uint64(max(r.options.Planned, done)), "datapoint"))
	}
	if good < done {
		t.Kind = string(outcome.RunFailed)
		t.Note = strings.TrimPrefix(fmt.Sprintf("%s; %d did not succeed", t.Note, done-good), "; ")
	}
	if done == 0 {
		t.Kind = incomplete
	}
	return t
}

func timeTile(sorted []*run) tile {
	t := tile{Label: "took", Value: "–"}
	var first, last time.Time
	var took []float64
	for _, r := range sorted {
		if !r.complete {
			continue
		}
		if first.IsZero() || r.record.EnqueuedAt.Before(first) {
			first = r.record.EnqueuedAt
		}
		if r.record.EndedAt.After(last) {
			last = r.record.EndedAt
		}
		if r.took() > 0 {
			took = append(took, float64(r.took()))
		}
	}
	if !last.IsZero() {
		t.Value, t.Note = terminal.Duration(last.Sub(first)), "from the first run's beginning to the last one's end"
	}
	if len(took) > 0 {
		m := summarize(0, took, false)
		t.Note = fmt.Sprintf("a run: median %s, longest %s", terminal.Duration(time.Duration(m.mid)), terminal.Duration(time.Duration(m.high)))
	}
	return t
}

// skewTiles say how closely together the processes of the runs started and stopped.
func skewTiles(sorted []*run) []tile {
	var start, stop skews
	var clock []float64
	for _, r := range sorted {
		if !r.complete || r.record.ReleasedAt.IsZero() {
			continue
		}
		start.add(r.record.StartSkewUS, r.record.StartBoundUS())
		clock = append(clock, float64(r.record.ClockErrorUS))
		if r.stopped {
			stop.add(r.record.StopSkewUS, r.record.StopBoundUS())
		}
	}
	var tiles []tile
	if len(start) > 0 {
		tiles = append(tiles, start.tile("start skew", fmt.Sprintf("; clocks known to ±%s", micros(summarize(0, clock, false).high))))
	}
	if len(stop) > 0 {
		tiles = append(tiles, stop.tile("stop skew", ""))
	}
	return tiles
}

// skews are skews with the bounds of their errors. A skew below its bound can't be told from 0;
// it counts as the bound, which it does not exceed.
type skews []skew

type skew struct{ us, bound int64 }

func (s skew) most() int64 { return max(s.us, s.bound) }

func (s skew) String() string {
	return terminal.Bounded(time.Duration(s.us)*time.Microsecond, time.Duration(s.bound)*time.Microsecond)
}

func (s *skews) add(us, bound int64) { *s = append(*s, skew{us, bound}) }

// tile shows the median, which of an even number is the greater of the two in the
// middle, and the largest.
func (s skews) tile(label, note string) tile {
	slices.SortStableFunc(s, func(a, b skew) int { return cmp.Compare(a.most(), b.most()) })
	return tile{Label: label, Value: s[len(s)/2].String(), Note: fmt.Sprintf("median; %s at most%s", s[len(s)-1], note)}
}

func micros(us float64) string {
	return terminal.Duration(time.Duration(us * float64(time.Microsecond)))
}

func runsTile(sorted []*run, superseded map[*run]bool, open int) tile {
	t := tile{Label: "runs", Value: fmt.Sprint(len(sorted))}
	var notes []string
	if n := len(superseded); n > 0 {
		notes = append(notes, fmt.Sprintf("%d superseded by another attempt", n))
	}
	if open > 0 {
		notes = append(notes, fmt.Sprintf("%d incomplete: they go on, or were interrupted", open))
	}
	t.Note = strings.Join(notes, "; ")
	return t
}

func squares(sorted []*run, superseded map[*run]bool) []square {
	all := make([]square, 0, len(sorted))
	for n, r := range sorted {
		title := fmt.Sprintf("run %d, %s: %s", n+1, r.name, strings.ReplaceAll(r.outcome(), "_", " "))
		if r.record.Reason != "" {
			title += ": " + r.record.Reason
		}
		all = append(all, square{Kind: r.outcome(), Link: r.link(), Title: printable(title), Superseded: superseded[r]})
	}
	return all
}

// kinds are the outcomes that occur, with their words.
func kinds(sorted []*run) []link {
	number := map[string]int{}
	for _, r := range sorted {
		number[r.outcome()]++
	}
	var all []link
	for _, kind := range slices.Sorted(slices.Values(keys(number))) {
		all = append(all, link{Kind: kind, Text: fmt.Sprintf("%d %s", number[kind], strings.ReplaceAll(kind, "_", " "))})
	}
	return all
}

// The details that may differ between two runs that failed in the same way: durations, values, ids
// of runs, which process of its group on a host was the first, and which failed after it.
var (
	members   = regexp.MustCompile(`\b([A-Za-z_][A-Za-z0-9_-]*)\.[0-9]+ on `)
	followers = regexp.MustCompile(`; then [^;:]+ failed$`)
	durations = regexp.MustCompile(`\b[0-9]+(\.[0-9]+)?(ns|µs|us|ms|s|m|h)([0-9]+(\.[0-9]+)?(ns|µs|us|ms|s|m))*( [0-9]+ (s|min))?\b|\b[0-9]+(\.[0-9]+)? (ns|µs|us|ms|s|min|h)\b`)
	measures  = regexp.MustCompile(`\b(was|is) -?[0-9][0-9.,e+-]*`)
	runIDs    = regexp.MustCompile(`\b[0-9A-HJKMNP-TV-Z]{26}\b`)
)

// alike is the reason without the parts that differ between runs with the same failure.
func alike(reason string) string {
	reason = followers.ReplaceAllString(reason, "")
	reason = members.ReplaceAllString(reason, "$1.… on ")
	reason = runIDs.ReplaceAllString(reason, "…")
	reason = durations.ReplaceAllString(reason, "…")
	return measures.ReplaceAllString(reason, "$1 …")
}

// failures groups the runs that did not succeed by outcome and reason, the most frequent first.
func failures(sorted []*run, superseded map[*run]bool) []failure {
	type kind struct{ outcome, reason string }
	by := map[kind]*failure{}
	number := map[*failure]int{}
	var all []*failure
	for n, r := range sorted {
		if !r.complete || r.succeeded() {
			continue
		}
		k := kind{r.outcome(), alike(r.record.Reason)}
		t := by[k]
		if t == nil {
			t = &failure{Kind: k.outcome, Outcome: strings.ReplaceAll(k.outcome, "_", " "), Reason: printable(r.record.Reason)}
			by[k] = t
			all = append(all, t)
		}
		number[t]++
		t.Words = cmp.Or(t.Words, printable(r.words))
		if len(t.Runs) == mostOfFailure {
			t.More++
			continue
		}
		text := fmt.Sprint(n + 1)
		if superseded[r] {
			text += " (run again)"
		}
		t.Runs = append(t.Runs, link{Link: r.link(), Text: text})
	}
	slices.SortStableFunc(all, func(a, b *failure) int { return cmp.Compare(number[b], number[a]) })
	listed := make([]failure, len(all))
	for i, t := range all {
		t.Count = terminal.Count(uint64(number[t]), "run")
		listed[i] = *t
	}
	return listed
}

// missingMetrics says which metrics are missing or incomplete in runs that succeeded.
func missingMetrics(sorted []*run) []string {
	good := counted(sorted)
	var notices []string
	for _, metric := range names(sorted, func(r *run) []string { return keys(r.record.Metrics) }) {
		switch missing := len(good) - len(withMetric(good, metric)); {
		case missing == 0:
		case missing == len(good):
			notices = append(notices, fmt.Sprintf("The metric %s was found in no run that succeeded.", printable(metric)))
		default:
			notices = append(notices, fmt.Sprintf("The metric %s was not found in %d of %s that succeeded.", printable(metric), missing, terminal.Count(uint64(len(good)), "run")))
		}
		if part := foundationOf(metric, withMetric(good, metric)).part; part > 0 {
			notices = append(notices, fmt.Sprintf("The metric %s is based on fewer processes or files than there are in %d of %s that succeeded.", printable(metric), part, terminal.Count(uint64(len(good)), "run")))
		}
	}
	return notices
}

// logNotice says that outputs are cut, and where they are whole.
func (r *Report) logNotice(sorted []*run) []string {
	switch {
	case !slices.ContainsFunc(sorted, func(r *run) bool { return r.cut }):
		return nil
	case r.limit < leastOutput:
		return []string{"There is more output than fits into this page, which has none of it. It is whole in the directory of each run, and publish logs prints it."}
	}
	return []string{fmt.Sprintf("Of the output of each process this page has at most %s, and %d times as much of one that did not end well: "+
		"the beginning and the end. All of it is in the directory of each run.", terminal.Size(uint64(r.limit)), failedFactor)}
}

// printable is text that is safe to show on the page.
func printable(s string) string { return clean(s, 2000) }
