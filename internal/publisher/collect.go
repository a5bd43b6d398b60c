package publisher

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"downbeat/internal/message"
	"downbeat/internal/results"
)

// A haul is what has come of a host's files.
type haul struct {
	got     message.FileTotals
	missing []results.MissingFile
	named   int    // bytes of paths and reasons in it
	unnamed uint64 // files that are missing, and not in it
	dropped bool   // the file that is coming can't be stored
	shownAt time.Time
}

// What is named of a host's missing files, at most: workers name a thousand.
const (
	mostMissing = 10_000
	mostNamed   = 4 << 20 // bytes
)

// miss notes that a file is missing.
func (h *haul) miss(path, reason string) {
	h.named += len(path) + len(reason)
	if len(h.missing) >= mostMissing || h.named > mostNamed {
		h.unnamed++
		return
	}
	h.missing = append(h.missing, results.NewMissingFile(path, reason))
}

// mostFiles is how many files are taken from one host; workers send as many.
const mostFiles = 100_000

// files takes a batch of a host's files. What can't be understood, or comes
// in an order that makes no sense, is a fault of the worker's, or of somebody
// who pretends to be one.
func (r *run) files(h *host, f *message.Files) {
	if len(h.job.Collect) == 0 {
		r.p.slog.Warn("files that were not asked for are ignored", "host", h.name)
		return
	}
	pieces, buf, err := f.Pieces(r.unpacked)
	r.unpacked = buf
	if err != nil {
		r.lose(h, fmt.Sprintf("the files of %s can't be read: %v", h.name, err))
		return
	}
	for p := range pieces {
		if h.over() {
			return
		}
		r.piece(h, r.spec.Results.Collection(h.name), p)
	}
	if now := time.Now(); now.Sub(h.haul.shownAt) > showEvery && h.phase == Ended {
		h.haul.shownAt = now
		r.observe(h, describeHaul(h.haul.got))
	}
}

// showEvery is how often a person is told how far the files have come.
const showEvery = 500 * time.Millisecond

func describeHaul(t message.FileTotals) string {
	return fmt.Sprintf("%d files, %.1f MB", t.Files, float64(t.Bytes)/1e6)
}

func (r *run) piece(h *host, c *results.Collection, p message.Piece) {
	var err error
	switch p.Kind {
	case message.FileBegin:
		h.haul.dropped = false
		r.miss(h, c, "it was not sent to its end")
		if h.haul.got.Files >= mostFiles {
			r.lose(h, fmt.Sprintf("%s sends more than %d files", h.name, mostFiles))
			return
		}
		err = c.Begin(p.Path, p.Mode, p.ModTime)
		if errors.Is(err, results.ErrNoPlace) {
			h.haul.dropped = true
			h.haul.miss(p.Path, err.Error())
			return
		}
	case message.FileData:
		if !h.haul.dropped && c.Open() != "" {
			err = c.Write(p.Data)
		}
	case message.FileEnd:
		err = r.fileEnd(h, c, p)
	case message.FileMissing:
		err = c.Discard()
		h.haul.got.Missing++
		h.haul.miss(p.Path, p.Reason)
	case message.FilesAnew:
		err = c.Anew()
		h.haul = haul{shownAt: h.haul.shownAt}
	}
	if err != nil {
		r.broken(err)
	}
}

// fileEnd closes a file. One that can't be stored was received all the same.
func (r *run) fileEnd(h *host, c *results.Collection, p message.Piece) error {
	if !h.haul.dropped {
		name := c.Open()
		if name == "" {
			return nil
		}
		err := c.End(p.Size, p.Sum)
		if errors.Is(err, results.ErrNoPlace) {
			h.haul.miss(name, err.Error())
			return nil
		}
		if err != nil {
			return err
		}
	}
	h.haul.dropped = false
	h.haul.got.Files++
	h.haul.got.Bytes += p.Size
	return nil
}

// miss gives up the file that has begun and not ended, if there is one.
func (r *run) miss(h *host, c *results.Collection, reason string) {
	name := c.Open()
	if name == "" {
		return
	}
	h.haul.miss(name, reason)
	if err := c.Discard(); err != nil {
		r.broken(err)
	}
}

// closeHaul says what is missing of a host's files once no more will come, and
// gives the reason why that is a loss if the worker can't explain it.
func (r *run) closeHaul(h *host) (lacking string) {
	if len(h.job.Collect) == 0 || h.phase < Started {
		return ""
	}
	reason := h.reason
	if h.done != nil && h.done.Files != nil {
		sent := *h.done.Files
		if reason = sent.BrokenOff; reason != "" {
			h.haul.miss("", "collecting was broken off: "+reason)
		}
		if got := h.haul.got; got.Files != sent.Files || got.Bytes != sent.Bytes {
			lacking = fmt.Sprintf("files of %s are missing: %d of %d files with %d of %d bytes have come", h.name, got.Files, sent.Files, got.Bytes, sent.Bytes)
		}
	} else {
		if reason == "" {
			reason = "its worker says nothing of them"
		}
		h.haul.miss("", "not all files have come: "+reason)
	}
	if reason == "" {
		reason = "it was not sent to its end"
	}
	r.miss(h, r.spec.Results.Collection(h.name), reason)
	return lacking
}

// collected enters a host's files into its record.
func (r *run) collected(h *host, rec *results.HostRecord) {
	if len(h.job.Collect) == 0 {
		return
	}
	rec.Collected = r.spec.Results.Collection(h.name).Files()
	for _, f := range rec.Collected {
		rec.Files = append(rec.Files, f.Path)
	}
	rec.Missing = h.haul.missing
	if n := h.haul.unnamed; n > 0 {
		rec.Missing = append(rec.Missing, results.NewMissingFile("", fmt.Sprintf("%d more files are missing that are not named", n)))
	}
}

// unmatched lists the patterns that picked nothing on any host for which they
// were given: most likely, the file is wrong about what its processes leave.
func (r *run) unmatched(records []results.HostRecord) []string {
	var order []string
	picked := make(map[string]bool)
	for i, h := range r.hosts {
		for _, pattern := range h.job.Collect {
			if _, seen := picked[pattern]; !seen {
				order = append(order, pattern)
			}
			// A host that did not come to its files may have had some.
			unknown := h.done == nil || h.done.Files == nil
			picked[pattern] = picked[pattern] || unknown || picks(pattern, &records[i])
		}
	}
	return slices.DeleteFunc(order, func(pattern string) bool { return picked[pattern] })
}

// picks reports whether the pattern stands for any file of the host, collected
// or not. Of what can't be known, it does.
func picks(pattern string, h *results.HostRecord) bool {
	set := message.NewPathSet([]string{pattern})
	return slices.ContainsFunc(h.Files, set.Has) ||
		slices.ContainsFunc(h.Missing, func(m results.MissingFile) bool { return m.Path == "" || set.Has(m.Path) })
}
