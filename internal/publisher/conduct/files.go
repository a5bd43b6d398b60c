package conduct

import (
	"fmt"
	"iter"
	"time"

	"downbeat/internal/message"
)

// files counts what has come of a host's files. What they are called and where they are
// put is not its business.
type files struct {
	got     message.FileTotals
	open    bool // one has begun, and not ended
	shownAt time.Time
}

// mostFiles is how many files are taken from one host; workers send as many.
const mostFiles = 100_000

// showEvery is how often a person is told how far the files have come.
const showEvery = 500 * time.Millisecond

// count takes a piece in. It is false where that is more than any worker sends.
func (f *files) count(p message.Piece) bool {
	switch p.Kind {
	case message.FileBegin:
		f.open = true
		return f.got.Files < mostFiles
	case message.FileEnd:
		if f.open {
			f.got.Files++
			f.got.Bytes += p.Size
		}
		f.open = false
	case message.FileMissing:
		f.got.Missing++
		f.open = false
	case message.FilesAnew:
		*f = files{shownAt: f.shownAt}
	case message.FileData:
	}
	return true
}

// takeBack leaves a file out that was counted.
func (f *files) takeBack(size uint64) {
	f.got.Files--
	f.got.Bytes -= size
}

// show gives the text for a person where that is due.
func (f *files) show(now time.Time) (text string, due bool) {
	if now.Sub(f.shownAt) <= showEvery {
		return "", false
	}
	f.shownAt = now
	return fmt.Sprintf("%d files, %.1f MB", f.got.Files, float64(f.got.Bytes)/1e6), true
}

// A filesEnd is what there is to be said when no more files will come: why some are missing,
// why the one is that has not ended, and what is lacking though the worker says it sent it.
type filesEnd struct{ missing, unfinished, lacking string }

// end closes the count with what a host has told, nil if it hasn't, and the reason why its
// part in the run is over.
func (f *files) end(name string, done *message.DoneInfo, reason string) filesEnd {
	const unfinished = "it was not sent to its end"
	if done == nil || done.Files == nil {
		if reason == "" {
			reason = "its worker says nothing of them"
		}
		return filesEnd{missing: "not all files have come: " + reason, unfinished: reason}
	}
	end, sent := filesEnd{unfinished: unfinished}, *done.Files
	if sent.BrokenOff != "" {
		end.missing, end.unfinished = "collecting was broken off: "+sent.BrokenOff, sent.BrokenOff
	}
	if f.got.Files != sent.Files || f.got.Bytes != sent.Bytes {
		end.lacking = fmt.Sprintf("files of %s are missing: %d of %d files with %d of %d bytes have come", name, f.got.Files, sent.Files, f.got.Bytes, sent.Bytes)
	}
	return end
}

// takeFiles takes a batch of a host's files. What can't be understood, or comes in an
// order that makes no sense, is a fault of the worker's, or of somebody who pretends to be
// one.
func (r *Run) takeFiles(h *host, c Files) {
	if len(h.job.Collect) == 0 {
		r.out.put(Warn{Host: h.index, What: FilesUnasked})
		return
	}
	pieces, used, err := c.Unpack(r.unpacked)
	r.unpacked = used
	if err != nil {
		r.lose(h, fmt.Sprintf("the files of %s can't be read: %v", h.name, err))
		return
	}
	n := 0
	for p := range pieces {
		if !h.files.count(p) {
			r.out.put(StoreFiles{Host: h.index, Pieces: first(n, pieces)})
			r.lose(h, fmt.Sprintf("%s sends more than %d files", h.name, mostFiles))
			return
		}
		n++
	}
	r.out.put(StoreFiles{Host: h.index, Pieces: pieces})
	if h.phase != Ended {
		return
	}
	if text, due := h.files.show(r.now); due {
		r.out.put(HostMoved{Host: h.index, Phase: Ended, Detail: text})
	}
}

// first gives the first n pieces.
func first(n int, pieces iter.Seq[message.Piece]) iter.Seq[message.Piece] {
	return func(yield func(message.Piece) bool) {
		left := n
		for p := range pieces {
			if left--; left < 0 || !yield(p) {
				return
			}
		}
	}
}
