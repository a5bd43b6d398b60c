package statistics

import (
	"math"
	"math/bits"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// The tests agree with the examples in R's documentation of wilcox.test (exact, with conf.int).
func TestShifts(t *testing.T) {
	t.Parallel()
	a := []float64{0.80, 0.83, 1.89, 1.04, 1.45, 1.38, 1.91, 1.64, 0.73, 1.46}
	b := []float64{1.15, 0.88, 0.90, 0.74, 1.21}
	s := Design{Level: Level}.Compare(a, b)
	for name, c := range map[string]struct{ got, want float64 }{
		"estimate": {s.Estimate, -0.305}, "low": {s.Low, -0.76}, "high": {s.High, 0.15}, "p": {s.P, 0.2544},
	} {
		if math.Abs(c.got-c.want) > 1e-4 {
			t.Errorf("independent: %s is %v, want %v", name, c.got, c.want)
		}
	}
	// Hollander and Wolfe's depression scale factors.
	x := []float64{1.83, 0.50, 1.62, 2.48, 1.68, 1.88, 1.55, 3.06, 1.30}
	y := []float64{0.878, 0.647, 0.598, 2.05, 1.06, 1.29, 1.06, 3.14, 1.29}
	s = Design{Paired: true, Level: Level}.Compare(x, y)
	for name, c := range map[string]struct{ got, want float64 }{
		"estimate": {s.Estimate, -0.46}, "low": {s.Low, -0.786}, "high": {s.High, -0.01}, "p": {s.P, 0.03906},
	} {
		if math.Abs(c.got-c.want) > 1e-4 {
			t.Errorf("paired: %s is %v, want %v", name, c.got, c.want)
		}
	}
}

// The probabilities are those of counting all ways in which the ranks could have fallen, with ties
// too.
func TestProbabilitiesAreCounted(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		whole := rapid.SliceOfN(rapid.Map(rapid.IntRange(0, 6), func(i int) float64 { return float64(i) }), 2, 11)
		values := whole.Draw(t, "values")
		k := rapid.IntRange(1, len(values)-1).Draw(t, "k")
		ranks, _ := doubledRanks(values)
		got, mean := 0, float64(k*(len(values)+1))
		for _, r := range ranks[:k] {
			got += r
		}
		far, all := 0.0, 0.0
		for set := range uint(1) << len(ranks) {
			if bits.OnesCount(set) != k {
				continue
			}
			sum := 0
			for i, r := range ranks {
				if set&(1<<i) != 0 {
					sum += r
				}
			}
			all++
			if math.Abs(float64(sum)-mean) >= math.Abs(float64(got)-mean) {
				far++
			}
		}
		if p := subsetLaw(ranks, k).beyond(got); math.Abs(p-far/all) > 1e-9 {
			t.Fatalf("%v, %d: p is %v, want %v", ranks, k, p, far/all)
		}
	})
}

// Where there are no ties, a shift of 0 is outside the interval exactly if the test finds a
// difference: what is said of both never contradicts.
func TestIntervalAndTestAgree(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		r := seeded(rapid.Uint64().Draw(t, "seed"))
		n := rapid.IntRange(1, 40).Draw(t, "n")
		d := Design{Paired: rapid.Bool().Draw(t, "paired"), Level: rapid.SampledFrom([]float64{0.05, 0.01}).Draw(t, "level")}
		a, b := shapes[0].sample(r, n), shapes[0].sample(r, n)
		for i := range b {
			b[i] += 4
		}
		s := d.Compare(a, b)
		if outside := s.Low > 0 || s.High < 0; outside != (s.P <= d.Level) {
			t.Fatalf("p is %v and the interval %v to %v", s.P, s.Low, s.High)
		}
		if s.Estimate < s.Low || s.Estimate > s.High {
			t.Fatalf("%v is not in %v to %v", s.Estimate, s.Low, s.High)
		}
	})
}

// With too few values nothing can be found, and it is said how many it takes.
func TestLeast(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		d    Design
		want int
	}{
		{Design{false, 0.05}, 4}, {Design{true, 0.05}, 6}, {Design{false, 0.005}, 6}, {Design{true, 0.005}, 9},
	} {
		if got := test.d.Least(); got != test.want {
			t.Errorf("%+v: %d, want %d", test.d, got, test.want)
		}
		for _, n := range []int{test.want - 1, test.want} {
			low, high := make([]float64, n), make([]float64, n)
			for i := range n {
				low[i], high[i] = float64(i), float64(100+2*i)
			}
			s := test.d.Compare(low, high)
			if found := s.P <= test.d.Level; found != (n >= test.want) {
				t.Errorf("%+v: of %d values: %v", test.d, n, s)
			}
			if floor := test.d.Floor(s); math.IsInf(floor, 1) != (n < test.want) {
				t.Errorf("%+v: the floor of %d values is %v", test.d, n, floor)
			}
			if needed := test.d.Needed(s); needed < float64(test.want) || math.IsInf(needed, 0) {
				t.Errorf("%+v: of %d values, %v are needed", test.d, n, needed)
			}
		}
	}
}

// Samples with nothing in them, or nothing but the same, have no difference.
func TestNothingToCompare(t *testing.T) {
	t.Parallel()
	same := []float64{3, 3, 3, 3, 3, 3, 3, 3}
	for _, paired := range []bool{false, true} {
		d := Design{Paired: paired, Level: Level}
		if s := d.Compare(nil, nil); s.P != 1 || !math.IsInf(s.High, 1) {
			t.Errorf("of nothing: %+v", s)
		}
		s := d.Compare(same, same)
		if s.P != 1 || s.Estimate != 0 || s.Low != 0 || s.High != 0 {
			t.Errorf("of the same: %+v", s)
		}
		if needed := d.Needed(s); !math.IsInf(needed, 1) {
			t.Errorf("of the same: %v are needed", needed)
		}
	}
	one := Design{Level: Level}.Compare([]float64{1}, []float64{2})
	if one.Estimate != 1 || one.P != 1 || !math.IsInf(one.Low, -1) {
		t.Errorf("of one each: %+v", one)
	}
}

// Beyond the exact laws, the normal one takes over without a jump.
func TestTheNormalLawFollows(t *testing.T) {
	t.Parallel()
	exact := subsetLaw(plainRanks(mostExact), mostExact/2)
	normal := sumLaw{mean: exact.mean, sd: exact.sd}
	signs := signLaw(plainRanks(mostExact))
	normalSigns := sumLaw{mean: signs.mean, sd: signs.sd}
	for _, z := range []float64{0, -1, -1.96, -2.6} {
		at := func(l sumLaw) int { return int(l.mean+z*l.sd) &^ 1 }
		for _, pair := range [][2]sumLaw{{exact, normal}, {signs, normalSigns}} {
			if a, b := pair[0].atMost(at(pair[0])), pair[1].atMost(at(pair[0])); math.Abs(a-b) > 0.002 {
				t.Errorf("at %v: %v and %v", z, a, b)
			}
		}
	}
}

// Each probability is multiplied by how many are not smaller, and none falls below one before it.
func TestHolm(t *testing.T) {
	t.Parallel()
	got := Holm([]float64{0.01, 0.04, 0.03, 0.005, 0.5})
	want := []float64{0.04, 0.09, 0.09, 0.025, 0.5}
	for i := range want {
		if math.Abs(got[i]-want[i]) > 1e-12 {
			t.Fatalf("got %v, want %v", got, want)
		}
	}
	if ps := Holm(nil); len(ps) != 0 {
		t.Errorf("of none: %v", ps)
	}
	if ps := Holm([]float64{1, 1, 1}); slices.Max(ps) > 1 {
		t.Errorf("more than 1: %v", ps)
	}
}
