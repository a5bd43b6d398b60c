package sqs

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"regexp"
	"strings"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsretry "github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"downbeat/internal/queue"
	"downbeat/internal/queue/retry"
)

// urlForm is how a URL is written, for error messages.
const urlForm = "sqs://REGION, or sqs:// for the region that the AWS SDK's own configuration names"

var regionPattern = regexp.MustCompile(`^[a-z0-9-]*$`)

// parseURL returns the region that the URL names, or "".
func parseURL(rawURL string) (string, error) {
	u, err := url.Parse(rawURL)
	if err != nil || u.User != nil || strings.Contains(rawURL, "@") {
		return "", fmt.Errorf("%w: it is not of the form %s; credentials come from the AWS SDK's own configuration, never from the URL", queue.ErrBadURL, urlForm)
	}
	if u.Opaque != "" || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "" || !regionPattern.MatchString(u.Host) {
		return "", fmt.Errorf("%w: it is not of the form %s", queue.ErrBadURL, urlForm)
	}
	return u.Host, nil
}

// load reads the SDK's own configuration: environment, files, and on AWS's
// machines what those tell.
func load(ctx context.Context, rawURL string) (aws.Config, error) {
	region, err := parseURL(rawURL)
	if err != nil {
		return aws.Config{}, err
	}
	options := []func(*config.LoadOptions) error{}
	if region != "" {
		options = append(options, config.WithRegion(region))
	}
	cfg, err := config.LoadDefaultConfig(ctx, options...)
	if err != nil {
		return aws.Config{}, fmt.Errorf("%w: the AWS SDK's configuration can't be used: %w", queue.ErrBadURL, err)
	}
	if cfg.Region == "" {
		return aws.Config{}, fmt.Errorf("%w: neither it nor the AWS SDK's configuration (AWS_REGION) names a region: write %s", queue.ErrBadURL, urlForm)
	}
	return cfg, nil
}

// Endpoint tells which endpoint the URL's broker is reached at, where the AWS
// SDK's own configuration (AWS_ENDPOINT_URL_SQS, AWS_ENDPOINT_URL, a profile)
// names one; otherwise it is AWS's own, and the string is empty.
func Endpoint(ctx context.Context, rawURL string) (string, error) {
	cfg, err := load(ctx, rawURL)
	if err != nil {
		return "", err
	}
	return aws.ToString(sqs.NewFromConfig(cfg).Options().BaseEndpoint), nil
}

// IsLoopback tells whether the endpoint is on this machine's loopback by its
// name alone: localhost, 127.0.0.0/8 or ::1.
func IsLoopback(endpoint string) bool {
	u, err := url.Parse(endpoint)
	if err != nil {
		return false
	}
	if strings.EqualFold(u.Hostname(), "localhost") {
		return true
	}
	addr, err := netip.ParseAddr(u.Hostname())
	return err == nil && addr.Unmap().IsLoopback()
}

// maxConns is how many connections are kept for the next request: a worker has
// two long polls and a few other requests at a time.
const maxConns = 32

// connect makes the client, with a transport of its own that can be closed.
func connect(ctx context.Context, cfg aws.Config, clock *serverClock) (*sqs.Client, *http.Transport, error) {
	if _, err := cfg.Credentials.Retrieve(ctx); err != nil {
		if ctx.Err() != nil {
			return nil, nil, fmt.Errorf("%w: no AWS credentials in time: %w", queue.ErrUnreachable, err)
		}
		return nil, nil, fmt.Errorf("%w: no AWS credentials: %w; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY or AWS_PROFILE, or run with an IAM role", queue.ErrDenied, err)
	}
	// From the configuration's own client come proxies and AWS_CA_BUNDLE.
	transport := awshttp.NewBuildableClient().GetTransport()
	if own, ok := cfg.HTTPClient.(*awshttp.BuildableClient); ok {
		transport = own.GetTransport()
	}
	transport.MaxIdleConnsPerHost = maxConns
	client := sqs.NewFromConfig(cfg, func(o *sqs.Options) {
		o.HTTPClient = &http.Client{Transport: &clocked{transport, clock}}
		o.Retryer = awsretry.NewStandard(func(r *awsretry.StandardOptions) { r.MaxBackoff = retry.Longest })
	})
	return client, transport, nil
}

// probe makes sure that SQS answers and knows the credentials. What they may do
// is seen when it is done: nothing is allowed for every queue.
func probe(ctx context.Context, client *sqs.Client, where string) error {
	_, err := client.GetQueueUrl(ctx, &sqs.GetQueueUrlInput{QueueName: aws.String("downbeat-probe")})
	if err == nil {
		return nil
	}
	refused := mapped(err)
	switch {
	case errors.Is(refused, queue.ErrNoQueue), refused != nil && strings.Contains(refused.Error(), "AccessDenied"):
		return nil
	case errors.Is(refused, queue.ErrDenied):
		return fmt.Errorf("SQS at %s: %w", where, refused)
	case ctx.Err() != nil:
		return fmt.Errorf("%w: SQS at %s: %w", queue.ErrUnreachable, where, ctx.Err())
	}
	return fmt.Errorf("%w: SQS at %s: %w; check the region, and AWS_ENDPOINT_URL if it is set", queue.ErrUnreachable, where, err)
}

// A serverClock tells SQS's time, of which every response tells the second. The
// clocks of our hosts may be wrong, and what is kept about a queue has to mean
// the same to all.
type serverClock struct{ offset atomic.Int64 }

func (c *serverClock) now() time.Time { return time.Now().Add(time.Duration(c.offset.Load())) }

// clocked notes the time that each response tells.
type clocked struct {
	next  http.RoundTripper
	clock *serverClock
}

func (c *clocked) RoundTrip(r *http.Request) (*http.Response, error) {
	response, err := c.next.RoundTrip(r)
	if err == nil {
		if date, err := http.ParseTime(response.Header.Get("Date")); err == nil {
			c.clock.offset.Store(int64(time.Until(date)))
		}
	}
	return response, err
}
