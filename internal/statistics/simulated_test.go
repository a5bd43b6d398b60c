package statistics

import (
	"math"
	"math/rand/v2"
	"testing"
)

// A shape is a distribution of what repetitions give.
type shape struct {
	name string
	mean float64
	draw func(r *rand.Rand) float64
}

var shapes = []shape{
	{"normal", 100, func(r *rand.Rand) float64 { return 100 + 5*r.NormFloat64() }},
	{"lognormal", math.Exp(0.125), func(r *rand.Rand) float64 { return math.Exp(0.5 * r.NormFloat64()) }},
	{"very skewed", math.Exp(0.5), func(r *rand.Rand) float64 { return math.Exp(r.NormFloat64()) }},
	{"bimodal", 5610, func(r *rand.Rand) float64 { return []float64{3612, 7608}[r.IntN(2)] + 150*r.NormFloat64() }},
	{"rounded", 10, func(r *rand.Rand) float64 { return math.Round(10 + 1.5*r.NormFloat64()) }},
}

func (s shape) sample(r *rand.Rand, n int) []float64 {
	values := make([]float64, n)
	for i := range values {
		values[i] = s.draw(r)
	}
	return values
}

// seeded is the same in each run of the tests.
func seeded(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 1)) }

// The interval of the mean has the true mean in it about as often as it says; where the
// distribution is so skewed that no method does, docs/adr/019-statistics.md says how often.
func TestCoverage(t *testing.T) {
	t.Parallel()
	for _, s := range shapes {
		for n, least := range map[int]float64{3: 0.90, 10: 0.90, 20: 0.92, 30: 0.93} {
			t.Run(s.name, func(t *testing.T) {
				t.Parallel()
				if s.name == "very skewed" {
					least = map[int]float64{3: 0.81, 10: 0.81, 20: 0.88, 30: 0.90}[n]
				}
				if s.name == "bimodal" && n == 3 {
					least = 0.72 // in a quarter of the samples, all three are of one mode
				}
				const samples = 400
				r, covered := seeded(uint64(n)), 0
				for range samples {
					if v := Summarize(s.sample(r, n)); v.Low <= s.mean && s.mean <= v.High {
						covered++
					}
				}
				if got := float64(covered) / samples; got < least {
					t.Errorf("of %d values: %.3f, want at least %.2f", n, got, least)
				}
			})
		}
	}
}

// Where nothing differs, tests find something in at most one of twenty cases, and the interval has
// 0 in it in the others.
func TestNothingDiffers(t *testing.T) {
	t.Parallel()
	const samples = 1000
	for _, s := range shapes {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			for _, n := range []int{4, 8, 15} {
				for _, d := range []Design{{false, Level}, {true, Level}} {
					r, alarms, outside := seeded(uint64(n)), 0, 0
					for range samples {
						shift := d.Compare(s.sample(r, n), s.sample(r, n))
						if shift.P <= Level {
							alarms++
						}
						if shift.Low > 0 || shift.High < 0 {
							outside++
						}
					}
					const most = samples * 0.065 // 5 %, and two standard deviations of the count
					if alarms > most || outside > most {
						t.Errorf("%+v, %d values: %d alarms and %d intervals without 0 in %d samples", d, n, alarms, outside, samples)
					}
				}
			}
		})
	}
}

// A shift as large as the floor that the samples give is found about as often as the power says,
// whichever their shape and size, at a low level too; and so is one with as many values as are
// said to be needed.
func TestThePowerIsWhatItClaims(t *testing.T) {
	t.Parallel()
	for _, s := range shapes[:3] {
		for _, d := range []Design{{false, Level}, {true, Level}, {false, Level / 10}, {true, Level / 10}} {
			for _, n := range []int{10, 22} {
				t.Run(s.name, func(t *testing.T) {
					t.Parallel()
					const samples = 200
					r, found := seeded(uint64(n)), 0.0
					for range samples {
						floor := d.Floor(d.Compare(s.logs(r, n, 0), s.logs(r, n, 0)))
						shift := d.Compare(s.logs(r, n, 0), s.logs(r, n, floor))
						if shift.P <= d.Level {
							found += 1.0 / samples
						}
					}
					if found < 0.7 || found > 0.93 {
						t.Errorf("%+v: what the floor says is found in %.3f of the samples of %d", d, found, n)
					}
				})
			}
		}
	}
}

// From a first look at a small sample follows how many repetitions find what it seems to show.
func TestAsManyAsNeededAreEnough(t *testing.T) {
	t.Parallel()
	for _, d := range []Design{{false, Level}, {true, Level}} {
		const shift, pilots = 0.3, 200
		r, found := seeded(3), 0.0
		for range pilots {
			first := d.Compare(shapes[1].logs(r, 40, 0), shapes[1].logs(r, 40, shift))
			first.Estimate = shift // what it would be of many
			n := int(math.Ceil(d.Needed(first)))
			if d.Compare(shapes[1].logs(r, n, 0), shapes[1].logs(r, n, shift)).P <= Level {
				found += 1.0 / pilots
			}
		}
		if found < 0.72 || found > 0.9 {
			t.Errorf("%+v: found in %.3f", d, found)
		}
	}
}

// logs is a sample in logarithms, shifted.
func (s shape) logs(r *rand.Rand, n int, shift float64) []float64 {
	values := s.sample(r, n)
	for i, v := range values {
		values[i] = math.Log(v) + shift
	}
	return values
}
