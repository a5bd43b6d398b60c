package secrecy

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// Hide makes the environment and memory of this program unreadable for other programs of the
// same user (PR_SET_DUMPABLE: /proc/PID/environ and /proc/PID/mem, debuggers, core dumps), and
// overwrites the secrets in the environment that it was started with, where root would
// otherwise see them by accident. The variables that the program itself reads are not changed.
// It must be called first of all.
func Hide() error {
	// In the other order this program could not write to its own memory.
	err := overwrite()
	if prctl := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); prctl != nil {
		err = errors.Join(err, fmt.Errorf("hide the memory from other programs: %w", prctl))
	}
	return err
}

// overwrite replaces secrets in the kernel's block of the environment, of which Go has a copy.
func overwrite() error {
	block, err := os.ReadFile("/proc/self/environ")
	if err != nil {
		return fmt.Errorf("hide the environment: %w", err)
	}
	masked := hidden(block)
	if bytes.Equal(masked, block) {
		return nil
	}
	start, err := environStart()
	if err != nil {
		return fmt.Errorf("hide the environment: %w", err)
	}
	mem, err := os.OpenFile("/proc/self/mem", os.O_RDWR, 0)
	if err != nil {
		return fmt.Errorf("hide the environment: %w", err)
	}
	defer mem.Close()
	there := make([]byte, len(block))
	if _, err := mem.ReadAt(there, start); err != nil || !bytes.Equal(there, block) {
		return errors.Join(errors.New("hide the environment: it is not where the kernel says"), err)
	}
	if _, err := mem.WriteAt(masked, start); err != nil {
		return fmt.Errorf("hide the environment: %w", err)
	}
	return nil
}

// environStart is where that block is: field 50 of /proc/self/stat, of which the
// second may contain anything.
func environStart() (int64, error) {
	data, err := os.ReadFile("/proc/self/stat")
	if err != nil {
		return 0, err
	}
	fields := bytes.Fields(data[bytes.LastIndexByte(data, ')')+1:])
	const field = 50 - 3
	if len(fields) <= field {
		return 0, errors.New("/proc/self/stat doesn't tell where it is")
	}
	return strconv.ParseInt(string(fields[field]), 10, 64)
}
