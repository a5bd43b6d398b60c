package report

import (
	"math"
	"strconv"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
)

// ticks are the marks of an axis; one without a label is a small one.
func (a *axis) ticks() []plot.Tick {
	switch {
	case a.categories != nil:
		return a.categoryTicks()
	case len(a.values) > 0 && len(a.values) <= fewValues:
		return a.valueTicks()
	case a.log && powersOfTwo(a.values):
		return a.powerTicks(2, 1)
	case a.log:
		return a.decadeTicks()
	}
	return a.linearTicks()
}

func (a *axis) categoryTicks() []plot.Tick {
	var ticks []plot.Tick
	for n, name := range a.categories {
		ticks = append(ticks, plot.Tick{Value: float64(n), Label: clean(name, 16)})
	}
	return ticks
}

func (a *axis) valueTicks() []plot.Tick {
	e := a.exponent()
	var ticks []plot.Tick
	for _, v := range a.values {
		ticks = append(ticks, plot.Tick{Value: v, Label: number(v / math.Pow10(e))})
	}
	return ticks
}

func (a *axis) linearTicks() []plot.Tick {
	step := niceStep(a.max-a.min, 5)
	if a.whole {
		step = max(math.Ceil(step), 1)
	}
	scale := math.Pow10(a.exponent())
	decimals := max(0, int(-math.Floor(math.Log10(step/scale)+1e-9)))
	var ticks []plot.Tick
	for n := math.Ceil(a.min/step - 1e-9); n*step <= a.max+step*1e-9; n++ {
		label := strconv.FormatFloat(n*step/scale+0, 'f', decimals, 64) // + 0: no negative zero
		ticks = append(ticks, plot.Tick{Value: n * step, Label: label})
	}
	return ticks
}

// powerTicks are marks at every few powers of a base, so that there are about eight.
func (a *axis) powerTicks(base float64, every int) []plot.Tick {
	log := func(v float64) float64 { return math.Log(v) / math.Log(base) }
	first, last := int(math.Ceil(log(a.min)-1e-9)), int(math.Floor(log(a.max)+1e-9))
	for (last-first)/every > 8 {
		every++
	}
	var ticks []plot.Tick
	for n := first; n <= last; n++ {
		v := math.Pow(base, float64(n))
		t := plot.Tick{Value: v}
		if (n-first)%every == 0 {
			t.Label = a.powerLabel(v)
		}
		ticks = append(ticks, t)
	}
	return ticks
}

// powerLabel gives a power as one of ten where the numbers would be long.
func (a *axis) powerLabel(v float64) string {
	if a.max >= 1e5 || a.min < 1e-3 {
		if e := math.Log10(v); e == math.Round(e) {
			return power(int(e))
		}
	}
	return number(v)
}

// decadeTicks are powers of ten with small marks between them, which get labels
// too where there would be too few.
func (a *axis) decadeTicks() []plot.Tick {
	ticks := a.powerTicks(10, 1)
	labelled := len(ticks)
	if labelled > 7 {
		return ticks
	}
	for n := int(math.Floor(math.Log10(a.min))); n <= int(math.Floor(math.Log10(a.max))); n++ {
		for m := 2.0; m < 10; m++ {
			v := m * math.Pow10(n)
			if v < a.min || v > a.max {
				continue
			}
			t := plot.Tick{Value: v}
			if labelled < 3 && (m == 2 || m == 5) {
				t.Label = number(v)
			}
			ticks = append(ticks, t)
		}
	}
	return ticks
}

func powersOfTwo(values []float64) bool {
	for _, v := range values {
		if fraction, _ := math.Frexp(v); fraction != 0.5 {
			return false
		}
	}
	return len(values) > 0
}

// thin removes labels that would be too close to the previous one, on an axis of that length.
// Categories are never thinned: see slanted.
func (a *axis) thin(ticks []plot.Tick, style text.Style, length vg.Length) []plot.Tick {
	if a.categories != nil {
		return ticks
	}
	const gap = 6
	end := vg.Length(math.Inf(-1))
	for i := range ticks {
		t := &ticks[i]
		if t.Label == "" {
			continue
		}
		half := style.Width(t.Label) / 2
		at := vg.Length(a.share(t.Value)) * length
		if at-half < end+gap {
			t.Label = ""
			continue
		}
		end = at + half
	}
	return ticks
}

// slanted reports whether the labels of categories would overlap side by side.
func (a *axis) slanted(style text.Style, length vg.Length) bool {
	widest := vg.Length(0)
	for _, t := range a.categoryTicks() {
		widest = max(widest, style.Width(t.Label))
	}
	return len(a.categories) > 0 && widest+4 > length/vg.Length(len(a.categories))
}

// share is the position of a value on the axis, from 0 to 1.
func (a *axis) share(v float64) float64 {
	if a.log {
		return math.Log(v/a.min) / math.Log(a.max/a.min)
	}
	return (v - a.min) / (a.max - a.min)
}
