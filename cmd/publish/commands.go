package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"downbeat/internal/clock"
	"downbeat/internal/message"
	"downbeat/internal/publisher"
	"downbeat/internal/results"
	"downbeat/internal/terminal"
	"downbeat/internal/udpclock"
)

func (a *app) keygenCommand() *cobra.Command {
	return &cobra.Command{
		Use: "keygen DIR", Short: "Make a key pair to sign jobs with",
		Args: cobra.ExactArgs(1), ValidArgsFunction: completeDirectory,
		RunE: func(_ *cobra.Command, args []string) error {
			host, _ := os.Hostname()
			line, err := message.GenerateKey(args[0], "downbeat@"+host)
			if err != nil {
				return usage(err)
			}
			fmt.Fprintln(a.out, line)
			a.say("publish: sign with --key %s/%s; copy %s/%s to each worker, and name it there in DOWNBEAT_TRUSTED_KEYS\n",
				args[0], message.PrivateKeyFile, args[0], message.PublicKeyFile)
			return nil
		},
	}
}

func (a *app) logsCommand() *cobra.Command {
	var filter results.Filter
	times := false
	cmd := &cobra.Command{
		Use: "logs DIR", Short: "Print a run's lines, merged in the order of the common clock", Args: cobra.ExactArgs(1), ValidArgsFunction: completeResults,
		RunE: func(_ *cobra.Command, args []string) error { return a.logs(args[0], filter, times) },
	}
	cmd.Flags().StringVar(&filter.Host, "host", "", "only hosts that match this `PATTERN`")
	cmd.Flags().StringVar(&filter.Process, "process", "", "only processes that match this `PATTERN`, such as 'server.*'")
	cmd.Flags().BoolVar(&times, "times", false, "begin each line with the time at which the worker read it")
	return cmd
}

func (a *app) cancelCommand() *cobra.Command {
	return &cobra.Command{
		Use: "cancel RUN", Short: "Stop a run, from any machine that holds the key", Args: cobra.ExactArgs(1), ValidArgsFunction: none,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := a.needsBroker("cancel"); err != nil {
				return err
			}
			if message.CheckRun(args[0]) != nil {
				return usage(fmt.Errorf("%q is not a run id: look for it in the summary of the run, or in publish hosts", args[0]))
			}
			p, done, err := a.open(cmd.Context(), nil)
			if err != nil {
				return err
			}
			defer done()
			host, _ := os.Hostname()
			err = p.Cancel(cmd.Context(), args[0], "publish cancel on "+host, a.flags.ReadyTimeout)
			if errors.Is(err, publisher.ErrNotCancelled) {
				return &exitError{exitFailed, err}
			} else if err != nil {
				return &exitError{exitUnreachable, err}
			}
			a.say("publish: run %s is being stopped\n", args[0])
			return nil
		},
	}
}

// needsBroker refuses the embedded queue, which no other program can reach.
func (a *app) needsBroker(command string) error {
	if a.embedded() {
		return usage(fmt.Errorf("%s needs a queue that others share: give --queue or DOWNBEAT_QUEUE_URL", command))
	}
	return nil
}

func (a *app) hostsCommand() *cobra.Command {
	var withFacts bool
	cmd := &cobra.Command{
		Use: "hosts [FILE]", Short: "Ask which workers are there: all, or those of the file", Args: cobra.MaximumNArgs(1), ValidArgsFunction: completeFile,
		RunE: func(cmd *cobra.Command, args []string) error { return a.hosts(cmd, args, withFacts) },
	}
	cmd.Flags().BoolVar(&withFacts, "facts", false, "ask what is true of each host: kernel, CPU, governor, load, and so on")
	return cmd
}

// answersWithin is how long to wait for answers when the number of workers is not known.
const answersWithin = 2 * time.Second

func (a *app) hosts(cmd *cobra.Command, args []string, withFacts bool) error {
	if err := a.needsBroker("hosts"); err != nil {
		return err
	}
	var names []string
	within := min(answersWithin, a.flags.ReadyTimeout)
	if len(args) == 1 {
		file, err := a.load(args[0])
		if err != nil {
			return err
		}
		for _, h := range file.Hosts {
			names = append(names, h.Name)
		}
		within = min(5*time.Second, a.flags.ReadyTimeout)
	}
	p, done, err := a.open(cmd.Context(), nil)
	if err != nil {
		return err
	}
	defer done()
	reports, err := p.Hosts(cmd.Context(), names, within, withFacts)
	if err != nil {
		return &exitError{exitUnreachable, err}
	}
	if len(reports) == 0 {
		return &exitError{exitUnreachable, fmt.Errorf("no worker answered in namespace %s within %s", a.flags.Namespace, within)}
	}
	if len(names) == 0 {
		slices.SortFunc(reports, func(x, y publisher.HostReport) int { return strings.Compare(x.Host, y.Host) })
	}
	if a.flags.Output == "json" {
		err = a.hostsJSON(reports)
	} else {
		err = a.hostsTable(reports)
		if err == nil && withFacts {
			err = a.factsTable(reports)
		}
	}
	if err != nil {
		return &exitError{exitFailed, err}
	}
	if missing := slices.ContainsFunc(reports, func(r publisher.HostReport) bool { return !r.Answered }); missing {
		return &exitError{status: exitUnreachable}
	}
	for _, r := range reports {
		if len(r.Others) > 0 {
			return &exitError{exitFailed, fmt.Errorf("%d workers answer for %s, and share its jobs: give each a name of its own (DOWNBEAT_HOST), or stop all but one", len(r.Others)+1, r.Host)}
		}
	}
	return nil
}

func (a *app) hostsTable(reports []publisher.HostReport) error {
	w := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "HOST\tSTATE\tCLOCK OFFSET\tERROR\tROUND TRIP\tBY UDP\tVERSION\tWORKER")
	for _, r := range reports {
		if !r.Answered {
			fmt.Fprintf(w, "%s\tmissing: %s\t\t\t\t\t\t\n", r.Host, r.Missing)
			continue
		}
		state := "idle"
		if r.Run != "" {
			state = "busy with " + r.Experiment + ", run " + r.Run
		}
		offset, bound, trip, direct := "unknown", "", "", "no answer"
		if r.Clock.Samples() > 0 {
			offset, bound = terminal.Duration(r.Clock.Value()), "±"+terminal.UpTo(r.Clock.Error())
			trip = terminal.Duration(r.Broker.RoundTrip(0))
		}
		switch {
		case r.Direct.Samples() > 0:
			direct = terminal.Duration(r.Direct.RoundTrip(0))
		case a.flags.ClockAddr == udpclock.Off || r.HereInfo.Clock == nil:
			direct = "off"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", r.Host, state, offset, bound, trip, direct, r.Version, workerOf(r))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	for _, r := range reports {
		for _, other := range r.Others {
			a.say("publish: warning: another worker answers for %s as well: %s\n", r.Host, other)
		}
		for _, other := range r.Waiting {
			a.say("publish: warning: another worker wants to serve %s too, and waits: %s\n", r.Host, other)
		}
	}
	return nil
}

// workerOf describes the worker that answered; older workers don't say who they are.
func workerOf(r publisher.HostReport) string {
	if r.Worker == nil {
		return ""
	}
	return r.Worker.String()
}

func (a *app) hostsJSON(reports []publisher.HostReport) error {
	out := json.NewEncoder(a.out)
	for _, r := range reports {
		known := map[string]any{
			"event": "host", "host": r.Host, "answered": r.Answered, "missing": r.Missing, "version": r.Version, "features": r.Features,
			"worker": r.Worker, "others": r.Others, "waiting": r.Waiting, "run": r.Run, "experiment": r.Experiment, "clock_offset_us": nil, "clock_error_us": nil, "round_trip_us": nil,
			"clock_by": nil, "udp_round_trip_us": nil,
		}
		if r.Facts != nil {
			known["facts"] = r.Facts
		}
		if r.Clock.Samples() > 0 {
			known["clock_offset_us"], known["clock_error_us"] = r.Clock.Value().Microseconds(), clock.Microseconds(r.Clock.Error())
			known["round_trip_us"], known["clock_by"] = r.Broker.RoundTrip(0).Microseconds(), results.ClockByBroker
		}
		if r.Direct.Samples() > 0 {
			known["udp_round_trip_us"], known["clock_by"] = r.Direct.RoundTrip(0).Microseconds(), results.ClockByUDP
		}
		if err := out.Encode(known); err != nil {
			return err
		}
	}
	return nil
}

func (a *app) logs(dir string, filter results.Filter, times bool) error {
	reader, err := results.Open(dir)
	if err != nil {
		return usage(err)
	}
	return a.printLogs(reader, filter, times)
}
