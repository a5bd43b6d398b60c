package conform

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"downbeat/internal/experiment"
	"downbeat/internal/message"
	"downbeat/internal/outcome"
	"downbeat/internal/publisher"
	"downbeat/internal/queue"
	"downbeat/internal/results"
	"downbeat/internal/streams"
)

// startWorker starts the worker under test, and waits until it takes jobs.
func (s *stage) startWorker() error {
	public, state := s.path("keys", message.PublicKeyFile), s.path("state")
	if err := os.MkdirAll(state, 0o700); err != nil {
		return err
	}
	environ := s.environ("DOWNBEAT_HOST="+s.host, "DOWNBEAT_STATE_DIR="+state, "DOWNBEAT_TRUSTED_KEYS="+public)
	if err := s.launch(s.command("{host}", s.host), environ); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(s.ctx, s.kit.Timeout)
	defer cancel()
	for {
		info, err := s.plain.Inspect(ctx, message.JobsQueue(s.namespace, s.host))
		if err == nil && info.Consumers > 0 {
			return nil
		}
		if err != nil && !errors.Is(err, queue.ErrNoQueue) {
			return err
		}
		select {
		case <-s.subject.ended:
			return s.failed(RuleExit, "the worker has ended with status %d before it took jobs", s.subject.status())
		case <-ctx.Done():
			return s.failed(RuleCase, "within %s the worker has not begun to take from %s", s.kit.Timeout, message.JobsQueue(s.namespace, s.host))
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// serve starts the worker under test and a publisher that is played by hand.
func (s *stage) serve() (*handPublisher, error) {
	p, err := s.newHandPublisher()
	if err != nil {
		return nil, err
	}
	return p, s.startWorker()
}

// leave has the worker under test end, as SIGTERM asks it to.
func (s *stage) leave() error {
	s.mayEnd = true
	s.subject.signal(syscall.SIGTERM)
	return s.end(s.kit.Timeout, 0, "as it was sent SIGTERM")
}

// A datapoint is a run of the real publisher's on the worker under test.
type datapoint struct {
	// file is the experiment, in YAML, with HOST for the worker and DIR for a directory
	// that only this case uses.
	file    string
	outcome outcome.Run
	// check, if any, looks at what has come of it.
	check func(*stage, *gathered) error
}

// gathered is what a run of the real publisher's has brought.
type gathered struct {
	record results.Record
	dir    string // of the run's results
}

// text is what a process wrote to standard output.
func (g *gathered) text(host, process string) (string, error) {
	data, err := os.ReadFile(filepath.Join(g.dir, results.OutputPath(host, process, streams.Stdout)))
	return string(data), err
}

// play makes the run, has the worker end, and looks at what has come of both.
func (d datapoint) play(s *stage) error {
	if err := s.startWorker(); err != nil {
		return err
	}
	got, err := s.gather(d.file)
	if err != nil {
		return err
	}
	if got.record.Outcome != d.outcome {
		return s.failed(RuleCase, "the run is %s and should be %s: %s", got.record.Outcome, d.outcome, got.record.Reason)
	}
	if d.check != nil {
		if err := d.check(s, got); err != nil {
			return err
		}
	}
	if err := s.sweep(s.ctx, got.record.Run); err != nil {
		return err
	}
	return s.leave()
}

// gather has the real publisher run an experiment.
func (s *stage) gather(text string) (_ *gathered, err error) {
	text = strings.NewReplacer("HOST", s.host, "DIR", s.dir).Replace(text)
	file, err := experiment.ParseFrom(experiment.Origin{Path: s.path("experiment.yaml")}, []byte(text))
	if err != nil {
		return nil, fmt.Errorf("the case's experiment: %w", err)
	}
	p, err := publisher.New(s.ctx, publisher.Config{
		Broker: s.broker, Namespace: s.namespace, Key: s.key, ReadyTimeout: s.kit.Timeout, Lease: s.kit.Timeout, Version: "conform",
	})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, p.Close(context.WithoutCancel(s.ctx))) }()
	dp, err := file.Points()[0].Expand(p.NewRun())
	if err != nil {
		return nil, err
	}
	s.runs = append(s.runs, dp.Run)
	e, err := results.Create(s.path("results"), results.Meta{Name: file.Name, Source: []byte(text), Format: "yaml"})
	if err != nil {
		return nil, err
	}
	defer e.Close()
	var all []results.Process
	for _, c := range dp.Commands() {
		all = append(all, results.Process{Host: c.Host, Name: c.Name})
	}
	out, err := e.ReserveRun("0001", all)
	if err != nil {
		return nil, err
	}
	record, err := p.Run(s.ctx, publisher.Spec{Datapoint: dp, Results: out, Observer: deaf{}})
	return &gathered{record, out.Dir()}, err
}

// deaf is an observer that doesn't care.
type deaf struct{}

func (deaf) Host(string, publisher.Phase, string)          {}
func (deaf) Beat(int, []string, time.Time)                 {}
func (deaf) ProcessReady(int, time.Time)                   {}
func (deaf) LifeEnded(int, results.LifeRecord)             {}
func (deaf) Acted(results.ActionRecord)                    {}
func (deaf) Marked(results.MarkRecord)                     {}
func (deaf) Started(int, int, time.Time)                   {}
func (deaf) Output(int, streams.Stream, time.Time, []byte) {}
func (deaf) Exited(int, results.ProcessRecord)             {}
func (deaf) Step(int, results.StepRecord)                  {}
func (deaf) Stopping(message.StopCause, string)            {}
