package main

import (
	"os"
	"strings"
	"testing"
)

// A mutant whose lines are not in the code any more, or are there twice, is told.
func TestReplaceWantsTheLinesOnce(t *testing.T) {
	t.Parallel()
	const text = "a\n\tb\n\tc\nb\n"
	for _, test := range []struct{ old, want, problem string }{
		{"b\nc\n", "a\nX\nb\n", ""},
		{"b\n", "", "twice"},
		{"d\n", "", "not there"},
	} {
		got, err := replace(text, test.old, "X\n")
		if got != test.want || (err == nil) != (test.problem == "") || err != nil && !strings.Contains(err.Error(), test.problem) {
			t.Errorf("%q: %q, %v, want %q, %q", test.old, got, err, test.want, test.problem)
		}
	}
}

// The list has at least 25 mutants, and each fits to the code as it is.
func TestEveryMutantFits(t *testing.T) {
	t.Parallel()
	mutants, err := parse(list)
	if err != nil || len(mutants) < 25 {
		t.Fatalf("%d mutants, %v", len(mutants), err)
	}
	for _, m := range mutants {
		data, err := os.ReadFile("../../" + m.file)
		if err == nil {
			_, err = replace(string(data), m.old, m.changed)
		}
		if err != nil {
			t.Errorf("%s: %s: %v", m.name, m.file, err)
		}
	}
}
