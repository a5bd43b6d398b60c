package runner

import "time"

// sleepPrecisely sleeps for d; nothing more precise than the scheduler is available.
func sleepPrecisely(d time.Duration) {
	<-time.After(d)
}
