package experiment_test

import (
	"strings"
	"testing"

	"downbeat/internal/experiment"
)

// Conditions pick the points that have one of the values of each parameter named.
func TestOnlyPicksPoints(t *testing.T) {
	t.Parallel()
	file, err := experiment.Parse("x.yaml", []byte("hosts: {alpha: ['echo {{.n}} {{.mode}}']}\nmatrix: {n: [1, 2, 1.5], mode: [fast, safe]}\n"))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ only, want string }{
		{"", "mode=fast, n=1; mode=safe, n=1; mode=fast, n=2; mode=safe, n=2; mode=fast, n=1.5; mode=safe, n=1.5"},
		{"n=2", "mode=fast, n=2; mode=safe, n=2"},
		{"n=2 n=1.5 mode=safe", "mode=safe, n=2; mode=safe, n=1.5"},
		{"n=1.0 mode=safe", "mode=safe, n=1"},
		{"n=15e-1 mode=safe", "mode=safe, n=1.5"},
		{"n=+2 mode=fast", "mode=fast, n=2"},
		{"mode=1.0", "error: no datapoint has mode=1.0 (publish check lists them)"},
		{"n", `error: "n" is not a condition: write it as PARAMETER=VALUE`},
		{"nodes=1", `error: no parameter "nodes" (known: mode, n)`},
		{"mod=fast", `error: no parameter "mod" (did you mean "mode"?)`},
		{"n=3", "error: no datapoint has n=3 (publish check lists them)"},
	} {
		points, err := file.Only(file.Points(), strings.Fields(c.only))
		var texts []string
		for _, p := range points {
			texts = append(texts, p.String())
		}
		got := strings.Join(texts, "; ")
		if err != nil {
			got = "error: " + err.Error()
		}
		if got != c.want {
			t.Errorf("%s: got %s, want %s", c.only, got, c.want)
		}
	}
}
