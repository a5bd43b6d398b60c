package results_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"downbeat/internal/results"
)

// Any run.json is a record that can be written again, or is refused.
func FuzzRecord(f *testing.F) {
	good, err := os.ReadFile(filepath.Join("testdata", "run.json"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add([]byte(`{"processes":[{}],"hosts":[null],"parameters":{"a":{"b":[1e999]}}}`))
	f.Add([]byte(`{"ended_at":"9999-12-31T23:59:59-23:59"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, results.RecordFile), data, 0o600); err != nil {
			t.Fatal(err)
		}
		rec, err := results.ReadRecord(dir)
		if err != nil {
			return
		}
		if _, err := json.Marshal(rec.Normal()); err != nil {
			t.Errorf("read, but can't be written: %v", err)
		}
	})
}

// Reading the lines of an interrupted or damaged run comes to an end, and every line has a
// text or an error.
func FuzzLogs(f *testing.F) {
	f.Add([]byte("one\ntwo\n"), []byte("downbeat times 1\n\x08\xd0\x0f\x08\x02"), []byte(""))
	f.Add([]byte("one"), []byte("downbeat times 1\n\xff\xff\xff\xff\xff\xff\xff\xff\x7f\x02"), []byte("{}"))
	f.Add([]byte{}, []byte("down"), []byte(`{"processes":[{"host":"a","process":"0","stdout_bytes":99}]}`))
	f.Fuzz(func(t *testing.T, out, times, record []byte) {
		dir := t.TempDir()
		if err := os.Mkdir(filepath.Join(dir, "a"), 0o700); err != nil {
			t.Fatal(err)
		}
		files := map[string][]byte{"a/0.out": out, "a/0.times": times}
		if len(record) > 0 {
			files[results.RecordFile] = record
		}
		for name, data := range files {
			if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		r, err := results.Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		size := 0
		for line, err := range r.Logs(results.Filter{}) {
			if err != nil {
				continue
			}
			size += len(line.Text)
			if !line.NoNewline {
				size++
			}
		}
		if size != len(out) {
			t.Errorf("the lines have %d bytes, the file %d", size, len(out))
		}
	})
}
