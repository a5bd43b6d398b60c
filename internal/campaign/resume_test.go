package campaign

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"downbeat/internal/experiment"
	"downbeat/internal/outcome"
	"downbeat/internal/results"
)

func parse(t *testing.T, text string) *experiment.File {
	t.Helper()
	file, err := experiment.Parse("exp.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return file
}

// succeeded are records of a run of each point that has succeeded; run r1 is of the first.
func succeeded(t *testing.T, points []experiment.Point) []results.Record {
	t.Helper()
	var records []results.Record
	for i, point := range points {
		definition, err := point.Definition()
		if err != nil {
			t.Fatal(err)
		}
		records = append(records, results.Record{Run: "r" + string(rune('1'+i)), Datapoint: point.Index, Definition: definition, Outcome: outcome.RunSucceeded})
	}
	return records
}

func indices(points []experiment.Point) (list []int) {
	for _, point := range points {
		list = append(list, point.Index)
	}
	return list
}

const (
	sweep  = "hosts: {alpha: }\nmatrix: {n: [1, 2, 3]}\ngroups: {client: {on: alpha, run: './client {{.n}}'}}\n"
	edited = "hosts: {alpha: }\nmatrix: {n: [1, 2, 3, 4]}\ngroups: {client: {on: alpha, run: './client {{.n}}{{if eq .n 2}} -v{{end}}'}}\n"
)

// A datapoint is done if exactly what the file says of it now has succeeded; all others
// are left, in their order.
func TestCompareSkipsWhatHasSucceeded(t *testing.T) {
	t.Parallel()
	points := parse(t, sweep).Points()
	for _, word := range []outcome.Run{outcome.RunFailed, outcome.RunTimedOut, outcome.RunAborted, outcome.RunLost, outcome.RunRefused} {
		records := succeeded(t, points)
		records[1].Outcome = word
		got, err := Compare(points, points, records)
		if err != nil || !slices.Equal(indices(got.Left), []int{2}) || len(got.Stale) > 0 {
			t.Errorf("%s: got %+v, %v", word, got, err)
		}
		if len(got.Done) != 2 || got.Done[0].Run != "r1" || got.Done[1].Run != "r3" || got.Done[1].Point.Index != 3 {
			t.Errorf("%s: done are %+v", word, got.Done)
		}
	}
	if got, err := Compare(points, points, nil); err != nil || !slices.Equal(indices(got.Left), []int{1, 2, 3}) || len(got.Done) > 0 {
		t.Errorf("without any run: got %+v, %v", got, err)
	}
	if got, err := Compare(points, points, succeeded(t, points)); err != nil || len(got.Left) > 0 || len(got.Done) != 3 {
		t.Errorf("all have succeeded: got %+v, %v", got, err)
	}
}

// A success stays one, whatever became of later runs of the same; of several the latest counts.
func TestCompareTakesTheLatestSuccess(t *testing.T) {
	t.Parallel()
	points := parse(t, sweep).Points()[:1]
	first := succeeded(t, points)[0]
	second, third := first, first
	second.Run, third.Run, third.Outcome = "r2", "r3", outcome.RunAborted
	got, err := Compare(points, points, []results.Record{first, second, third})
	if err != nil || len(got.Done) != 1 || got.Done[0].Run != "r2" {
		t.Errorf("got %+v, %v", got, err)
	}
}

// Where the file has changed, runs of what it said before don't count any more.
func TestCompareAfterAnEdit(t *testing.T) {
	t.Parallel()
	before, now := parse(t, sweep), parse(t, edited)
	records := succeeded(t, before.Points())
	failed := records[1]
	failed.Run, failed.Outcome = "r4", outcome.RunFailed
	got, err := Compare(now.Points(), now.Points(), append(records, failed))
	if err != nil || !slices.Equal(indices(got.Left), []int{2, 4}) || len(got.Done) != 2 {
		t.Errorf("got %+v, %v", got, err)
	}
	if len(got.Stale) != 1 || got.Stale[0].Run != "r2" || got.Stale[0].Datapoint != 2 || got.Stale[0].Files != nil {
		t.Errorf("stale are %+v", got.Stale)
	}
	changes, err := Changes(before, got.Left)
	if err != nil || len(changes) != 2 {
		t.Fatalf("got %+v, %v", changes, err)
	}
	if !strings.Contains(changes[0].What, `"./client 2 -v", was "./client 2"`) || !slices.Equal(changes[0].Labels, []string{"0002-n=2"}) {
		t.Errorf("got %+v", changes[0])
	}
	if changes[1].What != "not in the file before" || !slices.Equal(changes[1].Labels, []string{"0004-n=4"}) {
		t.Errorf("got %+v", changes[1])
	}
}

// Datapoints with the same change are told together; what is the same and not done yet
// has no change.
func TestChangesAreTold(t *testing.T) {
	t.Parallel()
	before := parse(t, sweep)
	if got, err := Changes(before, before.Points()); err != nil || len(got) > 0 {
		t.Errorf("nothing has changed: got %+v, %v", got, err)
	}
	now := parse(t, sweep+"timeout: 5s\n")
	got, err := Changes(before, now.Points())
	if err != nil || len(got) != 1 || !slices.Equal(got[0].Labels, []string{"0001-n=1", "0002-n=2", "0003-n=3"}) {
		t.Errorf("got %+v, %v", got, err)
	}
	const more = "hosts: {alpha: ['./a', './b', './c', './d']}\n"
	got, err = Changes(parse(t, more), parse(t, strings.ReplaceAll(more, "./", "./x/")).Points())
	if err != nil || len(got) != 1 || !strings.HasSuffix(got[0].What, "and 2 more changes") {
		t.Errorf("got %+v, %v", got, err)
	}
}

// A run of a datapoint, or of a repetition, that was not chosen is not stale.
func TestCompareWithSomeOfTheDatapoints(t *testing.T) {
	t.Parallel()
	file := parse(t, sweep)
	if err := file.SetRepeat(2); err != nil {
		t.Fatal(err)
	}
	records := succeeded(t, file.Points())
	for i, point := range file.Points() {
		records[i].Repetition = point.Repetition
	}
	if err := file.SetRepeat(1); err != nil {
		t.Fatal(err)
	}
	all := file.Points()
	got, err := Compare(all[1:2], all, records)
	if err != nil || len(got.Done) != 1 || len(got.Left) > 0 || len(got.Stale) > 0 {
		t.Errorf("got %+v, %v", got, err)
	}
}

// A shipped file that has another content now makes its runs stale, and is named.
func TestCompareNamesShippedFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	ship := func(content string) []experiment.Point {
		if err := os.WriteFile(filepath.Join(dir, "server"), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, "exp.yaml")
		file, err := experiment.Parse(path, []byte("hosts: {alpha: [./server]}\nfiles: {server: server, conf: {text: \"port 7000\\n\"}}\n"))
		if err != nil {
			t.Fatal(err)
		}
		return file.Points()
	}
	sum := func(content string) string {
		s := sha256.Sum256([]byte(content))
		return hex.EncodeToString(s[:])
	}
	records := succeeded(t, ship("one"))
	records[0].Hosts = []results.HostRecord{{Host: "alpha", Shipped: []results.ShippedFile{
		{Path: "server", SHA256: sum("one")}, {Path: "conf", SHA256: sum("port 7000\n")}, {Path: "gone", SHA256: sum("")},
	}}}
	if got, err := Compare(ship("one"), ship("one"), records); err != nil || len(got.Done) != 1 || len(got.Stale) > 0 {
		t.Errorf("the same: got %+v, %v", got, err)
	}
	got, err := Compare(ship("two"), ship("two"), records)
	if err != nil || len(got.Left) != 1 || len(got.Stale) != 1 || !slices.Equal(got.Stale[0].Files, []string{"server"}) {
		t.Errorf("another: got %+v, %v", got, err)
	}
}
