package runner

// ownPeak is 0, because this system's figure for a process does not include its parent's.
func ownPeak() int64 { return 0 }

func peakOf(int) int64 { return 0 }
