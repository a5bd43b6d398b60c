package runner

// A guard needs Linux.
type guard struct{}

func newGuard(*Runner) (*guard, error) { return nil, nil }
func (*guard) watch(*Set)              {}
func (*guard) forget(*Set)             {}
func (*guard) admit(*Set, int)         {}
func (*guard) dismiss(*Set, []int)     {}
func (*guard) narrow(*Set, []int)      {}
func (*guard) close()                  {}

// GuardMain reports whether this process is a guard (see Options.Guard); never here.
func GuardMain([]string) bool { return false }
