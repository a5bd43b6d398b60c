package facts

import "golang.org/x/sys/unix"

// yieldToOthers gives the thread that calls it the least priority. On Linux that is a matter of
// threads; where it isn't allowed, nothing is lost.
func yieldToOthers() { _ = unix.Setpriority(unix.PRIO_PROCESS, 0, 19) }
