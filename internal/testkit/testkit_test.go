package testkit_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"downbeat/internal/testkit"
)

// A failure is what a test that fails panics with here.
type failure string

// A failing is a test that fails: it keeps how, and ends the caller.
type failing struct{ testing.TB }

func (failing) Helper() {}

func (failing) Fatalf(format string, args ...any) { panic(failure(fmt.Sprintf(format, args...))) }

// fails returns what the test fails with, or "".
func fails(test func(t testing.TB)) (message string) {
	defer func() {
		if f, ok := recover().(failure); ok {
			message = string(f)
		}
	}()
	test(failing{})
	return ""
}

// A wait returns once what it waits for has come.
func TestWaitReturnsOnceItIsSo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		testkit.WaitFor(t, "a second has passed", func() bool { return time.Since(start) >= time.Second })
		if took := time.Since(start); took > 2*time.Second {
			t.Errorf("it took %s", took)
		}
		ch := make(chan int, 1)
		time.AfterFunc(time.Minute, func() { ch <- 7 })
		if got := testkit.Receive(t, ch, "a number comes"); got != 7 {
			t.Errorf("got %d, want 7", got)
		}
		close(ch)
		if got := testkit.Receive(t, ch, "the channel is closed"); got != 0 {
			t.Errorf("got %d of a closed channel, want 0", got)
		}
	})
}

// A wait for what never comes fails, and says what it waited for.
func TestWaitEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		for name, wait := range map[string]func(testing.TB){
			"WaitFor": func(t testing.TB) { testkit.WaitFor(t, "pigs fly", func() bool { return false }) },
			"Receive": func(t testing.TB) { testkit.Receive(t, make(chan int), "pigs fly") },
		} {
			if got := fails(wait); !strings.Contains(got, "pigs fly") {
				t.Errorf("%s: got %q, want the name of what it waited for", name, got)
			}
		}
	})
}

// A buffer finds lines by several parts of them, and not across lines.
func TestBufferFindsLines(t *testing.T) {
	t.Parallel()
	var b testkit.Buffer
	fmt.Fprint(&b, "level=INFO msg=one\nlevel=WARN msg=two\n")
	if !b.Has("WARN") || b.Has("ERROR") || !b.HasLine("WARN", "two") || b.HasLine("WARN", "one") {
		t.Errorf("got %q", b.String())
	}
}
