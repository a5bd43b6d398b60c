package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"downbeat/internal/experiment"
	"downbeat/internal/message"
	"downbeat/internal/terminal"
)

func (a *app) checkCommand() *cobra.Command {
	asJSON := false
	cmd := &cobra.Command{
		Use: "check FILE", Short: "Check the file and show what would run; start nothing", Args: oneFile,
		RunE: func(_ *cobra.Command, args []string) error { return a.check(args[0], asJSON) },
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the datapoint as JSON")
	return cmd
}

func (a *app) check(path string, asJSON bool) error {
	file, err := a.load(path)
	if err != nil {
		return err
	}
	dp, err := file.Expand(message.NewRun(message.NewPublisher()))
	if err != nil {
		return usage(err)
	}
	if asJSON {
		return a.checkJSON(dp)
	}
	describe(a.std.out, dp)
	return nil
}

// describe prints what would run on each host.
func describe(w io.Writer, dp *experiment.Datapoint) {
	fmt.Fprintf(w, "%s: 1 datapoint, %s on %s\n", dp.Name, processes(len(dp.Processes)), terminal.Count(uint64(len(dp.Hosts)), "host"))
	for _, h := range dp.Hosts {
		fmt.Fprintf(w, "\n%s (%s)\n", h.Name, h.Address)
		for _, p := range dp.Processes {
			if p.Host != h.Name {
				continue
			}
			fmt.Fprintf(w, "  %s: %s\n", p.Name, quoteArgs(p.Argv))
			for _, key := range slices.Sorted(maps.Keys(p.Env)) {
				fmt.Fprintf(w, "    %s=%s\n", key, p.Env[key])
			}
			if p.Dir != "" {
				fmt.Fprintf(w, "    in %s\n", p.Dir)
			}
			if p.DelayMS > 0 {
				fmt.Fprintf(w, "    %s after the release\n", terminal.Duration(p.Delay()))
			}
		}
	}
	fmt.Fprintf(w, "\nIt ends %s.\n", strings.Join(endings(dp), ", or "))
}

// endings says in words when a run of the datapoint is over.
func endings(dp *experiment.Datapoint) []string {
	list := []string{"when every process has ended"}
	if len(dp.Stop.When) > 0 {
		list = append(list, "when every process of "+strings.Join(dp.Stop.When, " and ")+" has ended, and the rest is stopped")
	}
	if dp.Stop.After > 0 {
		list = append(list, fmt.Sprintf("%s after the release", dp.Stop.After))
	}
	if dp.Stop.OnFailure {
		list = append(list, "when a process fails")
	}
	return append(list, fmt.Sprintf("with a time-out after %s", dp.Timeout))
}

// quoteArgs gives a command as one could type it into a shell.
func quoteArgs(argv []string) string {
	words := make([]string, len(argv))
	for i, word := range argv {
		words[i] = word
		if word == "" || strings.ContainsAny(word, " \t\n'\"\\$`*?[]{}()<>|&;#~!") {
			words[i] = "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
		}
	}
	return strings.Join(words, " ")
}

// checked is what check --json prints of a datapoint.
type checked struct {
	Experiment string           `json:"experiment"`
	Datapoint  int              `json:"datapoint"`
	Hosts      []checkedHost    `json:"hosts"`
	Processes  []checkedProcess `json:"processes"`
	Stop       checkedStop      `json:"stop"`
	TimeoutMS  int64            `json:"timeout_ms"`
}

type checkedHost struct {
	Host    string `json:"host"`
	Address string `json:"address"`
}

type checkedProcess struct {
	Host string `json:"host"`
	message.Process
	OKExit []int `json:"ok_exit"`
}

type checkedStop struct {
	When      []string `json:"when"`
	AfterMS   int64    `json:"after_ms"`
	GraceMS   int64    `json:"grace_ms"`
	OnFailure bool     `json:"on_failure"`
}

func (a *app) checkJSON(dp *experiment.Datapoint) error {
	c := checked{
		Experiment: dp.Name, Datapoint: dp.Index, TimeoutMS: dp.Timeout.Milliseconds(),
		Stop: checkedStop{
			When: append([]string{}, dp.Stop.When...), AfterMS: dp.Stop.After.Milliseconds(),
			GraceMS: dp.Stop.Grace.Milliseconds(), OnFailure: dp.Stop.OnFailure,
		},
	}
	for _, h := range dp.Hosts {
		c.Hosts = append(c.Hosts, checkedHost{h.Name, h.Address})
	}
	for _, p := range dp.Processes {
		c.Processes = append(c.Processes, checkedProcess{p.Host, p.Process, p.OKExit})
	}
	out := json.NewEncoder(a.std.out)
	out.SetIndent("", "  ")
	out.SetEscapeHTML(false)
	return out.Encode(c)
}
