package slips

import "testing"

// TestDistance: a swap of neighbours is one slip, like a wrong, a missing and a
// needless letter.
func TestDistance(t *testing.T) {
	t.Parallel()
	for pair, want := range map[[2]string]int{
		{"", ""}: 0, {"abc", "abc"}: 0, {"abc", "acb"}: 1, {"abc", "ab"}: 1, {"abc", "abcd"}: 1, {"abc", "axc"}: 1, {"", "abc"}: 3, {"kitten", "sitting"}: 3,
	} {
		if d := Distance(pair[0], pair[1]); d != want {
			t.Errorf("Distance(%q, %q): got %d, want %d", pair[0], pair[1], d, want)
		}
	}
}
