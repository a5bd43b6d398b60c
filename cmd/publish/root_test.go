package main

import (
	"os"
	"strings"
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

// A flag that is given wins over its variable, even over one that can't be read. Of
// two variables the flag's own counts, and an empty one is not set.
func TestFlagWinsOverVariable(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		args, environ []string
		queue, lease  string
		says          string
	}{
		{queue: "mem:", lease: "30s"},
		{environ: []string{"LEASE=5s", "QUEUE_URL=sqs://a"}, queue: "sqs://a", lease: "5s"},
		{environ: []string{"LEASE=", "QUEUE=sqs://b", "QUEUE_URL=sqs://a"}, queue: "sqs://b", lease: "30s"},
		{args: []string{"--lease=7s", "--queue=mem:"}, environ: []string{"LEASE=5s", "QUEUE=sqs://a"}, queue: "mem:", lease: "7s"},
		{args: []string{"--lease=7s"}, environ: []string{"LEASE=soon"}, queue: "mem:", lease: "7s"},
		{environ: []string{"LEASE=soon"}, says: `DOWNBEAT_LEASE="soon": it is a duration, such as "30s"`},
		{environ: []string{"QUIET=perhaps"}, says: `DOWNBEAT_QUIET="perhaps": it is true or false`},
	} {
		root, a := newRoot(stdio{in: os.Stdin, out: os.Stdout, err: os.Stderr})
		set := root.PersistentFlags()
		if err := set.Parse(test.args); err != nil {
			t.Fatal(err)
		}
		err := a.flags.readEnvironment(set, func(key string) string {
			for _, entry := range test.environ {
				if value, ok := strings.CutPrefix("DOWNBEAT_"+entry, key+"="); ok {
					return value
				}
			}
			return ""
		})
		switch {
		case test.says != "":
			if err == nil || err.Error() != test.says {
				t.Errorf("%v: got %v, want %s", test, err, test.says)
			}
		case err != nil || a.flags.Queue != test.queue || a.flags.Lease.String() != test.lease:
			t.Errorf("%v: got queue %s, lease %s, %v", test, a.flags.Queue, a.flags.Lease, err)
		}
	}
}
