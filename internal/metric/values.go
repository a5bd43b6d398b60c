package metric

import (
	"math"
	"strconv"
	"strings"

	"downbeat/internal/experiment"
)

// parse reads a value as the metric says; what is the kind of thing that it should be.
func parse(by experiment.Notation, text string) (v float64, what string, ok bool) {
	switch by {
	case experiment.NotationDuration:
		v, ok = seconds(text)
		return v, "a duration such as 1.13ms", ok
	case experiment.NotationSI:
		v, ok = prefixed(text)
		return v, "a number such as 9.19k", ok
	}
	v, ok = number(text)
	return v, "a number", ok
}

// number reads a decimal number, strictly: no unit, no infinity, no separators.
func number(text string) (float64, bool) {
	text = strings.TrimSpace(text)
	if strings.Trim(text, "0123456789+-.eE") != "" {
		return 0, false
	}
	v, err := strconv.ParseFloat(text, 64)
	return v, err == nil
}

// A unit is worth times 10^exp of what it is a unit of.
type unit struct {
	exp   int
	times float64
}

// of gives so many of the unit. The power of ten goes into the text, so that 10.623ms becomes the
// number that is nearest to 0.010623.
func (u unit) of(digits string) (float64, bool) {
	if strings.ContainsAny(digits, "eE") {
		v, ok := number(digits)
		return v * math.Pow10(u.exp) * u.times, ok
	}
	v, ok := number(digits + "e" + strconv.Itoa(u.exp))
	return v * u.times, ok
}

// units of durations: Go's, and those that fio, wrk and docker write.
var units = map[string]unit{
	"ns": {-9, 1}, "us": {-6, 1}, "µs": {-6, 1}, "μs": {-6, 1}, "ms": {-3, 1},
	"nsec": {-9, 1}, "usec": {-6, 1}, "msec": {-3, 1},
	"s": {0, 1}, "sec": {0, 1}, "m": {0, 60}, "min": {0, 60}, "h": {0, 3600}, "d": {0, 86400},
}

// seconds reads a duration: one or more numbers, each with its unit. A number without one is no
// duration, except for 0.
func seconds(text string) (float64, bool) {
	rest := strings.TrimSpace(text)
	sign := 1.
	if s, ok := strings.CutPrefix(rest, "-"); ok {
		sign, rest = -1, s
	} else {
		rest = strings.TrimPrefix(rest, "+")
	}
	total := 0.0
	for first := true; first || rest != ""; first = false {
		var digits, name string
		digits, rest = leading(rest, isDigit)
		name, rest = leading(strings.TrimLeft(rest, " "), isNoDigit)
		name = strings.TrimSpace(name)
		u, known := units[name]
		if !known {
			u = units["s"]
		}
		v, ok := u.of(digits)
		if zero := first && v == 0 && name == "" && rest == ""; !ok || !known && !zero {
			return 0, false
		}
		total += v
	}
	return sign * total, !math.IsInf(total, 0)
}

func isDigit(c rune) bool   { return '0' <= c && c <= '9' || c == '.' }
func isNoDigit(c rune) bool { return !isDigit(c) }

// leading cuts off the characters of a kind that a text begins with.
func leading(text string, of func(rune) bool) (head, rest string) {
	if i := strings.IndexFunc(text, func(c rune) bool { return !of(c) }); i >= 0 {
		return text[:i], text[i:]
	}
	return text, ""
}

// prefixes of numbers, decimal and binary.
var prefixes = map[string]unit{
	"": {0, 1}, "n": {-9, 1}, "u": {-6, 1}, "µ": {-6, 1}, "μ": {-6, 1}, "m": {-3, 1},
	"k": {3, 1}, "K": {3, 1}, "M": {6, 1}, "G": {9, 1}, "T": {12, 1}, "P": {15, 1}, "E": {18, 1},
	"Ki": {0, 1 << 10}, "Mi": {0, 1 << 20}, "Gi": {0, 1 << 30}, "Ti": {0, 1 << 40}, "Pi": {0, 1 << 50}, "Ei": {0, 1 << 60},
}

// prefixed reads a number with a prefix, or without: 9.19k, 3Mi, 12G. It may be one of bytes, or
// of bytes per second.
func prefixed(text string) (float64, bool) {
	text = strings.TrimSpace(text)
	end := numberEnd(text)
	name := strings.TrimSuffix(strings.TrimLeft(text[end:], " "), "/s")
	u, known := prefixes[strings.TrimSuffix(name, "B")]
	v, ok := u.of(text[:end])
	return v, ok && known && !math.IsInf(v, 0)
}

// numberEnd finds where the number ends that a text begins with. An E is part of it only with an
// exponent: 12E are 12 exa.
func numberEnd(text string) int {
	end := strings.IndexFunc(text, func(c rune) bool { return !isDigit(c) && c != '+' && c != '-' })
	if end < 0 {
		return len(text)
	}
	if text[end] == 'e' || text[end] == 'E' {
		exponent, _ := strings.CutPrefix(text[end+1:], "-")
		exponent = strings.TrimPrefix(exponent, "+")
		if digits, _ := leading(exponent, func(c rune) bool { return '0' <= c && c <= '9' }); digits != "" {
			return len(text) - len(exponent) + len(digits)
		}
	}
	return end
}
