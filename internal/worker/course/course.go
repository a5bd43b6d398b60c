// Package course decides what becomes of a run on a host, and which runs a host
// takes at all. It is the worker's rules without the worker: state, input and the
// time go in, effects come out. Nothing here starts a goroutine, reads a clock,
// or touches a disk, a process or a queue; the worker package carries the effects
// out and feeds in what became of them.
//
//   - [Run] is a run on this host, from its journaled job to its last
//     acknowledgement. Its states and transitions stand in one table, see [State].
//   - [Turns] decides which of several runs has the host.
//   - [Admission] decides which jobs and controls are accepted, with [Serials]
//     against those that come twice.
//   - [Window] decides what of a run's log is sent next, and what again.
//
// None of them may be used by two goroutines at a time.
package course
