package metric

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"

	"github.com/tidwall/gjson"

	"downbeat/internal/experiment"
	"downbeat/internal/program"
)

// maxParts is how many metrics one program may give.
const maxParts = 200

// A part is one of the numbers that a program gives.
type part struct {
	metric experiment.Metric
	value  float64
}

// numbersOf are the numbers that a program has printed for a metric; the note says what was left
// out. An error goes on after the program's name.
func numbersOf(m *experiment.Metric, result program.Result) (found []part, note string, err error) {
	if result.Err != nil {
		return nil, "", result.Err
	}
	last, err := lastText(result.Output)
	switch {
	case err != nil && result.Cut:
		return nil, "", fmt.Errorf("%w, of whose output only the last %d MiB are kept", err, program.MaxOutput>>20)
	case err != nil:
		return nil, "", err
	case m.Field != "" && !last.IsObject():
		return nil, "", fmt.Errorf("printed %s, which has no field %q", quoted(scalar(last)), m.Field)
	case m.Field != "":
		found, err = oneField(m, last)
	case last.IsObject():
		found, note, err = allFields(m, last)
	default:
		found, err = onePart(m, last)
	}
	return found, note, err
}

// onePart is a metric with its value.
func onePart(m *experiment.Metric, v gjson.Result) ([]part, error) {
	value, what, ok := parse(m.Parse, scalar(v))
	if !ok {
		return nil, fmt.Errorf("printed %s, which is not %s", quoted(scalar(v)), what)
	}
	if value *= m.Scale; math.IsInf(value, 0) {
		return nil, errors.New("printed a number that is too large")
	}
	return []part{{*m, value}}, nil
}

// oneField picks the field of a metric out of an object.
func oneField(m *experiment.Metric, object gjson.Result) ([]part, error) {
	var at []gjson.Result
	lookUp(object, m.Field, func(v gjson.Result) { at = append(at, v) })
	switch {
	case len(at) == 0:
		return nil, fmt.Errorf("printed no field %q; %s", m.Field, itHas(object))
	case len(at) > 1:
		return nil, fmt.Errorf("printed %d values for field %q: it has to be one", len(at), m.Field)
	}
	return onePart(m, at[0])
}

// itHas names the fields of an object.
func itHas(object gjson.Result) string {
	var keys []string
	object.ForEach(func(key, _ gjson.Result) bool {
		keys = append(keys, key.Str)
		return true
	})
	if len(keys) == 0 {
		return "its object is empty"
	}
	return "its object has " + listed(keys)
}

// allFields takes all numbers of an object.
func allFields(m *experiment.Metric, object gjson.Result) (found []part, note string, err error) {
	var left []string
	seen := make(map[string]bool)
	object.ForEach(func(key, v gjson.Result) bool {
		of, nameErr := m.Part(key.Str)
		parts, valueErr := onePart(&of, v)
		switch {
		case seen[key.Str]:
			left = append(left, quoted(key.Str)+" is there twice")
		case nameErr != nil:
			left = append(left, nameErr.Error())
		case valueErr != nil:
			left = append(left, fmt.Sprintf("%s is %s", key.Str, quoted(scalar(v))))
		case len(found) == maxParts:
			left = append(left, fmt.Sprintf("%s, after %d others", key.Str, maxParts))
		default:
			found = append(found, parts...)
		}
		seen[key.Str] = true
		return true
	})
	if len(found) == 0 {
		return nil, "", fmt.Errorf("printed an object without a number; %s", itHas(object))
	}
	return found, leftOf(left), nil
}

// leftOf tells what was left out of an object.
func leftOf(left []string) string {
	switch len(left) {
	case 0:
		return ""
	case 1:
		return "left out: " + left[0]
	}
	return fmt.Sprintf("left out: %s, and %d more", left[0], len(left)-1)
}

// lastText is the last number on a line of its own, or the last object, that a program has printed.
func lastText(output []byte) (gjson.Result, error) {
	data, err := io.ReadAll(newPlain(bytes.NewReader(output)))
	if err != nil {
		return gjson.Result{}, err
	}
	data = bytes.ReplaceAll(trimBOM(data), []byte("\r"), []byte("\n"))
	var last gjson.Result
	broken := false
	for i := 0; i < len(data); {
		text := jsonText{data: data}
		begin := text.blank(i)
		if begin == len(data) {
			break
		}
		line, _, _ := bytes.Cut(data[begin:], []byte("\n"))
		end, v := begin+len(line), strings.TrimSpace(string(line))
		inside := broken && begin > 0 && data[begin-1] != '\n' // of the broken one
		switch {
		case data[begin] == '{' && !inside:
			after, ok := text.value(begin, 0)
			if broken = !ok; ok {
				last, end = gjson.ParseBytes(text.strict(begin, after)), after
			}
		case isNumber(v) && !inside:
			last, broken = gjson.Result{Type: gjson.Number, Raw: v}, false
		}
		i = end
	}
	switch {
	case broken:
		return last, errors.New("printed an object of JSON that is broken")
	case !last.Exists():
		return last, errors.New("printed neither a number nor an object of JSON")
	}
	return last, nil
}

// isNumber reports whether a line is a number in any notation.
func isNumber(line string) bool {
	for _, by := range []experiment.Notation{experiment.NotationNumber, experiment.NotationDuration, experiment.NotationSI} {
		if _, _, ok := parse(by, line); ok {
			return true
		}
	}
	return false
}
