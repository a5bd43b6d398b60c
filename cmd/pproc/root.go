package main

import (
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"downbeat/internal/version"
)

const longHelp = `Run commands concurrently on this host and print their lines, whole, as they come.

Each argument is one command with its arguments, split by shell quoting rules
without a shell: quotes and backslashes group, everything else ($HOME, *, ~) is
left as it is. For pipes, redirections and variables say: pproc "sh -c '...'".

All commands are found and loaded before any of them starts; then they start
together. Their standard input is empty (with --pty, a terminal without input).
^C (or SIGTERM) sends TERM to all of them, and KILL after the grace period;
another ^C, more than a second later, quits at once. Nothing that they started
is left running, not even in the background.

Exit status: 0 when all succeeded, else that of the first that failed, 128+n if
signal n ended it. Those stopped because of --stop-when have not failed. 2: bad
usage; 127 and 126: a command was not found or can't be executed, and nothing
was started; 124: --timeout; 130 and 143: stopped by ^C and SIGTERM.`

const examples = `  pproc "./child.py -l 5" "./child.py -l 6" "./child.py -l 4"
  pproc --tag --names server,client --stop-when first "redis-server --port 7777" "redis-benchmark -p 7777"
  pproc --tag --file Procfile --timeout 60s`

// options are the flags.
type options struct {
	tag      bool
	names    []string
	stopWhen string
	timeout  time.Duration
	grace    time.Duration
	file     string
	pty      bool
}

func newRoot(in io.Reader, out, errs io.Writer) *cobra.Command {
	var o options
	root := &cobra.Command{
		Use:           "pproc [flags] 'COMMAND ONE' 'COMMAND TWO' ...",
		Short:         "Run commands concurrently and print their lines whole",
		Long:          longHelp,
		Example:       examples,
		Version:       version.String(),
		Args:          cobra.ArbitraryArgs,
		SilenceErrors: true,
		SilenceUsage:  true,
		RunE: func(_ *cobra.Command, args []string) error {
			j, err := o.job(args, in)
			if err != nil {
				return err
			}
			return j.run(out, errs)
		},
	}
	root.SetOut(out)
	root.SetErr(errs)
	root.SetVersionTemplate("pproc {{.Version}}\n")
	root.CompletionOptions.DisableDefaultCmd = true
	flags := root.Flags()
	flags.SortFlags = false
	flags.BoolVarP(&o.tag, "tag", "t", false, "put the process's number, or name, before each line: \"0 | line\"")
	flags.StringSliceVarP(&o.names, "names", "n", nil, "the processes' names, in order: a,b,c (implies --tag)")
	flags.StringVar(&o.stopWhen, "stop-when", "all", "stop the rest when `all|first|N` processes have ended")
	flags.DurationVar(&o.timeout, "timeout", 0, "stop all after this time, as in 90s (default: never)")
	flags.DurationVar(&o.grace, "grace", 10*time.Second, "how long after TERM remaining processes get KILL")
	flags.StringVarP(&o.file, "file", "f", "", "take commands from a `Procfile` (lines \"name: command\"; - is standard input)")
	flags.BoolVar(&o.pty, "pty", false, "give each command a terminal of 80x24, for programs that buffer their output on a pipe;\neverything they write comes as standard output")
	return root
}

// job checks the options and makes a job of them.
func (o *options) job(args []string, in io.Reader) (*job, error) {
	entries, err := o.entries(args, in)
	if err != nil {
		return nil, err
	}
	j := &job{tag: o.tag || len(o.names) > 0, timeout: o.timeout, grace: o.grace}
	if j.commands, err = commands(entries); err != nil {
		return nil, err
	}
	for i := range j.commands {
		j.commands[i].Pty = o.pty
	}
	if j.stopAfter, err = stopAfter(o.stopWhen, len(entries)); err != nil {
		return nil, err
	}
	if o.timeout < 0 || o.grace < 0 {
		return nil, usageError("--timeout and --grace can't be negative")
	}
	return j, nil
}

// entries are the commands of the file and those of the arguments, with names.
func (o *options) entries(args []string, in io.Reader) ([]entry, error) {
	var entries []entry
	if o.file != "" {
		var err error
		if entries, err = readProcfile(o.file, in); err != nil {
			return nil, err
		}
	}
	for _, line := range args {
		entries = append(entries, entry{line: line})
	}
	if len(entries) == 0 {
		return nil, usageError("no commands given: say pproc 'COMMAND ONE' 'COMMAND TWO' (see pproc --help)")
	}
	if len(o.names) > 0 && len(o.names) != len(entries) {
		return nil, usageError("--names gives %s for %s", count(len(o.names), "name"), count(len(entries), "command"))
	}
	seen := map[string]bool{}
	for i := range entries {
		e := &entries[i]
		switch {
		case len(o.names) > 0:
			e.name = o.names[i]
		case e.name == "":
			e.name = strconv.Itoa(i)
		}
		if e.name == "" || seen[e.name] {
			return nil, usageError("two processes are named %q, or one has no name: give each its own with --names", e.name)
		}
		seen[e.name] = true
	}
	return entries, nil
}

// stopAfter is how many processes have to end before the rest is stopped.
func stopAfter(when string, processes int) (int, error) {
	switch when {
	case "all":
		return processes, nil
	case "first":
		return 1, nil
	}
	n, err := strconv.Atoi(when)
	if err != nil {
		return 0, usageError("--stop-when %s: it must be all, first or a number", when)
	}
	switch {
	case n < 1:
		return 0, usageError("--stop-when %d: it must be 1 or more", n)
	case n > processes && processes == 1:
		return 0, usageError("--stop-when %d: only 1 command was given", n)
	case n > processes:
		return 0, usageError("--stop-when %d: only %d commands were given", n, processes)
	}
	return n, nil
}

// count is a number with its noun.
func count(n int, noun string) string {
	if n == 1 {
		return fmt.Sprintf("1 %s", noun)
	}
	if noun[len(noun)-1] == 's' {
		return fmt.Sprintf("%d %ses", n, noun)
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
