package message

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"
)

// resealed opens a signed job whose payload says something else, signed like that.
func resealed(t *testing.T, from, to string) error {
	t.Helper()
	var e Envelope
	if err := json.Unmarshal(mustSeal(t, jobAddress(), testJob(), testKey(0)), &e); err != nil {
		t.Fatal(err)
	}
	changed := strings.Replace(e.Payload, from, to, 1)
	if changed == e.Payload {
		t.Fatalf("%s is not in %s", from, e.Payload)
	}
	e.Payload = changed
	e.Signature = base64.StdEncoding.EncodeToString(ed25519.Sign(testKey(0), signed(changed)))
	data, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	_, err = OpenEnvelope(data, Trust{Keys: []ed25519.PublicKey{public(testKey(0))}}, testTime)
	return err
}

// The expiry is a time in UTC, as libraries of many languages write one.
func TestExpiryIsATimeInUTC(t *testing.T) {
	t.Parallel()
	const sealed = `"expires":"2026-11-23T12:01:00.123456789Z"`
	for name, text := range map[string]string{
		"no fraction": "2026-11-23T12:01:00Z", "microseconds": "2026-11-23T12:01:00.123456Z", "an offset of zero": "2026-11-23T12:01:00.123456+00:00",
	} {
		if err := resealed(t, sealed, `"expires":"`+text+`"`); err != nil {
			t.Errorf("%s (%s): error %v, want none", name, text, err)
		}
	}
	for name, text := range map[string]string{
		"another zone":   "2026-11-23T13:01:00.123456789+01:00",
		"no zone":        "2026-11-23T12:01:00.123456789",
		"a blank":        "2026-11-23 12:01:00.123456789Z",
		"a leap second":  "2026-11-23T12:00:60.123456789Z",
		"24 o'clock":     "2026-11-22T24:01:00.123456789Z",
		"one digit":      "2026-11-23T12:1:00.123456789Z",
		"blanks around":  " 2026-11-23T12:01:00.123456789Z",
		"the year 10000": "10000-11-23T12:01:00.123456789Z",
		"zero":           "0001-01-01T00:00:00Z",
		"nothing":        "",
	} {
		if err := resealed(t, sealed, `"expires":"`+text+`"`); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s (%s): error %v, want %v", name, text, err, ErrMalformed)
		}
	}
	for name, member := range map[string]string{
		"absent": `"x":1`, "null": `"expires":null`, "a number": `"expires":1795435260`, "a list": `"expires":["2026-11-23T12:01:00Z"]`, "twice": sealed + "," + sealed,
	} {
		if err := resealed(t, sealed, member); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: error %v, want %v", name, err, ErrMalformed)
		}
	}
	for text, want := range map[string]error{"2026-11-23T12:00:00.123456789Z": ErrExpired, "9999-12-31T23:59:59Z": ErrFarAhead, "0000-11-23T12:01:00Z": ErrExpired} {
		if err := resealed(t, sealed, `"expires":"`+text+`"`); !errors.Is(err, want) {
			t.Errorf("%s: error %v, want %v", text, err, want)
		}
	}
}

// An envelope has nothing beside what is signed, and only one reading.
func TestEnvelopeHasOneReading(t *testing.T) {
	t.Parallel()
	open := func(data string) error {
		_, err := OpenEnvelope([]byte(data), Trust{Keys: []ed25519.PublicKey{public(testKey(0))}}, testTime)
		return err
	}
	sealed := string(mustSeal(t, jobAddress(), testJob(), testKey(0)))
	for name, change := range map[string][2]string{
		"an unknown member":        {`{"downbeat":2`, `{"downbeat":2,"priority":9`},
		"a member of before":       {`{"downbeat":2`, `{"downbeat":2,"host":"alpha"`},
		"a member in capitals":     {`"payload":`, `"Payload":`},
		"a second payload":         {`"payload":`, `"payload":"{}","payload":`},
		"one in capitals":          {`"payload":`, `"Payload":"{}","payload":`},
		"a second key":             {`"key":`, `"key":"x","key":`},
		"something behind it":      {`"}`, `"}{}`},
		"a byte behind it":         {`"}`, `"}x`},
		"a signature with a break": {`"signature":"`, `"signature":"\n`},
		"bytes that are not UTF-8": {`sleep`, "sl\xffep"},
	} {
		at := strings.LastIndex(sealed, change[0])
		if at < 0 {
			t.Fatalf("%s is not in %s", change[0], sealed)
		}
		err := open(sealed[:at] + change[1] + sealed[at+len(change[0]):])
		if !errors.Is(err, ErrMalformed) && !errors.Is(err, ErrForged) {
			t.Errorf("%s: error %v, want it malformed or forged", name, err)
		}
	}
	if err := open(strings.Replace(sealed, `{"downbeat":2,`, "{ \t\"\\u0064ownbeat\" : 2 ,\n", 1)); err != nil {
		t.Errorf("blanks, and a letter escaped: %v, want it taken", err)
	}
}

// A payload has what its purpose promises, and what two readers might take for
// two things is not taken.
func TestPayloadHasOneReading(t *testing.T) {
	t.Parallel()
	for name, change := range map[string][2]string{
		"a control beside the job": {`"job":{`, `"control":{"control":"stop"},"job":{`},
		"no job":                   {`"job":{`, `"work":{`},
		"a control for a job":      {`"job":{`, `"control":{`},
		"another purpose":          {`"purpose":"job"`, `"purpose":"hello"`},
		"no purpose":               {`"purpose":"job",`, ``},
		"no namespace":             {`"namespace":"downbeat",`, ``},
		"a second host":            {`"host":"alpha"`, `"host":"alpha","host":"bravo"`},
		"a second job":             {`"job":{`, `"job":{},"job":{`},
		"something behind it":      {`"grace_ms":10000}}`, `"grace_ms":10000}}{}`},
		"a byte behind it":         {`"grace_ms":10000}}`, `"grace_ms":10000}}x`},
		"not the whole":            {`"grace_ms":10000}}`, `"grace_ms":10000}`},
		"a negative serial":        {`"expires"`, `"serial":-1,"expires"`},
	} {
		if err := resealed(t, change[0], change[1]); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: error %v, want %v", name, err, ErrMalformed)
		}
	}
	if err := resealed(t, `{"purpose"`, "{ \"colour\" : [1] ,\n\"purpose\""); err != nil {
		t.Errorf("an unknown member, and blanks: %v, want it taken", err)
	}
}

// A job that is valid for longer than runs are remembered could be run twice: it is refused.
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
}

// The needs of a newer job are told by name, even if the rest can't be read.
func TestNeedsOfANewerJobAreTold(t *testing.T) {
	t.Parallel()
	for name, job := range map[string]string{
		"readable": `{"needs":["lasers"],"since":"x"}`, "not readable": `{"since":[1],"needs":["pty","lasers"],"processes":{}}`,
	} {
		_, err := inside(PurposeJob, job).Job()
		if !errors.Is(err, ErrNeeds) || !strings.Contains(err.Error(), "`lasers`") {
			t.Errorf("%s: error %v, want one that names `lasers`", name, err)
		}
	}
}
