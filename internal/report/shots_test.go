package report

import (
	"os"
	"testing"
	"time"

	"downbeat/internal/report/reporttest"
)

func TestScratch(t *testing.T) {
	for name, lab := range map[string]reporttest.Lab{"full": reporttest.Full(), "small": reporttest.Small()} {
		root := "/tmp/shots/" + name
		os.RemoveAll(root)
		began := time.Now()
		dir, err := lab.Make(root)
		if err != nil {
			t.Fatal(err)
		}
		t.Log("made", time.Since(began))
		began = time.Now()
		r, err := New(dir, Options{})
		if err != nil {
			t.Fatal(err)
		}
		if err := r.Write(); err != nil {
			t.Fatal(err)
		}
		took := time.Since(began)
		info, _ := os.Stat(dir + "/report.html")
		t.Log(dir, took, info.Size(), r.limit)
	}
}
