// Package probe finds out whether a process can be used: as its readiness says, it looks
// for a port, an answer over HTTP, a file or a command's success, or for a line in what the
// process writes.
package probe

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"downbeat/internal/lastwords"
	"downbeat/internal/message"
	"downbeat/internal/runner"
	"downbeat/internal/streams"
)

// A Probe is what is looked for, and where.
type Probe struct {
	Readiness message.Readiness
	// Dir is the run's directory, from which a relative File is seen.
	Dir string
	// Command is the process itself: what Readiness.Run runs has its directory and
	// environment, with Mark. No other set of the runner may have that mark.
	Command runner.Command
	Mark    []string
	Runner  *runner.Runner
}

// Limits of one look. What hangs is not ready, and is looked at again.
const (
	lookFor = 2 * time.Second // a connection, an answer
	runFor  = 5 * time.Second // a command
)

// Wait looks again and again, and returns nil as soon as the process can be used. If ctx
// ends before, the error says what the last look has found. A line is not for Wait: see
// [Lines].
func (p *Probe) Wait(ctx context.Context) error {
	found := errors.New("nobody has looked yet")
	for {
		err := p.look(ctx)
		if err == nil {
			return nil
		}
		if deadline, ok := ctx.Deadline(); ctx.Err() == nil && (!ok || time.Now().Before(deadline)) {
			found = err // else it is the end that the look has found
		}
		select {
		case <-ctx.Done():
			return found
		case <-time.After(p.Readiness.Every()):
		}
	}
}

// look looks once.
func (p *Probe) look(ctx context.Context) error {
	switch r := &p.Readiness; {
	case r.Port != 0:
		return p.connect(ctx)
	case r.HTTP != "":
		return p.get(ctx)
	case r.File != "":
		return p.stat()
	case len(r.Run) > 0:
		return p.run(ctx)
	}
	<-ctx.Done()
	return ctx.Err()
}

// connect looks whether the port accepts a connection.
func (p *Probe) connect(ctx context.Context) error {
	address := p.Readiness.Address
	if address == "" {
		address = "localhost"
	}
	d := net.Dialer{Timeout: lookFor}
	conn, err := d.DialContext(ctx, "tcp", net.JoinHostPort(address, strconv.Itoa(p.Readiness.Port)))
	if err != nil {
		return err
	}
	_ = conn.Close() // that it was accepted is all that counts
	return nil
}

// client asks the process itself: no proxy stands between, no redirection is followed, and
// no connection is kept that it would have to close.
var client = &http.Client{
	Transport:     &http.Transport{DisableKeepAlives: true},
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
}

// get looks whether the URL is answered with the status.
func (p *Probe) get(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, lookFor)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, p.Readiness.HTTP, http.NoBody)
	if err != nil {
		return err
	}
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	_ = response.Body.Close() // what it says doesn't count
	want := p.Readiness.Status
	if want == 0 {
		want = http.StatusOK
	}
	if response.StatusCode != want {
		return fmt.Errorf("it was answered with status %d", response.StatusCode)
	}
	return nil
}

// stat looks whether the file is there.
func (p *Probe) stat() error {
	path := p.Readiness.File
	if !filepath.IsAbs(path) {
		path = filepath.Join(p.Dir, path)
	}
	if _, err := os.Stat(path); err != nil {
		return errors.Unwrap(err) // without the path, which the readiness names
	}
	return nil
}

// run looks whether the command exits with 0. Nothing of it is left then.
func (p *Probe) run(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, runFor)
	defer cancel()
	command := p.Command
	command.Argv, command.Beat, command.Delay, command.Pty, command.Stop = p.Readiness.Run, 0, 0, false, runner.Stop{}
	result := new(ending)
	set, err := p.Runner.Prepare(ctx, runner.Spec{Commands: []runner.Command{command}, Mark: p.Mark, Sink: result})
	if each, ok := errors.AsType[*runner.PrepareError](err); ok {
		return each.Problems[0].Err
	}
	if err != nil {
		return err
	}
	_ = set.Release(time.Now()) // it can only be released once, which it is
	select {
	case <-set.Done():
		return result.err()
	case <-ctx.Done():
		set.Stop(time.Now(), 0, 0)
		<-set.Done()
		return fmt.Errorf("it was not over within %s", runFor)
	}
}

// An ending is the [runner.Sink] of one look. The runner is done with it when the set is.
type ending struct {
	exit  runner.Exit
	mu    sync.Mutex       // both streams are read at once
	words lastwords.Finder // guarded by mu
}

// Started implements [runner.Sink].
func (*ending) Started(int, runner.Start) {}

// Output implements [runner.Sink].
func (e *ending) Output(_ int, _ streams.Stream, _ time.Time, data []byte) {
	e.mu.Lock()
	defer e.mu.Unlock()
	_, _ = e.words.Write(data) // it can't fail
}

// Exited implements [runner.Sink].
func (e *ending) Exited(_ int, exit runner.Exit) { e.exit = exit }

func (e *ending) err() error {
	words := string(e.words.Words())
	if words != "" {
		words = "; its last words: " + strconv.Quote(words[:min(len(words), mostWords)])
	}
	switch {
	case e.exit.Err != nil:
		return e.exit.Err
	case e.exit.Signal != "":
		return fmt.Errorf("it was ended by %s%s", e.exit.Signal, words)
	case e.exit.Code != 0:
		return fmt.Errorf("it exited with status %d%s", e.exit.Code, words)
	}
	return nil
}

// mostWords is how much of what a command has said goes into a reason, in bytes.
const mostWords = 200
