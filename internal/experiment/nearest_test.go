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
