package sqstest_test

import (
	"net/http"
	"os"
	"testing"

	"downbeat/internal/queue/sqs/sqstest"
)

// An emulator takes requests once it is started, and is gone with its files after
// Stop.
func TestNothingIsLeft(t *testing.T) {
	t.Parallel()
	sqstest.URL(t) // where no emulator is wanted, none is to be started
	dir := t.TempDir()
	s, err := sqstest.Start(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	get := func() error {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL()+"/health", http.NoBody)
		if err != nil {
			return err
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			return err
		}
		return response.Body.Close()
	}
	if err := get(); err != nil {
		t.Error(err)
	}
	if err := s.Stop(); err != nil {
		t.Error(err)
	}
	if err := get(); err == nil {
		t.Error("it still answers")
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left are %v, %v", left, err)
	}
}
