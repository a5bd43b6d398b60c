package main

import (
	"runtime"
	gauges "runtime/metrics"
	"testing"
)

// Garbage isn't collected before there is some of it, though little else is in use.
//
//nolint:paralleltest // what other tests use counts too
func TestGarbageGathersBeforeItIsCollected(t *testing.T) {
	before := untilCollected()
	lower := raiseHeapFloor()
	with := untilCollected()
	lower()
	if with < before+heapFloor/2 {
		t.Errorf("%d bytes of garbage gather before they are collected, want %d more than %d", with, heapFloor, before)
	}
	if after := untilCollected(); after > with-heapFloor/2 {
		t.Errorf("%d bytes gather once the floor is lowered again, want about %d", after, before)
	}
}

// untilCollected is how much garbage gathers until the next collection, in bytes.
func untilCollected() uint64 {
	runtime.GC()
	s := []gauges.Sample{{Name: "/gc/heap/goal:bytes"}, {Name: "/gc/heap/live:bytes"}}
	gauges.Read(s)
	return s[0].Value.Uint64() - s[1].Value.Uint64()
}
