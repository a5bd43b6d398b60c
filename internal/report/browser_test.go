package report_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"go.uber.org/goleak"

	"downbeat/internal/testkit"
)

// leftovers are directories that several tests have shared.
var leftovers []string

func TestMain(m *testing.M) {
	status := m.Run()
	for _, dir := range leftovers {
		_ = os.RemoveAll(dir)
	}
	if err := errors.Join(closeBrowser(), goleak.Find()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		status = max(status, 1)
	}
	os.Exit(status)
}

// A browser is one headless Chromium, for all tests of the package.
type browser struct {
	ctx   context.Context
	close func() error
}

var (
	started    *browser
	noBrowser  error
	browserOne sync.Once
)

// theBrowser starts the browser for the first test that needs it.
func theBrowser(t testing.TB) *browser {
	t.Helper()
	browserOne.Do(func() { started, noBrowser = startBrowser() })
	switch {
	case errors.Is(noBrowser, exec.ErrNotFound):
		t.Skip("no Chromium here: install it with scripts/install-deps, or with apt-get install chromium")
	case noBrowser != nil:
		t.Fatal(noBrowser)
	}
	return started
}

func startBrowser() (*browser, error) {
	path, err := findChromium()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "downbeat-chromium-")
	if err != nil {
		return nil, err
	}
	ctx, stop := chromedp.NewExecAllocator(context.Background(),
		chromedp.ExecPath(path), chromedp.UserDataDir(dir), chromedp.Headless, chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.NoFirstRun, chromedp.NoDefaultBrowserCheck, chromedp.WSURLReadTimeout(testkit.Timeout),
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-background-networking", true),
		chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-sync", true), chromedp.Flag("hide-scrollbars", true),
	)
	ctx, cancel := chromedp.NewContext(ctx)
	b := &browser{ctx: ctx, close: func() error {
		err := chromedp.Cancel(ctx) // waits for the browser's end
		cancel()
		stop()
		return errors.Join(err, os.RemoveAll(dir), leftOf(dir))
	}}
	if err := chromedp.Do(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("start %s: %w", path, err), b.close())
	}
	return b, nil
}

func findChromium() (string, error) {
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", exec.ErrNotFound
}

func closeBrowser() error {
	if started == nil {
		return nil
	}
	return started.close()
}

// leftOf reports processes of the browser that are still there; its directory is in
// the command line of each. On systems without /proc it finds none.
func leftOf(dir string) error {
	until := time.Now().Add(10 * time.Second)
	for {
		var left []string
		files, _ := filepath.Glob("/proc/[0-9]*/cmdline")
		for _, file := range files {
			if line, err := os.ReadFile(file); err == nil && strings.Contains(string(line), dir) {
				left = append(left, filepath.Dir(file))
			}
		}
		if len(left) == 0 {
			return nil
		}
		if time.Now().After(until) {
			return fmt.Errorf("the browser has left %v behind", left)
		}
		<-time.After(20 * time.Millisecond)
	}
}

// A tab shows a page and notes what a page must not do.
type tab struct {
	t   testing.TB
	ctx context.Context

	mu       sync.Mutex
	problems []string
}

// open shows the report in a directory; at the end of the test the page must have
// neither complained nor asked for anything.
func open(t testing.TB, dir, fragment string, before ...step) *tab {
	t.Helper()
	p := &tab{t: t}
	address := "file://" + filepath.Join(dir, "report.html")
	ctx, cancel := chromedp.NewContext(theBrowser(t).ctx, chromedp.WithListener(func(event any) { p.note(event, address) }))
	p.ctx = ctx
	t.Cleanup(func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		for _, problem := range p.problems {
			t.Errorf("the page: %s", problem)
		}
		cancel()
	})
	p.do(command(network.Enable, network.EnableParams{}), command(log.Enable, cdp.Empty{}), scheme("light"))
	p.do(before...)
	p.do(chromedp.Navigate(address + fragment))
	p.await(`document.documentElement.dataset.ready === "true"`)
	p.await(`document.querySelector("#log-lines .row") !== null || document.getElementById("log").hidden || document.getElementById("run-body").hidden`)
	return p
}

func (p *tab) note(event any, address string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch e := event.(type) {
	case *runtime.EventExceptionThrown:
		p.problems = append(p.problems, fmt.Sprintf("exception: %+v", e.ExceptionDetails))
	case *runtime.EventConsoleAPICalled:
		p.problems = append(p.problems, fmt.Sprintf("console.%s", e.Type))
	case *log.EventEntryAdded:
		p.problems = append(p.problems, "log: "+e.Entry.Text)
	case *network.EventRequestWillBeSent:
		if !strings.HasPrefix(e.Request.URL, address) && e.Request.URL != "data:," {
			p.problems = append(p.problems, "request for "+e.Request.URL)
		}
	}
}

// A step is something done in a tab.
type step = chromedp.Action[chromedp.Void]

// command sends one of the browser's own commands.
func command[P, R any](c cdp.Command[P, R], parameters P) step {
	return chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, c, parameters)
		return err
	})
}

func (p *tab) do(steps ...step) {
	p.t.Helper()
	if err := chromedp.Do(p.ctx, steps...); err != nil {
		p.t.Fatal(err)
	}
}

// await waits until an expression is true.
func (p *tab) await(expression string) {
	p.t.Helper()
	poll := chromedp.Poll[chromedp.Void](expression, chromedp.WithPollingInterval(10*time.Millisecond), chromedp.WithPollingTimeout(testkit.Timeout))
	if _, err := chromedp.Run(p.ctx, poll); err != nil {
		p.t.Fatalf("waiting for %s: %v", expression, err)
	}
}

// get evaluates an expression.
func get[T any](p *tab, expression string) T {
	p.t.Helper()
	value, err := chromedp.Run(p.ctx, chromedp.Evaluate[T](expression))
	if err != nil {
		p.t.Fatalf("%s: %v", expression, err)
	}
	return value
}

// texts are the texts of all elements that a selector finds.
func (p *tab) texts(selector string) []string {
	p.t.Helper()
	return get[[]string](p, fmt.Sprintf(`[...document.querySelectorAll(%q)].map((e) => e.textContent.trim())`, selector))
}

// column is the shown text of one column of the table.
func (p *tab) column(heading string) []string {
	p.t.Helper()
	return get[[]string](p, fmt.Sprintf(`(() => {
		const n = [...document.querySelectorAll("#table thead tr:first-child th")].findIndex((th) => th.textContent.replace(/ [▲▼]$/, "") === %q);
		return [...document.querySelectorAll("#table tbody tr")].map((tr) => tr.cells[n].textContent);
	})()`, heading))
}

// write puts text into a field as a person would.
func (p *tab) write(selector, text string) {
	p.t.Helper()
	get[bool](p, fmt.Sprintf(`(() => { const e = document.querySelector(%q); e.focus(); e.select(); return true; })()`, selector))
	p.do(chromedp.KeyEvent(text))
}

func size(width, height int64) step { return chromedp.EmulateViewport(width, height) }

// scheme also has the page scroll at once: what moves is clicked beside.
func scheme(name string) step {
	features := []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: name}, {Name: "prefers-reduced-motion", Value: "reduce"}}
	return command(emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: features})
}

func click(selector string) step { return chromedp.Click(chromedp.CSS(selector)) }
