package experiment

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/txtar"

	"downbeat/internal/message"
)

// FuzzParse: whatever a file contains, Parse either says what is wrong and
// where, or gives jobs that a worker accepts and that survive their encoding.
func FuzzParse(f *testing.F) {
	archive, err := txtar.ParseFile("testdata/errors.txtar")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range archive.Files {
		f.Add(strings.HasSuffix(file.Name, ".json"), file.Data)
	}
	for _, path := range exampleFiles(f) {
		data, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(filepath.Ext(path) == ".json", data)
	}
	f.Add(false, []byte("a: &a [x]\nb: &b [*a, *a]\nhosts: {<<: [*b, {c: [x]}]}"))
	f.Add(false, []byte("hosts: {a: ['{{range 9}}{{printf `%9d` .}}{{end}}']}"))
	f.Fuzz(func(t *testing.T, isJSON bool, data []byte) {
		name := "x.yaml"
		if isJSON {
			name = "x.json"
		}
		// Of an input that takes for ever nothing would be known otherwise.
		hang := time.AfterFunc(time.Minute, func() { panic("Parse takes for ever") })
		defer hang.Stop()
		file, err := Parse(name, data)
		if err != nil {
			checkErrors(t, name, err)
			return
		}
		d, err := file.Points()[0].Expand(trial)
		if err != nil {
			checkErrors(t, name, err) // a template may depend on the run
			return
		}
		for _, job := range d.Jobs() {
			checkJob(t, job)
		}
	})
}

func checkErrors(t *testing.T, name string, err error) {
	t.Helper()
	es, ok := errors.AsType[Errors](err)
	if !ok || len(es) == 0 {
		t.Fatalf("error is %T %v", err, err)
	}
	for _, e := range es {
		if e.File != name || e.Message == "" || e.Line < 0 || e.Column < 0 || e.Line == 0 && e.Column > 0 {
			t.Errorf("got %#v", e)
		}
	}
}

func checkJob(t *testing.T, job message.Job) {
	t.Helper()
	checkAccepted(t, &job)
	data, err := json.Marshal(job)
	if err != nil {
		t.Fatal(err)
	}
	back := message.Job{Run: job.Run, Host: job.Host, ReplyTo: job.ReplyTo} // these travel beside it
	if err := json.Unmarshal(data, &back); err != nil || !reflect.DeepEqual(back, job) {
		t.Errorf("encoding changes the job: %v\n%+v\n%+v", err, job, back)
	}
}
