package experiment

import "testing"

// TestNearest: a slip of the keyboard finds its name, another word does not.
func TestNearest(t *testing.T) {
	t.Parallel()
	names := []string{"name", "hosts", "groups", "stop", "timeout", "grace", "a"}
	for got, want := range map[string]string{
		"naem": "name", "host": "hosts", "Hosts": "hosts", "gruops": "groups", "timout": "timeout", "time_out": "timeout", "STOP": "stop",
		"x": "", "": "", "colour": "", "b": "", "repeat": "",
	} {
		if n := nearest(got, names); n != want {
			t.Errorf("nearest(%q): got %q, want %q", got, n, want)
		}
	}
}

// TestDistance: a swap of neighbours is one slip, like a wrong, a missing and a
// needless letter.
func TestDistance(t *testing.T) {
	t.Parallel()
	for pair, want := range map[[2]string]int{
		{"", ""}: 0, {"abc", "abc"}: 0, {"abc", "acb"}: 1, {"abc", "ab"}: 1, {"abc", "abcd"}: 1, {"abc", "axc"}: 1, {"", "abc"}: 3, {"kitten", "sitting"}: 3,
	} {
		if d := distance(pair[0], pair[1]); d != want {
			t.Errorf("distance(%q, %q): got %d, want %d", pair[0], pair[1], d, want)
		}
	}
}
