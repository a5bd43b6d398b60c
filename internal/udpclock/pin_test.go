package udpclock

import (
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// The form of a datagram is pinned, and docs/protocol.md has the same examples.
func TestWireFormIsPinned(t *testing.T) {
	t.Parallel()
	key, err := ParseKey("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=")
	if err != nil {
		t.Fatal(err)
	}
	at := time.Unix(1_800_000_000, 123_456_789)
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "protocol.md"))
	if err != nil {
		t.Fatal(err)
	}
	for want, d := range map[string]datagram{
		"44425102630dcd2966c4336600000000000000020000000000000000000000000000000000000000000000000000000000000000c6686503aa770f500be76aac8ee1ab77": {kind: question, session: key.session, number: 2},
		"44424102630dcd2966c43366000000000000000218fae2769b0fcd1518fae2769b0ffbf5000000000000000118fae2769b0e4675cd537199c82538c12509253e27a24ff8": {kind: answer, session: key.session, number: 2, taken: at, answered: at.Add(12_000), earlier: 1, departed: at.Add(-100_000)},
	} {
		if got := hex.EncodeToString(d.seal(key)); got != want {
			t.Errorf("%c: %s, want %s", d.kind, got, want)
		}
		if !strings.Contains(string(page), want) {
			t.Errorf("docs/protocol.md lacks %s", want)
		}
	}
}
