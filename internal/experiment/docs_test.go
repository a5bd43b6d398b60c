package experiment

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"downbeat/internal/message"
)

func readDocs(t *testing.T) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(root, "docs", "file.md"))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// TestDocsAreComplete: docs/file.md names every field, key and function, and
// every variable that a process finds.
func TestDocsAreComplete(t *testing.T) {
	t.Parallel()
	docs := readDocs(t)
	words := make(map[string]bool)
	for _, w := range regexp.MustCompile(`[.]?[A-Za-z_]+`).FindAllString(docs, -1) {
		words[w] = true
	}
	var want []string
	for _, fields := range [][]string{topFields, hostFields, groupFields, stepFields, metricFields, reduceFields, shipmentFields} {
		want = append(want, fields...)
	}
	for _, field := range stopFields {
		if !strings.Contains(docs, "`stop."+field+"`") {
			t.Errorf("docs/file.md does not describe stop.%s", field)
		}
	}
	for _, key := range allKeys {
		want = append(want, "."+key)
	}
	funcs := functionNames((*expansion)(nil).functions())
	undocumented := []string{"html", "js", "urlquery", "println"} // Go's, and of no use here
	want = append(want, slices.DeleteFunc(funcs, func(f string) bool { return slices.Contains(undocumented, f) })...)
	for _, variable := range message.Identity(&message.Job{}, &message.Process{}) {
		name, _, _ := strings.Cut(variable, "=")
		want = append(want, name)
	}
	for _, w := range want {
		if !words[w] {
			t.Errorf("docs/file.md does not mention %s", w)
		}
	}
	if len(words) < 100 || len(want) < 50 {
		t.Errorf("looked for %d of %d words: %v", len(want), len(words), slices.Sorted(maps.Keys(words)))
	}
}

// shippedByDocs is a directory with what the examples of docs/file.md ship.
func shippedByDocs(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{"build/server", "conf/fast.json", "conf/safe.json", "datasets/small/a"} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(name), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// TestDocsAreTrue: the examples of docs/file.md are right, without a warning.
func TestDocsAreTrue(t *testing.T) {
	t.Parallel()
	blocks := regexp.MustCompile("(?s)```(json|yaml)\n(.*?)```").FindAllStringSubmatch(readDocs(t), -1)
	if len(blocks) < 3 {
		t.Fatalf("found %d examples", len(blocks))
	}
	dir := shippedByDocs(t)
	for _, b := range blocks {
		text, group := b[2], !strings.Contains(b[2], "hosts")
		if group {
			text = "hosts: {alpha: , bravo: , charlie: }\ngroups:\n  " + strings.ReplaceAll(text, "\n", "\n  ")
		}
		f := mustParse(t, filepath.Join(dir, "file.md."+b[1]), text)
		if len(f.Warnings) > 0 && !group {
			t.Errorf("%s\n%v", text, f.Warnings)
		}
		if _, err := f.Points()[0].Expand(trial); err != nil {
			t.Errorf("%s\n%v", text, err)
		}
	}
	// The errors it shows are those of such a file.
	const sample = "{\n\n\n\n\n\n  \"hosts\": {\"nevis\": null},\n  \"groups\": {\n\n    \"client\":\n    {\n      \"on\": \"nevs\",\n" +
		"      \"cuont\": 3,\n      \"run\": \"./client 'x\"}}}"
	_, err := Parse("sample.json", []byte(sample))
	if err == nil || !strings.Contains(readDocs(t), err.Error()) {
		t.Errorf("docs/file.md doesn't show\n%v", err)
	}
}
