package sqs

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

// Pieces of messages that never become whole, or are larger than any that was sent
// here, are held within bounds.
func TestPiecesAreHeldWithinBounds(t *testing.T) {
	t.Parallel()
	c := &consumer{
		broker: &Broker{log: slog.New(slog.DiscardHandler)}, remote: &remote{name: "x"}, sets: make(map[string]*set),
		settler: &settler{running: true, wakeup: make(chan struct{}, 1)}, // which tells nobody
	}
	content := strings.Repeat("x", 1<<20)
	pieces := func(set string, n int) {
		for i := range n {
			id := aws.String(fmt.Sprint(set, i))
			c.acceptPiece(received{}, types.Message{MessageId: id, ReceiptHandle: id}, piece{set: set, index: i, count: maxPieces, content: content})
		}
	}
	pieces("a large one", maxSet>>20+1)
	if len(c.sets) != 0 || len(c.settler.forget) != maxSet>>20+1 {
		t.Errorf("%d sets are held and %d pieces are dropped, want none and all of the large one", len(c.sets), len(c.settler.forget))
	}
	for i := range 9 {
		pieces(fmt.Sprint("set", i), maxSet>>20-1)
	}
	held := 0
	for _, s := range c.sets {
		held += s.size
	}
	if held > maxSets || held < maxSets/2 || len(c.settler.back) == 0 || c.sets["set8"] == nil || c.sets["set0"] != nil {
		t.Errorf("%d bytes are held in %d sets, %d pieces are put back", held, len(c.sets), len(c.settler.back))
	}
}

// Five characters stand for four bytes, and a z for four zeros.
func TestAscii85TakesNoMoreThanItStandsFor(t *testing.T) {
	t.Parallel()
	for _, raw := range []string{"", "a", "ab", "abc", "abcd", "abcde", "\x00\x00\x00\x00abc\x00\x00\x00\x00", strings.Repeat("\x00", 1000), strings.Repeat("\xff\x00", 999)} {
		if got, err := fromA85(toA85([]byte(raw))); err != nil || string(got) != raw {
			t.Errorf("%q comes back as %q (%v)", raw, got, err)
		}
	}
	if got, err := fromA85(strings.Repeat("z", 8<<20)); err == nil {
		t.Errorf("%d bytes were made of zs", len(got))
	}
}
