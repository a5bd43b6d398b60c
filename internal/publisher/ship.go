package publisher

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"downbeat/internal/message"
	"downbeat/internal/queue"
	"downbeat/internal/results"
)

// maxShipment is how much is sent for one wish; who wants more asks again.
const maxShipment = 16 << 20

// A shipError is about a file that can't be shipped.
type shipError struct {
	path string
	err  error
}

func (e *shipError) Error() string {
	err := e.err
	if pathErr, ok := errors.AsType[*fs.PathError](err); ok {
		err = pathErr.Err
	}
	return fmt.Sprintf("%s: %v", e.path, err)
}

func (e *shipError) Unwrap() error { return e.err }

var errChanged = errors.New("it has changed since the experiment began")

// want sends a host what it lacks of a file. As long as it goes on asking, there
// is progress, and it is not late. Only what the job names is ever sent.
func (r *run) want(h *host, e *message.Event) {
	if h.phase >= Ready || r.stage == stopping || !e.Time.After(h.waitsSince) {
		return // it was late: since then the host has said otherwise
	}
	w := e.Want
	h.show(message.FeatureFiles)
	h.readyBy = time.Now().Add(r.p.config.ReadyTimeout)
	r.advance(h, Fetching, fmt.Sprintf("%s (%d of %d MB)", w.Path, w.Done/1_000_000, (w.Total+999_999)/1_000_000))
	source := r.sourceOf(h, w)
	if source == "" || w.Offset < 0 || w.Bytes <= 0 {
		r.p.slog.Warn("a host wants a file that is not its own", "host", h.name, "sha256", w.SHA256)
		return
	}
	if h.wishes == nil {
		h.wishes = make(chan wish, 1)
		r.shipping.Go(func() { r.grant(h.name, h.wishes) })
	}
	select {
	case <-h.wishes: // what it wants now counts
	default:
	}
	h.wishes <- wish{source, *w}
}

// A wish is a part of a file that a host lacks.
type wish struct {
	source string
	message.WantInfo
}

// grant sends what a host wants, from a goroutine of its own like all that a
// broker may hold up, until the run is over.
func (r *run) grant(host string, wishes <-chan wish) {
	for {
		select {
		case w := <-wishes:
			if err := r.ship(r.sending, host, w); err != nil && r.sending.Err() == nil {
				r.fault(host, err)
			}
		case <-r.sending.Done():
			return
		}
	}
}

// shipped lists what the host was to find in the run's directory.
func (r *run) shipped(h *host) []results.ShippedFile {
	var list []results.ShippedFile
	for _, f := range r.dp.Files[h.name] {
		if len(list) == results.MaxShipped {
			break
		}
		s := results.ShippedFile{Path: f.Path, Bytes: f.Bytes, SHA256: f.SHA256}
		if _, isDir := f.Directory(); f.SHA256 == "" && !isDir {
			sum := sha256.Sum256([]byte(f.Text))
			s.Bytes, s.SHA256 = int64(len(f.Text)), hex.EncodeToString(sum[:])
		}
		list = append(list, s)
	}
	return list
}

// sourceOf is where the content of that hash is read.
func (r *run) sourceOf(h *host, w *message.WantInfo) string {
	for _, f := range r.dp.Files[h.name] {
		if f.SHA256 == w.SHA256 && f.Source != "" {
			return f.Source
		}
	}
	return ""
}

// ship sends a part of a file in chunks. They may get lost.
func (r *run) ship(ctx context.Context, host string, w wish) error {
	f, err := os.Open(w.source)
	if err != nil {
		return &shipError{w.source, err}
	}
	defer f.Close()
	chunk := message.Chunk{Run: r.dp.Run, Host: host}
	if sum, err := hex.DecodeString(w.SHA256); err == nil {
		copy(chunk.Sum[:], sum)
	}
	buf := make([]byte, message.MaxChunk)
	end := w.Offset + min(w.Bytes, maxShipment)
	for chunk.Offset = w.Offset; chunk.Offset < end; chunk.Offset += message.MaxChunk {
		n := min(message.MaxChunk, end-chunk.Offset)
		_, err := f.ReadAt(buf[:n], chunk.Offset)
		if errors.Is(err, io.EOF) {
			err = errChanged
		}
		if err != nil {
			return &shipError{w.source, err}
		}
		chunk.Data = buf[:n]
		m := queue.Message{Body: chunk.Encode(), TTL: r.p.config.Lease}
		if err := r.p.config.Broker.Publish(ctx, message.ControlQueue(r.p.config.Namespace, host), m); err != nil {
			return err
		}
	}
	return nil
}
