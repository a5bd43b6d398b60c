package test

import (
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var quotedPath = regexp.MustCompile("`([A-Za-z0-9_./-]+)`")

// Each file that docs/architecture.md names is there. One that is named without its
// directory is in one that the same row of a table, or the same line, has named before.
func TestFilesInTheArchitectureAreThere(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join("..", "docs", "architecture.md"))
	if err != nil {
		t.Fatal(err)
	}
	named := 0
	for number, line := range strings.Split(string(text), "\n") {
		dirs := []string{"."}
		for _, match := range quotedPath.FindAllStringSubmatch(line, -1) {
			name := match[1]
			if strings.Contains(name, "NAME") || !strings.Contains(name, "/") && !strings.HasSuffix(name, ".go") {
				continue // a package, a command, a function
			}
			dir, found := findBelow(name, dirs)
			if !found && strings.HasSuffix(name, ".go") {
				t.Errorf("docs/architecture.md:%d names %s, which isn't there", number+1, name)
			}
			if found {
				named++
				dirs = append(dirs, dir)
			}
		}
	}
	if named < 100 {
		t.Errorf("only %d files were found in docs/architecture.md: the test doesn't understand it any more", named)
	}
}

// findBelow looks for a file or directory below those named before, the latest first, and
// below the directories above them. It returns the directory to look in next.
func findBelow(name string, dirs []string) (dir string, found bool) {
	for _, last := range slices.Backward(dirs) {
		for at := last; ; at = path.Dir(at) {
			full := path.Join(at, name)
			info, err := os.Stat(filepath.Join("..", full))
			if err == nil && info.IsDir() {
				return full, true
			}
			if err == nil {
				return path.Dir(full), true
			}
			if at == "." {
				break
			}
		}
	}
	return "", false
}
