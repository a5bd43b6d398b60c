package test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// Every test and script that docs/faults.md names is there.
func TestFaultsPageNamesWhatThereIs(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile(filepath.Join("..", "docs", "faults.md"))
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), "grep", "-rhoE", "--include=*_test.go", `^func Test\w+\(`, "..").Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range regexp.MustCompile("`(Test\\w+)`").FindAllStringSubmatch(string(page), -1) {
		if !strings.Contains(string(out), "func "+test[1]+"(") {
			t.Errorf("there is no %s", test[1])
		}
	}
	for _, script := range regexp.MustCompile("`((?:amqp|embedded|sqs)/\\w+)`").FindAllStringSubmatch(string(page), -1) {
		if _, err := os.Stat(filepath.Join("testdata", "script", script[1]+".txtar")); err != nil {
			t.Error(err)
		}
	}
}
