package runner

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if GuardMain(os.Args) {
		return
	}
	if len(os.Args) > 1 {
		name := strings.TrimPrefix(os.Args[1], childPrefix)
		for _, roles := range []map[string]func([]string) int{children(), programs} {
			if play, ok := roles[name]; ok {
				os.Exit(play(os.Args[2:]))
			}
		}
	}
	goleak.VerifyTestMain(m)
}

const childPrefix = "child:"

// children are the roles that the test binary can play as a process of a set.
func children() map[string]func(args []string) int {
	return map[string]func(args []string) int{
		// exit CODE: ends at once.
		"exit": func(args []string) int { return number(args[0]) },
		// print TEXT...: writes each to standard output, or those that begin with
		// "!" to standard error.
		"print": func(args []string) int {
			for _, text := range args {
				if rest, ok := strings.CutPrefix(text, "!"); ok {
					fmt.Fprint(os.Stderr, rest)
				} else {
					fmt.Fprint(os.Stdout, text)
				}
			}
			return 0
		},
		// touch FILE: leaves a trace of having been executed.
		"touch": func(args []string) int {
			if os.WriteFile(args[0], nil, 0o600) != nil {
				return 1
			}
			return 0
		},
		// sleep: says that it's there and stays.
		"sleep": func([]string) int { return stay() },
		// deaf: the same, but ignores TERM.
		"deaf": func([]string) int {
			signal.Ignore(syscall.SIGTERM)
			return stay()
		},
		// polite: ends with status 7 on TERM.
		"polite": func([]string) int {
			term := make(chan os.Signal, 1)
			signal.Notify(term, syscall.SIGTERM)
			fmt.Println("ready", os.Getpid())
			<-term
			fmt.Println("asked")
			return 7
		},
		// stopped: SIGSTOPs itself once it has said that it's there.
		"stopped": func([]string) int {
			fmt.Println("ready", os.Getpid())
			syscall.Kill(os.Getpid(), syscall.SIGSTOP) //nolint:errcheck // the test would notice
			return stay()
		},
		// spawn WHAT THEN: starts WHAT, and becomes THEN.
		"spawn": func(args []string) int {
			spawn(nil, args[0])
			return children()[args[1]](nil)
		},
		// daemon WHAT THEN: starts WHAT as a daemon, by setsid and a second fork,
		// and becomes THEN.
		"daemon": func(args []string) int {
			spawn(&syscall.SysProcAttr{Setsid: true}, "daemon2", args[0])
			return children()[args[1]](nil)
		},
		"daemon2": func(args []string) int {
			spawn(&syscall.SysProcAttr{Setsid: true}, args[0])
			return 0
		},
		// tracer: starts another that it traces and leaves stopped at its exec,
		// names both, and stays.
		"tracer": func([]string) int { return tracer() },
		// end: ends at once and well.
		"end": func([]string) int { return 0 },
		// until: goes on until the file named by $UNTIL is there.
		"until": func([]string) int { return until() },
		// silent: the same, but closes its outputs first.
		"silent": func([]string) int {
			os.Stdout.Close()
			os.Stderr.Close()
			return until()
		},
		// big BYTES: uses so much memory.
		"big": func(args []string) int {
			memory := make([]byte, number(args[0]))
			for i := range memory {
				memory[i] = 1
			}
			return int(memory[len(memory)/2]) - 1
		},
		// flood BYTES TEXT: writes TEXT again and again, so many bytes in all.
		"flood": func(args []string) int {
			left := number(args[0])
			chunk := bytes.Repeat([]byte(args[1]), 64<<10/len(args[1]))
			for left > 0 {
				n, err := os.Stdout.Write(chunk[:min(left, len(chunk))])
				if err != nil {
					return 1
				}
				left -= n
			}
			return 0
		},
	}
}

// stay says that it's there, with its pid, and stays for longer than any test.
func stay() int {
	fmt.Println("ready", os.Getpid())
	<-time.After(time.Hour)
	return 0
}

func until() int {
	for {
		if _, err := os.Stat(os.Getenv("UNTIL")); err == nil {
			return 5
		}
		<-time.After(time.Millisecond)
	}
}

// spawn starts the test binary as another child, with the same outputs.
func spawn(attr *syscall.SysProcAttr, what string, args ...string) {
	cmd := exec.Command(os.Args[0], append([]string{childPrefix + what}, args...)...)
	cmd.Stdout, cmd.Stderr, cmd.SysProcAttr = os.Stdout, os.Stderr, attr
	if err := cmd.Start(); err != nil {
		panic(err)
	}
}

func number(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil {
		panic(err)
	}
	return n
}
