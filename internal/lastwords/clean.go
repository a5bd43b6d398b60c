package lastwords

import "bytes"

// Clean returns a line as it looks on a terminal: without escape sequences that colour it or
// move the cursor, without control characters other than tabs, and with backspaces carried out.
// It may change line, and returns a part of it.
func Clean(line []byte) []byte {
	if bytes.IndexFunc(line, isControl) < 0 {
		return line
	}
	out := line[:0]
	for i := 0; i < len(line); i++ {
		switch c := line[i]; {
		case c == 0x1b:
			i += sequence(line[i:]) - 1
		case c == '\b':
			out = out[:max(len(out)-1, 0)]
		case isControl(rune(c)):
		default:
			out = append(out, c)
		}
	}
	return out
}

func isControl(c rune) bool { return c < ' ' && c != '\t' || c == 0x7f }

// sequence is the length of the escape sequence that s begins with.
func sequence(s []byte) int {
	if len(s) < 2 {
		return len(s)
	}
	switch s[1] {
	case '[': // CSI: parameters and intermediates, then one letter
		for i := 2; i < len(s); i++ {
			if s[i] >= 0x40 && s[i] <= 0x7e {
				return i + 1
			}
		}
		return len(s)
	case ']', 'P', '_', '^', 'X': // OSC and the like: to BEL or ESC \
		for i := 2; i < len(s); i++ {
			if s[i] == 0x07 {
				return i + 1
			}
			if s[i] == 0x1b {
				return min(i+2, len(s))
			}
		}
		return len(s)
	case '(', ')', '*', '+', '#', '%', ' ':
		return min(3, len(s))
	}
	return 2
}
