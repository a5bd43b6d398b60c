package main

import (
	"fmt"
	"strings"
	"testing"

	"downbeat/internal/settings"
)

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
		c := &config{Worker: settings.Worker{Host: test.names}}
		if err := c.checkHosts(); err == nil || !strings.Contains(err.Error(), test.says) {
			t.Errorf("%.40q: got %v, want %q", test.names, err, test.says)
		}
	}
	c := &config{Worker: settings.Worker{Host: []string{"alpha", " bravo"}}}
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
