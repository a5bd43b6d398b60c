//go:build compose && linux

// Package compose tests the image, docker-compose.yml and the systemd unit for
// real, with an engine of its own. It needs root, and Debian's packages:
// `make test-compose` installs them.
package compose

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// root is the project's directory.
const root = "../.."

// docker is the engine that all tests share.
var docker *engine

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) (status int) {
	if os.Geteuid() != 0 {
		fmt.Fprintln(os.Stderr, "only root can start an engine: sudo make test-compose")
		return 1
	}
	dir, err := os.MkdirTemp("", "downbeat-compose-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() {
		if err := os.RemoveAll(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			status = 1
		}
	}()
	ctx, cancel := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer cancel()
	data, release, err := keptData()
	if err != nil {
		data, release = filepath.Join(dir, "data"), func() {}
		fmt.Printf("nothing is kept of this engine: %v\n", err)
	}
	defer release()
	docker, err = startEngine(ctx, dir, data)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() {
		if err := docker.stop(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			status = 1
		}
	}()
	began := time.Now()
	if err := docker.clear(ctx); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	if err := makeImages(ctx, docker); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	fmt.Printf("base images are there after %.0f s\n", time.Since(began).Seconds())

	// Tests take no notice of ^C: without an engine they end soon.
	defer context.AfterFunc(ctx, docker.kill)()
	return m.Run()
}
