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
	"downbeat/internal/udpclock"
	"downbeat/internal/version"
)

// flags are those that all commands share. Each can also be set by an environment variable; the
// flag wins.
type flags struct{ settings.Publish }

// app is one invocation of the program.
type app struct {
	*outputs
	flags flags
	log   *slog.Logger
	live  *terminal.Live
	style terminal.Style
	runs  localRunner
	// place is that of the current datapoint in the experiment; empty if there is only one.
	place string
	// starting says that the broker was still starting when we connected.
	starting bool
}

// embedded is the queue URL of the embedded queue, the default.
const embedded = "mem:"

const longHelp = `publish FILE runs the experiment that FILE describes: every host gets its
commands over the queue, all start at the same instant, and everything they
write is printed here, tagged, and stored in the results directory.

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
		a.resumeCommand(), a.reportCommand(), a.exportCommand(), a.metricsCommand(), a.compareCommand(), a.checkCommand(), a.hostsCommand(), a.cancelCommand(), a.keygenCommand(), a.logsCommand(),
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
	for _, v := range settings.Variables(&a.flags.Publish) {
		about := v.About
		if v.Arg != "" { // pflag takes the text in backquotes as the value's name
			about = strings.Replace(about, v.Arg, "`"+v.Arg+"`", 1)
		}
		switch p := v.Value.(type) {
		case *string:
			f.StringVar(p, v.Flag(), "", about)
		case *bool:
			f.BoolVar(p, v.Flag(), false, about)
		case *int:
			f.IntVar(p, v.Flag(), 0, about)
		case *time.Duration:
			f.DurationVar(p, v.Flag(), 0, about)
		case *[]string:
			f.StringSliceVar(p, v.Flag(), nil, about)
		}
		if flag := f.Lookup(v.Flag()); v.Default != "" {
			flag.DefValue = v.Default
			if err := flag.Value.Set(v.Default); err != nil {
				panic(err) // the tag is wrong
			}
		}
	}
}

// wrongValue says which values a flag takes, where pflag's error is only about parsing.
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

// prepare completes the flags from the environment, checks them, and sets up the live line,
// standard error and the log.
func (a *app) prepare(f *pflag.FlagSet) error {
	if err := a.flags.readEnvironment(f, os.Getenv); err != nil {
		return usage(err)
	}
	misspelt, warnings := settings.Unknown("publish", &a.flags.Publish, os.Environ())
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
	a.live = terminal.NewLive(a.std.err, !a.flags.NoProgress && terminal.Movable(a.std.err, os.Getenv("TERM")))
	a.style = terminal.NewStyle(a.std.err, os.Getenv("TERM"), os.Getenv("NO_COLOR"))
	var level slog.Level
	if err := level.UnmarshalText([]byte(a.flags.LogLevel)); err != nil {
		return usage(fmt.Errorf("--log-level %q: it is debug, info, warn or error", a.flags.LogLevel))
	}
	a.spoolErr(a.live, a.flags.Results)
	a.log = slog.New(slog.NewTextHandler(a.err, &slog.HandlerOptions{Level: level}))
	for _, text := range append(warnings, hint...) {
		a.say("publish: warning: %s\n", text)
	}
	return nil
}

// readEnvironment sets the flags that aren't given from their variables.
func (f *flags) readEnvironment(set *pflag.FlagSet, getenv func(key string) string) error {
	for _, v := range settings.Variables(&f.Publish) {
		flag := set.Lookup(v.Flag())
		if flag.Changed {
			continue
		}
		for _, key := range v.Keys() {
			value := getenv(key)
			if value == "" {
				continue
			}
			if err := flag.Value.Set(value); err != nil {
				return fmt.Errorf("%s=%q: %s", key, value, wrongValue(flag, err))
			}
			break
		}
	}
	return nil
}

// shortestLease limits the rate of heartbeats, of which ten are sent in a lease.
const shortestLease = time.Second

func (f *flags) check() error {
	if err := message.CheckNamespace(f.Namespace); err != nil {
		return fmt.Errorf("--namespace: %w", err)
	}
	if _, err := dial.IsLoopback(f.Queue); err != nil {
		return fmt.Errorf("--queue: %w", err)
	}
	if err := udpclock.CheckAddress(f.ClockAddr); err != nil {
		return fmt.Errorf("--clock-addr %q: %w: it is an address with a port, such as :7172, or off", f.ClockAddr, err)
	}
	switch {
	case f.Output != "text" && f.Output != "json":
		return fmt.Errorf("--output %q: it is text or json", f.Output)
	case f.ReadyTimeout <= 0:
		return fmt.Errorf("--ready-timeout %s: it must be longer than 0", f.ReadyTimeout)
	case f.ReadyTimeout > publisher.MaxReadyTimeout:
		return fmt.Errorf("--ready-timeout %s: it must be at most %s: workers take nothing that is valid for more than %s, which is how long they remember what they have run",
			f.ReadyTimeout, publisher.MaxReadyTimeout, message.MaxAhead)
	case f.Lease < shortestLease:
		return fmt.Errorf("--lease %s: it must be at least %s", f.Lease, shortestLease)
	case f.FailFast && f.KeepGoing:
		return errors.New("--fail-fast and --keep-going: choose one")
	case f.MaxFailures < 0:
		return fmt.Errorf("--max-failures %d: it must be at least 1, or 0 for never", f.MaxFailures)
	case f.Retries < -1 || f.Retries > experiment.MaxRetries:
		return fmt.Errorf("--retries %d: it must be between 0 and %d", f.Retries, experiment.MaxRetries)
	case f.Repeat < 0 || f.Repeat > experiment.MaxDatapoints:
		return fmt.Errorf("--repeat %d: it must be between 1 and %d, or 0 for what the file says", f.Repeat, experiment.MaxDatapoints)
	}
	return nil
}

// open makes a publisher on the broker or, if that is nil, on a connection of its own. The
// function that it returns closes what it opened.
func (a *app) open(ctx context.Context, broker queue.Broker) (*publisher.Publisher, func(), error) {
	config := publisher.Config{
		Broker: broker, Namespace: a.flags.Namespace, ReadyTimeout: a.flags.ReadyTimeout, Lease: a.flags.Lease, Log: a.log,
		Version: version.String(),
	}
	if a.flags.Key != "" {
		key, err := message.ReadPrivateKey(a.flags.Key)
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
	hangUp := func() error { return nil }
	if config.Clocks = a.clocks(); config.Clocks != nil {
		hangUp = config.Clocks.Close
	}
	p, err := publisher.New(ctx, config)
	if err != nil {
		return nil, nil, &exitError{exitUnreachable, errors.Join(err, hangUp(), disconnect())}
	}
	return p, func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), leaveWithin)
		defer cancel()
		if err := errors.Join(p.Close(ctx), hangUp(), disconnect()); err != nil {
			a.log.Warn("the queue could not be cleaned up", "error", err)
		}
	}, nil
}

// clocks asks hosts for their clocks by UDP; nil where it is not to, or can't.
func (a *app) clocks() *udpclock.Prober {
	if a.flags.ClockAddr == udpclock.Off {
		return nil
	}
	addr := a.flags.ClockAddr
	if a.embedded() {
		addr = loopbackAddress + ":0"
	}
	clocks, err := udpclock.NewProber(addr, a.log)
	if err != nil {
		a.say("publish: warning: the hosts' clocks are compared through the queue alone, and less exactly: %v (see --clock-addr)\n", err)
		return nil
	}
	return clocks
}

// leaveWithin bounds the cleaning up of the queue at the end: whatever is left there expires by
// itself.
const leaveWithin = 2 * time.Second
