package main

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/pflag"

	"downbeat/internal/settings"
)

// The variables that misspelt ones are compared with are those that are read.
func TestEachVariableIsKnown(t *testing.T) {
	t.Parallel()
	root, _ := newRoot(stdio{in: os.Stdin, out: os.Stdout, err: os.Stderr})
	var got []string
	root.PersistentFlags().VisitAll(func(f *pflag.Flag) {
		for _, name := range variables(f.Name) {
			got = append(got, strings.TrimPrefix(name, settings.Prefix))
		}
	})
	slices.Sort(got)
	if !slices.Equal(got, settings.Publish) {
		t.Errorf("publish reads %q, settings knows %q", got, settings.Publish)
	}
}
