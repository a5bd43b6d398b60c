// Package sqstest runs private SQS emulators for tests: the npm package fauxqs,
// on loopback, with nothing on the disk, and gone when stopped - or when the
// process that started it dies.
package sqstest

import (
	"bufio"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"downbeat/internal/queue/queuetest/daemon"
)

const (
	// startTimeout bounds a start; half a second is usual.
	startTimeout = time.Minute
	stopTimeout  = 5 * time.Second
)

//go:embed server.mjs
var script []byte

// A Server is an emulator. Its methods must not be called concurrently.
type Server struct {
	dir     string
	url     string
	process *daemon.Process
	guard   *daemon.Guard
	input   *os.File // the server ends when it is closed
}

// Start runs an emulator that keeps its few files in a new directory in dir, or
// in the system's place for temporary files where dir is empty. When it returns,
// the emulator takes requests.
func Start(ctx context.Context, dir string) (*Server, error) {
	dir, err := os.MkdirTemp(dir, "fauxqs-")
	if err != nil {
		return nil, fmt.Errorf("start fauxqs: %w", err)
	}
	s := &Server{dir: dir}
	if err := s.start(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("start fauxqs: %w", err), s.Stop())
	}
	return s, nil
}

func (s *Server) start(ctx context.Context) error {
	home, node, err := installed()
	if err != nil {
		return err
	}
	path := filepath.Join(s.dir, "server.mjs")
	if err := os.WriteFile(path, script, 0o600); err != nil {
		return err
	}
	if s.guard, err = daemon.NewGuard(s.dir); err != nil {
		return err
	}
	// It outlives ctx, which is only about the start.
	cmd := exec.CommandContext(context.Background(), node, path, home)
	cmd.Dir = s.dir
	in, input, err := os.Pipe()
	if err != nil {
		return err
	}
	s.input = input
	said, out, err := os.Pipe()
	if err != nil {
		return errors.Join(err, in.Close())
	}
	defer said.Close()
	var complaint strings.Builder
	cmd.Stdin, cmd.Stdout, cmd.Stderr = in, out, &complaint
	s.process, err = daemon.Start(cmd)
	if err = errors.Join(err, in.Close(), out.Close()); err != nil {
		return err
	}
	if err := s.guard.Watch(s.process.PID()); err != nil {
		return err
	}
	if s.url, err = greeting(ctx, said); err != nil {
		return errors.Join(err, s.process.Kill(), fmt.Errorf("%s", strings.TrimSpace(complaint.String())))
	}
	return nil
}

// greeting reads the line that says where the emulator listens.
func greeting(ctx context.Context, said *os.File) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { _ = said.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	line, err := bufio.NewReader(said).ReadString('\n')
	if ctx.Err() != nil {
		return "", ctx.Err()
	}
	if errors.Is(err, io.EOF) {
		return "", errors.New("it ended before it said where it listens")
	}
	return strings.TrimSpace(line), err
}

// URL is the endpoint at which the emulator takes requests.
func (s *Server) URL() string { return s.url }

// Stop ends the emulator, with all that it holds.
func (s *Server) Stop() error {
	var errs []error
	if s.input != nil {
		errs = append(errs, s.input.Close())
	}
	if s.process != nil {
		errs = append(errs, s.process.Stop(syscall.SIGTERM, stopTimeout))
	}
	if s.guard != nil {
		errs = append(errs, s.guard.Dismiss())
	}
	return errors.Join(append(errs, os.RemoveAll(s.dir))...)
}

// installed finds what scripts/install-deps has installed: the directory that
// holds the package, and a Node that runs it.
func installed() (home, node string, err error) {
	cache := os.Getenv("XDG_CACHE_HOME")
	if cache == "" {
		user, err := os.UserHomeDir()
		if err != nil {
			return "", "", err
		}
		cache = filepath.Join(user, ".cache")
	}
	home = filepath.Join(cache, "downbeat", "fauxqs-1.9.2")
	if _, err := os.Stat(filepath.Join(home, "node_modules", "fauxqs")); err != nil {
		return "", "", fmt.Errorf("%w; run scripts/install-deps", err)
	}
	node = filepath.Join(home, "node_modules", "node", "bin", "node")
	if _, err := os.Stat(node); err == nil {
		return home, node, nil
	}
	node, err = exec.LookPath("node")
	return home, node, err
}
