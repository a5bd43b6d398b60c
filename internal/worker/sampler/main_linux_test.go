package sampler

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"downbeat/internal/samples"
	"downbeat/internal/testkit"
)

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && strings.HasPrefix(os.Args[1], rolePrefix) {
		os.Exit(play(strings.TrimPrefix(os.Args[1], rolePrefix), os.Args[2:]))
	}
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil { // as a worker is
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	goleak.VerifyTestMain(m)
}

const rolePrefix = "role:"

// play is what the test binary does as a process of a run: each item in its turn. After "say" it
// tells what it has used and goes on once it reads a line.
func play(name string, items []string) int {
	if name != "run" {
		return 2
	}
	input := bufio.NewReader(os.Stdin)
	for _, item := range items {
		what, arg, _ := strings.Cut(item, "=")
		n, _ := strconv.Atoi(arg)
		switch what {
		case "burn": // so many milliseconds of CPU time
			burn(time.Duration(n) * time.Millisecond)
		case "say":
			fmt.Println(used(unix.RUSAGE_SELF).Milliseconds(), used(unix.RUSAGE_CHILDREN).Milliseconds())
			if _, err := input.ReadString('\n'); err != nil {
				return 0
			}
		case "open": // so many descriptors
			for range n {
				if _, err := unix.Open("/dev/null", unix.O_RDONLY, 0); err != nil {
					return 3
				}
			}
		case "threads": // so many more threads, that are switched
			for range n {
				go func() {
					ts := unix.Timespec{Nsec: 1e6}
					for {
						_ = unix.Nanosleep(&ts, nil) // a thread waits in it
					}
				}()
			}
		case "ignore": // what becomes of children
			_, _, _ = syscall.RawSyscall6(syscall.SYS_RT_SIGACTION, uintptr(unix.SIGCHLD), uintptr(unsafe.Pointer(&ignored)), 0, 8, 0, 0)
		case "child": // has one that does what it says, to its end
			if err := again(arg).Run(); err != nil && !strings.Contains(err.Error(), "no child processes") {
				fmt.Println(err)
				return 4
			}
		case "begin": // begins one, and goes on
			if err := again(arg).Start(); err != nil {
				return 4
			}
		case "orphan": // begins one in a session of its own, and ends
			c := again(arg)
			c.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
			if err := c.Start(); err != nil {
				return 4
			}
			return 0
		}
	}
	return 0
}

// ignored is the kernel's struct for a signal that is ignored.
var ignored = struct {
	handler, flags, restorer uintptr
	mask                     uint64
}{handler: 1}

// again is this program with other items, which are separated by commas and have : for =. In those
// of its own children these are ; and ~.
func again(items string) *exec.Cmd {
	args := []string{rolePrefix + "run"}
	for item := range strings.SplitSeq(strings.ReplaceAll(items, ":", "="), ",") {
		args = append(args, strings.NewReplacer(";", ",", "~", ":").Replace(item))
	}
	c := exec.Command("/proc/self/exe", args...)
	c.Stdin, c.Stdout, c.Stderr = os.Stdin, os.Stdout, os.Stderr
	return c
}

func used(who int) time.Duration {
	var usage unix.Rusage
	_ = unix.Getrusage(who, &usage)
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

func burn(d time.Duration) {
	for began := used(unix.RUSAGE_SELF); used(unix.RUSAGE_SELF)-began < d; {
		continue
	}
}

// A process is one of a test, with what it says.
type process struct {
	t     testing.TB
	cmd   *exec.Cmd
	in    io.WriteCloser
	out   *bufio.Reader
	ended bool
}

// start has a process do these things.
func start(t testing.TB, env []string, items ...string) *process {
	t.Helper()
	cmd := exec.Command("/proc/self/exe", append([]string{rolePrefix + "run"}, items...)...)
	cmd.Env = append(os.Environ(), env...)
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	in, err := cmd.StdinPipe()
	testkit.Check(t, err)
	out, err := cmd.StdoutPipe()
	testkit.Check(t, err)
	testkit.Check(t, cmd.Start())
	p := &process{t: t, cmd: cmd, in: in, out: bufio.NewReader(out)}
	t.Cleanup(p.end)
	return p
}

// said waits until somebody says something: what it has used itself, and its children, in ms.
func (p *process) said() (self, children int64) {
	p.t.Helper()
	line, err := p.out.ReadString('\n')
	testkit.Check(p.t, err)
	if _, err := fmt.Sscan(line, &self, &children); err != nil {
		p.t.Fatalf("%q: %v", line, err)
	}
	return self, children
}

// goOn lets the one go on that has said something.
func (p *process) goOn() {
	p.t.Helper()
	_, err := p.in.Write([]byte("\n"))
	testkit.Check(p.t, err)
}

func (p *process) pid() int { return p.cmd.Process.Pid }

// end has all of them end, and waits for that.
func (p *process) end() {
	if p.ended {
		return
	}
	p.ended = true
	_ = p.in.Close()
	_, _ = io.Copy(io.Discard, p.out) // until nobody can say anything any more
	_ = p.cmd.Wait()
}

// take takes a sample, as values by table and name.
func take(t *testing.T, s *Sampler) map[string][]int64 {
	t.Helper()
	var b samples.Builder
	s.Sample(&b, time.Now())
	file := samples.Append([]byte(samples.Header), b.Block())
	row, err := samples.NewReader(strings.NewReader(string(file))).Next()
	testkit.Check(t, err)
	values := make(map[string][]int64)
	for i, v := range row.Values {
		values[row.Tables[row.Subjects[i].Table].Name+"/"+row.Subjects[i].Name] = v
	}
	return values
}
