package worker

import "testing"

func TestEveryTransitionIsAsDrawn(t *testing.T) {
	t.Parallel()
	allowed := map[[2]State]bool{
		{Waiting, Preparing}: true, {Waiting, Finished}: true,
		{Preparing, Ready}: true, {Preparing, Waiting}: true, {Preparing, Finished}: true,
		{Ready, Committed}: true, {Ready, Waiting}: true, {Ready, Finished}: true,
		{Committed, Ready}: true, {Committed, Armed}: true, {Committed, Finished}: true,
		{Armed, Running}: true, {Armed, Stopping}: true, {Armed, Finished}: true,
		{Running, Stopping}: true, {Running, Finished}: true,
		{Stopping, Finished}: true,
		{Finished, Over}:     true,
	}
	for from := Waiting; from <= Over; from++ {
		for to := Waiting; to <= Over; to++ {
			got, err := from.next(to)
			if ok := allowed[[2]State{from, to}]; ok != (err == nil) {
				t.Errorf("%s to %s: error %v, want it allowed: %t", from, to, err, ok)
			} else if ok && got != to || !ok && got != from {
				t.Errorf("%s to %s led to %s", from, to, got)
			}
		}
	}
}
