package experiment

import (
	"reflect"
	"strings"
	"testing"

	"mvdan.cc/sh/v3/shell"
	"pgregory.net/rapid"
)

// TestSplitWords: quotes and backslashes group as in a shell, and nothing is
// expanded.
func TestSplitWords(t *testing.T) {
	t.Parallel()
	tests := []struct {
		line string
		want []string
	}{
		{`a b  c`, []string{"a", "b", "c"}},
		{"  a\tb\n c  ", []string{"a", "b", "c"}},
		{`'a b' "c d" e\ f`, []string{"a b", "c d", "e f"}},
		{`a'b'"c"d`, []string{"abcd"}},
		{`'' ""`, []string{"", ""}},
		{`'a\b' "a\b" a\b`, []string{`a\b`, `a\b`, "ab"}},
		{`"\$x \"y\" \\ \` + "`" + `"`, []string{`$x "y" \ ` + "`"}},
		{`$HOME ${HOME} "$HOME" '$HOME' $1 $$ $? $`, []string{"$HOME", "${HOME}", "$HOME", "$HOME", "$1", "$$", "$?", "$"}},
		{`~ ~/x * ? [a] {a,b} {1..3}`, []string{"~", "~/x", "*", "?", "[a]", "{a,b}", "{1..3}"}},
		{`x=1 !y [[ if then`, []string{"x=1", "!y", "[[", "if", "then"}},
		{`a#b # c`, []string{"a#b"}},
		{`'#' \# "#"`, []string{"#", "#", "#"}},
		{"a \\\n b\"c\\\nd\"", []string{"a", "bcd"}},
		{`'"' "'" \' \"`, []string{`"`, "'", "'", `"`}},
		{`'|' "&&" \; \>`, []string{"|", "&&", ";", ">"}},
		{`$'a' $"b"`, []string{"$a", "$b"}},
		{`é "ü\ä" 😀`, []string{"é", `ü\ä`, "😀"}},
		{`a \`, []string{"a", `\`}},
		{``, nil},
	}
	for _, tt := range tests {
		got, err := splitWords(tt.line)
		if err != nil || !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%s:\ngot  %q, %v\nwant %q", tt.line, got, err, tt.want)
		}
	}
}

// TestQuoteWord: whatever is quoted comes back as one word.
func TestQuoteWord(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		words := rapid.SliceOfN(rapid.StringOf(rapid.SampledFrom([]rune("ab1'\"\\$`*~{},;|&<>()[]!# \t\n=é-"))), 1, 5).Draw(t, "words")
		quoted := make([]string, len(words))
		for i, w := range words {
			quoted[i] = quoteWord(w)
		}
		got, err := splitWords(strings.Join(quoted, " "))
		if err != nil || !reflect.DeepEqual(got, words) {
			t.Fatalf("%q: got %q, %v", quoted, got, err)
		}
	})
}

// TestSplitLikeAShell: where there is nothing to expand, the words are those
// of a shell.
func TestSplitLikeAShell(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		line := rapid.StringOf(rapid.SampledFrom([]rune("ab '\"\\ \nc#="))).Draw(t, "line")
		if strings.HasSuffix(line, `\`) {
			return // shells disagree on a backslash at the end
		}
		want, wantErr := shell.Fields(line, func(string) string { return "" })
		got, err := splitWords(line)
		if (err != nil) != (wantErr != nil) || err == nil && strings.Join(got, "\x00") != strings.Join(want, "\x00") {
			t.Fatalf("%q: got %q, %v; a shell %q, %v", line, got, err, want, wantErr)
		}
	})
}
