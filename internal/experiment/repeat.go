package experiment

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// A RepeatRule repeats a combination until its metrics are known well enough.
type RepeatRule struct {
	// AtLeast is how many runs of a combination have to give a value, and AtMost how many
	// repetitions of it there are.
	AtLeast, AtMost int
	// Until are the metrics that have to be known, in the order of the file.
	Until []Aim
}

// An Aim is how well a metric has to be known.
type Aim struct {
	Metric string
	// Within is half the width of the 95 % interval of the mean, relative to the mean.
	Within float64

	at   pos
	path string
}

// String says the aim as the file does.
func (a Aim) String() string { return fmt.Sprintf("%s ±%s", a.Metric, percent(a.Within)) }

func percent(share float64) string {
	text := strconv.FormatFloat(100*share, 'g', 6, 64)
	return text + " %"
}

// String says the rule in words.
func (r *RepeatRule) String() string {
	aims := make([]string, len(r.Until))
	for i, a := range r.Until {
		aims[i] = a.String()
	}
	return fmt.Sprintf("at least %d, at most %d repetitions of each combination, until %s", r.AtLeast, r.AtMost, strings.Join(aims, ", "))
}

// repetitions is how many there are of each combination, at most.
func (f *File) repetitions() int {
	if f.Until != nil {
		return f.Until.AtMost
	}
	return f.Repeat
}

// repeat is how often each combination is run: a number, or a rule.
var repeat = binding[File]{
	words: "1 to 10,000, or map", inner: []*table{repeatFields.table()},
	schema: anyOf(between(1, MaxDatapoints).schema, repeatFields.table().schema()),
	read: func(v value, f *File) {
		if v.kind != mapNode {
			f.Repeat = between(1, MaxDatapoints).read(v)
			return
		}
		f.Until = &RepeatRule{}
		repeatFields.read(v, f.Until)
		f.Repeat = f.Until.AtLeast
	},
}

// repeatFields are those of a rule.
var repeatFields = &object[RepeatRule]{
	title: "### Datapoints", prefix: "repeat.",
	fields: []field[RepeatRule]{
		{
			name: "until", is: into(aims, func(r *RepeatRule) *[]Aim { return &r.Until }), missing: "it says how well metrics are to be known", such: "until: {throughput: 2%}",
			about: "metrics, and how narrow the 95 % interval of the mean of each has to be: half its width, relative to the mean",
		},
		{
			name: "at_least", is: into(between(2, MaxDatapoints), func(r *RepeatRule) *int { return &r.AtLeast }), unset: "3",
			about: "how many runs of a combination have to give a value",
		},
		{
			name: "at_most", is: into(between(2, MaxDatapoints), func(r *RepeatRule) *int { return &r.AtMost }), unset: "30",
			about: "how many times a combination is run, known or not",
		},
	},
	check: func(v value, r *RepeatRule, given found) {
		if r.AtMost < r.AtLeast {
			at := v
			if most, ok := given.get("at_most"); ok {
				at = most
			} else if least, ok := given.get("at_least"); ok {
				at = least
			}
			at.wrong("", "at_least is %d, and at_most %d: that is fewer", r.AtLeast, r.AtMost)
		}
	},
}

var percentage = regexp.MustCompile(`^([0-9]+(?:\.[0-9]+)?) ?%$`)

// aims are the metrics that have to be known.
var aims = shape[[]Aim]{"map of percentages", schema{
	"type": "object", "minProperties": 1,
	"additionalProperties": schema{"type": "string", "pattern": percentage.String(), "examples": []string{"2%"}},
}, func(v value) (list []Aim) {
	if v.kind != mapNode || len(v.node.pairs) == 0 {
		v.wrong("such as {throughput: 2%}", "must be a map of metrics, not %s", v.describeEmpty())
		return nil
	}
	for _, child := range v.pairs() {
		m := percentage.FindStringSubmatch(child.node.text)
		if child.kind != stringNode || m == nil {
			child.wrong("such as 2%", "must be a percentage, not %s", child.shownText())
			continue
		}
		n, _ := strconv.ParseFloat(m[1], 64)
		if n <= 0 || n > 100 {
			child.wrong("such as 2%", "must be more than 0 and at most 100 %%, not %s", child.node.text)
			continue
		}
		list = append(list, Aim{Metric: child.key, Within: n / 100, at: child.at, path: child.path})
	}
	return list
}}

// shownText gives a scalar as written, and the kind of anything else.
func (v value) shownText() string {
	if v.kind == stringNode || v.kind == numberNode {
		return v.node.text
	}
	return v.kind.String()
}

// checkAims checks that there are such metrics. One by a program may have several numbers, which
// are metrics with its name and theirs.
func checkAims(in *scope, f *File) {
	if f.Until == nil {
		return
	}
	names := make([]string, len(f.metrics))
	for i, m := range f.metrics {
		names[i] = m.Name
	}
	for _, a := range f.Until.Until {
		whole, _, _ := strings.Cut(a.Metric, ".")
		if slices.Contains(names, a.Metric) || slices.Contains(names, whole) {
			continue
		}
		if len(names) == 0 {
			in.add(a.at, a.path, "add metrics", "no metric %q: the file has none", a.Metric)
			continue
		}
		in.add(a.at, a.path, in.didYouMean(a.Metric, names), "no metric %q", a.Metric)
	}
}
