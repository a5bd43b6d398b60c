package main

import "runtime"

// heapFloor is how much garbage gathers, at least, before it is collected, in bytes.
const heapFloor = 16 << 20

// raiseHeapFloor has garbage collected less often, until lower is called. What comes from hosts is
// garbage once it is on the disk, at twice its size, and publish itself needs only some 4 MB.
// So the collector would run again after every few messages: where files are brought home, it took
// a third of the CPU time.
//
// The floor is memory that counts as in use. As nobody writes to it, it takes none of the machine's.
func raiseHeapFloor() (lower func()) {
	floor := make([]byte, heapFloor)
	return func() { runtime.KeepAlive(floor) }
}
