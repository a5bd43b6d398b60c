// Package dial opens a [queue.Broker] by its URL, the way DOWNBEAT_QUEUE_URL
// and --queue give it.
package dial

import (
	"context"
	"fmt"
	"net/netip"
	"net/url"
	"strings"

	"downbeat/internal/queue"
	"downbeat/internal/queue/amqp"
	"downbeat/internal/queue/mem"
	"downbeat/internal/queue/sqs"
)

// known lists the supported forms, for error messages.
const known = "amqp://USER:PASSWORD@HOST/VHOST, amqps://USER:PASSWORD@HOST/VHOST, sqs://REGION and mem:"

// Open opens the broker that the URL names. Each `mem:` opened is a broker of
// its own. The error wraps [queue.ErrBadURL], [queue.ErrUnreachable] or
// [queue.ErrDenied], or is ctx's.
func Open(ctx context.Context, rawURL string, opts queue.Options) (queue.Broker, error) {
	kind, err := scheme(rawURL)
	if err != nil {
		return nil, err
	}
	switch kind {
	case "mem":
		return mem.New(opts), nil
	case "sqs":
		return sqs.Open(ctx, rawURL, opts)
	}
	return amqp.Open(ctx, rawURL, opts)
}

// IsLoopback tells whether the broker is on this machine's loopback: at localhost, in
// 127.0.0.0/8, at ::1, or inside the process. Other names don't count, even if they resolve to
// it now, because that can change. With sqs:// it is about the endpoint in the AWS SDK's own
// configuration.
func IsLoopback(rawURL string) (bool, error) {
	kind, err := scheme(rawURL)
	if err != nil {
		return false, err
	}
	switch kind {
	case "mem":
		return true, nil
	case "sqs":
		endpoint, err := sqs.Endpoint(context.Background(), rawURL)
		return err == nil && sqs.IsLoopback(endpoint), err
	}
	host, err := amqp.Host(rawURL)
	if err != nil {
		return false, err
	}
	if strings.EqualFold(host, "localhost") {
		return true, nil
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.Unmap().IsLoopback(), nil
}

// Redact returns the URL without its password, for logs and errors. If it is not certain which
// part is the password, only the scheme is left.
func Redact(rawURL string) string {
	u, err := url.Parse(rawURL)
	at := strings.Count(rawURL, "@")
	if err == nil && u.User != nil {
		at-- // an @ beyond that of the user may end a password that holds a '/' or '#'
	}
	if err != nil || at > 0 {
		for _, kind := range []string{"amqp:", "amqps:", "sqs:"} {
			if strings.HasPrefix(rawURL, kind) {
				return kind + "(unreadable URL)"
			}
		}
		return "(unreadable URL)"
	}
	return u.Redacted()
}

// RedactAll applies [Redact] to the arguments that look like a URL.
func RedactAll(args []string) []string {
	all := make([]string, len(args))
	for i, arg := range args {
		if strings.Contains(arg, "://") {
			arg = Redact(arg)
		}
		all[i] = arg
	}
	return all
}

// HasPassword tells whether there is a password in the URL, or may be, because it is malformed.
func HasPassword(rawURL string) bool {
	u, err := url.Parse(rawURL)
	if err != nil || u.User == nil {
		return strings.Contains(rawURL, "@")
	}
	_, ok := u.User.Password()
	return ok
}

// scheme returns "amqp", "amqps", "sqs" or "mem".
func scheme(rawURL string) (string, error) {
	if rawURL == "" {
		return "", fmt.Errorf("%w: it is empty; it must be one of %s", queue.ErrBadURL, known)
	}
	kind, rest, ok := strings.Cut(rawURL, ":")
	if !ok {
		return "", fmt.Errorf("%w: it has no scheme; it must be one of %s", queue.ErrBadURL, known)
	}
	switch kind = strings.ToLower(kind); kind {
	case "amqp", "amqps", "sqs":
		if !strings.HasPrefix(rest, "//") {
			return "", fmt.Errorf("%w: %s: is not followed by //; it must be one of %s", queue.ErrBadURL, kind, known)
		}
		return kind, nil
	case "mem":
		if strings.Trim(rest, "/") != "" {
			return "", fmt.Errorf("%w: nothing can follow mem:, there is only one broker in a process", queue.ErrBadURL)
		}
		return kind, nil
	}
	return "", fmt.Errorf("%w: unknown scheme %.20q; it must be one of %s", queue.ErrBadURL, kind, known)
}
