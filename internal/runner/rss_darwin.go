package runner

// ownPeak is nothing, as the system's figures for a process are its own.
func ownPeak() int64 { return 0 }

func peakOf(int) int64 { return 0 }
