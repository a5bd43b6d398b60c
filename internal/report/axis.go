package report

import (
	"math"
	"slices"
	"strings"
)

// An axis is how one dimension of a figure is drawn.
type axis struct {
	label, unit string
	log         bool
	min, max    float64
	// values are where its marks are, if there are few; the numbers of the
	// categories, if it has those.
	values     []float64
	categories []string
	whole      bool // only whole numbers make sense
}

// fewValues are so few that each gets a mark of its own.
const fewValues = 12

// units are what the ends of names stand for, as in latency_ms.
var units = map[string]string{
	"ns": "ns", "us": "µs", "ms": "ms", "s": "s", "sec": "s", "secs": "s", "seconds": "s", "min": "min",
	"bytes": "B", "kb": "kB", "mb": "MB", "gb": "GB", "kib": "KiB", "mib": "MiB", "gib": "GiB",
	"percent": "%", "pct": "%", "hz": "Hz", "mbps": "Mbit/s", "gbps": "Gbit/s", "rps": "requests/s", "ops": "operations/s",
}

// newAxis takes the unit out of a name that ends in one.
func newAxis(name string) axis {
	if i := strings.LastIndexAny(name, "_.-"); i > 0 {
		if unit := units[strings.ToLower(name[i+1:])]; unit != "" {
			return axis{label: name[:i], unit: unit}
		}
	}
	return axis{label: name}
}

// metricAxis is a metric's, with the unit that the runs' records give it.
func metricAxis(name string, runs []*run) axis {
	a := newAxis(name)
	if unit := unitOf(name, runs); unit != "" {
		a = axis{label: name, unit: unit}
	}
	a.label += restsOn(name, runs)
	return a
}

// unitOf is the unit of a metric as the experiment's file has it, if it does.
func unitOf(metric string, runs []*run) string {
	for _, r := range runs {
		if unit := r.record.Units[metric]; unit != "" {
			return printable(unit)
		}
	}
	return ""
}

func skewAxis() axis { return axis{label: "skew", unit: "µs"} }

func orderAxis(n int) axis {
	return axis{label: "run, in the order of execution", min: 0.5, max: float64(n) + 0.5, whole: true}
}

func parameterAxis(p *parameter) axis {
	if !p.numeric {
		a := axis{label: p.name, min: -0.5, max: float64(len(p.values)) - 0.5}
		for n, value := range p.values {
			a.values = append(a.values, float64(n))
			a.categories = append(a.categories, show(value))
		}
		return a
	}
	a := newAxis(p.name)
	for _, value := range p.values {
		a.values = append(a.values, value.(float64))
	}
	const margin = 0.05
	first, last := a.values[0], a.values[len(a.values)-1]
	if a.log = evenerInLog(a.values); a.log {
		room := math.Pow(last/first, margin)
		a.min, a.max = first/room, last*room
	} else {
		a.min, a.max = first-margin*(last-first), last+margin*(last-first)
	}
	return a
}

// evenerInLog reports whether the values lie closer to evenly spaced by their
// logarithms, as 1, 2, 4, 8 do, and over enough of a range for that to matter.
func evenerInLog(values []float64) bool {
	const range8 = 8
	first, last := values[0], values[len(values)-1]
	if len(values) < 3 || first <= 0 || last/first < range8 {
		return false
	}
	return widestGap(values, math.Log) < widestGap(values, func(v float64) float64 { return v })
}

// widestGap is the largest share of the range that lies between two neighbours.
func widestGap(values []float64, scale func(float64) float64) float64 {
	widest := 0.0
	for i := range values[1:] {
		widest = max(widest, scale(values[i+1])-scale(values[i]))
	}
	return widest / (scale(values[len(values)-1]) - scale(values[0]))
}

// fit chooses the range of a metric's axis. It begins at zero where the values
// come near enough to it that a picture without would exaggerate.
func (a *axis) fit(values []float64) {
	const decades, nearZero = 100, 0.6
	low, high := slices.Min(values), slices.Max(values)
	if a.log = low > 0 && high/low >= decades; a.log {
		a.min, a.max = low/1.3, high*1.3
		return
	}
	switch {
	case low >= 0 && low <= nearZero*high:
		low = 0
	case high <= 0 && high >= nearZero*low:
		high = 0
	}
	if low == high {
		low, high = low-max(math.Abs(low)/10, 0.5), high+max(math.Abs(high)/10, 0.5)
	}
	step := niceStep(high-low, 5)
	a.min, a.max = math.Floor(low/step)*step, math.Ceil(high/step)*step
}

// exponent is the power of ten, a multiple of three, that the marks are divided
// by, so that they stay short.
func (a *axis) exponent() int {
	if a.log || a.categories != nil || a.whole {
		return 0
	}
	size := max(math.Abs(a.min), math.Abs(a.max))
	if size == 0 || size >= 1e-2 && size < 1e5 {
		return 0
	}
	return int(math.Floor(math.Log10(size)/3)) * 3
}

// text is the label with factor and unit.
func (a *axis) text() string {
	unit := a.unit
	if e := a.exponent(); e != 0 {
		unit = strings.TrimSpace("×" + power(e) + " " + unit)
	}
	if unit == "" {
		return a.label
	}
	return a.label + " (" + unit + ")"
}

// power is a power of ten, in characters that every font has: of the small
// digits most fonts have three, and not every renderer raises text.
func power(n int) string { return "10^" + number(float64(n)) }

// niceStep divides a width into about n steps of 1, 2 or 5 times a power of ten.
func niceStep(width float64, n int) float64 {
	raw := width / float64(n)
	power := math.Pow(10, math.Floor(math.Log10(raw)))
	for _, m := range []float64{1, 2, 5} {
		if raw <= m*power*1.0001 {
			return m * power
		}
	}
	return 10 * power
}

// plainText is the label with the unit, for values that are not divided.
func (a *axis) plainText() string {
	if a.unit == "" {
		return a.label
	}
	return a.label + " (" + a.unit + ")"
}
