package report

import (
	"os"
	"testing"

	"downbeat/internal/report/reporttest"
)

func TestScratch(t *testing.T) {
	root := "/tmp/shots/small"
	os.RemoveAll(root)
	dir, err := reporttest.Small().Make(root)
	if err != nil {
		t.Fatal(err)
	}
	r, err := New(dir, Options{Planned: 40})
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Write(); err != nil {
		t.Fatal(err)
	}
}
