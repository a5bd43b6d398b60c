package main

import (
	"encoding/json"
	"testing"
)

// Characters that a terminal may obey are escaped, and mean the same.
func TestControlCharactersAreEscapedInJSON(t *testing.T) {
	t.Parallel()
	const text = "a\u009b2J\x7fé\u0085漢\x1b[2J"
	line, err := json.Marshal(text)
	if err != nil {
		t.Fatal(err)
	}
	escaped := escapeC1(line)
	if got, want := string(escaped), `"a\u009b2J\u007fé\u0085漢\u001b[2J"`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	var back string
	if err := json.Unmarshal(escaped, &back); err != nil || back != text {
		t.Errorf("got %q, %v back", back, err)
	}
}
