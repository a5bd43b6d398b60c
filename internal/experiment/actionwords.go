package experiment

import (
	"fmt"
	"slices"
	"strings"

	"downbeat/internal/message"
)

// words says what an action does, to whom and when.
func (x *expansion) words(a *action, made *Action, whom string) string {
	var what string
	switch made.Do {
	case message.ActSignal:
		what = made.Signal + " to " + whom
	case message.ActStop:
		what = "stop " + whom
	case message.ActStart:
		what = "start " + whom + " again"
	case message.ActPause:
		what = fmt.Sprintf("pause %s for %s", whom, short(made.For))
	case message.ActRun:
		what = "run " + whom
	}
	return what + ", " + x.when(a, made)
}

// when says when an action is done.
func (x *expansion) when(a *action, made *Action) string {
	after := ""
	if made.After > 0 {
		after = short(made.After) + " "
	}
	switch {
	case made.Mark != "":
		return after + "after the mark " + made.Mark
	case made.Line != "":
		of := "any process"
		if len(a.of) > 0 {
			_, words := x.resolve(a.of, fmt.Sprintf("of %d", a.number))
			of = strings.Join(words, ", ")
		}
		often := ""
		if made.Times > 1 {
			often = fmt.Sprintf(", %d times at most", made.Times)
		}
		return fmt.Sprintf("%safter a line of %s that matches %q%s", after, of, made.Line, often)
	case len(x.beats) == 1:
		return after + "after the release"
	}
	return fmt.Sprintf("%safter the release of %s", after, x.beats[made.Beat])
}

// runWords shows a command that an action runs, and where.
func runWords(commands []Command) string {
	if len(commands) == 0 {
		return ""
	}
	hosts := make([]string, len(commands))
	same := true
	for i, c := range commands {
		hosts[i] = c.Host
		same = same && slices.Equal(c.Argv, commands[0].Argv)
	}
	alike := ""
	if !same {
		alike = " (or similar)"
	}
	return fmt.Sprintf("`%s`%s on %s", quoteWords(commands[0].Argv), alike, strings.Join(hosts, ", "))
}

// quoteWords makes a command line of arguments.
func quoteWords(argv []string) string {
	words := make([]string, len(argv))
	for i, word := range argv {
		words[i] = quoteWord(word)
	}
	return strings.Join(words, " ")
}
