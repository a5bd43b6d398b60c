package runner

import (
	"fmt"
	"os"

	"downbeat/internal/streams"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"
	"golang.org/x/term"
)

// A command with a terminal Programs whose standard output is a terminal write line by line,
// where on a pipe they would buffer kilobytes. The terminal is raw, so that bytes come as they
// were written, and it has no input.
//
// The process leads a session of its own, so like others it also leads its group. But the
// terminal does not control that session. If it did, the kernel would send HUP to the whole
// group when the leader ends: in a stop, children that are still cleaning up after TERM would
// lose the rest of their grace period, and on macOS their terminal.

// terminalSize is the size that programs see.
var terminalSize = unix.Winsize{Row: 24, Col: 80}

// makeTerminal makes the terminal of a command. Everything written to it counts as standard
// output; standard error is closed from the beginning.
func (sl *slot) makeTerminal() error {
	ours, theirs, err := openTerminal()
	if err != nil {
		return fmt.Errorf("make a terminal: %w", err)
	}
	sl.outputs[streams.Stdout] = &output{slot: sl, stream: streams.Stdout, read: os.NewFile(uintptr(ours), "|0"), readFD: ours, write: theirs}
	none, err := newOutput(sl, streams.Stderr)
	if err != nil {
		return err
	}
	none.closeWrite()
	sl.outputs[streams.Stderr] = none
	return nil
}

// openTerminal opens a raw terminal: our end, non-blocking, and the child's.
// Neither is inherited.
func openTerminal() (ours, theirs int, err error) {
	master, slave, err := pty.Open()
	if err != nil {
		return -1, -1, err
	}
	defer master.Close()
	defer slave.Close()
	if err := setTerminal(int(slave.Fd())); err != nil {
		return -1, -1, err
	}
	if ours, err = duplicate(master, true); err != nil {
		return -1, -1, err
	}
	if theirs, err = duplicate(slave, false); err != nil {
		unix.Close(ours) //nolint:errcheck // nothing was written
		return -1, -1, err
	}
	return ours, theirs, nil
}

// setTerminal makes the terminal as a process finds it when it begins, whatever an earlier life has
// made of it.
func setTerminal(fd int) error {
	if _, err := term.MakeRaw(fd); err != nil {
		return err
	}
	return unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &terminalSize)
}

// duplicate returns a descriptor of f that Go's runtime does not manage.
func duplicate(f *os.File, nonblocking bool) (int, error) {
	fd, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return -1, err
	}
	if err := unix.SetNonblock(fd, nonblocking); err != nil {
		unix.Close(fd) //nolint:errcheck // nothing was written
		return -1, err
	}
	return fd, nil
}

// files are the child's standard input, output and error.
func (sl *slot) files(null int) []uintptr {
	out := uintptr(sl.outputs[streams.Stdout].write)
	if sl.command.Pty {
		return []uintptr{out, out, out}
	}
	return []uintptr{uintptr(null), out, uintptr(sl.outputs[streams.Stderr].write)}
}
