package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"

	"downbeat/internal/message"
	"downbeat/internal/worker/rendezvous"
)

const syncHelp = `worker sync lets the processes of a run wait for each other and tell each other things:

  worker sync barrier NAME --count N [--within 1m]
        wait until N have come, on whatever host; all go on at one instant
  worker sync put NAME VALUE
        give a name a value; - stands for standard input
  worker sync get NAME [--wait 30s]
        print the value of a name; wait for it, if there is none yet
  worker sync mark NAME
        note the instant, for the file's actions and the results

It works in a process of a run, where ` + rendezvous.Env + ` is set. The exit status is 0 if it was
granted, 1 if not (it has waited too long, say), 2 if it can't be asked for.
`

// A usageError is a command line that can't be meant.
type usageError struct{ text string }

func (e *usageError) Error() string { return e.text }

func misused(format string, args ...any) error { return &usageError{fmt.Sprintf(format, args...)} }

// meet carries out `worker sync` and returns the exit status. environment looks variables up.
func meet(ctx context.Context, args []string, environment func(string) string, stdin io.Reader, stdout, stderr io.Writer) int {
	request, err := readSync(args, stdin)
	if errors.Is(err, flag.ErrHelp) {
		fmt.Fprint(stdout, syncHelp)
		return exitOK
	}
	path := environment(rendezvous.Env)
	if err == nil && path == "" {
		err = misused("%s is not set: this works in the processes of a run alone", rendezvous.Env)
	}
	var value []byte
	if err == nil {
		request.Process = environment(message.EnvPrefix + "PROCESS")
		value, err = rendezvous.Call(ctx, path, request)
	}
	if err != nil {
		fmt.Fprintf(stderr, "worker sync: %s\n", strings.TrimPrefix(err.Error(), rendezvous.ErrRefused.Error()+": "))
		if _, ok := errors.AsType[*usageError](err); ok {
			return exitUsage
		}
		return exitFailed
	}
	if request.What == message.AskGet {
		_, _ = stdout.Write(value) // main looks at what became of it
	}
	return exitOK
}

// readSync reads the command line: what is asked for, its name, and then the rest.
func readSync(args []string, stdin io.Reader) (rendezvous.Request, error) {
	var r rendezvous.Request
	if len(args) == 0 {
		return r, misused("say what for: barrier, put, get or mark (see worker sync --help)")
	}
	flags := flag.NewFlagSet("worker sync "+args[0], flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	values := 0
	switch r.What = message.AskedWhat(args[0]); r.What {
	case message.AskBarrier:
		flags.IntVar(&r.Count, "count", 0, "")
		flags.DurationVar(&r.Within, "within", rendezvous.DefaultWithin, "")
	case message.AskPut:
		values = 1
	case message.AskGet:
		flags.DurationVar(&r.Within, "wait", 0, "")
	case message.AskMark:
	default:
		if args[0] == "-h" || args[0] == "-help" || args[0] == "--help" {
			return r, flag.ErrHelp
		}
		return r, misused("%.40q can't be asked for: barrier, put, get and mark can (see worker sync --help)", args[0])
	}
	positional, err := parseMixed(flags, args[1:])
	if err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return r, err
		}
		return r, misused("%s: %v (see worker sync --help)", args[0], err)
	}
	if len(positional) != 1+values {
		return r, misused("%s takes a name%s: %d given (see worker sync --help)", args[0], map[bool]string{true: " and a value"}[values > 0], len(positional))
	}
	r.Name = positional[0]
	if r.What == message.AskPut {
		r.Value, err = readValue(positional[1], stdin)
		if err != nil {
			return r, err
		}
	}
	asked := message.AskedInfo{ID: 1, What: r.What, Name: r.Name, Count: r.Count, WithinMS: r.Within.Milliseconds(), Value: r.Value}
	if r.What == message.AskBarrier && r.Count == 0 {
		return r, misused("barrier: say how many have to come, as in --count 8")
	}
	if err := asked.Check(); err != nil {
		return r, misused("%s: %v", args[0], err)
	}
	return r, nil
}

// readValue is the value of a put.
func readValue(text string, stdin io.Reader) ([]byte, error) {
	if text != "-" {
		return []byte(text), nil
	}
	value, err := io.ReadAll(io.LimitReader(stdin, message.MaxSyncValue+1))
	if err != nil {
		return nil, fmt.Errorf("read standard input: %w", err)
	}
	if len(value) > message.MaxSyncValue {
		return nil, misused("standard input has more than %d bytes, which is as many as a value can have", message.MaxSyncValue)
	}
	return value, nil
}

// parseMixed parses flags that stand before, between and after the other arguments, which
// it returns.
func parseMixed(flags *flag.FlagSet, args []string) (positional []string, err error) {
	for len(args) > 0 {
		if err := flags.Parse(args); err != nil {
			return nil, err
		}
		if rest := flags.Args(); len(rest) > 0 {
			positional, args = append(positional, rest[0]), rest[1:]
		} else {
			args = nil
		}
	}
	return positional, nil
}

// syncMain is meet in the process's own environment.
func syncMain(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	return meet(ctx, args, os.Getenv, os.Stdin, stdout, stderr)
}
