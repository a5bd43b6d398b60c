package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"downbeat/internal/conform"
	"downbeat/internal/runner"
	"downbeat/internal/secrecy"
	"downbeat/internal/version"
)

const longHelp = `Examine a worker or a publisher that was written in another language.

downbeat-conform runs COMMAND once for each case, plays the other half over a
RabbitMQ, through a network that loses, doubles and reorders messages, and holds
the whole conversation against the rules of docs/protocol.md. Each case has a
namespace, a directory and a key pair of its own; nothing is left of it.

COMMAND finds DOWNBEAT_QUEUE_URL and DOWNBEAT_NAMESPACE in its environment. A worker
also finds DOWNBEAT_HOST, DOWNBEAT_STATE_DIR and DOWNBEAT_TRUSTED_KEYS, and {host} in
its arguments is replaced; it serves that host until SIGTERM. A publisher finds
DOWNBEAT_KEY, DOWNBEAT_RESULTS, DOWNBEAT_LEASE and DOWNBEAT_READY_TIMEOUT, and {file}
in its arguments is replaced by an experiment in the small form: it runs that,
prints the lines of all processes, and ends with the exit status of publish.

Exit status: 0 when no case failed but those listed with --known-failures, 1 when
one did, 2: bad usage, 3: the broker can't be used.`

const examples = `  downbeat-conform worker -- ./worker.py {host}
  downbeat-conform publisher -- ./publisher.py {file}
  downbeat-conform worker --case lossy --seed 7 -- ./worker.py {host}
  downbeat-conform worker --list`

// options are the flags.
type options struct {
	queue    string
	cases    []string
	list     bool
	seed     uint64
	parallel int
	timeout  time.Duration
	known    string
	json     bool
}

func newRoot(out, errs io.Writer) *cobra.Command {
	root := &cobra.Command{
		Use: "downbeat-conform", Short: "Examine a worker or a publisher written in another language",
		Long: longHelp, Example: examples, Version: version.String(), SilenceErrors: true, SilenceUsage: true,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			return errors.New("say what is to be examined: worker or publisher")
		},
	}
	for _, role := range []conform.Role{conform.Worker, conform.Publisher} {
		root.AddCommand(newExamination(role, out, errs))
	}
	return root
}

func newExamination(role conform.Role, out, errs io.Writer) *cobra.Command {
	var o options
	c := &cobra.Command{
		Use:   fmt.Sprintf("%s [flags] -- COMMAND ...", role),
		Short: fmt.Sprintf("Examine a %s", role),
		RunE: func(c *cobra.Command, args []string) error {
			return o.examine(c.Context(), role, args, out, errs)
		},
	}
	f := c.Flags()
	f.StringVar(&o.queue, "queue", os.Getenv("DOWNBEAT_QUEUE_URL"), "`URL` of the RabbitMQ (also $DOWNBEAT_QUEUE_URL)")
	f.StringArrayVar(&o.cases, "case", nil, "play this case alone; may be given again")
	f.BoolVar(&o.list, "list", false, "list the cases, and play none")
	f.Uint64Var(&o.seed, "seed", 1, "what happens to messages is drawn from it")
	f.IntVar(&o.parallel, "parallel", 2*runtime.NumCPU(), "how many cases are played at a time")
	f.DurationVar(&o.timeout, "timeout", 20*time.Second, "how long the program may take for each thing that it has to do")
	f.StringVar(&o.known, "known-failures", "", "`FILE` of cases that are expected to fail, one a line")
	f.BoolVar(&o.json, "json", false, "write the results as one JSON object")
	// The URL may hold a password, which help must not show.
	f.Lookup("queue").DefValue = ""
	return c
}

// examine plays the cases.
func (o *options) examine(ctx context.Context, role conform.Role, command []string, out, errs io.Writer) error {
	cases, err := o.chosen(role)
	if err != nil {
		return err
	}
	if o.list {
		return o.writeList(cases, out)
	}
	known, err := o.knownFailures(role)
	if err != nil {
		return err
	}
	kit, err := o.kit(role, command)
	if err != nil {
		return err
	}
	log := slog.New(slog.NewTextHandler(errs, &slog.HandlerOptions{Level: slog.LevelWarn}))
	if kit.Runner, err = runner.New(runner.Options{Log: log, Guard: true}); err != nil {
		return &failure{fmt.Errorf("start the runner: %w", err)}
	}
	if !o.json {
		kit.Progress = func(r conform.Result) {
			r.Expect(known)
			r.WriteText(out)
		}
	}
	results, err := kit.Run(ctx, cases)
	if err = errors.Join(err, kit.Runner.Close()); err != nil {
		return &failure{err}
	}
	for i := range results {
		results[i].Expect(known)
	}
	return o.conclude(role, results, out)
}

// conclude tells how it went as a whole.
func (o *options) conclude(role conform.Role, results []conform.Result, out io.Writer) error {
	summary := conform.Summarize(results)
	var err error
	if o.json {
		encoder := json.NewEncoder(out)
		encoder.SetIndent("", "  ")
		err = encoder.Encode(struct {
			Role    conform.Role     `json:"role"`
			Version string           `json:"version"`
			Seed    uint64           `json:"seed"`
			Summary conform.Summary  `json:"summary"`
			Cases   []conform.Result `json:"cases"`
		}{role, version.String(), o.seed, summary, results})
	} else {
		_, err = fmt.Fprintf(out, "%s (seed %d)\n", summary, o.seed)
	}
	switch {
	case err != nil:
		return &failure{err}
	case summary.Failed > 0:
		return errCaseFailed
	}
	return nil
}

// chosen are the cases to be played.
func (o *options) chosen(role conform.Role) ([]conform.Case, error) {
	all := conform.Cases(role)
	if len(o.cases) == 0 {
		return all, nil
	}
	var chosen []conform.Case
	for _, name := range o.cases {
		c, err := find(all, role, name)
		if err != nil {
			return nil, err
		}
		chosen = append(chosen, c)
	}
	return chosen, nil
}

func find(all []conform.Case, role conform.Role, name string) (conform.Case, error) {
	for _, c := range all {
		if c.Name == name {
			return c, nil
		}
	}
	return conform.Case{}, fmt.Errorf("there is no case %q for a %s: see --list", name, role)
}

func (o *options) writeList(cases []conform.Case, out io.Writer) error {
	for _, c := range cases {
		if _, err := fmt.Fprintf(out, "%-16s %s\n", c.Name, c.Shows); err != nil {
			return &failure{err}
		}
	}
	return nil
}

// knownFailures reads the list of cases that are expected to fail.
func (o *options) knownFailures(role conform.Role) ([]string, error) {
	if o.known == "" {
		return nil, nil
	}
	data, err := os.ReadFile(o.known)
	if err != nil {
		return nil, fmt.Errorf("read the known failures: %w", err)
	}
	var names []string
	for n, line := range strings.Split(string(data), "\n") {
		name, _, _ := strings.Cut(line, "#")
		if name = strings.TrimSpace(name); name == "" {
			continue
		}
		if _, err := find(conform.Cases(role), role, name); err != nil {
			return nil, fmt.Errorf("%s:%d: %w", o.known, n+1, err)
		}
		names = append(names, name)
	}
	return names, nil
}

// kit makes what the cases are played with, but for its runner.
func (o *options) kit(role conform.Role, command []string) (*conform.Kit, error) {
	placeholder := "{host}"
	if role == conform.Publisher {
		placeholder = "{file}"
	}
	switch {
	case len(command) == 0:
		return nil, fmt.Errorf("there is no command: downbeat-conform %s -- COMMAND ... %s", role, placeholder)
	case o.queue == "":
		return nil, errors.New("there is no broker: give --queue URL, or set DOWNBEAT_QUEUE_URL")
	case o.parallel < 1:
		return nil, fmt.Errorf("--parallel is %d, and has to be at least 1", o.parallel)
	case o.timeout <= 0:
		return nil, fmt.Errorf("--timeout is %s, and has to be more than 0", o.timeout)
	}
	path, err := exec.LookPath(command[0])
	if err == nil {
		path, err = filepath.Abs(path)
	}
	if err != nil {
		return nil, fmt.Errorf("the command: %w", err)
	}
	return &conform.Kit{
		Role: role, Command: append([]string{path}, command[1:]...), Environ: secrecy.Environ(os.Environ(), nil), QueueURL: o.queue,
		Seed: o.seed, Parallel: o.parallel, Timeout: o.timeout, Scratch: os.TempDir(),
	}, nil
}
