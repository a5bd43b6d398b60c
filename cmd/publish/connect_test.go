package main

import (
	"os"
	"testing"

	"downbeat/internal/settings"
)

// Each setting has a flag with the default that help shows, and nothing else has.
func TestFlagsAreTheSettings(t *testing.T) {
	t.Parallel()
	root, a := newRoot(stdio{in: os.Stdin, out: os.Stdout, err: os.Stderr})
	variables := settings.Variables(&a.flags.Publish)
	if n := len(variables); n < 15 {
		t.Fatalf("found %d settings", n)
	}
	for _, v := range variables {
		flag := root.PersistentFlags().Lookup(v.Flag())
		if v.Default != "" && (flag.DefValue != v.Default || flag.Value.String() != v.Default) {
			t.Errorf("--%s is %s, and shows %s; want %s", v.Flag(), flag.Value, flag.DefValue, v.Default)
		}
	}
}
