package worker

import (
	"testing"

	"pgregory.net/rapid"
)

func TestSerialIsFreshOnce(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var w replayWindow
		seen := make(map[uint64]bool)
		newest := uint64(0)
		for range rapid.IntRange(1, 200).Draw(t, "n") {
			serial := rapid.Uint64Range(0, 3*replaySpan).Draw(t, "serial")
			want := serial > 0 && !seen[serial] && serial+replaySpan > newest
			if got := w.fresh(serial); got != want {
				t.Fatalf("fresh(%d) = %t, want %t", serial, got, want)
			}
			if want {
				seen[serial] = true
				newest = max(newest, serial)
			}
		}
	})
}

func TestHugeSerialIsNoLoop(t *testing.T) {
	t.Parallel()
	var w replayWindow
	if !w.fresh(1<<63) || w.fresh(1<<63) || w.fresh(1) {
		t.Error("a huge serial was not taken once, or an old one after it")
	}
}
