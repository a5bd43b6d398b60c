package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"downbeat/internal/experiment"
	"downbeat/internal/message"
	"downbeat/internal/publisher"
	"downbeat/internal/queue"
	"downbeat/internal/queue/dial"
	"downbeat/internal/settings"
	"downbeat/internal/terminal"
	"downbeat/internal/version"
)

// flags are what all commands share. Each can also be given by an environment
// variable, DOWNBEAT_ and its name; the flag wins.
type flags struct {
	queue        string
	queueFile    string
	namespace    string
	results      string
	key          string
	readyTimeout time.Duration
	lease        time.Duration
	quiet        bool
	noProgress   bool
	output       string
	logLevel     string
	failFast     bool
	keepGoing    bool
	maxFailures  int
	retries      int
	only         []string
	passEnv      []string
}

// app is one invocation.
type app struct {
	*outputs
	flags flags
	log   *slog.Logger
	live  *terminal.Live
	style terminal.Style
	// place is that of the datapoint under way in the experiment; empty where
	// there is one datapoint.
	place string
	// starting: the broker was still starting when it was connected to.
	starting bool
}

// embedded is the queue URL of the embedded queue, the default.
const embedded = "mem:"

const longHelp = `publish FILE runs the experiment that FILE describes: every host of it gets its
commands over the queue, all start at the same instant, and everything they
write comes back here, tagged, and into the results directory.

Without --queue, the queue and a worker for each host are part of this program,
and every host is this machine.

Exit status: 0 all succeeded; 1 a datapoint failed, was refused, lost or timed
out; 2 the file, a flag or the configuration is wrong; 3 the queue can't be
reached or a host was not ready (nothing was started); 130 and 143 interrupted
(everything was stopped first).`

func newRoot(std stdio) (*cobra.Command, *app) {
	a := &app{outputs: newOutputs(std)}
	root := &cobra.Command{
		Use:           "publish FILE",
		Short:         "Run distributed-systems experiments: start together, lose nothing, leave nothing",
		Long:          longHelp,
		Version:       version.String(),
		Args:          oneFile,
		SilenceErrors: true,
		SilenceUsage:  true,
		RunE:          func(cmd *cobra.Command, args []string) error { return a.run(cmd.Context(), args[0]) },

		ValidArgsFunction: completeFile,
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			return a.prepare(cmd.Root().PersistentFlags())
		},
	}
	root.SetOut(a.out)
	root.SetErr(std.err)
	root.SetVersionTemplate("publish {{.Version}}\n")
	a.define(root.PersistentFlags())
	root.AddCommand(
		&cobra.Command{
			Use: "run FILE", Short: "Run the file (the same as publish FILE)", Args: oneFile, ValidArgsFunction: completeFile,
			RunE: func(cmd *cobra.Command, args []string) error { return a.run(cmd.Context(), args[0]) },
		},
		a.resumeCommand(), a.reportCommand(), a.checkCommand(), a.hostsCommand(), a.cancelCommand(), a.keygenCommand(), a.logsCommand(),
	)
	completeFlags(root)
	return root, a
}

func oneFile(_ *cobra.Command, args []string) error {
	switch {
	case len(args) == 0:
		return errors.New("which file? Try: publish sample.json")
	case len(args) > 1:
		return fmt.Errorf("one file at a time, not %s", strings.Join(dial.RedactAll(args), " "))
	}
	return nil
}

func (a *app) define(f *pflag.FlagSet) {
	f.StringVar(&a.flags.queue, "queue", embedded, "`URL` of the queue: amqp://..., amqps://..., sqs://REGION, or mem: for the embedded one (also $DOWNBEAT_QUEUE_URL)")
	f.StringVar(&a.flags.queueFile, "queue-file", "", "`FILE` that holds the queue's URL, so that its password is seen by nobody (also $DOWNBEAT_QUEUE_URL_FILE)")
	f.StringVar(&a.flags.namespace, "namespace", "downbeat", "`NAME` that prefixes all queues")
	f.StringVar(&a.flags.results, "results", "results", "`DIR` to put results into")
	f.StringVar(&a.flags.key, "key", "", "`FILE` with the private key to sign with (see publish keygen)")
	f.DurationVar(&a.flags.readyTimeout, "ready-timeout", 30*time.Second, "how long a host may take to become ready")
	f.DurationVar(&a.flags.lease, "lease", 30*time.Second, "how long to wait for a word from a silent host, and workers for one from here")
	f.BoolVar(&a.flags.failFast, "fail-fast", false, "stop the experiment at the first datapoint that does not succeed")
	f.BoolVar(&a.flags.keepGoing, "keep-going", false, "go on with the next datapoint whatever becomes of one (the default), even after the same refusal three times in a row")
	f.IntVar(&a.flags.maxFailures, "max-failures", 0, "stop the experiment after `N` datapoints that did not succeed (default: never)")
	f.IntVar(&a.flags.retries, "retries", -1, "try a datapoint that did not succeed again, up to `N` times (default: what the file says)")
	f.StringSliceVar(&a.flags.only, "only", nil, "run only the datapoints with `PARAMETER=VALUE`; with several, those that have one of the values of each parameter")
	f.StringSliceVar(&a.flags.passEnv, "pass-env", nil, "`NAMES` of variables that processes inherit, on the embedded queue, though they begin with AWS_ or DOWNBEAT_")
	f.BoolVar(&a.flags.quiet, "quiet", false, "don't print the processes' lines; they are in the results")
	f.BoolVar(&a.flags.noProgress, "no-progress", false, "no live line on the terminal")
	f.StringVar(&a.flags.output, "output", "text", "`FORMAT` of standard output: text or json")
	f.StringVar(&a.flags.logLevel, "log-level", "warn", "`LEVEL`: debug, info, warn or error: how much to tell on standard error of what goes on inside")
}

// wrongValue says what a flag takes, where its own error is about how it was read.
func wrongValue(flag *pflag.Flag, err error) string {
	switch flag.Value.Type() {
	case "bool":
		return "it is true or false"
	case "int", "uint64":
		return "it is a whole number"
	case "duration":
		return `it is a duration, such as "30s"`
	}
	return err.Error()
}

// prepare completes the flags from the environment, checks them, and makes what
// everything else writes through.
func (a *app) prepare(f *pflag.FlagSet) error {
	var err error
	f.VisitAll(func(flag *pflag.Flag) {
		if flag.Changed || err != nil {
			return
		}
		for _, name := range variables(flag.Name) {
			if value, ok := os.LookupEnv(name); ok && value != "" {
				if setErr := flag.Value.Set(value); setErr != nil {
					err = usage(fmt.Errorf("%s=%q: %s", name, value, wrongValue(flag, setErr)))
				}
				return
			}
		}
	})
	if err != nil {
		return err
	}
	misspelt, warnings := settings.Unknown("publish", settings.Publish, os.Environ())
	if len(misspelt) > 0 {
		return usage(errors.Join(misspelt...))
	}
	hint, err := a.flags.findQueue(f)
	if err != nil {
		return usage(err)
	}
	if err := a.flags.check(); err != nil {
		return usage(err)
	}
	a.live = terminal.NewLive(a.std.err, !a.flags.noProgress && terminal.Movable(a.std.err, os.Getenv("TERM")))
	a.style = terminal.NewStyle(a.std.err, os.Getenv("TERM"), os.Getenv("NO_COLOR"))
	var level slog.Level
	if err := level.UnmarshalText([]byte(a.flags.logLevel)); err != nil {
		return usage(fmt.Errorf("--log-level %q: it is debug, info, warn or error", a.flags.logLevel))
	}
	a.spoolErr(a.live, a.flags.results)
	a.log = slog.New(slog.NewTextHandler(a.err, &slog.HandlerOptions{Level: level}))
	for _, text := range append(warnings, hint...) {
		a.say("publish: warning: %s\n", text)
	}
	return nil
}

// variables are the environment variables of a flag. The queue's is also that
// of the worker, so that one setting serves both.
func variables(flag string) []string {
	name := message.EnvPrefix + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
	switch flag {
	case "queue":
		return []string{name, name + "_URL"}
	case "queue-file":
		return []string{name, message.EnvPrefix + "QUEUE_URL_FILE"}
	}
	return []string{name}
}

// shortestLease keeps heartbeats, ten to a lease, from becoming a load.
const shortestLease = time.Second

func (f *flags) check() error {
	if err := message.CheckNamespace(f.namespace); err != nil {
		return fmt.Errorf("--namespace: %w", err)
	}
	if _, err := dial.IsLoopback(f.queue); err != nil {
		return fmt.Errorf("--queue: %w", err)
	}
	switch {
	case f.output != "text" && f.output != "json":
		return fmt.Errorf("--output %q: it is text or json", f.output)
	case f.readyTimeout <= 0:
		return fmt.Errorf("--ready-timeout %s: it must be longer than 0", f.readyTimeout)
	case f.readyTimeout > publisher.MaxReadyTimeout:
		return fmt.Errorf("--ready-timeout %s: it must be at most %s: workers take nothing that is valid for more than %s, which is how long they remember what they have run",
			f.readyTimeout, publisher.MaxReadyTimeout, message.MaxAhead)
	case f.lease < shortestLease:
		return fmt.Errorf("--lease %s: it must be at least %s", f.lease, shortestLease)
	case f.failFast && f.keepGoing:
		return errors.New("--fail-fast and --keep-going: choose one")
	case f.maxFailures < 0:
		return fmt.Errorf("--max-failures %d: it must be at least 1, or 0 for never", f.maxFailures)
	case f.retries < -1 || f.retries > experiment.MaxRetries:
		return fmt.Errorf("--retries %d: it must be between 0 and %d", f.retries, experiment.MaxRetries)
	}
	return nil
}

// open makes a publisher on the broker, or, where that is nil, on a connection
// of its own. What it returns last closes what it opened.
func (a *app) open(ctx context.Context, broker queue.Broker) (*publisher.Publisher, func(), error) {
	config := publisher.Config{
		Broker: broker, Namespace: a.flags.namespace, ReadyTimeout: a.flags.readyTimeout, Lease: a.flags.lease, Log: a.log,
		Version: version.String(),
	}
	if a.flags.key != "" {
		key, err := message.ReadPrivateKey(a.flags.key)
		if err != nil {
			return nil, nil, usage(err)
		}
		config.Key = key
	}
	disconnect := func() error { return nil }
	if config.Broker == nil {
		var err error
		if config.Broker, err = a.connect(ctx); err != nil {
			return nil, nil, err
		}
		config.Starting = a.starting
		disconnect = config.Broker.Close
	}
	p, err := publisher.New(ctx, config)
	if err != nil {
		return nil, nil, &exitError{exitUnreachable, errors.Join(err, disconnect())}
	}
	return p, func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), leaveWithin)
		defer cancel()
		if err := errors.Join(p.Close(ctx), disconnect()); err != nil {
			a.log.Warn("the queue could not be left in order", "error", err)
		}
	}, nil
}

// leaveWithin bounds what is done at the end to leave the queue in order: if it
// is gone, what is left there expires by itself.
const leaveWithin = 2 * time.Second
