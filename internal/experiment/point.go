package experiment

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
)

// A Parameter is a value of the matrix: a string, int, float64 or bool.
type Parameter struct {
	Name  string
	Value any
}

// A Point is one datapoint of the file: a combination of the matrix, and which
// of its repetitions.
type Point struct {
	Index      int         // from 1, in the order of the file
	Repetition int         // from 1
	Parameters []Parameter // sorted by name; empty without a matrix
	// Attempt is which attempt at the datapoint templates are told; 0: the first.
	// It makes no difference to the definition.
	Attempt int

	file *File
}

// trialRun is the run id of a trial expansion.
var trialRun = strings.Repeat("0", 26)

// Points are the datapoints in the order in which they are to be run. In the order
// of the file, all combinations come once, then all again. A random order depends
// on the seed alone. Where repetitions go on until something is known, the points are all that
// there may be, and in a random order too all combinations come once before any comes again.
func (f *File) Points() []Point {
	points := make([]Point, 0, len(f.combinations)*f.repetitions())
	for repetition := range f.repetitions() {
		for _, c := range f.combinations {
			points = append(points, Point{Index: len(points) + 1, Repetition: repetition + 1, Parameters: c, file: f})
		}
	}
	if f.Random {
		r := rand.New(rand.NewPCG(f.Seed, 0)) // an order that can be reproduced
		together := len(points)
		if f.Until != nil {
			together = len(f.combinations)
		}
		for round := range slices.Chunk(points, together) {
			r.Shuffle(len(round), func(i, j int) { round[i], round[j] = round[j], round[i] })
		}
	}
	return points
}

// String gives the parameters as "clients=4, mode=fast"; empty without any.
func (p Point) String() string { return p.join(", ") }

// Key identifies a combination and repetition, independently of the file.
func (p Point) Key() string { return fmt.Sprintf("%s #%d", p, p.Repetition) }

// Label names the point's directory: "0003-clients=4,mode=fast".
func (p Point) Label() string {
	label := fmt.Sprintf("%04d", p.Index)
	if len(p.Parameters) > 0 {
		label += "-" + p.join(",")
	}
	return label
}

func (p Point) join(separator string) string {
	parts := make([]string, len(p.Parameters))
	for i, v := range p.Parameters {
		parts[i] = fmt.Sprintf("%s=%v", v.Name, v.Value)
	}
	return strings.Join(parts, separator)
}

// Expand makes the datapoint of one run: it executes the templates with this
// run's id. Its errors are [Errors]. It may be called more than once, and
// concurrently.
func (p Point) Expand(run string) (*Datapoint, error) {
	return newExpansion(p.file, &report{path: p.file.Path}, run, p).expand()
}

// parameters are the names of all parameters, sorted.
func (f *File) parameters() []string {
	var names []string
	for _, c := range f.combinations {
		for _, v := range c {
			names = append(names, v.Name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}
