package message

import (
	"crypto/ed25519"
	"errors"
	"strings"
	"testing"
	"time"
)

// opened opens what a change of text has made of a signed job.
func opened(t *testing.T, from, to string) error {
	t.Helper()
	data := string(mustSeal(t, jobAddress(), testJob(), testKey(0)))
	changed := strings.Replace(data, from, to, 1)
	if changed == data {
		t.Fatalf("%s is not in %s", from, data)
	}
	_, err := OpenEnvelope([]byte(changed), Trust{Keys: []ed25519.PublicKey{public(testKey(0))}}, testTime)
	return err
}

// The signature covers nanoseconds since 1970, which many texts stand for: none
// is taken but the one that a publisher writes.
func TestExpiryCannotBeWrittenOtherwise(t *testing.T) {
	t.Parallel()
	const sealed = `"expires":"2026-11-23T12:01:00.123456789Z"`
	wrapped := func(turns int64) string { // T and T + 2^64 ns are signed alike
		at := testTime.Add(time.Minute)
		for range max(turns, -turns) {
			at = at.Add(time.Duration(turns/max(turns, -turns)) << 62)
			at = at.Add(time.Duration(turns/max(turns, -turns)) << 62)
			at = at.Add(time.Duration(turns/max(turns, -turns)) << 62)
			at = at.Add(time.Duration(turns/max(turns, -turns)) << 62)
		}
		return at.Format(time.RFC3339Nano)
	}
	if at, err := time.Parse(time.RFC3339Nano, wrapped(1)); err != nil || at.UnixNano() != testTime.Add(time.Minute).UnixNano() {
		t.Fatalf("%s is not signed like what it is made of (%v)", wrapped(1), err)
	}
	for name, text := range map[string]string{
		"2^64 ns later":       wrapped(1),
		"2 x 2^64 ns later":   wrapped(2),
		"2^64 ns earlier":     wrapped(-1),
		"another zone":        "2026-11-23T13:01:00.123456789+01:00",
		"no zone but zero":    "2026-11-23T12:01:00.123456789+00:00",
		"minus zero":          "2026-11-23T12:01:00.123456789-00:00",
		"small letters":       "2026-11-23t12:01:00.123456789z",
		"a blank":             "2026-11-23 12:01:00.123456789Z",
		"a comma":             "2026-11-23T12:01:00,123456789Z",
		"ten digits":          "2026-11-23T12:01:00.1234567890Z",
		"parts of ns":         "2026-11-23T12:01:00.1234567899Z",
		"a leap second":       "2026-11-23T12:00:60.123456789Z",
		"24 o'clock":          "2026-11-22T24:01:00.123456789Z",
		"one digit":           "2026-11-23T12:1:00.123456789Z",
		"blanks around":       " 2026-11-23T12:01:00.123456789Z",
		"a line break":        `2026-11-23T12:01:00.123456789Z\n`,
		"the year 10000":      "10000-11-23T12:01:00.123456789Z",
		"the year 0":          "0000-11-23T12:01:00.123456789Z",
		"zero":                "0001-01-01T00:00:00Z",
		"the end of counting": "2262-04-11T23:47:16.854775808Z",
		"nothing":             "",
		"a number":            "1795435260",
	} {
		if err := opened(t, sealed, `"expires":"`+text+`"`); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s (%s): error %v, want %v", name, text, err, ErrMalformed)
		}
	}
	for name, member := range map[string]string{
		"absent": `"x":1`, "null": `"expires":null`, "a number": `"expires":1795435260123456789`, "a list": `"expires":["2026-11-23T12:01:00.123456789Z"]`,
		"twice": sealed + "," + sealed, "twice, one in capitals": sealed + `,"Expires":"2026-11-25T12:01:00.123456789Z"`,
		"twice, one escaped": sealed + `,"expire\u0073":"2026-11-25T12:01:00.123456789Z"`,
	} {
		if err := opened(t, sealed, member); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: error %v, want %v", name, err, ErrMalformed)
		}
	}
	if err := opened(t, sealed, `"expires":"2026-11-23T12:01:00.123456788Z"`); !errors.Is(err, ErrForged) {
		t.Errorf("a nanosecond earlier: error %v, want %v", err, ErrForged)
	}
}

// An envelope has nothing beside what is signed, and only one reading.
func TestEnvelopeHasOneReading(t *testing.T) {
	t.Parallel()
	for name, change := range map[string][2]string{
		"an unknown member":        {`{"downbeat":1`, `{"downbeat":1,"priority":9`},
		"a member in capitals":     {`"host":"alpha"`, `"Host":"alpha"`},
		"a second host":            {`"host":"alpha"`, `"host":"bravo","host":"alpha"`},
		"a second payload":         {`"payload":`, `"payload":"{}","payload":`},
		"a host in capitals":       {`"host":"alpha"`, `"host":"Alpha"`},
		"something behind it":      {`"}`, `"}{}`},
		"a byte behind it":         {`"}`, `"}x`},
		"a signature with a break": {`"signature":"`, `"signature":"\n`},
		"bytes that are not UTF-8": {`sleep`, "sl\xffep"},
	} {
		data := string(mustSeal(t, jobAddress(), testJob(), testKey(0)))
		at := strings.LastIndex(data, change[0])
		if at < 0 {
			t.Fatalf("%s is not in %s", change[0], data)
		}
		changed := data[:at] + change[1] + data[at+len(change[0]):]
		_, err := OpenEnvelope([]byte(changed), Trust{Keys: []ed25519.PublicKey{public(testKey(0))}}, testTime)
		if !errors.Is(err, ErrMalformed) && !errors.Is(err, ErrForged) {
			t.Errorf("%s: error %v, want it malformed or forged", name, err)
		}
	}
	if err := opened(t, `{"downbeat":1,`, "{ \t\"\\u0064ownbeat\" : 1 ,\n"); err != nil {
		t.Errorf("blanks, and a letter escaped: %v, want it taken", err)
	}
}

// What is valid for longer than anybody remembers could be run again.
func TestEnvelopeIsValidForABoundedTime(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		ahead time.Duration
		want  error
	}{
		{0, ErrExpired}, {-time.Hour, ErrExpired}, {1, nil}, {MaxAhead, nil}, {MaxAhead + 1, ErrFarAhead}, {100 * 365 * 24 * time.Hour, ErrFarAhead},
	} {
		for _, key := range []ed25519.PrivateKey{nil, testKey(0)} {
			a := jobAddress()
			a.Expires = testTime.Add(tt.ahead)
			trust := Trust{Unsigned: true}
			if key != nil {
				trust = Trust{Keys: []ed25519.PublicKey{public(key)}}
			}
			if _, err := OpenEnvelope(mustSeal(t, a, testJob(), key), trust, testTime); !errors.Is(err, tt.want) {
				t.Errorf("valid for %s: error %v, want %v", tt.ahead, err, tt.want)
			}
		}
	}
	a := jobAddress()
	a.Expires = time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)
	if _, err := Seal(a, testJob(), nil); !errors.Is(err, ErrMalformed) {
		t.Errorf("sealed until the year 9999: error %v, want %v", err, ErrMalformed)
	}
}
