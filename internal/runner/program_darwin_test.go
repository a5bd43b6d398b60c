package runner

// programs are other roles of the test binary: programs that run sets.
var programs map[string]func(args []string) int

// tracer is not played here: its test is for Linux.
func tracer() int { return 1 }
