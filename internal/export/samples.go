package export

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"time"

	"downbeat/internal/results"
	"downbeat/internal/samples"
)

// sampleTable has a row for each value that was sampled, of processes, hosts and their devices. It
// is read while it is written, as there may be many; the run's parameters are in the other tables.
// ok is false where nothing was sampled.
func (d *Data) sampleTable() (t Table, ok bool) {
	for i := range d.runs {
		for n := range d.runs[i].Hosts {
			_, err := os.Stat(d.samplesOf(&d.runs[i], d.runs[i].Hosts[n].Host))
			ok = ok || err == nil
		}
	}
	columns := []Column{
		{"run", Text}, {"host", Text}, {"kind", Text}, {"subject", Text}, {"at", Time}, {"t_s", Real}, {"error_us", Integer}, {"sample", Text}, {"value", Integer},
	}
	return Table{"samples", columns, d.sampleRows()}, ok
}

func (d *Data) samplesOf(r *results.CompleteRun, host string) string {
	return filepath.Join(d.Dir, r.Directory, filepath.FromSlash(results.SamplesPath(host)))
}

func (d *Data) sampleRows() iter.Seq2[[]any, error] {
	return func(yield func([]any, error) bool) {
		for i := range d.runs {
			r := &d.runs[i]
			for n := range r.Hosts {
				host := r.Hosts[n].Host
				err := eachSample(d.samplesOf(r, host), r.Run, host, lastRelease(r), func(row []any) bool { return yield(row, nil) })
				if errors.Is(err, errEnough) {
					return
				}
				if err != nil && !yield(nil, err) {
					return
				}
			}
		}
	}
}

// errEnough ends the reading of samples early.
var errEnough = errors.New("no more is wanted")

// eachSample gives the rows of one host's samples in one run.
func eachSample(path, run, host string, released time.Time, give func([]any) bool) error {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }() // only read
	reader := samples.NewReader(f)
	for {
		row, err := reader.Next()
		if errors.Is(err, io.EOF) || errors.Is(err, samples.ErrCut) { // what is whole counts
			return nil
		}
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		for i, values := range row.Values {
			subject := row.Subjects[i]
			table := row.Tables[subject.Table]
			for k, v := range values {
				if v == samples.Unknown || k >= len(table.Fields) {
					continue
				}
				if !give([]any{run, host, table.Name, textCell(subject.Name), row.At, row.At.Sub(released).Seconds(), row.Bound.Microseconds(), table.Fields[k], v}) {
					return errEnough
				}
			}
		}
	}
}

// lastRelease is the release of a run's last beat.
func lastRelease(r *results.CompleteRun) time.Time {
	released := r.ReleasedAt
	for _, b := range r.Beats {
		if b.ReleasedAt.After(released) {
			released = b.ReleasedAt
		}
	}
	return released
}
