// Package rendezvous is where the processes of a run meet, if they like: a Unix socket on
// each host, whose path is in their environment, on which they speak HTTP. What they ask
// for is the caller's to answer.
//
//	POST /barrier/NAME?count=8&within=30s   returns when 8 have come: for all at one instant
//	PUT  /value/NAME                        gives a name a value: the body
//	GET  /value/NAME?wait=30s               returns the value, as soon as there is one
//	POST /mark/NAME                         notes the instant
package rendezvous

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strconv"
	"time"

	"downbeat/internal/message"
)

// Env is the variable that holds the socket's path.
const Env = message.EnvPrefix + "SYNC"

// ProcessHeader is where a process says who it is, where the system doesn't.
const ProcessHeader = "Downbeat-Process"

// DefaultWithin is how long a barrier waits if it doesn't say.
const DefaultWithin = time.Minute

// A Request is what a process asks for. It may have to wait for the answer.
type Request struct {
	What    message.AskedWhat
	Name    string
	Process string        // who asks, as far as it is known
	Count   int           // of a barrier
	Within  time.Duration // of a barrier and a get; zero: it doesn't wait
	Value   []byte        // of a put
}

// An Answer is what it gets.
type Answer struct {
	At       time.Time // when; zero, or past: at once. It may have a monotonic reading
	Value    []byte    // of a get
	Err      string    // why it doesn't get what it has asked for
	TimedOut bool      // it has waited too long
}

// ErrOver is what [Options.Ask] returns if the run takes nothing more.
var ErrOver = errors.New("the run is over")

// Options of a [Server].
type Options struct {
	// Path is where the socket is made; see [Path].
	Path string
	// Ask answers what a process asks for, and is called on a goroutine of its own. When
	// ctx ends, nobody waits for the answer any more. An error means that there won't be one.
	Ask func(ctx context.Context, r Request) (Answer, error)
	Log *slog.Logger // nil: no log
}

// A Server listens on the socket of one run.
type Server struct {
	options Options
	server  *http.Server
	done    chan struct{} // closed when nobody listens any more
	stop    context.CancelFunc
}

// Listen makes the socket, which only this program's own user can use. One that is in its
// place is removed: it is left of a worker that died.
func Listen(ctx context.Context, o Options) (*Server, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	listener, err := listenAnew(ctx, o.Path)
	if err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(context.WithoutCancel(ctx))
	s := &Server{options: o, done: make(chan struct{}), stop: stop}
	s.server = &http.Server{
		Handler: s.routes(), ReadHeaderTimeout: readWithin, MaxHeaderBytes: maxHeader, ErrorLog: slog.NewLogLogger(o.Log.Handler(), slog.LevelDebug),
		BaseContext: func(net.Listener) context.Context { return ctx },
		ConnContext: withPeer,
	}
	go func() {
		defer close(s.done)
		if err := s.server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			o.Log.Error("processes can't ask things of each other any more", "error", err)
		}
	}()
	return s, nil
}

const (
	readWithin = 10 * time.Second // how long a process may take to say what it wants
	maxHeader  = 16 << 10         // bytes
)

// Close ends the server, and removes the socket. Who waits for an answer gets none.
func (s *Server) Close() error {
	s.stop()
	err := s.server.Close()
	<-s.done
	return errors.Join(err, Remove(s.options.Path))
}

func (s *Server) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /barrier/{name}", s.handle(message.AskBarrier, readBarrier))
	mux.HandleFunc("PUT /value/{name}", s.handle(message.AskPut, readPut))
	mux.HandleFunc("GET /value/{name}", s.handle(message.AskGet, readGet))
	mux.HandleFunc("POST /mark/{name}", s.handle(message.AskMark, func(*http.Request, *Request) error { return nil }))
	return mux
}

// handle answers requests of one kind; read takes in what else they say.
func (s *Server) handle(what message.AskedWhat, read func(*http.Request, *Request) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		asked := Request{What: what, Name: r.PathValue("name"), Process: processOf(r)}
		err := read(r, &asked)
		if err == nil {
			err = asked.check()
		}
		if err != nil {
			fail(w, http.StatusBadRequest, err.Error())
			return
		}
		answer, err := s.options.Ask(r.Context(), asked)
		if err != nil {
			fail(w, http.StatusServiceUnavailable, err.Error())
			return
		}
		if wait := time.Until(answer.At); !answer.At.IsZero() && wait > 0 {
			select {
			case <-time.After(wait):
			case <-r.Context().Done():
				return
			}
		}
		reply(w, what, answer)
	}
}

// check reports what can't be asked for.
func (r *Request) check() error {
	return (&message.AskedInfo{ID: 1, What: r.What, Name: r.Name, Count: r.Count, WithinMS: r.Within.Milliseconds(), Value: r.Value}).Check()
}

// reply says what came of it.
func reply(w http.ResponseWriter, what message.AskedWhat, a Answer) {
	switch {
	case a.TimedOut:
		fail(w, http.StatusGatewayTimeout, a.Err)
	case a.Err != "" && what == message.AskGet:
		fail(w, http.StatusNotFound, a.Err)
	case a.Err != "":
		fail(w, http.StatusConflict, a.Err)
	case what == message.AskGet:
		w.Header().Set("Content-Type", "application/octet-stream")
		_, _ = w.Write(a.Value) // who has gone doesn't need it
	default:
		w.WriteHeader(http.StatusNoContent)
	}
}

// fail says in one line what is wrong.
func fail(w http.ResponseWriter, status int, text string) { http.Error(w, text, status) }

func readBarrier(r *http.Request, to *Request) error {
	text := r.FormValue("count")
	count, err := strconv.Atoi(text)
	if err != nil {
		return fmt.Errorf("count is %q: say how many have to come, as in ?count=8", text)
	}
	to.Count = count
	to.Within, err = duration(r, "within", DefaultWithin)
	return err
}

func readPut(r *http.Request, to *Request) error {
	value, err := io.ReadAll(io.LimitReader(r.Body, message.MaxSyncValue+1))
	if len(value) > message.MaxSyncValue { // of which the rest is not read
		size := "more"
		if r.ContentLength > 0 {
			size = fmt.Sprintf("%d", r.ContentLength)
		}
		return fmt.Errorf("a value of %s bytes; at most %d are taken", size, message.MaxSyncValue)
	}
	to.Value = value
	return err
}

func readGet(r *http.Request, to *Request) error {
	var err error
	to.Within, err = duration(r, "wait", 0)
	return err
}

// duration reads a time such as 30s from the query.
func duration(r *http.Request, name string, otherwise time.Duration) (time.Duration, error) {
	text := r.FormValue(name)
	if text == "" {
		return otherwise, nil
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 {
		return 0, fmt.Errorf("%s is %q: say how long, as in ?%s=30s", name, text, name)
	}
	return d, nil
}

// listenAnew makes the socket in place of one that is left. Another run may just remove the
// directory that both have to themselves, as it was the last there: then it is made again.
func listenAnew(ctx context.Context, path string) (net.Listener, error) {
	const attempts = 10
	for n := 1; ; n++ {
		err := makeRoom(path)
		if err == nil {
			var listener net.Listener
			if listener, err = listen(ctx, path); err == nil {
				return listener, nil
			}
		}
		if n == attempts || !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
	}
}

// listen makes the socket. Others can't connect: they have no access to the directory that
// it is in, nor, from then on, to the socket itself.
func listen(ctx context.Context, path string) (net.Listener, error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "unix", path)
	if err != nil {
		return nil, fmt.Errorf("make the socket of %s: %w", Env, err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		_ = listener.Close() // it was not used
		return nil, fmt.Errorf("make the socket of %s: %w", Env, err)
	}
	return listener, nil
}
