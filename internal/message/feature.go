package message

import (
	"fmt"
	"slices"
	"strings"
)

// A Feature is something that a job can use and that not every worker knows: a
// worker from before there was a setup would pass over it without a word.
type Feature string

// The features. Whatever a later build adds to the job, and a worker must not pass
// over, gets a name here.
const (
	FeatureSetup    Feature = "setup"    // commands of PhaseSetup
	FeatureTeardown Feature = "teardown" // commands of PhaseTeardown
	FeaturePty      Feature = "pty"      // Command.Pty
	FeatureFiles    Feature = "files"    // Job.Files
	FeatureCollect  Feature = "collect"  // Job.Collect
	FeatureBeats    Feature = "beats"    // Command.Beat other than 0
	FeatureReady    Feature = "ready"    // Command.Ready
	FeatureRestart  Feature = "restart"  // Command.Restart
	FeatureStops    Feature = "stops"    // Command.Stop
	FeatureActions  Feature = "actions"  // Job.Actions, Job.Watches, commands of PhaseAction
	FeatureSamples  Feature = "samples"  // Job.SampleMS
	FeatureFacts    Feature = "facts"    // Job.Facts, Control.Facts; no job needs it
	// FeatureUDPClock is Job.ClockKey, which a worker may pass over: its clock is measured
	// through the broker then.
	FeatureUDPClock Feature = "udp-clock"
)

// Features are those that this build knows.
func Features() []Feature {
	return []Feature{
		FeatureSetup, FeatureTeardown, FeaturePty, FeatureFiles, FeatureCollect,
		FeatureBeats, FeatureReady, FeatureRestart, FeatureStops, FeatureActions, FeatureSamples, FeatureUDPClock, FeatureFacts,
	}
}

// Uses names the features that the job uses: what belongs into Job.Needs.
func (j *Job) Uses() []Feature {
	var uses []Feature
	note := func(f Feature, used bool) {
		if used {
			uses = append(uses, f)
		}
	}
	note(FeatureSetup, j.Has(PhaseSetup))
	note(FeatureTeardown, j.Has(PhaseTeardown))
	note(FeaturePty, slices.ContainsFunc(j.Commands, func(c Command) bool { return c.Pty }))
	note(FeatureFiles, len(j.Files) > 0)
	note(FeatureCollect, len(j.Collect) > 0)
	note(FeatureBeats, j.Beats() > 1)
	note(FeatureReady, slices.ContainsFunc(j.Commands, func(c Command) bool { return c.Ready != nil }))
	note(FeatureRestart, slices.ContainsFunc(j.Commands, func(c Command) bool { return c.Restart != nil }))
	note(FeatureStops, slices.ContainsFunc(j.Commands, func(c Command) bool { return c.Stop != nil }))
	note(FeatureActions, len(j.Actions) > 0 || len(j.Watches) > 0 || j.Has(PhaseAction))
	note(FeatureSamples, j.SampleMS > 0)
	return uses
}

// Lacking gives those of the needs that are not among what is known.
func Lacking(needs, known []Feature) []Feature {
	return slices.DeleteFunc(slices.Clone(needs), func(f Feature) bool { return slices.Contains(known, f) })
}

// CheckNeeds reports, by name, what of the needs this build doesn't know.
func CheckNeeds(needs []Feature) error {
	if lacking := Lacking(needs, Features()); len(lacking) > 0 {
		return fmt.Errorf("%w: %s", ErrNeeds, JoinFeatures(lacking))
	}
	return nil
}

// JoinFeatures lists features for a person, at most a few.
func JoinFeatures(features []Feature) string {
	const most = 8
	var names []string
	for i, f := range features {
		if i == most {
			names = append(names, fmt.Sprintf("%d more", len(features)-most))
			break
		}
		names = append(names, quoted(fmt.Sprintf("`%s`", f)))
	}
	return strings.Join(names, ", ")
}
