package message

import "slices"

// signals are the signal names of Linux in the order of their numbers, from 1;
// exit events carry names, since numbers differ between systems.
var signals = []string{
	"SIGHUP", "SIGINT", "SIGQUIT", "SIGILL", "SIGTRAP", "SIGABRT", "SIGBUS", "SIGFPE", "SIGKILL", "SIGUSR1",
	"SIGSEGV", "SIGUSR2", "SIGPIPE", "SIGALRM", "SIGTERM", "SIGSTKFLT", "SIGCHLD", "SIGCONT", "SIGSTOP", "SIGTSTP",
	"SIGTTIN", "SIGTTOU", "SIGURG", "SIGXCPU", "SIGXFSZ", "SIGVTALRM", "SIGPROF", "SIGWINCH", "SIGIO", "SIGPWR", "SIGSYS",
}

// SignalNumber is the number that Linux gives the signal of that name, or 0: an
// exit status of 128 plus it is what a shell reports.
func SignalNumber(name string) int { return slices.Index(signals, name) + 1 }
