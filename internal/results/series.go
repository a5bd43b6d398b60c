package results

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// SeriesDir is the directory, in a run's, of the metrics over the run's time.
const SeriesDir = "series"

const seriesExt = ".csv"

// AllProcesses is the column of a series about all processes together.
const AllProcesses = "all"

// A Series is a metric over the time of a run: a value for each piece of it.
type Series struct {
	Metric string
	// Times are when the pieces begin, in seconds after the last release. They are equally
	// wide.
	Times []float64
	// Columns are what the values are of: all processes together, and each of them. NaN is no
	// value.
	Columns []string
	Values  [][]float64 // by column
}

// Write writes the series into the directory of its run.
func (s *Series) Write(runDir string) error {
	dir := filepath.Join(runDir, SeriesDir)
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return advise(err)
	}
	return advise(writeAtomically(dir, s.Metric+seriesExt, s.encode()))
}

// RemoveSeries removes the series of a run but for those of the metrics to keep.
func RemoveSeries(runDir string, keep []string) error {
	dir := filepath.Join(runDir, SeriesDir)
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for _, e := range entries {
		metric, isTable := strings.CutSuffix(e.Name(), seriesExt)
		if e.IsDir() || !isTable || slices.Contains(keep, metric) {
			continue
		}
		if err := os.Remove(filepath.Join(dir, e.Name())); err != nil {
			return err
		}
	}
	return nil
}

// encode makes the table: a row for each piece.
func (s *Series) encode() []byte {
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	_ = w.Write(append([]string{timeColumn}, s.Columns...)) // to memory
	row := make([]string, 1+len(s.Columns))
	for i, t := range s.Times {
		row[0] = cellOf(t)
		for c := range s.Columns {
			row[1+c] = cellOf(s.Values[c][i])
		}
		_ = w.Write(row)
	}
	w.Flush()
	return b.Bytes()
}

// timeColumn is the first column of a series.
const timeColumn = "time"

// cellOf is how a number is written; one that is none is an empty cell.
func cellOf(v float64) string {
	if math.IsNaN(v) {
		return ""
	}
	return strconv.FormatFloat(v, 'g', -1, 64)
}

// ReadSeries reads the series of a run's metrics, in the order of their names.
func ReadSeries(runDir string) ([]*Series, error) {
	dir := filepath.Join(runDir, SeriesDir)
	entries, err := os.ReadDir(dir)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil, nil
		}
		return nil, fmt.Errorf("read series: %w", err)
	}
	var all []*Series
	for _, e := range entries {
		name, isTable := strings.CutSuffix(e.Name(), seriesExt)
		if !isTable || e.IsDir() {
			continue
		}
		s, err := readSeries(filepath.Join(dir, e.Name()))
		if err != nil {
			return nil, fmt.Errorf("read series: %w", err)
		}
		s.Metric = name
		all = append(all, s)
	}
	return all, nil
}

func readSeries(path string) (*Series, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if len(rows) == 0 || rows[0][0] != timeColumn {
		return nil, fmt.Errorf("%s: its first column is not %s", path, timeColumn)
	}
	s := &Series{Columns: rows[0][1:], Values: make([][]float64, len(rows[0])-1)}
	for i, row := range rows[1:] {
		for c, cell := range row {
			v := math.NaN()
			if cell != "" {
				if v, err = strconv.ParseFloat(cell, 64); err != nil {
					return nil, fmt.Errorf("%s:%d: %w", path, i+2, err)
				}
			}
			if c == 0 {
				s.Times = append(s.Times, v)
			} else {
				s.Values[c-1] = append(s.Values[c-1], v)
			}
		}
	}
	return s, nil
}
