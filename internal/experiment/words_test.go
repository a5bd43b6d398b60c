package experiment

import (
	"reflect"
	"strings"
	"testing"

	"mvdan.cc/sh/v3/shell"
	"mvdan.cc/sh/v3/syntax"
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
		{"\n  a\tb c  \n\n", []string{"a", "b", "c"}},
		{"a \\\n  b \\\r\n c\n", []string{"a", "b", "c"}},
		{"a 'b\nc' # and nothing else\n", []string{"a", "b\nc"}},
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
		script, err := syntax.NewParser(syntax.Variant(syntax.LangPOSIX)).Parse(strings.NewReader(line), "")
		if err == nil && len(script.Stmts) > 1 {
			if words, err := splitWords(line); err == nil {
				t.Fatalf("%q: got %q: a shell sees %d commands", line, words, len(script.Stmts))
			}
			return
		}
		want, wantErr := shell.Fields(line, func(string) string { return "" })
		got, err := splitWords(line)
		if (err != nil) != (wantErr != nil) || err == nil && strings.Join(got, "\x00") != strings.Join(want, "\x00") {
			t.Fatalf("%q: got %q, %v; a shell %q, %v", line, got, err, want, wantErr)
		}
	})
}

// TestSecondLineIsNotArguments: two commands without a shell are an error, as
// two with a semicolon between them are.
func TestSecondLineIsNotArguments(t *testing.T) {
	t.Parallel()
	for _, line := range []string{"a\nb", "a x\n  b y\n", "\na\n\n\nb", "a # first\nb", "a\r\nb", "a 'x\ny'\nb", "a\n-b"} {
		if words, err := splitWords(line); err == nil || !strings.Contains(err.Error(), "would be arguments of the first command") {
			t.Errorf("%q: got %q, %v", line, words, err)
		}
	}
}

// TestUnexpanded: what a shell would expand is found, unless quotes say that it
// is meant.
func TestUnexpanded(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]string{
		"ls $HOME/x": "$HOME", "a ${HOME}": "${HOME}", `a "$HOME"`: "$HOME", "a x$V": "$V", "a {{.index}} $V": "$V",
		"ls *.log": "*.log", "ls a?c": "a?c", "cd ~": "~", "cd ~/x": "~/x", "cd ~ann/x": "~ann/x", "~/bin/x -a": "~/bin/x",
		"a '$HOME'": "", `a \$HOME`: "", "a '*'": "", `a "*"`: "", `a \*`: "", "a x~": "", "a '~'": "", "a http://h/p?q=1": "", "a $1 $$ $?": "",
		`a {{"$x"}} {{join "*" .}}`: "", "a [0] {b,c}": "", "a #*": "", "a 'open": "",
	} {
		if got := unexpanded(line); got != want {
			t.Errorf("%s: got %q, want %q", line, got, want)
		}
	}
}
