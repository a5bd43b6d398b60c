package experiment

import (
	"encoding/json"
	"testing"

	"go.uber.org/goleak"

	"downbeat/internal/message"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// trial is a run id for tests.
const trial = "01JD5W9M4QX3T0C9V8Z7Y6R5PK"

// mustParse parses a file that is expected to be right.
func mustParse(t *testing.T, name, text string) *File {
	t.Helper()
	f, err := Parse(name, []byte(text))
	if err != nil {
		t.Fatalf("Parse: %v", err)
	}
	return f
}

// mustExpand parses and expands a file that is expected to be right.
func mustExpand(t *testing.T, name, text string) *Datapoint {
	t.Helper()
	d, err := mustParse(t, name, text).Points()[0].Expand(trial)
	if err != nil {
		t.Fatalf("Expand: %v", err)
	}
	return d
}

// checkAccepted fails unless a worker would accept the job, once the publisher
// has filled in what is its own.
func checkAccepted(t *testing.T, job *message.Job) {
	t.Helper()
	// As JSON, which has no opinion on what else a publisher may have to say.
	own := `{"since": "` + trial + `", "lease_ms": 1000, "window_bytes": 1048576}`
	if err := json.Unmarshal([]byte(own), job); err != nil {
		t.Fatal(err)
	}
	job.ReplyTo = "events"
	if err := job.Check(); err != nil {
		t.Errorf("a worker would refuse it: %v", err)
	}
}
