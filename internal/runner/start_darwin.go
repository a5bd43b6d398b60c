package runner

import "syscall"

// start starts p's program. On this system processes can't be held before their first
// instruction.
func (p *process) start(null int, _ bool) error {
	pid, err := syscall.ForkExec(p.path, p.command.Argv, &syscall.ProcAttr{
		Dir:   p.command.Dir,
		Env:   p.env,
		Files: p.files(null),
		Sys:   &syscall.SysProcAttr{Setpgid: !p.command.Pty, Setsid: p.command.Pty},
	})
	if err == nil {
		p.pid = pid
	}
	return err
}

func (p *process) letGo() {}

func canHold(int, *cgroup) bool { return false }

func privileged(string) bool { return false }

// This system has no cgroups.
type cgroup struct{}

func (*cgroup) dir() string { return "" }

func removeStaleCgroups(string)              {}
func cgroupBase() string                     { return "" }
func newCgroup(base string) (*cgroup, error) { return nil, nil }
func (*cgroup) kill(*system) error           { return nil }
func (*cgroup) close() error                 { return nil }
