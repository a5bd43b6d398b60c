package worker

import "testing"

func TestEveryTransitionIsAsDrawn(t *testing.T) {
	t.Parallel()
	allowed := map[[2]State]bool{
		{Waiting, SettingUp}: true, {Waiting, Preparing}: true, {Waiting, TearingDown}: true, {Waiting, Finished}: true,
		{SettingUp, Preparing}: true, {SettingUp, Waiting}: true, {SettingUp, TearingDown}: true, {SettingUp, Finished}: true,
		{Preparing, Ready}: true, {Preparing, Waiting}: true, {Preparing, TearingDown}: true, {Preparing, Finished}: true,
		{Ready, Committed}: true, {Ready, Waiting}: true, {Ready, TearingDown}: true, {Ready, Finished}: true,
		{Committed, Ready}: true, {Committed, Armed}: true, {Committed, TearingDown}: true, {Committed, Finished}: true,
		{Armed, Running}: true, {Armed, Stopping}: true, {Armed, TearingDown}: true, {Armed, Collecting}: true, {Armed, Finished}: true,
		{Running, Stopping}: true, {Running, TearingDown}: true, {Running, Collecting}: true, {Running, Finished}: true,
		{Stopping, TearingDown}: true, {Stopping, Collecting}: true, {Stopping, Finished}: true,
		{TearingDown, Waiting}: true, {TearingDown, Collecting}: true, {TearingDown, Finished}: true,
		{Collecting, Finished}: true, {Collecting, Over}: true,
		{Finished, Over}: true,
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
