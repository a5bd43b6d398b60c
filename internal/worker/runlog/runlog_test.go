package runlog

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"pgregory.net/rapid"
)

func mustCreate(t *testing.T) (*Log, string) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "log")
	l, err := Create(dir, []byte("job"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l, dir
}

func appendAll(t *testing.T, l *Log, records ...string) {
	t.Helper()
	for _, r := range records {
		if err := l.Append([]byte(r)); err != nil {
			t.Fatal(err)
		}
	}
}

func readAll(t *testing.T, r *Reader) []string {
	t.Helper()
	var got []string
	for {
		seq, record, ok, err := r.Next(nil)
		if err != nil {
			t.Fatal(err)
		}
		if !ok {
			return got
		}
		got = append(got, fmt.Sprintf("%d:%s", seq, record))
	}
}

func equal(a, b []string) bool { return strings.Join(a, "|") == strings.Join(b, "|") }

func TestRecordsAreReadInOrderWhileTheyAreAppended(t *testing.T) {
	t.Parallel()
	l, _ := mustCreate(t)
	r := l.Reader(1)
	appended := l.Appended()
	appendAll(t, l, "one", "")
	<-appended
	if got, want := readAll(t, r), []string{"1:one", "2:"}; !equal(got, want) {
		t.Errorf("read %q, want %q", got, want)
	}
	appendAll(t, l, "three")
	if got, want := readAll(t, r), []string{"3:three"}; !equal(got, want) {
		t.Errorf("read %q, want %q", got, want)
	}
	r.Seek(2)
	if got, want := readAll(t, r), []string{"2:", "3:three"}; !equal(got, want) {
		t.Errorf("after Seek(2) read %q, want %q", got, want)
	}
}

func TestReopenedLogGoesOn(t *testing.T) {
	t.Parallel()
	l, dir := mustCreate(t)
	appendAll(t, l, "one", "two")
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	l, job, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	if string(job) != "job" || l.Last() != 2 {
		t.Fatalf("job %q, last %d; want job, 2", job, l.Last())
	}
	appendAll(t, l, "three")
	if got, want := readAll(t, l.Reader(1)), []string{"1:one", "2:two", "3:three"}; !equal(got, want) {
		t.Errorf("read %q, want %q", got, want)
	}
}

// A worker that is killed can leave any prefix of what it was writing.
// A disk that is full leaves room for what has to be told then, once.
func TestReserveTakesWhatAppendRefuses(t *testing.T) {
	t.Parallel()
	l, dir := mustCreate(t)
	appendAll(t, l, "one")
	if info, err := os.Stat(filepath.Join(dir, reserveName)); err != nil || info.Size() != reserveLen {
		t.Fatalf("the reserve: %v, %v", info, err)
	}
	l.failed = syscall.ENOSPC
	if err := l.Append([]byte("lost")); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("append: got %v, want that the disk is full", err)
	}

	for _, record := range []string{"two", "three"} {
		if err := l.AppendReserved([]byte(record)); err != nil {
			t.Error(err)
		}
	}

	if got, want := readAll(t, l.Reader(1)), []string{"1:one", "2:two", "3:three"}; !equal(got, want) {
		t.Errorf("read %q, want %q", got, want)
	}
	if _, err := os.Stat(filepath.Join(dir, reserveName)); err == nil {
		t.Error("the reserve was not given up")
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if err := l.AppendReserved([]byte("four")); !errors.Is(err, os.ErrClosed) {
		t.Errorf("a log that is closed: got %v", err)
	}
}

func TestTornTailIsCutOff(t *testing.T) {
	t.Parallel()
	l, dir := mustCreate(t)
	appendAll(t, l, "one", "two")
	path := l.path(1)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for cut := range len(whole) {
		if err := os.WriteFile(path, whole[:cut], 0o600); err != nil {
			t.Fatal(err)
		}
		l, _, err := Open(dir)
		if err != nil {
			t.Fatalf("cut to %d bytes: %v", cut, err)
		}
		want := uint64(0)
		if cut >= headerLen+len("one") {
			want = 1
		}
		if l.Last() != want {
			t.Errorf("cut to %d bytes: last %d, want %d", cut, l.Last(), want)
		}
		appendAll(t, l, "again")
		got := readAll(t, l.Reader(want+1))
		if want := []string{fmt.Sprintf("%d:again", want+1)}; !equal(got, want) {
			t.Errorf("cut to %d bytes: read %q, want %q", cut, got, want)
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestLogWithoutItsJobIsDamaged(t *testing.T) {
	t.Parallel()
	l, dir := mustCreate(t)
	path := l.path(0)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	for _, content := range []string{"", "\x03\x00\x00\x00xxxxjob", "\xff\xff\xff\xffxxxxjob"} {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, _, err := Open(dir); !errors.Is(err, ErrDamaged) {
			t.Errorf("job segment %q: error %v, want %v", content, err, ErrDamaged)
		}
	}
}

// A log that is acknowledged to its end leaves the disk though its segment is not full,
// and both writer and reader go on behind it.
func TestTrimOfEverythingMakesRoom(t *testing.T) {
	t.Parallel()
	l, dir := mustCreate(t)
	reader := l.Reader(1)
	appendAll(t, l, "small")
	if err := l.Trim(1); err != nil || l.First() != 1 {
		t.Errorf("a small log is cut for the sake of little: first is %d, %v", l.First(), err)
	}
	appendAll(t, l, strings.Repeat("x", spentLen))
	for want := uint64(1); want <= 2; want++ {
		if seq, _, ok, err := reader.Next(nil); seq != want || !ok || err != nil {
			t.Fatalf("record %d: %d, %t, %v", want, seq, ok, err)
		}
	}
	if err := l.Trim(1); err != nil || l.First() != 1 {
		t.Errorf("what is not acknowledged is cut: first is %d, %v", l.First(), err)
	}
	if err := l.Trim(2); err != nil || l.First() != 3 {
		t.Errorf("first is %d, want 3; %v", l.First(), err)
	}
	files, err := filepath.Glob(filepath.Join(dir, "*"+suffix))
	if err != nil || len(files) != 2 {
		t.Errorf("the log has the segments %q, want that of the job and one more; %v", files, err)
	}
	appendAll(t, l, "next")
	if seq, record, ok, err := reader.Next(nil); seq != 3 || string(record) != "next" || !ok || err != nil {
		t.Errorf("read %d %q, %t, %v", seq, record, ok, err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if l, _, err = Open(dir); err != nil || l.First() != 3 || l.Last() != 3 {
		t.Fatalf("reopened: first %d, last %d, %v", l.First(), l.Last(), err)
	}
	_ = l.Close()
}

func TestTrimDeletesOnlyWhatIsAcknowledged(t *testing.T) {
	t.Parallel()
	l, dir := mustCreate(t)
	big := strings.Repeat("x", segmentLen/2)
	appendAll(t, l, big, big, big, big, big, big, big)
	before := len(l.segments)
	if err := l.Trim(5); err != nil {
		t.Fatal(err)
	}
	if len(l.segments) >= before {
		t.Errorf("%d segments after Trim, %d before", len(l.segments), before)
	}
	if first := l.First(); first < 2 || first > 6 {
		t.Errorf("first is %d, want one of 2 to 6", first)
	}
	for seq := uint64(6); seq <= 7; seq++ {
		got, record, ok, err := l.Reader(seq).Next(nil)
		if err != nil || !ok || got != seq || len(record) != len(big) {
			t.Errorf("record %d: %d, %d bytes, %t, %v", seq, got, len(record), ok, err)
		}
	}
	if _, _, _, err := l.Reader(1).Next(nil); !errors.Is(err, ErrTrimmed) {
		t.Errorf("a trimmed record: error %v, want %v", err, ErrTrimmed)
	}
	last := l.Last()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	l, job, err := Open(dir)
	if err != nil || string(job) != "job" || l.Last() != last {
		t.Fatalf("reopened: job %q, last %d, %v", job, l.Last(), err)
	}
	_ = l.Close()
}

func TestAnySequenceOfOperationsKeepsTheRecords(t *testing.T) {
	t.Parallel()
	base, logs := t.TempDir(), 0
	rapid.Check(t, func(t *rapid.T) {
		logs++
		dir := filepath.Join(base, fmt.Sprint(logs))
		l, err := Create(dir, []byte("job"))
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = l.Close() }()
		var want [][]byte
		reader, next := l.Reader(1), uint64(1)
		t.Repeat(map[string]func(*rapid.T){
			"append": func(t *rapid.T) {
				record := rapid.SliceOf(rapid.Byte()).Draw(t, "record")
				if err := l.Append(record); err != nil {
					t.Fatal(err)
				}
				want = append(want, record)
			},
			"read": func(t *rapid.T) {
				seq, record, ok, err := reader.Next(nil)
				if err != nil {
					t.Fatal(err)
				}
				if ok != (next <= uint64(len(want))) {
					t.Fatalf("record %d of %d: there is one: %t", next, len(want), ok)
				}
				if ok && (seq != next || !bytes.Equal(record, want[next-1])) {
					t.Fatalf("record %d = %d %q, want %q", next, seq, record, want[next-1])
				}
				if ok {
					next++
				}
			},
			"seek": func(t *rapid.T) {
				next = rapid.Uint64Range(1, uint64(len(want))+1).Draw(t, "seq")
				reader.Seek(next)
			},
			"reopen": func(t *rapid.T) {
				if err := l.Close(); err != nil {
					t.Fatal(err)
				}
				if l, _, err = Open(dir); err != nil {
					t.Fatal(err)
				}
				reader = l.Reader(next)
			},
		})
	})
}

func FuzzOpen(f *testing.F) {
	f.Add([]byte("\x03\x00\x00\x00\x00\x00\x00\x00job"), []byte{})
	f.Fuzz(func(t *testing.T, job, events []byte) {
		dir := t.TempDir()
		for name, data := range map[string][]byte{"00000000000000000000.log": job, "00000000000000000001.log": events} {
			if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		l, _, err := Open(dir)
		if err != nil {
			return
		}
		defer func() { _ = l.Close() }()
		readAll(t, l.Reader(1))
	})
}
