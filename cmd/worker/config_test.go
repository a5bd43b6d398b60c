package main

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/kelseyhightower/envconfig"

	"downbeat/internal/settings"
)

// The variables that misspelt ones are compared with are those that are read.
func TestEachVariableIsKnown(t *testing.T) {
	t.Parallel()
	var keys bytes.Buffer
	if err := envconfig.Usagef(prefix, &environment{}, &keys, "{{range .}}{{usage_key .}}\n{{end}}"); err != nil {
		t.Fatal(err)
	}
	var got []string
	for key := range strings.FieldsSeq(keys.String()) {
		got = append(got, strings.TrimPrefix(key, settings.Prefix))
	}
	slices.Sort(got)
	if !slices.Equal(got, settings.Worker) {
		t.Errorf("the worker reads %q, settings knows %q", got, settings.Worker)
	}
}

// Names that are alike but for case or spaces, empty or too many are refused.
func TestHostNamesThatCannotBeServed(t *testing.T) {
	t.Parallel()
	many := make([]string, maxHosts+1)
	for i := range many {
		many[i] = fmt.Sprint("h", i)
	}
	for _, test := range []struct {
		names []string
		says  string
	}{
		{[]string{"alpha", "Alpha"}, "alpha and Alpha, which differ in case alone"},
		{[]string{"alpha", " alpha "}, "names alpha twice"},
		{[]string{"alpha", ""}, "not a usable name"},
		{[]string{"alpha bravo"}, "not a usable name"},
		{many, "1001 names, at most 1000"},
	} {
		c := &config{environment: environment{Host: test.names}}
		if err := c.checkHosts(); err == nil || !strings.Contains(err.Error(), test.says) {
			t.Errorf("%.40q: got %v, want %q", test.names, err, test.says)
		}
	}
	c := &config{environment: environment{Host: []string{"alpha", " bravo"}}}
	if err := c.checkHosts(); err != nil || c.Host[1] != "bravo" {
		t.Errorf("got %v and %q, want alpha and bravo", err, c.Host)
	}
}

// However many names there are, what is shown of them stays short.
func TestShownNamesStayShort(t *testing.T) {
	t.Parallel()
	many := make([]string, 1000)
	for i := range many {
		many[i] = fmt.Sprintf("host-%d", i)
	}
	got := shown(many)
	if len(got) > 200 || !strings.HasPrefix(got, "host-0, host-1, ") || !strings.HasSuffix(got, " more") {
		t.Errorf("got %q", got)
	}
	if got := shown(many[:2]); got != "host-0, host-1" {
		t.Errorf("got %q", got)
	}
}
