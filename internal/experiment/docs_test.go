package experiment

import (
	"fmt"
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

// TestDocsAreComplete: docs/file.md names every key and function, and every
// variable that a process finds.
func TestDocsAreComplete(t *testing.T) {
	t.Parallel()
	docs := readDocs(t)
	words := make(map[string]bool)
	for _, w := range regexp.MustCompile(`[.]?[A-Za-z_]+`).FindAllString(docs, -1) {
		words[w] = true
	}
	var want []string
	for _, key := range allKeys {
		want = append(want, "."+key)
	}
	funcs := functionNames((*calls)(nil).functions())
	undocumented := []string{"html", "js", "urlquery", "println"} // Go's, and of no use here
	want = append(want, slices.DeleteFunc(funcs, func(f string) bool { return slices.Contains(undocumented, f) })...)
	for _, variable := range message.Identity(&message.Job{}, &message.Command{Phase: message.PhaseRun}) {
		name, _, _ := strings.Cut(variable, "=")
		want = append(want, name)
	}
	for _, w := range want {
		if !words[w] {
			t.Errorf("docs/file.md does not mention %s", w)
		}
	}
	if len(words) < 100 || len(want) < 40 {
		t.Errorf("looked for %d of %d words: %v", len(want), len(words), slices.Sorted(maps.Keys(words)))
	}
}

// A docsRow is a row of a table of fields in docs/file.md.
type docsRow struct {
	names                 []string
	words, unset, meaning string
}

var (
	bar  = regexp.MustCompile(`(?:^|[^\\])\|`)
	code = regexp.MustCompile("`([^`]*)`")
	link = regexp.MustCompile(`(; )?(see )?\[([^]]*)\]\([^)]*\)`)
)

// docsRows are those of the tables of fields in one section.
func docsRows(t *testing.T, docs, title string) (rows []docsRow) {
	t.Helper()
	_, section, ok := strings.Cut(docs, "\n"+title+"\n")
	if !ok {
		t.Fatalf("docs/file.md has no section %q", title)
	}
	section, _, _ = strings.Cut(section, "\n#")
	inTable := false
	for line := range strings.Lines(section) {
		switch inTable = strings.HasPrefix(line, "| field |") || inTable && strings.HasPrefix(line, "|"); {
		case !inTable, strings.HasPrefix(line, "| field |"), strings.HasPrefix(line, "|---"):
			continue
		}
		cells := bar.Split(strings.TrimSpace(line), -1)
		if len(cells) != 6 {
			t.Errorf("docs/file.md: a table of fields has four columns: %s", line)
			continue
		}
		row := docsRow{words: plainCell(cells[2]), unset: plainCell(cells[3]), meaning: plainCell(cells[4])}
		for _, name := range code.FindAllStringSubmatch(cells[1], -1) {
			row.names = append(row.names, name[1])
		}
		rows = append(rows, row)
	}
	return rows
}

// plainCell is a cell without its marks and pointers to elsewhere.
func plainCell(cell string) string {
	cell = link.ReplaceAllStringFunc(cell, func(l string) string {
		if parts := link.FindStringSubmatch(l); parts[2] == "" {
			return parts[1] + parts[3]
		}
		return ""
	})
	return strings.TrimSpace(strings.ReplaceAll(strings.TrimSuffix(strings.TrimSpace(cell), "; see below"), "`", ""))
}

// holds is what a row of docs/file.md says holds without the field.
func (r row) holds() []string {
	switch {
	case r.required:
		return []string{"required"}
	case r.unset+r.otherwise != "":
		return []string{r.unset + r.otherwise}
	}
	return []string{"none", "one of the two", "one of three", "one of four", "one of five", ""}
}

// TestDocsHaveTheTable: docs/file.md has a row for each field, with its type,
// what holds without it and what it means, and none besides.
func TestDocsHaveTheTable(t *testing.T) {
	t.Parallel()
	docs := readDocs(t)
	for _, table := range fileFields.table().within() {
		rows := docsRows(t, docs, table.title)
		if strings.HasSuffix(table.title, "Groups") || strings.HasPrefix(table.title, "### Setup") {
			rows = append(rows, docsRows(t, docs, hostCommand.title)...)
		}
		documented := make(map[string]bool)
		for _, got := range rows {
			for _, name := range got.names {
				checkDocsRow(t, table, got, name, len(got.names) > 1, documented)
			}
		}
		for _, r := range table.rows {
			if !documented[r.name] {
				t.Errorf("docs/file.md: %q has no row for\n| `%s%s` | %s | %s | %s |", table.title, table.prefix, r.name, r.words, r.holds()[0], r.about)
			}
		}
	}
}

// checkDocsRow compares what is said of one field. A row about several fields says
// of them only that they are those of another table.
func checkDocsRow(t *testing.T, table *table, got docsRow, name string, several bool, documented map[string]bool) {
	t.Helper()
	short, ok := strings.CutPrefix(name, table.prefix)
	if !ok || table.prefix == "" && strings.Contains(name, ".") {
		return // it is of another table in this section
	}
	i := slices.IndexFunc(table.rows, func(r row) bool { return r.name == short })
	if i < 0 {
		if got.unset != "" && !isCommandField(short) {
			t.Errorf("docs/file.md: %q has a row for %s, which is not a field there", table.title, name)
		}
		return
	}
	want := table.rows[i]
	if documented[short] || several {
		documented[short] = true
		return
	}
	documented[short] = true
	if got.words != want.words || !slices.Contains(want.holds(), got.unset) || got.meaning != want.about {
		t.Errorf("docs/file.md: %q has for %s\n| %s | %s | %s |\nthe table of fields has\n| %s | %s | %s |", table.title, name,
			got.words, got.unset, got.meaning, want.words, want.holds()[0], want.about)
	}
}

func isCommandField(name string) bool {
	return slices.ContainsFunc(commandFields, func(f field[command]) bool { return f.name == name })
}

// shippedByDocs is a directory with what the examples of docs/file.md ship.
func shippedByDocs(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{"judge.py", "check.py"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o700); err != nil { //nolint:gosec // programs
			t.Fatal(err)
		}
	}
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

// TestGuideIsTrue: what docs/guide.md shows of a run's course is what its example says.
func TestGuideIsTrue(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile(filepath.Join(root, "docs", "guide.md"))
	if err != nil {
		t.Fatal(err)
	}
	guide := string(data)
	_, example, ok := strings.Cut(guide, "```yaml\nname: failover\n")
	if !ok {
		t.Fatal("docs/guide.md has no example called failover")
	}
	example, _, _ = strings.Cut(example, "```")
	d := mustExpand(t, "failover.yaml", "name: failover\n"+example)
	for i, b := range d.Beats {
		if want := fmt.Sprintf("\n  %d: %s, %s\n", i, b, b.Begins()); !strings.Contains(guide, want) {
			t.Errorf("docs/guide.md doesn't show %s", want)
		}
	}
	for _, a := range d.Actions {
		if want := fmt.Sprintf("\n  %d: %s", a.Number, a.Text); !strings.Contains(guide, want) {
			t.Errorf("docs/guide.md doesn't show %s", want)
		}
	}
	if len(d.Beats) != 3 || len(d.Actions) != 3 {
		t.Errorf("got %d beats and %d actions", len(d.Beats), len(d.Actions))
	}
}
