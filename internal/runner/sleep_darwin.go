package runner

import "time"

// sleepPrecisely sleeps for d; the scheduler is as precise as it gets.
func sleepPrecisely(d time.Duration) {
	<-time.After(d)
}
