package statistics

import (
	"math"
	"slices"
	"testing"
)

// What is said of a sample is what the formulas say: the interval is 2.776 standard errors wide on
// either side.
func TestSummary(t *testing.T) {
	t.Parallel()
	s := Summarize([]float64{9, 10, 12, 11, 8})
	for name, c := range map[string]struct{ got, want float64 }{
		"median": {s.Median, 10}, "mean": {s.Mean, 10}, "sd": {s.SD, 1.581139}, "low": {s.Low, 8.036757}, "high": {s.High, 11.963243},
		"least": {s.Min, 8}, "most": {s.Max, 12}, "half": {s.HalfWidth(), 0.1963243},
	} {
		if math.Abs(c.got-c.want) > 1e-5 {
			t.Errorf("%s is %v, want %v", name, c.got, c.want)
		}
	}
	if s.N != 5 || s.Method != StudentsT || s.Outliers != nil {
		t.Errorf("got %+v", s)
	}
}

// Of what there is too little for, nothing is said; and what is always the same is known.
func TestSmallSamples(t *testing.T) {
	t.Parallel()
	if s := Summarize(nil); s.N != 0 || !math.IsNaN(s.Median) || !math.IsNaN(s.Low) {
		t.Errorf("of none: %+v", s)
	}
	if s := Summarize([]float64{7}); s.Median != 7 || s.Mean != 7 || !math.IsNaN(s.SD) || !math.IsNaN(s.High) || s.Method != "" {
		t.Errorf("of one: %+v", s)
	}
	for _, n := range []int{2, 30} {
		if s := Summarize(slices.Repeat([]float64{7}, n)); s.Low != 7 || s.High != 7 || s.SD != 0 {
			t.Errorf("of %d that are the same: %+v", n, s)
		}
	}
}

// One value that is far away is marked, and counts.
func TestOutliersAreMarkedAndCount(t *testing.T) {
	t.Parallel()
	values := []float64{10, 11, 99, 10, 12, 11}
	s := Summarize(values)
	if !slices.Equal(s.Outliers, []int{2}) || s.Max != 99 || s.N != 6 {
		t.Errorf("got %+v", s)
	}
	if values[2] != 99 {
		t.Error("the sample was changed")
	}
}

// Many values have an interval by resampling, and always the same one, whatever their order.
func TestTheBootstrapIsDeterministic(t *testing.T) {
	t.Parallel()
	values := shapes[2].sample(seeded(1), 40)
	first := Summarize(values)
	slices.Reverse(values)
	second := Summarize(values)
	if first.Method != Studentized || first.Low != second.Low || first.High != second.High {
		t.Errorf("%+v and then %+v", first, second)
	}
	if first.High-first.Mean <= first.Mean-first.Low {
		t.Errorf("the interval of a skewed sample does not lean: %+v", first)
	}
}

// A sample of which nearly all are the same can't be resampled.
func TestOneThatDiffers(t *testing.T) {
	t.Parallel()
	s := Summarize(append(slices.Repeat([]float64{7}, 24), 8))
	if s.Method != StudentsT || math.IsInf(s.Low, 0) || math.IsNaN(s.Low) {
		t.Errorf("got %+v", s)
	}
}

// A goal is reached when every metric has enough values and an interval that is narrow enough.
func TestGoal(t *testing.T) {
	t.Parallel()
	goal := Goal{AtLeast: 3, AtMost: 30, Until: map[string]float64{"rate": 0.02}}
	nan := math.NaN()
	for name, test := range map[string]struct {
		values []float64
		want   bool
	}{
		"nothing":                        {nil, false},
		"too few, and all the same":      {[]float64{5, 5}, false},
		"the same":                       {[]float64{5, 5, 5}, true},
		"narrow":                         {[]float64{100, 100.5, 99.5, 100}, true},
		"wide":                           {[]float64{100, 110, 90, 100}, false},
		"what is missing does not count": {[]float64{100, nan, 100}, false},
		"nor does it do harm":            {[]float64{100, nan, 100, 100}, true},
		"negative":                       {[]float64{-100, -100.5, -99.5, -100}, true},
		"around zero":                    {[]float64{-1, 0, 1}, false},
		"zero":                           {[]float64{0, 0, 0}, true},
	} {
		if got := goal.Reached(map[string][]float64{"rate": test.values}); got != test.want {
			t.Errorf("%s: %t", name, got)
		}
	}
	goal.Until["latency"] = 0.1
	if goal.Reached(map[string][]float64{"rate": {5, 5, 5}, "latency": {1, 2, 3}}) {
		t.Error("reached, though one of the two is not")
	}
}
