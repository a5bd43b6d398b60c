package runner

// programs are what else the test binary can be: programs that run sets.
var programs map[string]func(args []string) int
