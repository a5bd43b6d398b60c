package course

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"downbeat/internal/message"
)

const mib = 1 << 20

// A publisher that never answers is asked ten times, every 3 s, and given up at 30 s.
func TestPartThatDoesNotComeIsGivenUp(t *testing.T) {
	t.Parallel()
	p := NewPart(&message.File{Path: "data", SHA256: "ab", Bytes: 9}, 0)
	var asked []time.Duration
	for now := epoch; ; now = p.Due() {
		want, err := p.Ask(now)
		if err != nil {
			if now.Sub(epoch) != 30*time.Second || err.Error() != "the publisher does not send it: nothing has come for 30s" {
				t.Errorf("given up after %s: %v", now.Sub(epoch), err)
			}
			break
		}
		if want == nil || *want != (message.WantInfo{SHA256: "ab", Bytes: 9, Path: "data", Total: 9}) {
			t.Fatalf("at %s it is asked for %+v", now.Sub(epoch), want)
		}
		if again, err := p.Ask(p.Due().Add(-1)); again != nil || err != nil {
			t.Fatalf("before its time it is asked for %+v (%v)", again, err)
		}
		asked = append(asked, now.Sub(epoch)/time.Second)
	}
	if want := []time.Duration{0, 3, 6, 9, 12, 15, 18, 21, 24, 27}; !slices.Equal(asked, want) {
		t.Errorf("asked at %d s, want %d", asked, want)
	}
}

// A chunk gives the rest its whole time again, however late it comes.
func TestEveryChunkGivesTheRestItsTimeAgain(t *testing.T) {
	t.Parallel()
	p := NewPart(&message.File{Bytes: mib}, 0)
	now := epoch
	for range maxAsks {
		if _, err := p.Ask(now); err != nil {
			t.Fatal(err)
		}
		now = p.Due()
	}
	now = now.Add(-time.Millisecond)
	p.Took(message.MaxChunk, now)
	if want := now.Add(askAgain); !p.Due().Equal(want) {
		t.Errorf("the rest is due after %s, want %s", p.Due().Sub(now), askAgain)
	}
	last := now
	for {
		want, err := p.Ask(p.Due())
		if err != nil {
			break
		}
		if want.Offset != 0 || want.Bytes != mib {
			t.Fatalf("asked for %+v, want from the first chunk that lacks", want)
		}
		last = p.Due()
	}
	if got := last.Sub(now); got != maxAsks*askAgain {
		t.Errorf("given up %s after the last chunk, want %s", got, maxAsks*askAgain)
	}
}

// Only a chunk of the part that has not come, of the size that it has there, is taken.
func TestPartTakesEachOfItsChunksOnce(t *testing.T) {
	t.Parallel()
	const size = PartBytes + 2*message.MaxChunk + 5
	p := NewPart(&message.File{Bytes: size}, PartBytes)
	want, err := p.Ask(epoch)
	if err != nil || want.Offset != PartBytes || want.Bytes != size-PartBytes || want.Done != PartBytes || want.Total != size {
		t.Fatalf("asked for %+v (%v), want the end of the file", want, err)
	}
	for _, tt := range []struct {
		about  string
		offset int64
		size   int
		want   bool
	}{
		{"the part before", 0, message.MaxChunk, false},
		{"not where a chunk begins", PartBytes + 1, message.MaxChunk, false},
		{"too short", PartBytes, message.MaxChunk - 1, false},
		{"the first", PartBytes, message.MaxChunk, true},
		{"the first again", PartBytes, message.MaxChunk, false},
		{"longer than the file", PartBytes + 2*message.MaxChunk, message.MaxChunk, false},
		{"beyond the file", PartBytes + 3*message.MaxChunk, 5, false},
		{"the last", PartBytes + 2*message.MaxChunk, 5, true},
	} {
		got := p.Lacks(tt.offset, tt.size)
		if got != tt.want {
			t.Errorf("%s: taken: %t, want %t", tt.about, got, tt.want)
		}
		if got {
			p.Took(tt.offset, epoch)
		}
	}
	if want, err = p.Ask(p.Due()); err != nil || p.Complete() || want.Offset != PartBytes+message.MaxChunk {
		t.Errorf("asked for %+v (%v), want from the chunk that lacks", want, err)
	}
	p.Took(PartBytes+message.MaxChunk, epoch)
	if !p.Complete() {
		t.Error("all has come, and it is not complete")
	}
}

// A part becomes complete, whatever is lost, doubled or late, as long as one of so many
// requests is answered by a chunk that lacks; and no chunk is taken twice.
func TestPartBecomesCompleteThroughLosses(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		f := &message.File{Bytes: rapid.Int64Range(1, PartBytes).Draw(t, "size")}
		p := NewPart(f, 0)
		taken := make(map[int64]bool)
		lost := 0
		for now := epoch; !p.Complete(); now = p.Due() {
			want, err := p.Ask(now)
			if err != nil {
				t.Fatalf("given up after %d asks that were lost: %v", lost, err)
			}
			if lost < maxAsks-2 && rapid.Bool().Draw(t, "lost") {
				lost++
				continue
			}
			lost = 0
			var chunks []int64
			for at := want.Offset; at < want.Offset+want.Bytes; at += message.MaxChunk {
				chunks = append(chunks, at, at)
			}
			for _, at := range rapid.Permutation(chunks).Draw(t, "order") {
				if at != want.Offset && rapid.Bool().Draw(t, "dropped") {
					continue
				}
				if p.Lacks(at, int(min(message.MaxChunk, f.Bytes-at))) {
					if taken[at] {
						t.Fatalf("the chunk at %d is taken twice", at)
					}
					taken[at] = true
					p.Took(at, now)
				}
			}
		}
		if want := (f.Bytes + message.MaxChunk - 1) / message.MaxChunk; int64(len(taken)) != want {
			t.Errorf("%d chunks, want %d", len(taken), want)
		}
	})
}
