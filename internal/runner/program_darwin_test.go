package runner

// programs are what else the test binary can be: programs that run sets.
var programs map[string]func(args []string) int

// tracer is not played here: its test is for Linux.
func tracer() int { return 1 }
