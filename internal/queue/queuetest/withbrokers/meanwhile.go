package main

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"syscall"
)

// A meanwhile is a line of shell that runs beside all else, in a process group of its own.
type meanwhile struct {
	cmd            *exec.Cmd
	stdout, stderr bytes.Buffer // read once it has ended
	ended          chan struct{}
	err            error // how; valid once it has ended
}

func startMeanwhile(line string) (*meanwhile, error) {
	m := &meanwhile{cmd: exec.CommandContext(context.Background(), "sh", "-c", line), ended: make(chan struct{})} // ended by signals alone
	m.cmd.Stdout, m.cmd.Stderr = &m.stdout, &m.stderr
	m.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := m.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		defer close(m.ended)
		m.err = m.cmd.Wait()
	}()
	return m, nil
}

// passOn has the line get each signal too, before the one who reads the returned channel.
func (m *meanwhile) passOn(signals <-chan os.Signal) chan os.Signal {
	on := make(chan os.Signal, cap(signals))
	go func() {
		for sig := range signals { // until the program ends
			select {
			case <-m.ended: // its pid may be somebody else's by now
			default:
				_ = syscall.Kill(-m.cmd.Process.Pid, sig.(syscall.Signal))
			}
			on <- sig
		}
	}()
	return on
}

// end waits for the end of the line, prints what it has printed, and returns its exit status.
func (m *meanwhile) end() int {
	<-m.ended
	_, _ = os.Stdout.Write(m.stdout.Bytes())
	_, _ = os.Stderr.Write(m.stderr.Bytes())
	return status(m.cmd, m.err)
}
