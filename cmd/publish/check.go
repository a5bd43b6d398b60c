package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"downbeat/internal/experiment"
	"downbeat/internal/message"
	"downbeat/internal/terminal"
)

func (a *app) checkCommand() *cobra.Command {
	asJSON := false
	cmd := &cobra.Command{
		Use: "check FILE", Short: "Check the file and show what would run; start nothing", Args: oneFile, ValidArgsFunction: completeFile,
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
	points, err := a.only(file, file.Points())
	if err != nil {
		return err
	}
	dp, err := points[0].Expand(message.NewRun(message.NewPublisher()))
	if err != nil {
		return usage(err)
	}
	if asJSON {
		return a.checkJSON(file, dp, points)
	}
	if len(points) > 1 {
		if err := list(a.out, file, points); err != nil {
			return err
		}
	}
	describe(a.out, dp, len(points))
	return nil
}

// list prints the datapoints in the order in which they would run.
func list(out io.Writer, file *experiment.File, points []experiment.Point) error {
	var longest time.Duration
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "datapoint\trepetition\tprocesses\tat most\tparameters")
	for _, point := range points {
		dp, err := point.Expand(message.NewRun(message.NewPublisher()))
		if err != nil {
			return usage(err)
		}
		most := dp.Timeout
		if dp.Stop.After > 0 && len(dp.Beats) == 1 { // it counts from the last beat
			most = dp.Stop.After
		}
		longest += most
		fmt.Fprintf(w, "%04d\t%d\t%d\t%s\t%s\n", point.Index, point.Repetition, len(dp.Processes), terminal.Duration(most), point)
	}
	longest += file.Pause * time.Duration(len(points)-1)
	if err := w.Flush(); err != nil {
		return err
	}
	if file.Until != nil {
		fmt.Fprintf(out, "%s\n%d to ", file.Until, fewestOf(file.Until, points))
	}
	_, err := fmt.Fprintf(out, "%s, at most %s without retries\n\n", terminal.Count(uint64(len(points)), "datapoint"), terminal.Duration(longest))
	return err
}

// fewestOf is how many of the points are run at least.
func fewestOf(rule *experiment.RepeatRule, points []experiment.Point) int {
	of := make(map[string]int)
	fewest := 0
	for _, point := range points {
		if of[point.String()]++; of[point.String()] <= rule.AtLeast {
			fewest++
		}
	}
	return fewest
}

// describe prints what would run on each host in a datapoint; of is how many datapoints there are.
func describe(w io.Writer, dp *experiment.Datapoint, of int) {
	what := "1 datapoint"
	if of > 1 {
		what = fmt.Sprintf("datapoint %04d", dp.Index)
	}
	fmt.Fprintf(w, "%s: %s, %s on %s\n", dp.Name, what, processes(len(dp.Processes)), terminal.Count(uint64(len(dp.Hosts)), "host"))
	for _, h := range dp.Hosts {
		fmt.Fprintf(w, "\n%s (%s)\n", h.Name, h.Address)
		describeSteps(w, dp.Setup, h.Name)
		for _, p := range dp.Processes {
			if p.Host != h.Name {
				continue
			}
			fmt.Fprintf(w, "  %s: %s\n", p.Name, quoteArgs(p.Argv))
			describePlace(w, p.Env, p.Dir, p.Pty)
			describeCourse(w, dp, &p)
		}
		describeSteps(w, dp.Acts, h.Name)
		describeSteps(w, dp.Teardown, h.Name)
	}
	describeBeats(w, dp)
	shipped(w, dp)
	brought(w, dp)
	fmt.Fprintf(w, "\nIt ends %s.\n", strings.Join(endings(dp), ", or "))
	if dp.Stop.LastBeatFirst {
		fmt.Fprintln(w, "The processes of the last beat are stopped first, and those of the one before once these are over.")
	}
	if dp.Sample > 0 {
		fmt.Fprintf(w, "What processes and hosts are using would be sampled every %s.\n", dp.Sample)
	}
	describeMetrics(w, dp)
}

// describeSteps prints the commands of a setup or teardown on a host.
func describeSteps(w io.Writer, steps []experiment.Command, host string) {
	for _, s := range steps {
		if s.Host != host {
			continue
		}
		fmt.Fprintf(w, "  %s: %s\n", s.Name, quoteArgs(s.Argv))
		describePlace(w, s.Env, s.Dir, s.Pty)
		fmt.Fprintf(w, "    within %s\n", terminal.Duration(s.Timeout()))
	}
}

// describePlace prints a command's environment, directory and terminal.
func describePlace(w io.Writer, env map[string]string, dir string, pty bool) {
	for _, key := range slices.Sorted(maps.Keys(env)) {
		fmt.Fprintf(w, "    %s=%s\n", key, env[key])
	}
	if dir != "" {
		fmt.Fprintf(w, "    in %s\n", dir)
	}
	if pty {
		fmt.Fprintf(w, "    on a terminal\n")
	}
}

// shipped prints which files would be put into the run's directory of each host.
func shipped(w io.Writer, dp *experiment.Datapoint) {
	out := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for i, h := range dp.Hosts {
		files := dp.Files[h.Name]
		if i == 0 && len(dp.Files) > 0 {
			fmt.Fprintln(out)
		}
		for j, f := range files {
			if j == most && len(files) > most+1 {
				fmt.Fprintf(out, "... and %d more files would be shipped to %s\n", len(files)-most, h.Name)
				break
			}
			size, from := uint64(f.Bytes), f.Source // a size is never negative
			if from == "" {
				size, from = uint64(len(f.Text)), "the file's text"
			}
			if _, ok := f.Directory(); ok {
				fmt.Fprintf(out, "%s/%s\t\tmode %04o\twould be made, an empty directory\n", h.Name, f.Path, f.Mode)
				continue
			}
			fmt.Fprintf(out, "%s/%s\t%s\tmode %04o\twould be shipped from %s\n", h.Name, f.Path, terminal.Size(size), f.Mode, from)
		}
	}
	_ = out.Flush() // errors in writing standard output are reported at the end
}

// brought prints which files would be brought home; hosts with the same patterns share a line.
func brought(w io.Writer, dp *experiment.Datapoint) {
	hosts := make(map[string][]string) // by patterns
	var order []string
	for _, h := range dp.Hosts {
		patterns := strings.Join(dp.Collect[h.Name], " ")
		if patterns == "" {
			continue
		}
		if hosts[patterns] == nil {
			order = append(order, patterns)
		}
		hosts[patterns] = append(hosts[patterns], h.Name)
	}
	for i, patterns := range order {
		if i == 0 {
			fmt.Fprintln(w)
		}
		fmt.Fprintf(w, "%s would be collected from %s.\n", patterns, strings.Join(hosts[patterns], " "))
	}
}

// endings says in words when a run of the datapoint is over.
func endings(dp *experiment.Datapoint) []string {
	list := []string{"when every process has ended"}
	if len(dp.Stop.When) > 0 {
		list = append(list, "when every process of "+strings.Join(dp.Stop.When, " and ")+" has ended, and the rest is stopped")
	}
	if dp.Stop.After > 0 {
		list = append(list, fmt.Sprintf("%s after the release%s", dp.Stop.After, ofTheLast(dp)))
	}
	if dp.Stop.OnFailure {
		list = append(list, "when a process fails")
	}
	return append(list, fmt.Sprintf("with a timeout after %s", dp.Timeout))
}

// quoteArgs quotes a command for a shell.
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

// checked is what check --json prints about a datapoint.
type checked struct {
	Experiment string           `json:"experiment"`
	Datapoint  int              `json:"datapoint"`
	Hosts      []checkedHost    `json:"hosts"`
	Setup      []checkedStep    `json:"setup"`
	Processes  []checkedProcess `json:"processes"`
	Teardown   []checkedStep    `json:"teardown"`
	Beats      []checkedBeat    `json:"beats"`
	Acts       []checkedStep    `json:"action_commands,omitempty"`
	Actions    []checkedAction  `json:"actions,omitempty"`
	Stop       checkedStop      `json:"stop"`
	TimeoutMS  int64            `json:"timeout_ms"`
	SampleMS   int64            `json:"sample_ms,omitempty"`
	Datapoints []checkedPoint   `json:"datapoints"` // all of them, in the order in which they would run
	Repeat     *checkedRepeat   `json:"repeat,omitempty"`
}

// plainFiles returns the files as they are in a job.
func plainFiles(files []experiment.ShippedFile) []message.File {
	plain := make([]message.File, len(files))
	for i, f := range files {
		plain[i] = f.File
	}
	return plain
}

// checkedRepeat says that not all datapoints may be needed: fewest of them at least are run.
type checkedRepeat struct {
	AtLeast int                `json:"at_least"`
	AtMost  int                `json:"at_most"`
	Until   map[string]float64 `json:"until"`
	Fewest  int                `json:"fewest"`
}

type checkedPoint struct {
	Datapoint  int            `json:"datapoint"`
	Repetition int            `json:"repetition"`
	Parameters map[string]any `json:"parameters"`
}

type checkedHost struct {
	Host    string         `json:"host"`
	Address string         `json:"address"`
	Collect []string       `json:"collect"`
	Files   []message.File `json:"files"`
}

type checkedProcess struct {
	Host    string            `json:"host"`
	Name    string            `json:"name"`
	Group   string            `json:"group,omitempty"`
	Index   int               `json:"index"`
	Rank    int               `json:"rank"`
	Local   int               `json:"local"`
	Argv    []string          `json:"argv"`
	Env     map[string]string `json:"env,omitempty"`
	Dir     string            `json:"dir,omitempty"`
	DelayMS int64             `json:"delay_ms,omitempty"`
	Pty     bool              `json:"pty,omitempty"`
	OKExit  []int             `json:"ok_exit"`
	Beat    int               `json:"beat"`

	Ready   *message.Readiness   `json:"ready,omitempty"`
	Restart *message.Restart     `json:"restart,omitempty"`
	Stop    *message.CommandStop `json:"stop,omitempty"`
}

type checkedStep struct {
	Host      string            `json:"host"`
	Name      string            `json:"name"`
	Argv      []string          `json:"argv"`
	Env       map[string]string `json:"env,omitempty"`
	Dir       string            `json:"dir,omitempty"`
	Pty       bool              `json:"pty,omitempty"`
	OKExit    []int             `json:"ok_exit"`
	TimeoutMS int64             `json:"timeout_ms"`
}

type checkedStop struct {
	When      []string `json:"when"`
	AfterMS   int64    `json:"after_ms"`
	GraceMS   int64    `json:"grace_ms"`
	OnFailure bool     `json:"on_failure"`
	Order     string   `json:"order,omitempty"`
}

func (a *app) checkJSON(file *experiment.File, dp *experiment.Datapoint, points []experiment.Point) error {
	c := checked{
		Experiment: dp.Name, Datapoint: dp.Index, TimeoutMS: dp.Timeout.Milliseconds(), SampleMS: dp.Sample.Milliseconds(),
		Stop: checkedStop{
			When: append([]string{}, dp.Stop.When...), AfterMS: dp.Stop.After.Milliseconds(),
			GraceMS: dp.Stop.Grace.Milliseconds(), OnFailure: dp.Stop.OnFailure,
		},
	}
	c.Setup, c.Teardown = checkedSteps(dp.Setup), checkedSteps(dp.Teardown)
	c.addCourse(dp)
	for _, h := range dp.Hosts {
		c.Hosts = append(c.Hosts, checkedHost{h.Name, h.Address, append([]string{}, dp.Collect[h.Name]...), plainFiles(dp.Files[h.Name])})
	}
	for _, p := range dp.Processes {
		c.Processes = append(c.Processes, checkedProcess{
			p.Host, p.Name, p.Group, p.Index, p.Rank, p.Local, p.Argv, p.Env, p.Dir, p.DelayMS, p.Pty, p.OKExit, p.Beat, p.Ready, p.Restart, p.Stop,
		})
	}
	for _, point := range points {
		parameters := make(map[string]any, len(point.Parameters))
		for _, v := range point.Parameters {
			parameters[v.Name] = v.Value
		}
		c.Datapoints = append(c.Datapoints, checkedPoint{point.Index, point.Repetition, parameters})
	}
	if goal := goalOf(file); goal != nil {
		c.Repeat = &checkedRepeat{goal.AtLeast, goal.AtMost, goal.Until, fewestOf(file.Until, points)}
	}
	out := json.NewEncoder(a.out)
	out.SetIndent("", "  ")
	out.SetEscapeHTML(false)
	return out.Encode(c)
}

func checkedSteps(steps []experiment.Command) []checkedStep {
	list := make([]checkedStep, len(steps))
	for i, s := range steps {
		list[i] = checkedStep{s.Host, s.Name, s.Argv, s.Env, s.Dir, s.Pty, s.OKExit, s.TimeoutMS}
	}
	return list
}
