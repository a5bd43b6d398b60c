package experiment

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"downbeat/internal/facts"
	"downbeat/internal/samples"
)

// quantity is the name of what was sampled.
var quantity = shape[string]{"name of a sample", schema{"enum": quantityNames(func(*samples.Quantity) bool { return true })}, func(v value) string {
	s, ok := v.str()
	if ok && samples.QuantityOf(s) == nil {
		v.wrong(v.in.didYouMean(s, quantityNames(func(*samples.Quantity) bool { return true })), "there are no samples of %q", s)
		return ""
	}
	return s
}}

func quantityNames(which func(*samples.Quantity) bool) []string {
	var names []string
	for _, q := range samples.Quantities() {
		if which(&q) {
			names = append(names, q.Name)
		}
	}
	return names
}

// checkSampled checks a metric of samples.
func checkSampled(v value, m *metric, given found) {
	for _, name := range []string{"file", "output", "run", "timeout", "field", "pattern", "format", "parse", "where", "tag"} {
		if other, ok := given.get(name); ok {
			other.wrong("remove it", "%s goes with a file, an output or a program, not with samples", name)
		}
	}
	if !given.meant("reduce") {
		v.in.add(v.at, v.path, "such as reduce: max, or {lines: mean, processes: max}", `"reduce" is missing: it makes one number of the samples of several times and processes`)
	}
	if m.Inner() == Rate || m.Processes == Rate {
		v.in.add(v.at, v.path, "such as reduce: max", "rate counts lines, and samples have none; what is counted is per second already")
	}
	if v.in.file.sample == 0 {
		v.in.add(v.at, v.path, "add sample: 1s to the file", "no samples are taken")
	}
	if q := samples.QuantityOf(m.Sample); q != nil && m.Unit == "" {
		m.Unit = q.Unit
	}
}

// A sampled requirement is one of samples without a metric of its own: of processes, or of hosts.
type sampled struct {
	group    string // empty: all processes
	quantity *samples.Quantity
}

// sampledBy is what a name in require means that is no metric's and no fact's: GROUP.SAMPLE, or
// SAMPLE.
func (f *File) sampledBy(name string) (sampled, bool) {
	if _, isFact := facts.RowOf(name); isFact {
		return sampled{}, false
	}
	if q := samples.QuantityOf(name); q != nil {
		return sampled{quantity: q}, true
	}
	dot := strings.LastIndexByte(name, '.')
	if dot < 0 {
		return sampled{}, false
	}
	q := samples.QuantityOf(name[dot+1:])
	if q == nil || q.OfHost || !slices.Contains(groupNames(f.Groups), name[:dot]) {
		return sampled{}, false
	}
	return sampled{name[:dot], q}, true
}

// least is what is added to the name of the metric of a requirement that the smallest value has
// to meet.
const least = ".least"

// metric is the metric that a requirement is about: the mean of each process, or host, and of
// these the worst.
func (s sampled) metric(r *Requirement) *metric {
	m := &metric{Metric: Metric{
		Name: r.Name, Sample: s.quantity.Name, Unit: s.quantity.Unit, Lines: Mean, Processes: Max, Scale: 1, Partial: true,
	}}
	if strings.HasPrefix(r.Operator, ">") {
		m.Processes = Min
		m.Name += least
	}
	if s.group != "" {
		m.groups = []string{s.group}
	}
	m.Definition = m.definition(nil)
	return m
}

// units are what a limit may end with; the first of a kind that fits.
var units = []struct {
	suffix string
	factor float64
}{
	{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"TiB", 1 << 40}, {"kB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"TB", 1e12}, {"B", 1},
}

// limit reads the limit of a requirement of samples: a number with the unit of the quantity, or
// without.
func (s sampled) limit(text string) (float64, error) {
	unit, factor := s.quantity.Unit, 1.0
	rest := strings.TrimSpace(text)
	switch unit {
	case "B", "B/s":
		rest = strings.TrimSuffix(rest, strings.TrimPrefix(unit, "B"))
		for _, u := range units {
			if before, ok := strings.CutSuffix(rest, u.suffix); ok {
				rest, factor = before, u.factor
				break
			}
		}
	default:
		rest = strings.TrimSuffix(rest, unit)
	}
	v, err := strconv.ParseFloat(strings.TrimSpace(rest), 64)
	if err != nil || math.IsInf(v, 0) || math.IsNaN(v) {
		return 0, &textError{fmt.Sprintf("%q is not a number%s", text, ofUnit(unit)), s.example()}
	}
	return v * factor, nil
}

func ofUnit(unit string) string {
	if unit == "" {
		return ""
	}
	return " in " + unit
}

func (s sampled) example() string {
	switch s.quantity.Unit {
	case "%":
		return `such as "< 85%"`
	case "B":
		return `such as "< 2GiB"`
	case "B/s":
		return `such as "< 100MB/s"`
	}
	return `such as "< 1000"`
}
