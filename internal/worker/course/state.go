package course

import "fmt"

// State is where a run stands on this host.
//
//	waiting ──→ setting up ──→ preparing ──→ ready ⇄ committed ──→ armed ──→ running ──→ stopping
//	   │                           ↑                                 │                      ↑
//	   └───────────────────────────┘                                 └──────────────────────┘
//
// A run without setup and teardown goes past setting up. As long as no process has
// executed an instruction, and the host was not promised to the run, an older run
// may take the host:
//
//	setting up     preparing     ready     committed     tearing down
//	    └──────────────┴───────────┴───────────┴──────────────┴─────→ waiting
//
// Where the host was the run's and a teardown is owed, that comes first, whatever
// comes then:
//
//	waiting  setting up  preparing  ready  committed  armed  running  stopping
//	   └─────────┴───────────┴────────┴────────┴────────┴───────┴────────┴────→ tearing down
//
// When no process is left, files are collected, if the job asks for them and the
// processes were released; the host is the next run's meanwhile:
//
//	armed     running     stopping     tearing down
//	  └──────────┴───────────┴───────────────┴─────→ collecting
//
// Then the run's directory is removed, and the publisher is told how it ended:
//
//	waiting  setting up  preparing  ready  committed  armed  running  stopping  tearing down  collecting
//	   └─────────┴───────────┴────────┴────────┴────────┴───────┴────────┴───────────┴─────────────┴────→ clearing ──→ finished ──→ over
//
// A publisher that is gone is not waited for, nor one that can't be told any more:
//
//	collecting     clearing
//	     └─────────────┴─────→ over
//
// A worker takes up the runs that it finds at its start:
//
//	         ┌──→ waiting
//	         ├──→ collecting
//	found ───┼──→ clearing
//	         └──→ finished
//
// Up to committed no process of the run has executed an instruction; from collecting
// on none is left, and another run may have the host; from finished on there is
// nothing but what the publisher has not acknowledged.
type State uint8

// The states.
const (
	Found       State = iota // in the journal, at the worker's start
	Waiting                  // journaled; another run has the host
	SettingUp                // it has the host; the commands of its setup are being run
	Preparing                // its processes are being prepared
	Ready                    // every process is held; an older run may still take the host
	Committed                // held, and kept for this run
	Armed                    // the instant of the release is known
	Running                  // released
	Stopping                 // TERM has been or is about to be sent
	TearingDown              // no process is left; the commands of its teardown are being run
	Collecting               // nothing is left running; its files are being read
	Clearing                 // nothing is left running; its directory is being removed
	Finished                 // nothing is left; its events are on their way
	Over                     // the publisher has everything, or is gone
)

const numStates = int(Over) + 1

// stay is for a transition that leaves the state as it is.
var stay = State(numStates)

var stateNames = [numStates]string{
	"found", "waiting", "setting up", "preparing", "ready", "committed", "armed", "running", "stopping", "tearing down",
	"collecting", "clearing", "finished", "over",
}

// String names the state.
func (s State) String() string {
	if int(s) < len(stateNames) {
		return stateNames[s]
	}
	return fmt.Sprintf("State(%d)", s)
}

// A trigger is what can move a run to another state.
type trigger uint8

const (
	onRecovered trigger = iota // the run was found in the journal
	onGranted                  // the host is the run's
	onQueued                   // the host is another run's
	onWounded                  // an older run wants the host
	onTaskDone                 // the task under way is over: see task
	onCommit                   // the publisher asks for it, as with the two that follow
	onUncommit
	onStart
	onReleased     // processes have been released
	onTermSent     // they were sent TERM
	onStop         // the run has to end, for Run.asked
	onPartStop     // only the last beats have to, for Run.asked
	onPartTermSent // they were sent TERM
	onAct          // an action is called
	onAsked        // a process asks for something
	onGone         // a process has ended for good, as far as is known
	onAllEnded     // no process is left
	onCollected    // the files are in the log
	onCleared      // the directory is removed, or has been waited for long enough
	onSilence      // the publisher has been silent for the lease, or the time to drain is over
	onMute         // no event can be sent any more
	onAhead        // the publisher has more than is in the log
	onUnlogged     // the last event could not be logged
	onAcked        // the publisher has the whole log

	numTriggers
)

var triggerNames = [numTriggers]string{
	"recovered", "granted", "queued", "wounded", "task done", "commit", "uncommit", "start", "released", "term sent", "stop", "stop of beats", "term sent to beats",
	"act", "asked", "gone", "all ended", "collected",
	"cleared", "silence", "mute", "ahead", "unlogged", "acked",
}

// String names the trigger.
func (t trigger) String() string { return triggerNames[t] }

// A transition: in one of the states of from, on moves a run to the state to, if
// when holds (nil: always). Of several the first counts. What do lists is done then.
type transition struct {
	from []State
	on   trigger
	when func(*Run) bool
	do   []func(*Run)
	to   State
}

// in and act make the table's rows read well.
func in(states ...State) []State               { return states }
func act(functions ...func(*Run)) []func(*Run) { return functions }

// transitions are all there are: what is not here changes nothing.
var transitions = []transition{
	// Runs of a worker that died.
	{in(Found), onRecovered, hadEnded, act(clearBeside), Finished},
	{in(Found), onRecovered, hadCollected, act(closeAnew), Clearing},
	{in(Found), onRecovered, hadBegunToCollect, act(collectAnew), Collecting},
	{in(Found), onRecovered, nil, nil, Waiting}, // for the host, and its teardown

	// The host is given.
	{in(Waiting), onQueued, isNotLost, act(reportWaiting), stay},
	{in(Waiting), onGranted, isLostAndOwes, act(beginTeardown, thenFinish), TearingDown},
	{in(Waiting), onGranted, isLost, act(endTeardown, finish), Clearing},
	{in(Waiting), onGranted, hasSteps, act(makeDir), SettingUp},
	{in(Waiting), onGranted, nil, act(makeDir), Preparing},
	{in(Collecting, Clearing, Finished), onGranted, nil, act(leaveHost), stay}, // it has ended meanwhile

	// Setup and preparation. An interruption is over with the task that it interrupts.
	{in(SettingUp, Preparing), onWounded, nil, act(interrupt), stay},
	{in(SettingUp, Preparing), onStop, nil, act(noteStop, interrupt), stay},
	{in(SettingUp, Preparing), onTaskDone, isStoppedAndOwes, act(discard, beginTeardown, thenFinish), TearingDown},
	{in(SettingUp, Preparing), onTaskDone, isStopped, act(discard, endTeardown, finish), Clearing},
	{in(SettingUp, Preparing), onTaskDone, isWoundedAndOwes, act(discard, beginTeardown, thenYield), TearingDown},
	{in(SettingUp, Preparing), onTaskDone, isWounded, act(discard, endTeardown, yield), Waiting},
	{in(SettingUp, Preparing), onTaskDone, hasFailedAndOwes, act(beginTeardown, thenRefuse), TearingDown},
	{in(SettingUp, Preparing), onTaskDone, hasFailed, act(endTeardown, refuse), Clearing},
	{in(SettingUp, Preparing), onTaskDone, lacksFiles, act(supply), stay},
	{in(SettingUp), onTaskDone, hasNext, act(reportSettingUp, runNext), stay},
	{in(SettingUp), onTaskDone, nil, act(reportSettingUp, prepare), Preparing},
	{in(Preparing), onTaskDone, isNotPrepared, act(prepare), stay},
	{in(Preparing), onTaskDone, nil, act(reportReady), Ready},

	// Held.
	{in(Ready), onWounded, owes, act(discard, beginTeardown, thenYield), TearingDown},
	{in(Ready), onWounded, nil, act(discard, endTeardown, yield), Waiting},
	{in(Ready, Committed), onCommit, nil, act(reportCommitted), Committed},
	{in(Committed), onUncommit, isWoundedAndOwes, act(discard, beginTeardown, thenYield), TearingDown},
	{in(Committed), onUncommit, isWounded, act(discard, endTeardown, yield), Waiting},
	{in(Committed), onUncommit, nil, act(reportReady), Ready},
	{in(Committed), onStart, isNewBeat, act(release), Armed},
	{in(Ready, Committed), onStop, owes, act(noteStop, discard, beginTeardown, thenFinish), TearingDown},
	{in(Ready, Committed), onStop, nil, act(noteStop, discard, endTeardown, finish), Clearing},

	// In time: the later beats, what is done to processes, what they ask for.
	{in(Armed, Running), onStart, isNewBeat, act(release), stay},
	{in(Armed, Running), onPartStop, nil, act(stopBeats), stay},
	{in(Armed, Running, Stopping), onPartTermSent, nil, act(reportPartly), stay},
	{in(Armed, Running), onAct, nil, act(callAction), stay},
	{in(Armed, Running), onAsked, tooManyAsks, act(refuseAsk), stay},
	{in(Armed, Running), onAsked, nil, act(passOn), stay},
	{in(Armed, Running), onGone, noneLeft, act(closeSet), stay}, // it ends with its processes

	// Released.
	{in(Armed), onReleased, nil, nil, Running},
	{in(Armed, Running), onStop, nil, act(noteStop, stopProcesses, answerAll), Stopping},
	{in(Stopping), onStop, nil, act(stopProcesses), stay}, // the earlier deadlines count
	{in(Armed, Running, Stopping), onTermSent, isStopped, act(reportStopping), stay},
	{in(Armed, Running, Stopping), onAllEnded, owes, act(beginTeardown, thenFinish), TearingDown},
	{in(Armed, Running, Stopping), onAllEnded, hasFilesToCollect, act(endTeardown, collect), Collecting},
	{in(Armed, Running, Stopping), onAllEnded, nil, act(endTeardown, finish), Clearing},

	// Teardown. Nothing interrupts it, but a run that is stopped meanwhile does not
	// wait for the host again.
	{in(TearingDown), onStop, isYielding, act(noteStop), stay},
	{in(TearingDown), onTaskDone, hasNext, act(runNext), stay},
	{in(TearingDown), onTaskDone, isRefusing, act(endTeardown, refuse), Clearing},
	{in(TearingDown), onTaskDone, isYieldingUnstopped, act(endTeardown, yield), Waiting},
	{in(TearingDown), onTaskDone, hasFilesToCollect, act(endTeardown, collect), Collecting},
	{in(TearingDown), onTaskDone, nil, act(endTeardown, finish), Clearing},

	// Stopped before it had the host.
	{in(Waiting), onStop, isNotLost, act(noteStop, finish), Clearing},

	// The end.
	{in(Collecting), onCollected, nil, act(addFiles, keepEnd, clearDir), Clearing},
	{in(Clearing), onCleared, isMute, act(reportEnd, replyMissing), Over},
	{in(Clearing), onCleared, nil, act(reportEnd), Finished},
	{in(Finished), onAcked, nil, nil, Over},
	{in(Finished), onUnlogged, nil, act(replyMissing), Over},

	// The publisher is gone, or can't be told any more.
	{in(Collecting), onSilence, isLeaving, act(stopCollecting), stay}, // the next start sends it
	{in(Collecting, Finished), onSilence, nil, act(giveUp), Over},
	{in(Clearing), onSilence, isFreeAndStays, act(giveUp), Over},
	{in(Collecting, Finished), onStop, isForSilence, nil, Over},
	{in(Clearing), onStop, isFreeAndForSilence, nil, Over},
	{in(Collecting), onMute, nil, act(stopCollectingMute), stay},
	{in(Finished), onMute, nil, act(replyMissing), Over},
	{in(Collecting, Finished), onAhead, nil, act(replyCutOff), Over},
	{in(Clearing), onAhead, isFree, act(replyCutOff), Over},
}

// moves are the transitions by state and trigger.
var moves = index(transitions)

func index(all []transition) *[numStates][numTriggers][]*transition {
	by := new([numStates][numTriggers][]*transition)
	for i := range all {
		t := &all[i]
		for _, s := range t.from {
			by[s][t.on] = append(by[s][t.on], t)
		}
	}
	return by
}

// fire makes the transition that on means in the run's state, and reports whether
// there is one.
func (r *Run) fire(on trigger) bool {
	for _, t := range moves[r.state][on] {
		if t.when != nil && !t.when(r) {
			continue
		}
		for _, do := range t.do {
			do(r)
		}
		if t.to != stay {
			r.state = t.to
			r.hears()
		}
		if t.to == Over {
			r.emit(End{Keep: r.leaving && on != onAcked})
		}
		return true
	}
	return false
}
