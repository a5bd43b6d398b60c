package message

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

var testTime = time.Date(2026, 11, 23, 12, 0, 0, 123456789, time.UTC)

func testKey(seed byte) ed25519.PrivateKey {
	return ed25519.NewKeyFromSeed([]byte(strings.Repeat(string(rune('a'+seed)), ed25519.SeedSize)))
}

func public(key ed25519.PrivateKey) ed25519.PublicKey { return key.Public().(ed25519.PublicKey) }

const testRun = "01JD5W9M4QX3T0C9V8Z7Y6R5PK"

func testJob() Job {
	return Job{
		Run: testRun, Host: "alpha", ReplyTo: "downbeat.events.X", Since: testRun, Experiment: "locks", Datapoint: 1,
		Commands: []Command{{Name: "server.0", Phase: PhaseRun, Group: "server", Argv: []string{"sleep", "1"}, Env: map[string]string{"A": "ü"}, OKExit: []int{0}}},
		LeaseMS:  30_000, GraceMS: 10_000, WindowBytes: 8 << 20,
	}
}

func jobAddress() Address {
	return Address{Purpose: PurposeJob, Namespace: "downbeat", Host: "alpha", Run: testRun, Expires: testTime.Add(time.Minute)}
}

func mustSeal(t *testing.T, a Address, content any, key ed25519.PrivateKey) []byte {
	t.Helper()
	data, err := Seal(a, content, key)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestSealedJobOpensAsItWas(t *testing.T) {
	t.Parallel()
	for _, key := range []ed25519.PrivateKey{nil, testKey(0)} {
		trust := Trust{Unsigned: true}
		if key != nil {
			trust = Trust{Keys: []ed25519.PublicKey{public(testKey(1)), public(key)}}
		}
		e, err := OpenEnvelope(mustSeal(t, jobAddress(), testJob(), key), trust, testTime)
		if err != nil {
			t.Fatal(err)
		}
		if got, want := e.Address, jobAddress(); got != want {
			t.Errorf("address = %+v, want %+v", got, want)
		}
		job, err := e.Job()
		if err != nil {
			t.Fatal(err)
		}
		if want := testJob(); !reflect.DeepEqual(*job, want) {
			t.Errorf("job = %+v, want %+v", job, want)
		}
	}
}

// Every byte of the payload is covered by the signature, and so is the version.
func TestChangedEnvelopeIsForged(t *testing.T) {
	t.Parallel()
	changes := map[string][2]string{
		"purpose":   {`"purpose":"job"`, `"purpose":"control"`},
		"namespace": {`"namespace":"downbeat"`, `"namespace":"other"`},
		"host":      {`"host":"alpha"`, `"host":"bravo"`},
		"run":       {testRun, "01JD5W9M4QX3T0C9V8Z7Y6R5PM"},
		"serial":    {`"expires"`, `"serial":7,"expires"`},
		"expires":   {`12:01:00.123456789Z`, `12:01:00.123456788Z`},
		"the same":  {`12:01:00.123456789Z`, `12:01:00.1234567890Z`},
		"reply_to":  {`downbeat.events.X`, `downbeat.events.Y`},
		"job":       {"sleep", "slurp"},
		"a blank":   {`"host":`, `"host": `},
	}
	trust := Trust{Keys: []ed25519.PublicKey{public(testKey(0))}}
	for name, change := range changes {
		var e Envelope
		if err := json.Unmarshal(mustSeal(t, jobAddress(), testJob(), testKey(0)), &e); err != nil {
			t.Fatal(err)
		}
		changed := strings.Replace(e.Payload, change[0], change[1], 1)
		if changed == e.Payload {
			t.Fatalf("%s is not in %s", change[0], e.Payload)
		}
		if name == "purpose" {
			changed = strings.Replace(changed, `"job":{`, `"control":{`, 1)
		}
		e.Payload = changed
		data, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := OpenEnvelope(data, trust, testTime); !errors.Is(err, ErrForged) {
			t.Errorf("with another %s: error %v, want %v", name, err, ErrForged)
		}
	}
}

// A signature made for another version is not valid in ours.
func TestSignatureCoversTheVersion(t *testing.T) {
	t.Parallel()
	payload, err := encodePayload(jobAddress(), testJob())
	if err != nil {
		t.Fatal(err)
	}
	for head, want := range map[string]error{"downbeat/2\n": nil, "downbeat/1\n": ErrForged, "": ErrForged, "downbeat/2": ErrForged} {
		e := Envelope{Version: Version, Payload: string(payload), Key: KeyID(public(testKey(0)))}
		e.Signature = base64.StdEncoding.EncodeToString(ed25519.Sign(testKey(0), []byte(head+e.Payload)))
		data, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := OpenEnvelope(data, Trust{Keys: []ed25519.PublicKey{public(testKey(0))}}, testTime); !errors.Is(err, want) {
			t.Errorf("signed with %q before the payload: error %v, want %v", head, err, want)
		}
	}
}

func TestOpenEnvelopeRefuses(t *testing.T) {
	t.Parallel()
	signed := mustSeal(t, jobAddress(), testJob(), testKey(0))
	unsigned := mustSeal(t, jobAddress(), testJob(), nil)
	trusted := Trust{Keys: []ed25519.PublicKey{public(testKey(0))}}
	tests := []struct {
		name  string
		data  []byte
		trust Trust
		now   time.Time
		want  error
	}{
		{"garbage", []byte("\x00\xffgarbage"), trusted, testTime, ErrMalformed},
		{"nothing", nil, trusted, testTime, ErrMalformed},
		{"a truncated message", signed[:len(signed)/2], trusted, testTime, ErrMalformed},
		{"another version", []byte(strings.Replace(string(signed), `"downbeat":2`, `"downbeat":3`, 1)), trusted, testTime, ErrVersion},
		{"an oversized message", make([]byte, MaxSigned+1), trusted, testTime, ErrTooLarge},
		{"no signature", unsigned, trusted, testTime, ErrUnsigned},
		{"no signature where no key is known", unsigned, Trust{}, testTime, ErrUnsigned},
		{"a stranger's signature", signed, Trust{Keys: []ed25519.PublicKey{public(testKey(1))}}, testTime, ErrUntrusted},
		{"an old message", signed, trusted, testTime.Add(time.Minute), ErrExpired},
		{"a name that isn't one", []byte(strings.ReplaceAll(string(unsigned), `\"alpha\"`, `\"../a\"`)), Trust{Unsigned: true}, testTime, ErrMalformed},
		{"a line break in a name", []byte(strings.ReplaceAll(string(unsigned), `\"alpha\"`, `\"a\\nb\"`)), Trust{Unsigned: true}, testTime, ErrMalformed},
		{"a payload that is not a string", []byte(`{"downbeat":2,"payload":{"purpose":"job"}}`), Trust{Unsigned: true}, testTime, ErrMalformed},
		{"a payload that is a list", enveloped(`[]`), Trust{Unsigned: true}, testTime, ErrMalformed},
		{"no payload", []byte(`{"downbeat":2}`), Trust{Unsigned: true}, testTime, ErrMalformed},
	}
	for _, tt := range tests {
		if _, err := OpenEnvelope(tt.data, tt.trust, tt.now); !errors.Is(err, tt.want) {
			t.Errorf("%s: error %v, want %v", tt.name, err, tt.want)
		}
	}
}

func TestEnvelopeForSomebodyElse(t *testing.T) {
	t.Parallel()
	e := &Payload{Address: Address{Namespace: "downbeat", Host: "alpha"}}
	if err := e.For("downbeat", "alpha"); err != nil {
		t.Errorf("for alpha: %v", err)
	}
	for _, other := range [][2]string{{"downbeat", "bravo"}, {"other", "alpha"}} {
		if err := e.For(other[0], other[1]); !errors.Is(err, ErrMisdirect) {
			t.Errorf("for %v: error %v, want %v", other, err, ErrMisdirect)
		}
	}
}

func TestControlIsChecked(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		host    string
		run     string
		control Control
		ok      bool
	}{
		{"a keepalive", "alpha", testRun, Control{Kind: Keepalive, Ack: 3}, true},
		{"a hello to all", AnyHost, "", Control{Kind: Hello, ReplyTo: "downbeat.events.Q", Nonce: "n"}, true},
		{"a stop to all", AnyHost, testRun, Control{Kind: Stop, Cause: StopAbort}, false},
		{"a keepalive for no run", "alpha", "", Control{Kind: Keepalive}, false},
		{"a start at no time", "alpha", testRun, Control{Kind: Start}, false},
		{"a stop for no cause", "alpha", testRun, Control{Kind: Stop}, false},
		{"a hello that wants no answer", "alpha", "", Control{Kind: Hello, Nonce: "n"}, false},
		{"a hello without a nonce", "alpha", "", Control{Kind: Hello, ReplyTo: "downbeat.events.Q"}, false},
		{"a hello with a long nonce", "alpha", "", Control{Kind: Hello, ReplyTo: "downbeat.events.Q", Nonce: strings.Repeat("n", MaxNonce+1)}, false},
		{"an answer to a queue of jobs", "alpha", "", Control{Kind: Hello, ReplyTo: "downbeat.jobs.alpha", Nonce: "n"}, false},
		{"a cancel that wants no answer", "", testRun, Control{Kind: Cancel}, false},
		{"something unknown", "alpha", testRun, Control{Kind: "dance"}, false},
	}
	for _, tt := range tests {
		a := Address{Purpose: PurposeControl, Namespace: "downbeat", Host: tt.host, Run: tt.run, Expires: testTime}
		e, err := OpenEnvelope(mustSeal(t, a, tt.control, nil), Trust{Unsigned: true}, testTime.Add(-1))
		if err != nil {
			t.Fatalf("%s: %v", tt.name, err)
		}
		if _, err := e.Control(); (err == nil) != tt.ok {
			t.Errorf("%s: error %v, want one: %t", tt.name, err, !tt.ok)
		}
	}
}

func TestJobIsChecked(t *testing.T) {
	t.Parallel()
	changes := map[string]func(*Job){
		"no processes":              func(j *Job) { j.Commands = nil },
		"an empty argv":             func(j *Job) { j.Commands[0].Argv = nil },
		"a path as name":            func(j *Job) { j.Commands[0].Name = "../../etc" },
		"a double name":             func(j *Job) { j.Commands = append(j.Commands, j.Commands[0]) },
		"no reply queue":            func(j *Job) { j.ReplyTo = "" },
		"no lease":                  func(j *Job) { j.LeaseMS = 0 },
		"negative delay":            func(j *Job) { j.Commands[0].DelayMS = -1 },
		"another run":               func(j *Job) { j.Run = "x" },
		"a setup without a command": func(j *Job) { add(j, Command{Name: "setup.0", Phase: PhaseSetup, TimeoutMS: 1}) },
		"a teardown without end":    func(j *Job) { add(j, Command{Name: "teardown.0", Phase: PhaseTeardown, Argv: []string{"x"}}) },
		"a path as a setup's name":  func(j *Job) { add(j, Command{Name: "a/b", Phase: PhaseSetup, Argv: []string{"x"}, TimeoutMS: 1}) },
		"a setup that is a process": func(j *Job) {
			add(j, Command{Name: j.Commands[0].Name, Phase: PhaseSetup, Argv: []string{"x"}, TimeoutMS: 1})
		},
		"a setup with a delay": func(j *Job) {
			add(j, Command{Name: "setup.0", Phase: PhaseSetup, Argv: []string{"x"}, TimeoutMS: 1, DelayMS: 1})
		},
		"a process with a time":      func(j *Job) { j.Commands[0].TimeoutMS = 1 },
		"a command of no phase":      func(j *Job) { add(j, Command{Name: "x", Argv: []string{"x"}}) },
		"a command of another phase": func(j *Job) { add(j, Command{Name: "x", Phase: "dance", Argv: []string{"x"}}) },
		"a setup alone": func(j *Job) {
			j.Commands = []Command{{Name: "setup.0", Phase: PhaseSetup, Argv: []string{"x"}, TimeoutMS: 1}}
		},
	}
	for name, change := range changes {
		j := testJob()
		change(&j)
		if err := j.Check(); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: error %v, want %v", name, err, ErrMalformed)
		}
	}
	j := testJob()
	if err := j.Check(); err != nil {
		t.Errorf("a good job: %v", err)
	}
}

func TestKeysSurviveTheirFiles(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "keys")
	line, err := GenerateKey(dir, "me@here")
	if err != nil {
		t.Fatal(err)
	}
	key, err := ReadPrivateKey(filepath.Join(dir, PrivateKeyFile))
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "trusted")
	if err := os.WriteFile(file, []byte("# ours\n\n"+line+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	keys, err := ReadPublicKeys(file)
	if err != nil {
		t.Fatal(err)
	}
	if len(keys) != 1 || !keys[0].Equal(public(key)) {
		t.Errorf("read back %v, want the public half of the key", keys)
	}
	if _, err := GenerateKey(dir, ""); err == nil {
		t.Error("a second GenerateKey overwrote the first key")
	}
}

func TestPrivateKeyReadableByOthersIsRefused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if _, err := GenerateKey(dir, ""); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, PrivateKeyFile)
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadPrivateKey(path); err == nil || !strings.Contains(err.Error(), "chmod 600") {
		t.Errorf("error %v, want one that says chmod 600", err)
	}
}

func TestPublicKeyFileErrorsNameTheLine(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "keys")
	if err := os.WriteFile(path, []byte("# none\nssh-rsa AAAA\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadPublicKeys(path); err == nil || !strings.Contains(err.Error(), "keys:2:") {
		t.Errorf("error %v, want one that names line 2", err)
	}
}

func TestPublisherIsFoundFromItsRun(t *testing.T) {
	t.Parallel()
	publisher := NewPublisher()
	first, second := NewRun(publisher), NewRun(publisher)
	if first == second {
		t.Errorf("two runs have the id %s", first)
	}
	got, err := PublisherOf(first)
	if err != nil || got != publisher {
		t.Errorf("PublisherOf(%s) = %q, %v, want %q", first, got, err, publisher)
	}
	if _, err := PublisherOf("nonsense"); !errors.Is(err, ErrMalformed) {
		t.Errorf("error %v, want %v", err, ErrMalformed)
	}
}

// add gives the job one more command.
func add(j *Job, c Command) { j.Commands = append(j.Commands, c) }
