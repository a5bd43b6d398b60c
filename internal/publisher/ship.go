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

	"downbeat/internal/message"
	"downbeat/internal/publisher/conduct"
	"downbeat/internal/queue"
	"downbeat/internal/results"
)

// maxShipment is how much is sent at a time; who wants more asks again.
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

// A part is a part of a file that a host lacks.
type part struct {
	source string
	message.WantInfo
}

// shipPart has a host sent what it lacks of a file.
func (r *run) shipPart(h *host, e conduct.Ship) {
	source := r.sourceOf(h.name, e.Want.SHA256)
	if source == "" {
		return // it is in the job itself
	}
	if h.parts == nil {
		h.parts = make(chan part, 1)
		r.beside.Go(func() { r.shipAll(e.Host, h.name, h.parts) })
	}
	select {
	case <-h.parts: // what it wants now counts
	default:
	}
	h.parts <- part{source, e.Want}
}

// shipAll sends what a host wants, from a goroutine of its own like all that a
// broker may hold up, until the run is over.
func (r *run) shipAll(n int, host string, parts <-chan part) {
	for {
		select {
		case p := <-parts:
			err := r.ship(r.sending, host, p)
			if _, ok := errors.AsType[*shipError](err); ok {
				r.post(r.sending, conduct.NotShipped{Host: n, Why: err.Error()})
			} else if err != nil && r.sending.Err() == nil {
				r.p.slog.Warn("a host can't be sent a part of a file", "host", host, "error", err)
			}
		case <-r.sending.Done():
			return
		}
	}
}

// shipped lists what the host was to find in the run's directory.
func (r *run) shipped(host string) []results.ShippedFile {
	var list []results.ShippedFile
	for _, f := range r.dp.Files[host] {
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
func (r *run) sourceOf(host, sha256 string) string {
	for _, f := range r.dp.Files[host] {
		if f.SHA256 == sha256 && f.Source != "" {
			return f.Source
		}
	}
	return ""
}

// ship sends a part of a file in chunks. They may get lost.
func (r *run) ship(ctx context.Context, host string, w part) error {
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
