// Package results is what is on disk after a run. [Create] makes the directory
// of an experiment, [Experiment.NewRun] that of a run in it; the run takes the
// processes' output as it comes and its [Record] at the end. [Open] reads back
// what was written, whether or not the run was completed.
//
// docs/results.md describes every file for those who read them with tools of
// their own. The package imports nothing else of Downbeat's.
//
// Output that was flushed survives a crash of the publisher. Only the record
// is forced to the disk's platter; after a power failure of the publisher's
// machine the sizes in it show what the file system may have lost, and
// [Reader.Logs] says so.
package results
