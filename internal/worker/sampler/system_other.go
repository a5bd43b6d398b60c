//go:build !linux

package sampler

import (
	"fmt"
	"runtime"
	"time"
)

// Supported says why no samples can be taken here; nil: they can.
func Supported() error {
	return fmt.Errorf("samples are taken on Linux alone, and this host runs %s: leave out sample, or this host", runtime.GOOS)
}

func cpuTime(int) (time.Duration, bool) { return 0, false }
