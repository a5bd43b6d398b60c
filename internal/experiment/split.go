package experiment

// SplitCommand splits a command line into words as the file's run strings are
// split: by shell quoting rules without a shell, so that $X and * stay as they
// are. The error tells what is wrong and where.
func SplitCommand(line string) ([]string, error) { return splitWords(line) }
