//go:build compose && linux

package compose

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// keptData is the directory in ~/.cache/downbeat in which an engine finds the images and layers
// of the one before it, so that Docker builds only what has changed. One engine has it at a
// time, until it is released.
func keptData() (dir string, release func(), err error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", nil, err
	}
	dir = filepath.Join(cache, "downbeat", "engine")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", nil, err
	}
	lock, err := os.OpenFile(dir+".lock", os.O_CREATE|os.O_RDWR|syscall.O_CLOEXEC, 0o600)
	if err != nil {
		return "", nil, err
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = lock.Close()
		return "", nil, fmt.Errorf("%s belongs to another engine: %w", dir, err)
	}
	return dir, func() { _ = lock.Close() }, nil
}

// clear removes what an engine that was killed has left beside its images, and images that have
// lost their names to newer ones.
func (e *engine) clear(ctx context.Context) error {
	return e.script(ctx, `
docker ps --all --quiet | xargs --no-run-if-empty docker rm --force --volumes
docker volume ls --quiet | xargs --no-run-if-empty docker volume rm --force
docker network prune --force
docker image prune --force
`)
}
