package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/spf13/pflag"

	"downbeat/internal/queue"
	"downbeat/internal/queue/dial"
	"downbeat/internal/settings"
)

// findQueue takes the queue's URL from a file if a file was given instead of a URL; a flag wins
// over a variable. It returns warnings for the user.
func (f *flags) findQueue(set *pflag.FlagSet) (warnings []string, err error) {
	url, file := set.Changed("queue"), set.Changed("queue-file")
	switch {
	case url && file:
		return nil, errors.New("--queue and --queue-file: choose one")
	case f.QueueFile == "" || url:
	case !file && f.Queue != embedded:
		return nil, errors.New("the environment has both the queue's URL (DOWNBEAT_QUEUE or DOWNBEAT_QUEUE_URL) and a file that holds it (DOWNBEAT_QUEUE_FILE or DOWNBEAT_QUEUE_URL_FILE): unset one of them")
	default:
		if f.Queue, err = settings.ReadURL(f.QueueFile); err != nil {
			return nil, fmt.Errorf("--queue-file: %w", err)
		}
	}
	if url && dial.HasPassword(f.Queue) {
		warnings = append(warnings, "the password in --queue can be seen by everybody on this machine, with ps for instance; "+
			"put the URL into a file that only you can read (chmod 600) and give --queue-file FILE, or set DOWNBEAT_QUEUE_URL")
	}
	return warnings, nil
}

const (
	// connectWithin bounds the first connection: the user should hear soon that the queue can't
	// be reached.
	connectWithin = 15 * time.Second
	// bootWithin is how long to keep trying a broker that hangs up: it may still be starting.
	bootWithin = 10 * time.Second
)

func (a *app) connect(ctx context.Context) (queue.Broker, error) {
	ctx, cancel := context.WithTimeout(ctx, connectWithin)
	defer cancel()
	told := false
	var last error
	try := func() (broker queue.Broker, err error) {
		broker, last = dial.Open(ctx, a.flags.Queue, queue.Options{Log: a.log, ClientName: "publish"})
		if last != nil && !errors.Is(last, queue.ErrHungUp) {
			return nil, backoff.Permanent(last)
		}
		return broker, last
	}
	broker, err := backoff.Retry(ctx, try, backoff.WithBackOff(bootPause()), backoff.WithMaxElapsedTime(bootWithin),
		backoff.WithNotify(func(err error, _ time.Duration) {
			if !told {
				a.say("publish: %v; trying again for %s\n", err, bootWithin)
			}
			told = true
		}))
	a.starting = told
	if err != nil {
		err = last // says more than that the time is over
	}
	switch {
	case errors.Is(err, queue.ErrBadURL):
		return nil, usage(err)
	case err != nil:
		return nil, &exitError{exitUnreachable, err}
	}
	return broker, nil
}

func bootPause() *backoff.ExponentialBackOff {
	pause := backoff.NewExponentialBackOff()
	pause.InitialInterval, pause.MaxInterval = 200*time.Millisecond, 2*time.Second
	return pause
}
