package metric

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"

	"downbeat/internal/experiment"
	"downbeat/internal/program"
)

// A program's numbers are in the last number or object that it has printed, whatever it printed
// besides.
func TestNumbersOfPrograms(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, output, field, want string }{
		{"a number", "42\n", "", "m=42"},
		{"without an end", "4.5e3", "", "m=4500"},
		{"the last number", "1\n2\nchecked 3 histories\n 3 \nbye\n", "", "m=3"},
		{"coloured", "\x1b[32m7\x1b[0m\r\n", "", "m=7"},
		{"an object", `{"ops": 12, "rate": "3.5"}`, "", "m.ops=12 m.rate=3.5"},
		{"the last object", "{\"a\": 1}\nthen\n{\n  \"a\": 2\n}\nbye\n", "", "m.a=2"},
		{"an object after a number", "5\n{\"a\": 2}\n", "", "m.a=2"},
		{"a number after an object", "{\"a\": 2}\n5\n", "", "m=5"},
		{"what is no number", `{"a": 2, "why": "cycle", "ok": true, "n": null, "l": [1]}`, "", `m.a=2 (left out: why is "cycle", and 3 more)`},
		{"NaN", `{"a": NaN, "b": 1}`, "", `m.b=1 (left out: a is "NaN")`},
		{"names", `{"a b": 2, "": 3, "c": 1}`, "", `m.c=1 (left out: `},
		{"twice", `{"a": 2, "a": 3}`, "", `m.a=2 (left out: "a" is there twice)`},
		{"a field", `{"a": {"b": 2}, "c": 1}`, "a.b", "m=2"},
		{"a field in a list", `{"a": [{"b": 2}]}`, "a.*.b", "m=2"},
		{"several", `{"a": [1, 2]}`, "a.*", `! printed 2 values for field "a.*": it has to be one`},
		{"no such field", `{"a": 1, "b": 2}`, "c", `! printed no field "c"; its object has "a", "b"`},
		{"a field of a number", "5\n", "c", `! printed "5", which has no field "c"`},
		{"a field that is no number", `{"c": true}`, "c", `! printed "true", which is not a number`},
		{"nothing", "", "", "! printed neither a number nor an object of JSON"},
		{"words", "all is well\n", "", "! printed neither a number nor an object of JSON"},
		{"a list", "[1, 2]\n", "", "! printed neither a number nor an object of JSON"},
		{"a broken object", "5\n{\"a\": 1,\n  7\n", "", "! printed an object of JSON that is broken"},
		{"a broken object before another", "{\"a\": 1,\n{\"b\": 1}\n", "", "m.b=1"},
		{"an object without numbers", `{"a": "x"}`, "", `! printed an object without a number; its object has "a"`},
		{"an empty object", `{}`, "", `! printed an object without a number; its object is empty`},
		{"a number with a unit", "12ms\n", "", `! printed "12ms", which is not a number`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			m := &experiment.Metric{Name: "m", Field: tt.field, Scale: 1, Program: &experiment.Program{Argv: []string{"./j"}}}
			found, note, err := numbersOf(m, program.Result{Output: []byte(tt.output)})
			got := told(found, note, err)
			if strings.HasSuffix(tt.want, "out: ") && strings.HasPrefix(got, tt.want) {
				return // what the decoder says is its own
			}
			if got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

func told(found []part, note string, err error) string {
	if err != nil {
		return "! " + err.Error()
	}
	var b strings.Builder
	for _, p := range found {
		fmt.Fprintf(&b, " %s=%v", p.metric.Name, p.value)
	}
	if note != "" {
		fmt.Fprintf(&b, " (%s)", note)
	}
	return b.String()[1:]
}

// Scale and notation hold for what a program prints, and its failure is the metric's.
func TestMetricsOfPrograms(t *testing.T) {
	t.Parallel()
	m := &experiment.Metric{Name: "m", Scale: 1000, Parse: experiment.NotationDuration, Program: &experiment.Program{Argv: []string{"./j"}}}
	if found, _, err := numbersOf(m, program.Result{Output: []byte("1.13ms\n")}); err != nil || len(found) != 1 || found[0].value != 1.13 {
		t.Errorf("got %v, %v", found, err)
	}
	failed := errors.New("exited with status 1")
	if _, _, err := numbersOf(m, program.Result{Output: []byte("1ms\n"), Err: failed}); !errors.Is(err, failed) {
		t.Errorf("got %v", err)
	}
	if _, _, err := numbersOf(m, program.Result{Output: []byte("x"), Cut: true}); err == nil || !strings.Contains(err.Error(), "only the last 1 MiB are kept") {
		t.Errorf("got %v", err)
	}
	var many strings.Builder
	for i := range maxParts + 50 {
		fmt.Fprintf(&many, `, "k%d": %d`, i, i)
	}
	m = &experiment.Metric{Name: "m", Scale: 1, Program: m.Program}
	if found, note, err := numbersOf(m, program.Result{Output: []byte("{" + many.String()[1:] + "}")}); err != nil || len(found) != maxParts || note != "left out: k200, after 200 others, and 49 more" {
		t.Errorf("got %d, %q, %v", len(found), note, err)
	}
}

// Whatever a program prints, what comes of it are finite numbers under valid names, or an error.
func FuzzNumbersOf(f *testing.F) {
	for _, output := range []string{"42\n", "{\"a\": 1}\n", "{\"a\": 1,\n  7\n", "{\"a\": [1, {\"b\": NaN}]}", "\x1b[1m{\r\n}", "{", "1e999"} {
		f.Add([]byte(output), "a.*.b")
		f.Add([]byte(output), "")
	}
	f.Fuzz(func(t *testing.T, output []byte, field string) {
		m := &experiment.Metric{Name: "m", Field: field, Scale: 1, Program: &experiment.Program{Argv: []string{"./j"}}}
		found, _, err := numbersOf(m, program.Result{Output: output})
		if err == nil && len(found) == 0 {
			t.Error("there is neither a number nor an error")
		}
		for _, p := range found {
			if math.IsNaN(p.value) || math.IsInf(p.value, 0) || p.metric.Name != "m" && !m.Gives(p.metric.Name) {
				t.Errorf("got %q = %v", p.metric.Name, p.value)
			}
		}
	})
}
