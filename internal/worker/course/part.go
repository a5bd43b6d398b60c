package course

import (
	"fmt"
	"time"

	"downbeat/internal/message"
)

const (
	// PartBytes is how much of a shipped file is asked for at a time.
	PartBytes = 16 * message.MaxChunk
	// askAgain is how long the next chunk may take to come before the rest is asked for again.
	askAgain = 3 * time.Second
	// maxAsks is how often the rest is asked for before the file is given up.
	maxAsks = 10
)

// A Part is a piece of a shipped file that is asked for at once, and comes in chunks: in any
// order, more than once, or not at all. It decides what is asked for, and when.
type Part struct {
	file       *message.File
	start, end int64
	have       map[int64]bool // chunks by offset
	asks       int            // since a chunk came
	due        time.Time      // when the rest is asked for again
}

// NewPart is the part of a file that begins at offset. Nothing of it has been asked for.
func NewPart(f *message.File, offset int64) *Part {
	return &Part{file: f, start: offset, end: min(offset+PartBytes, f.Bytes), have: make(map[int64]bool)}
}

// Due is when Ask has to be called next; zero before the first time.
func (p *Part) Due() time.Time { return p.due }

// Ask gives what is to be asked for now, if anything is. The error is for a person: the
// publisher has been asked often enough.
func (p *Part) Ask(now time.Time) (*message.WantInfo, error) {
	if now.Before(p.due) {
		return nil, nil
	}
	if p.asks == maxAsks {
		return nil, fmt.Errorf("the publisher does not send it: nothing has come for %s", maxAsks*askAgain)
	}
	p.asks++
	p.due = now.Add(askAgain)
	at := p.first()
	return &message.WantInfo{
		SHA256: p.file.SHA256, Offset: at, Bytes: p.end - at, Path: p.file.Path, Done: at, Total: p.file.Bytes,
	}, nil
}

// Lacks reports whether a chunk of that size is one that has not come yet.
func (p *Part) Lacks(offset int64, size int) bool {
	return offset >= p.start && offset < p.end && (offset-p.start)%message.MaxChunk == 0 && !p.have[offset] &&
		int64(size) == min(message.MaxChunk, p.end-offset)
}

// Took enters a chunk that [Part.Lacks] has accepted. The rest has its time from now on.
func (p *Part) Took(offset int64, now time.Time) {
	p.have[offset] = true
	p.asks = 1
	p.due = now.Add(askAgain)
}

// Complete reports whether every chunk has come.
func (p *Part) Complete() bool { return p.first() == p.end }

// first is where the first chunk that lacks begins; the part's end where none does.
func (p *Part) first() int64 {
	at := p.start
	for at < p.end && p.have[at] {
		at += message.MaxChunk
	}
	return min(at, p.end)
}
