package report

import (
	"fmt"
	"strconv"

	"downbeat/internal/terminal"
)

// A foundation says on how many processes or files a metric is based in several runs.
type foundation struct {
	known         int // runs that say it
	part          int // runs in which it is based on fewer than there are
	fewest, most  int // processes or files, of those there are
	expectedLeast int
	expectedMost  int
}

func foundationOf(metric string, runs []*run) foundation {
	var f foundation
	for _, r := range runs {
		of, ok := r.record.MetricsOf[metric]
		if !ok {
			continue
		}
		if f.known == 0 {
			f.fewest, f.expectedLeast = of.Values, of.Expected
		}
		f.known++
		f.fewest, f.most = min(f.fewest, of.Values), max(f.most, of.Values)
		f.expectedLeast, f.expectedMost = min(f.expectedLeast, of.Expected), max(f.expectedMost, of.Expected)
		if of.Values < of.Expected {
			f.part++
		}
	}
	return f
}

// foundationCaption says it below a plot; nothing where no run does.
func foundationCaption(metric string, runs []*run) []string {
	f := foundationOf(metric, runs)
	if f.known == 0 {
		return nil
	}
	text := fmt.Sprintf("Each value is based on %s of %s processes or files", fromTo(f.fewest, f.most), fromTo(f.expectedLeast, f.expectedMost))
	if f.part > 0 {
		text += fmt.Sprintf("; in %s on fewer than there are", terminal.Count(uint64(f.part), "run"))
	}
	return []string{text + "."}
}

func fromTo(low, high int) string {
	if low == high {
		return strconv.Itoa(low)
	}
	return fmt.Sprintf("%d to %d", low, high)
}
