package conduct

import (
	"fmt"
	"testing"
	"time"

	"downbeat/internal/message"
	"downbeat/internal/streams"
)

// A run of 4 hosts with 12 processes each, from its jobs to its end, without anything of
// the hosts but the messages that they send: what the machine itself takes.
func BenchmarkRun(b *testing.B) {
	var jobs []*message.Job
	var numbers [][]int
	for i := range 4 {
		job := &message.Job{Run: testRun, Host: fmt.Sprint("host", i), WindowBytes: 1 << 20}
		var own []int
		for n := range 12 {
			job.Commands = append(job.Commands, proc("g", n))
			own = append(own, i*12+n)
		}
		jobs, numbers = append(jobs, job), append(numbers, own)
	}
	b.ReportAllocs()
	steps := 0
	for b.Loop() {
		spec := Spec{Run: testRun, ReadyTimeout: time.Minute, Lease: 30 * time.Second, Timeout: time.Minute}
		for i, job := range jobs {
			spec.Hosts = append(spec.Hosts, HostSpec{Job: job, Numbers: numbers[i]})
		}
		steps += benchRun(b, New(spec, epoch), len(jobs))
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(steps), "ns/step")
}

func benchRun(b *testing.B, r *Run, hosts int) (steps int) {
	now := epoch
	seq := make([]uint64, hosts)
	step := func(in Input) []Effect {
		steps++
		return r.Step(now, in)
	}
	send := func(host int, seq uint64, e message.Event) {
		e.Time = now
		step(Received{Host: host, Seq: seq, At: now, Size: 100, Sum: seq, Content: Event{&e}})
	}
	logged := func(host int, e message.Event) {
		seq[host]++
		send(host, seq[host], e)
	}
	step(nil)
	beat := func() {
		for i := range hosts {
			probe := &message.Probe{SentAt: now.Add(-2 * oneWay), TakenAt: now.Add(-oneWay), AnswerAt: now.Add(-oneWay)}
			send(i, 0, message.Event{Kind: message.Heartbeat, Heartbeat: &message.HeartbeatInfo{Last: seq[i], Probe: probe}})
		}
	}
	each := func(e message.Event) {
		now = now.Add(10 * time.Millisecond)
		for i := range hosts {
			logged(i, e)
		}
	}
	for range 3 {
		now = now.Add(10 * time.Millisecond)
		beat()
	}
	each(message.Event{Kind: message.Ready, Ready: &message.ReadyInfo{}})
	each(message.Event{Kind: message.Committed})
	var started []message.StartedInfo
	for n := range 12 {
		started = append(started, message.StartedInfo{Command: n, StartedAt: now.Add(12 * time.Millisecond)})
	}
	each(message.Event{Kind: message.Started, Started: started})
	for range 3 {
		now = now.Add(3 * time.Second)
		step(nil)
		beat()
	}
	for n := range 12 {
		each(message.Event{Kind: message.Exited, Exited: &message.ExitedInfo{Command: n, StartedAt: started[n].StartedAt, EndedAt: now}})
	}
	each(message.Event{Kind: message.Done, Done: &message.DoneInfo{Outcome: message.HostDone, Totals: make([]streams.Total, 12)}})
	if !r.Over() {
		b.Fatalf("the run is %s", r.Stage())
	}
	return steps
}
