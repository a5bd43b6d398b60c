package test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"

	"downbeat/internal/queue/sqs/sqstest"
	"downbeat/internal/testkit"
)

// The figures of docs/aws.md for a datapoint on 4 hosts are no lower than what
// the programs take: requests for each run, and for each second that it lasts.
func TestRequestsOfADatapointAreAsDocumented(t *testing.T) {
	t.Parallel()
	counter, err := sqstest.NewCounter(sqstest.URL(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(counter.Close)
	dir := t.TempDir()
	namespace := fmt.Sprintf("cost-%d", os.Getpid())
	t.Cleanup(func() { deleteQueues(t, sqstest.QueueURL, namespace) }) // once the workers have ended
	environ := append(append(os.Environ(), sqstest.Environ(counter.URL())...),
		"DOWNBEAT_QUEUE_URL="+sqstest.QueueURL, "DOWNBEAT_NAMESPACE="+namespace,
		"DOWNBEAT_STATE_DIR="+dir, "DOWNBEAT_RESULTS="+filepath.Join(dir, "results"), "DOWNBEAT_LOG_LEVEL=error")
	publish := func(seconds int) error {
		file := filepath.Join(dir, fmt.Sprintf("sleep%d.yaml", seconds))
		text := fmt.Sprintf("name: cost\nhosts: {alpha: , bravo: , charlie: , delta: }\ngroups:\n  p: {on: [alpha, bravo, charlie, delta], count: 48, run: sleep %d}\n", seconds)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			return err
		}
		cmd := exec.Command(filepath.Join(programs, "publish"), file)
		cmd.Env = environ
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("%w\n%s", err, out)
		}
		return nil
	}
	for _, host := range hosts {
		cmd := exec.Command(filepath.Join(programs, "worker"))
		cmd.Env = append(environ, "DOWNBEAT_HOST="+host)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			_ = cmd.Process.Signal(os.Interrupt)
			_ = cmd.Wait()
		})
	}
	testkit.WaitFor(t, "all workers serve", func() bool { return publish(0) == nil }) // refused at once before
	requests := func(seconds int) float64 {
		counter.Take()
		if err := publish(seconds); err != nil {
			t.Fatal(err)
		}
		return float64(counter.Take().Total())
	}
	const long = 12
	doc, err := os.ReadFile(filepath.Join("..", "docs", "aws.md"))
	if err != nil {
		t.Fatal(err)
	}
	wrong := "not measured"
	for range 3 { // on a machine that is busy otherwise, more go unbatched, and more long polls end early
		each := requests(0)
		perSecond := (requests(long) - each) / long
		t.Logf("%.0f requests for a datapoint, and %.1f for each second that it lasts", each, perSecond)
		if wrong = undocumented(string(doc), each, perSecond); wrong == "" {
			return
		}
	}
	t.Error(wrong)
}

// undocumented says where docs/aws.md promises less than was seen, or far more.
func undocumented(doc string, each, perSecond float64) string {
	for what, got := range map[string]float64{`a datapoint takes at most (\d+) requests`: each, `and at most (\d+) for each second`: perSecond} {
		found := regexp.MustCompile(what).FindStringSubmatch(doc)
		if found == nil {
			return fmt.Sprintf("docs/aws.md does not say %q", what)
		}
		if most, err := strconv.ParseFloat(found[1], 64); err != nil || got > most || got < most/4 {
			return fmt.Sprintf("%.1f requests, where docs/aws.md says %q with %s", got, what, found[1])
		}
	}
	return ""
}
