package runner

import (
	"time"

	"downbeat/internal/streams"
)

// A Sink is told what happens. Of each life of a command Started comes first, and Exited comes
// before the Started of the next; Output and Exited come in any order. Output is called
// concurrently for different streams, and in order for each; data is valid only during the call;
// a call that blocks makes the process wait (its pipe fills). Times have monotonic readings.
type Sink interface {
	// Started says that the command began to execute.
	Started(command int, start Start)
	// Output passes on what one read returned: any bytes, at least one. All lives of a command
	// write to the same two streams.
	Output(command int, stream streams.Stream, at time.Time, data []byte)
	// Exited is called once for each life that began, and for a command that could not be
	// started after all (Exit.Err). It is not called for one that was stopped before it began.
	Exited(command int, exit Exit)
}

// A StreamSink is a Sink that is also told when a stream has ended.
type StreamSink interface {
	Sink
	// Closed comes after the last Output of the stream, of all lives. It isn't called for a
	// command that was stopped before it began.
	Closed(command int, stream streams.Stream)
}

// An ActionSink is a Sink that is also told what became of actions.
type ActionSink interface {
	Sink
	// Acted is called once for each [Action] that the set took, before the set is over. It
	// comes before the Exited of the life that the action was carried out on.
	Acted(act Act)
}

// Start is the beginning of a life.
type Start struct {
	Life int // how often the command had been started before
	PID  int
	At   time.Time
}

// Exit is the end of a life. It is reported as soon as the process itself has ended; more
// output may come (descendants may hold the pipe) until the set is over.
type Exit struct {
	Life    int       // as in Start
	PID     int       // the same; 0 if it could not be started
	Code    int       // -1 if ended by Signal
	Signal  string    // such as "SIGKILL"; empty if it exited
	Started time.Time // when it began to execute
	Ended   time.Time // when its end was noticed
	// User and System are the CPU time of the process and of those of its
	// children that it waited for.
	User, System time.Duration
	// MaxRSS is the largest resident memory in bytes, of the process or of the largest child
	// that it waited for. On Linux, a value below what this program uses may be a little too
	// low, or 0, for unknown, if the process lived only for milliseconds (see rss_linux.go).
	MaxRSS  int64
	Stopped bool  // a stop sent it its stop signal before it ended
	Killed  bool  // it was still running when the grace period was over
	Err     error // could not be started after all; nothing else is set then
}
