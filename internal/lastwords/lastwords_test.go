package lastwords

import (
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// goDump is what Go's runtime prints below a panic of a program with many goroutines.
var goDump = "\ngoroutine 1 [running]:\nmain.main()\n\t/x/main.go:4 +0x1d\n" + strings.Repeat(
	"\ngoroutine 22 [select, 3 minutes]:\nnet/http.(*conn).serve(0xc0001, {0x59a9a8, ...})\n\t/go/server.go:12 +0x1d\ncreated by net/http.(*Server).Serve in goroutine 1\n\t/go/s.go:9 +0x2\n", 2_000)

func TestWordsThatExplain(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ written, want string }{
		"nothing":          {"", ""},
		"blank":            {" \n\n\t\n", ""},
		"a line":           {"starting\nno such key\n", "no such key"},
		"no newline":       {"one\ntwo", "two"},
		"spaces":           {"one\n  two\t\r\n\n \n", "two"},
		"Go panic":         {"listening\npanic: no leader\n" + goDump + "exit status 2\n", "panic: no leader"},
		"Go nil":           {"panic: runtime error: invalid memory address or nil pointer dereference\n[signal SIGSEGV: segmentation violation code=0x1 addr=0x0 pc=0x48]\n" + goDump, "panic: runtime error: invalid memory address or nil pointer dereference"},
		"Go panic again":   {"panic: one [recovered]\n\tpanic: one\n" + goDump, "panic: one [recovered]"},
		"Go fatal error":   {"fatal error: all goroutines are asleep - deadlock!\n" + goDump, "fatal error: all goroutines are asleep - deadlock!"},
		"Go signal":        {"SIGQUIT: quit\nPC=0x46 m=0 sigcode=0\n" + goDump + "rax    0xca\nrip    0x46\n", "SIGQUIT: quit"},
		"Go among others":  {"panic: a map\n\ngoroutine 1 [running]:\nmain.main()\nWARN closing\n\t/x.go:3\nINFO closed\n", "panic: a map"},
		"Go log.Fatal":     {"2026/11/27 10:00:00 can't listen: address in use\nexit status 1\n", "2026/11/27 10:00:00 can't listen: address in use"},
		"Go, and a script": {"panic: boom\n" + goDump + "run.sh: the server is gone\n", "panic: boom"},
		"Go, long ago":     {"panic: boom\n" + goDump + strings.Repeat("restarted, serving\n", 50) + "disk full\n", "disk full"},
		"Go flag":          {"flag provided but not defined: -x\nUsage of honu:\n  -a string\n    \taddress\n", "flag provided but not defined: -x"},
		"Python": {
			"Traceback (most recent call last):\n  File \"a.py\", line 3, in <module>\n    f()\n    ~^^\nValueError: no such key\n", "ValueError: no such key",
		},
		"Python, because of": {
			"Traceback (most recent call last):\n  File \"a.py\", line 3\nKeyError: 'x'\n\nDuring handling of the above exception, another exception occurred:\n\n" +
				"Traceback (most recent call last):\n  File \"a.py\", line 5\nmypkg.errors.Gone: no leader\n", "mypkg.errors.Gone: no leader",
		},
		"Python goes on": {"Traceback (most recent call last):\n  File \"a.py\", line 3\nKeyError: 'x'\nretrying\ngiving up\n", "giving up"},
		"Python in make": {"Traceback (most recent call last):\n  File \"a.py\", line 3\nKeyError: 'x'\nmake: *** [Makefile:2: run] Error 1\n", "KeyError: 'x'"},
		"Python thread":  {"Exception in thread Thread-1 (f):\nTraceback (most recent call last):\n  File \"a.py\", line 3, in f\nOSError: [Errno 28] No space left\n", "OSError: [Errno 28] No space left"},
		"Python group": {
			"  + Exception Group Traceback (most recent call last):\n  |   File \"a.py\", line 1\n  | ExceptionGroup: two (1 sub-exception)\n  +-+---------------- 1 ----------------\n" +
				"    | Traceback (most recent call last):\n    |   File \"a.py\", line 1\n    | ValueError: bad\n    +------------------------------------\n", "ValueError: bad",
		},
		"Python, interrupted": {"Traceback (most recent call last):\n  File \"a.py\", line 3, in f\n    time.sleep(9)\nKeyboardInterrupt\n", "KeyboardInterrupt"},
		"Java":                {"Exception in thread \"main\" java.lang.IllegalStateException: no quorum\n\tat a.B.c(B.java:3)\n\tat a.B.main(B.java:1)\n", `Exception in thread "main" java.lang.IllegalStateException: no quorum`},
		"Java, caused by": {
			"Exception in thread \"main\" java.lang.RuntimeException: a\n\tat a.B.c(B.java:3)\nCaused by: java.io.IOException: disk\n\tat a.B.d(B.java:9)\n\t... 3 more\n",
			"Caused by: java.io.IOException: disk",
		},
		"Rust":       {"thread 'main' panicked at src/main.rs:2:5:\nno quorum\nnote: run with `RUST_BACKTRACE=1` environment variable to display a backtrace\n", "thread 'main' panicked at src/main.rs:2:5: no quorum"},
		"Rust 1.60":  {"thread 'main' panicked at 'no quorum', src/main.rs:2:5\nnote: run with `RUST_BACKTRACE=1`\n", "thread 'main' panicked at 'no quorum', src/main.rs:2:5"},
		"Rust stack": {"thread 'w' panicked at a.rs:1:1:\nassertion `left == right` failed\n  left: 1\n right: 2\nstack backtrace:\n   0: rust_begin_unwind\n             at /rustc/x.rs:1\n", "thread 'w' panicked at a.rs:1:1: assertion `left == right` failed"},
		"anyhow":     {"Error: can't join\n\nCaused by:\n    0: no route\n    1: refused\n", "Error: can't join"},
		"Node": {
			"/a/b.js:3\n    throw new Error('boom')\n    ^\n\nError: boom\n    at Object.<anonymous> (/a/b.js:3:9)\n    at node:internal/main:2:3 {\n  code: 'ENOENT'\n}\n\nNode.js v20.1.0\n",
			"Error: boom",
		},
		".NET":             {"Unhandled exception. System.InvalidOperationException: boom\n   at A.B() in /a.cs:line 3\n", "Unhandled exception. System.InvalidOperationException: boom"},
		"Ruby":             {"a.rb:1:in 'foo': boom (RuntimeError)\n\tfrom a.rb:3:in '<main>'\n", "a.rb:1:in 'foo': boom (RuntimeError)"},
		"C++":              {"terminate called after throwing an instance of 'std::runtime_error'\n  what():  boom\nAborted (core dumped)\n", "terminate called after throwing an instance of 'std::runtime_error' what():  boom"},
		"glibc":            {"*** stack smashing detected ***: terminated\nAborted\n", "*** stack smashing detected ***: terminated"},
		"old glibc":        {"*** Error in `./a': double free or corruption (fasttop): 0x0000 ***\n======= Backtrace: =========\n/lib/libc.so.6(+0x77)[0x7f]\n./a[0x40]\n", "*** Error in `./a': double free or corruption (fasttop): 0x0000 ***"},
		"decoration":       {"*** starting ***\ncan't bind\n", "can't bind"},
		"AddressSanitizer": {"=====\n==7==ERROR: AddressSanitizer: heap-use-after-free on address 0x60 at pc 0x4\nREAD of size 4\n    #0 0x4 in main a.c:3\nSUMMARY: AddressSanitizer: heap-use-after-free a.c:3 in main\nShadow bytes\n==7==ABORTING\n", "==7==ERROR: AddressSanitizer: heap-use-after-free on address 0x60 at pc 0x4"},
		"segmentation":     {"run.sh: line 2: 12 Segmentation fault      (core dumped) ./a\n", "run.sh: line 2: 12 Segmentation fault      (core dumped) ./a"},
		"progress":         {"fetching\n  1%\r 50%\r100%\r\n", "100%"},
		"progress, wiped":  {"  1%\r 50%\r     \rcan't fetch: 404\n", "can't fetch: 404"},
		"wiped":            {"  1%\r 50%\r        \r\n", "50%"},
		"unfinished bar":   {"a\n  1%\r 50%", "50%"},
		"Windows lines":    {"one\r\ntwo\r\n", "two"},
		"colours":          {"\x1b[1m\x1b[31merror:\x1b[0m no \x1b]8;;http://x\x07route\x1b]8;;\x1b\\\x1b[K\n", "error: no route"},
		"coloured panic":   {"\x1b[31mpanic: boom\x1b[0m\n" + goDump, "panic: boom"},
		"backspaces":       {"working |\b/\b-\b\\\bdone\n", "working done"},
		"control":          {"a\x00b\x07c\n", "abc"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, step := range []int{len(c.written), 7, 1} {
				var f Finder
				for at := 0; at < len(c.written); at += step {
					_, _ = f.Write([]byte(c.written[at:min(at+step, len(c.written))]))
				}
				if got := string(f.Words()); got != c.want {
					t.Fatalf("in pieces of %d: got %.100q, want %q", step, got, c.want)
				}
				if step > 1 && len(c.written) > 1<<20 {
					break
				}
			}
		})
	}
}

// However much is written, and without a newline, a Finder stays small.
func TestFinderIsBounded(t *testing.T) {
	t.Parallel()
	var f Finder
	piece := []byte(strings.Repeat("x", 64<<10))
	for range 100 {
		_, _ = f.Write(piece)
	}
	if got := len(f.Words()); got != MaxLine || cap(f.line) > 2*MaxLine {
		t.Errorf("%d bytes of words, %d kept, want %d", got, cap(f.line), MaxLine)
	}
	_, _ = f.Write([]byte("\r"))
	for i := range 100_000 {
		_, _ = fmt.Fprintf(&f, "%d%%\r", i)
	}
	if got := string(f.Words()); got != "99999%" {
		t.Errorf("after a bar that never ends: %q", got)
	}
}

// Whatever comes, in whatever pieces, the words are the same, hold no control
// character, and asking for them changes nothing.
func TestWordsDoNotDependOnThePieces(t *testing.T) {
	t.Parallel()
	parts := []string{"panic: x\n", "Traceback (most recent call last):\n", "  File\n", "ValueError: x\n", "\r", "\n", "\x1b[", "31m", "\b", "a", "\xff", "\x1b]", "goroutine 1 [running]:\n", "| ", "+-", "}"}
	rapid.Check(t, func(t *rapid.T) {
		var whole, pieces Finder
		text := strings.Join(rapid.SliceOfN(rapid.SampledFrom(parts), 0, 12).Draw(t, "text"), "")
		_, _ = whole.Write([]byte(text))
		for _, c := range []byte(text) {
			_, _ = pieces.Write([]byte{c})
			pieces.Words()
		}
		got, want := string(pieces.Words()), string(whole.Words())
		if got != want || strings.ContainsAny(got, "\x1b\r\n\b") {
			t.Fatalf("%q: got %q, at once %q", text, got, want)
		}
	})
}
