// Command testreport reads what `go test -json` writes from its standard input and prints it
// the way plain go test does: a line for each package, and the output of tests that failed. It
// also prints the tests that were skipped, and exits with 1 if there are any: in CI everything
// has to run. For failed tests, go test has an exit status of its own.
package main

import (
	"bufio"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
)

func main() {
	os.Exit(run(os.Stdin, os.Stdout, os.Stderr))
}

func run(in io.Reader, out, problems io.Writer) (status int) {
	r := report{out: bufio.NewWriter(out), held: map[test][]byte{}}
	err := r.read(in)
	if err != nil {
		fmt.Fprintln(problems, "testreport:", err)
		return 1
	}
	if len(r.skipped) > 0 {
		fmt.Fprintln(problems, "testreport: skipped, where every test has to run:")
		for _, t := range r.skipped {
			fmt.Fprintf(problems, "  %s %s\n", t.pkg, t.name)
		}
		return 1
	}
	return 0
}

// event is a line of go test -json; see `go doc test2json`, and `go help
// buildjson` for those about a build.
type event struct {
	Action  string
	Package string
	Test    string
	Output  string
}

type test struct{ pkg, name string }

type report struct {
	out     *bufio.Writer
	held    map[test][]byte // the output of tests that have not ended
	skipped []test
}

// read reports each line as it comes. Only reading and writing can fail: lines that are not
// events, because make or a wrapper of go test wrote them, are passed on.
func (r *report) read(in io.Reader) error {
	lines := bufio.NewReader(in)
	for {
		line, err := lines.ReadString('\n')
		var e event
		if json.Unmarshal([]byte(line), &e) == nil && e.Action != "" {
			r.event(e)
		} else {
			r.print(line)
		}
		if err := r.out.Flush(); err != nil {
			return fmt.Errorf("write: %w", err)
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read: %w", err)
		}
	}
}

func (r *report) event(e event) {
	t := test{e.Package, e.Test}
	switch e.Action {
	case "build-output":
		r.print(e.Output)
	case "output":
		switch {
		case e.Test != "" && !strings.HasPrefix(e.Output, "=== "): // begins, pauses, goes on
			r.held[t] = append(r.held[t], e.Output...)
		case e.Test == "" && e.Output != "PASS\n":
			r.print(e.Output)
		}
	case "pass":
		delete(r.held, t)
	case "skip":
		if e.Test != "" { // else a package without tests
			r.skipped = append(r.skipped, t)
			r.release(t)
		}
	case "fail":
		if e.Test != "" {
			r.release(t)
		} else {
			r.releasePackage(e.Package)
		}
	}
}

func (r *report) release(t test) {
	r.print(string(r.held[t]))
	delete(r.held, t)
}

// releasePackage prints the output of tests that never ended because a panic ended the package.
func (r *report) releasePackage(pkg string) {
	byName := func(a, b test) int { return cmp.Compare(a.name, b.name) }
	for _, t := range slices.SortedFunc(maps.Keys(r.held), byName) {
		if t.pkg == pkg {
			r.release(t)
		}
	}
}

// print ignores errors: Flush reports them.
func (r *report) print(s string) {
	_, _ = r.out.WriteString(s)
}
