package outcome

import "slices"

// signals are the signal names of Linux in the order of their numbers, from 1. Exits have
// names, because numbers differ between systems.
var signals = []string{
	"SIGHUP", "SIGINT", "SIGQUIT", "SIGILL", "SIGTRAP", "SIGABRT", "SIGBUS", "SIGFPE", "SIGKILL", "SIGUSR1",
	"SIGSEGV", "SIGUSR2", "SIGPIPE", "SIGALRM", "SIGTERM", "SIGSTKFLT", "SIGCHLD", "SIGCONT", "SIGSTOP", "SIGTSTP",
	"SIGTTIN", "SIGTTOU", "SIGURG", "SIGXCPU", "SIGXFSZ", "SIGVTALRM", "SIGPROF", "SIGWINCH", "SIGIO", "SIGPWR", "SIGSYS",
}

// SignalNumber is the number that Linux gives the signal of that name, or 0.
func SignalNumber(name string) int { return slices.Index(signals, name) + 1 }

// Status is the exit status that a shell would give: the code, or 128 plus the
// signal's number where a signal ended the command.
func Status(code int, signal string) int {
	if signal != "" {
		return 128 + SignalNumber(signal)
	}
	return code
}
