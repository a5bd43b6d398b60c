// Package results writes and reads the results of runs on disk. [Create] makes the directory of
// an experiment, [Experiment.NewRun] that of a run in it; the run takes the processes' output
// as it comes, and its [Record] at the end. [Open] reads the results back, whether or not the
// run was completed.
//
// docs/results.md describes every file for users with tools of their own.
//
// Output that was flushed survives a crash of the publisher. Only the record is synced to disk;
// after a power failure of the publisher's machine, its sizes show what the file system may
// have lost, and [Reader.Logs] says so.
package results
