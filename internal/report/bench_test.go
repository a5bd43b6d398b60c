package report_test

import (
	"os"
	"path/filepath"
	"testing"

	"downbeat/internal/report"
	"downbeat/internal/report/reporttest"
	"downbeat/internal/results"
)

// full makes 200 datapoints of 48 processes.
func full(b *testing.B) string {
	b.Helper()
	dir, err := reporttest.Full().Make(b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	return dir
}

// Tables and report of 200 datapoints of 48 processes, made from the directory.
func BenchmarkReport(b *testing.B) {
	dir := full(b)
	for b.Loop() {
		e, _, _, err := results.Reopen(dir)
		if err != nil {
			b.Fatal(err)
		}
		e.Close()
		if err := write(dir, report.Options{}); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(pageSize(b, dir)/1e6, "MB/page")
}

// The cost of one more datapoint at the end of an experiment that goes on.
func BenchmarkAddDatapoint(b *testing.B) {
	dir := full(b)
	reader, err := results.Open(dir)
	if err != nil {
		b.Fatal(err)
	}
	last := reader.Runs()[len(reader.Runs())-1]
	aside := filepath.Join(b.TempDir(), "aside")
	if err := os.Rename(last, aside); err != nil {
		b.Fatal(err)
	}
	r, err := report.New(dir, report.Options{})
	if err == nil {
		err = r.Write()
	}
	if err == nil {
		err = os.Rename(aside, last)
	}
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if err := r.Write(); err != nil {
			b.Fatal(err)
		}
	}
}

// The time until a page of 200 datapoints is usable. Nothing is asserted on it: the machine may
// have other things to do.
func BenchmarkFirstPaint(b *testing.B) {
	dir := full(b)
	if err := write(dir, report.Options{}); err != nil {
		b.Fatal(err)
	}
	if size := pageSize(b, dir); size >= 10e6 {
		b.Errorf("the page is of %.0f bytes", size)
	}
	var paint, table float64
	for b.Loop() {
		p := open(b, dir, "")
		paint += get[float64](p, `performance.getEntriesByName("first-contentful-paint")[0].startTime`)
		table += get[float64](p, `performance.getEntriesByName("table")[0].startTime`)
	}
	b.ReportMetric(paint/float64(b.N), "ms/first-paint")
	b.ReportMetric(table/float64(b.N), "ms/table")
}

func pageSize(b *testing.B, dir string) float64 {
	b.Helper()
	info, err := os.Stat(filepath.Join(dir, report.PageFile))
	if err != nil {
		b.Fatal(err)
	}
	return float64(info.Size())
}
