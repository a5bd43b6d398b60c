package results

import (
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

// attemptMark stands before the number of the attempt in the name of a run's directory; the
// first attempt has none.
const attemptMark = ".attempt"

var (
	attemptSuffix   = regexp.MustCompile(`\.attempt([1-9][0-9]{0,8})$`)
	datapointPrefix = regexp.MustCompile(`^([0-9]+)(?:[-.]|$)`)
)

// attemptOf is the attempt that the name of a run's directory says.
func attemptOf(name string) int {
	if m := attemptSuffix.FindStringSubmatch(name); m != nil {
		n, _ := strconv.Atoi(m[1]) // nine digits fit
		return n
	}
	return 1
}

// attemptName names the directory of an attempt at the datapoint that label names.
func attemptName(label string, attempt int) string {
	if attempt == 1 {
		return label
	}
	return label + attemptMark + strconv.Itoa(attempt)
}

// sameDatapoint reports whether a directory is that of a run of the datapoint that label names.
// Its number decides, even if the file has other values for it now: (datapoint, attempt)
// identifies one run of an experiment.
func sameDatapoint(directory, label string) bool {
	if m := datapointPrefix.FindStringSubmatch(label); m != nil {
		other := datapointPrefix.FindStringSubmatch(directory)
		return other != nil && strings.TrimLeft(m[1], "0") == strings.TrimLeft(other[1], "0")
	}
	return directory == label || strings.HasPrefix(directory, label+attemptMark)
}

// nextAttempt is the number of the next attempt at the datapoint that label names. Interrupted
// runs count, because they have directories.
func (e *Experiment) nextAttempt(label string) (int, error) {
	entries, err := os.ReadDir(e.dir)
	if err != nil {
		return 0, err
	}
	last := 0
	for _, entry := range entries {
		if entry.IsDir() && sameDatapoint(entry.Name(), label) {
			last = max(last, attemptOf(entry.Name()))
		}
	}
	return last + 1, nil
}

// reserve makes the directory of the next attempt at the datapoint that label names.
func (e *Experiment) reserve(label string) (dir string, attempt int, err error) {
	if attempt, err = e.nextAttempt(label); err != nil {
		return "", 0, err
	}
	for ; ; attempt++ {
		dir = filepath.Join(e.dir, attemptName(label, attempt))
		if err := os.Mkdir(dir, 0o777); err == nil || !os.IsExist(err) {
			return dir, attempt, err
		}
	}
}

// Attempt is which attempt at its datapoint the run is, from 1, those of earlier
// programs included.
func (r *Run) Attempt() int { return r.attempt }
