// Package sim runs publishers and workers together in virtual time. The rules
// are the ones that ship, [conduct.Run] and the types of [course]; the world
// around them is played: a broker that delays, doubles, reorders and drops what
// it may, clocks that are wrong, processes with scripted lives, disks that lose
// what was not synced, and machines that go down in the middle of anything.
//
// A [Plan] says everything that happens, and comes out of one seed. The same
// plan gives the same trace on every machine: there is one goroutine, one queue
// of events in the order of their time, and no wall clock. [Run] carries a plan
// out and checks the promises of the project on what came of it; [Shrink] makes
// a plan that breaks one as small as it can.
//
// The package is for tests.
package sim
