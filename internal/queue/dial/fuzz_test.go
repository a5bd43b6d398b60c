package dial_test

import (
	"strings"
	"testing"

	"downbeat/internal/queue/dial"
)

// The redacted form of any URL does not contain its password.
func FuzzRedact(f *testing.F) {
	f.Add("amqp://user:", "x", "@host:5672/vhost")
	f.Add("amqps://", "a/b#c", "@host")
	f.Add("sqs://eu-west-1", "", "")
	f.Add("AMQP://u:", "%zz", "@[::1]/")
	f.Add("mem:", "?", "&")
	f.Fuzz(func(t *testing.T, before, password, after string) {
		const secret = "S3CR3T"
		url := before + secret + password + secret + after
		shown := dial.Redact(url)
		_, _ = dial.IsLoopback(url) // it may be no URL at all
		if user, _, ok := strings.Cut(before, "://"); ok && strings.HasSuffix(before, ":") && strings.HasPrefix(after, "@") &&
			!strings.ContainsAny(before[len(user)+3:len(before)-1], ":/?#@") && strings.Contains(shown, secret) {
			t.Errorf("%q is shown as %q", url, shown)
		}
	})
}
