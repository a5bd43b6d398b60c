package experiment

import (
	"strings"
	"testing"
)

// Datapoints can be picked by their numbers, in whatever order they are named.
func TestNumbered(t *testing.T) {
	t.Parallel()
	points := mustParse(t, "x.yaml", "hosts: {a: ['x {{.n}}']}\nmatrix: {n: [1, 2, 3]}\nrepeat: 2\norder: random\nseed: 3").Points()
	for numbers, want := range map[string]string{
		"": "123456", "3": "3", "5 2": "25", "2-4": "234", "4-6 1": "1456", " 2 - 2 ": "2",
		"0": "no datapoint 0", "7": "no datapoint 7: they are numbered from 1 to 6", "5-9": "no datapoint 7", "x": `"x" is not the number of a datapoint`,
		"4-2": "backwards: write 2-4", "-1": "is not the number", "1-": "is not the number",
	} {
		var list []string
		if numbers != "" {
			list = []string{numbers}
			if !strings.Contains(numbers, "- ") {
				list = strings.Fields(numbers)
			}
		}
		picked, err := Numbered(points, list)
		got := make([]byte, 6)
		last := -1
		for _, p := range picked {
			got[p.Index-1] = byte('0' + p.Index)
			for i := range points { // in the order in which they run
				if points[i].Index == p.Index && i < last {
					t.Errorf("%q: the order is another", numbers)
				} else if points[i].Index == p.Index {
					last = i
				}
			}
		}
		text := strings.ReplaceAll(string(got), "\x00", "")
		if err != nil {
			text = err.Error()
		}
		if err == nil && text != want || err != nil && !strings.Contains(text, want) {
			t.Errorf("%q: got %s, want %s", numbers, text, want)
		}
	}
}

// The number of repetitions can be another one than the file says. The first ones keep
// their numbers.
func TestSetRepeat(t *testing.T) {
	t.Parallel()
	f := mustParse(t, "x.yaml", "hosts: {a: ['x {{.n}}']}\nmatrix: {n: [1, 2, 3]}\nrepeat: 2")
	all := labels(f)
	if err := f.SetRepeat(1); err != nil || strings.Join(labels(f), " ") != strings.Join(all[:3], " ") {
		t.Errorf("got %v (%v), want %v", labels(f), err, all[:3])
	}
	if err := f.SetRepeat(3334); err == nil || !strings.Contains(err.Error(), "more than 10000 datapoints") {
		t.Errorf("got %v", err)
	}
}
