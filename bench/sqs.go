package main

import (
	"context"
	"fmt"
	"time"

	"downbeat/internal/queue/sqs/sqstest"
)

const (
	// sqsLines is how many lines of 100 bytes each of the four hosts prints.
	sqsLines = 100_000
	// sqsLargest is how much one request of SQS carries.
	sqsLargest = 1 << 20
)

// overSQS takes the same measurements over an SQS emulator and over RabbitMQ, in turns, and
// counts the requests for many lines.
func overSQS(ctx context.Context, b *bed) (err error) {
	server, err := sqstest.Start(ctx, b.dir)
	if err != nil {
		return err
	}
	counter, err := sqstest.NewCounter(server.URL())
	if err != nil {
		return err
	}
	s := &bed{dir: b.path("sqs"), programs: b.dir, rounds: b.rounds, url: sqstest.QueueURL, env: sqstest.Environ(counter.URL()), stop: func() error {
		counter.Close()
		return server.Stop()
	}}
	defer func() {
		if e := s.close(); err == nil {
			err = e
		}
	}()
	if err := s.prepare(ctx); err != nil {
		return err
	}
	if err := sqsWall(ctx, b, s); err != nil {
		return err
	}
	if err := sqsSkew(ctx, b, s); err != nil {
		return err
	}
	return sqsOutput(ctx, s, counter)
}

// sqsSkew compares the spread of the processes' own clock readings at their
// start.
func sqsSkew(ctx context.Context, b, s *bed) error {
	file, err := b.file("skew", b.path("stamp")+" "+b.path("stamps")+" 1")
	if err != nil {
		return err
	}
	var rabbit, ours series
	for range b.rounds {
		over, err := b.spread(func() error { return b.publish(ctx, file) })
		if err != nil {
			return err
		}
		rabbit = append(rabbit, over)
		if over, err = b.spread(func() error { return s.publish(ctx, file) }); err != nil {
			return err
		}
		ours = append(ours, over)
	}
	fmt.Printf("start skew of %d processes, ms: RabbitMQ %s, SQS emulator %s\n", processes, rabbit, ours)
	return nil
}

func sqsWall(ctx context.Context, b, s *bed) error {
	file, err := b.file("wall", "/bin/true")
	if err != nil {
		return err
	}
	var rabbit, ours series
	for range b.rounds {
		for _, side := range []struct {
			bed  *bed
			wall *series
		}{{b, &rabbit}, {s, &ours}} {
			began := time.Now()
			if err := side.bed.publish(ctx, file); err != nil {
				return err
			}
			*side.wall = append(*side.wall, milliseconds(time.Since(began)))
		}
	}
	fmt.Printf("%d x /bin/true, whole wall, ms: RabbitMQ %s, SQS emulator %s, ratio of medians %.2f\n",
		processes, rabbit, ours, ours.median()/rabbit.median())
	return nil
}

// sqsOutput counts the requests for many lines, and compares them with the least that could
// carry as many bytes.
func sqsOutput(ctx context.Context, s *bed, counter *sqstest.Counter) error {
	file, err := s.experiment("output", fmt.Sprintf("%s %d", s.programPath("lines"), sqsLines), len(hosts))
	if err != nil {
		return err
	}
	silent, err := s.experiment("silent", "/bin/true", len(hosts))
	if err != nil {
		return err
	}
	const least = (4*sqsLines*100 + sqsLargest - 1) / sqsLargest
	var carried, sends, all, rate series
	for range s.rounds {
		counter.Take()
		if err := s.publish(ctx, silent); err != nil {
			return err
		}
		without := counter.Take()
		began := time.Now()
		if err := s.publish(ctx, file); err != nil {
			return err
		}
		rate = append(rate, float64(len(hosts)*sqsLines)/time.Since(began).Seconds()/1000)
		if err := s.checkLines(sqsLines); err != nil {
			return err
		}
		with := counter.Take()
		carried = append(carried, float64(with.Sends("events")-without.Sends("events")))
		sends = append(sends, float64(with.Sends("events", "control", "jobs")))
		all = append(all, float64(with.Total()))
	}
	fmt.Printf("%d x %d lines of 100 bytes over the SQS emulator, thousand lines/s: %s\n", len(hosts), sqsLines, rate)
	fmt.Printf("  requests that sent events, beyond those of a run that prints nothing: %s, %.2f of the %d that carry as many bytes at 1 MiB each\n",
		carried, carried.median()/least, least)
	fmt.Printf("  requests that sent anything: %s; of all kinds: %s\n", sends, all)
	return nil
}
