package facts

import (
	"os"
	"path/filepath"
	"testing"

	"downbeat/internal/facts"
	"downbeat/internal/testkit"
)

// tree is a file system with these files.
func tree(t *testing.T, files map[string]string) *Reader {
	t.Helper()
	root := t.TempDir()
	for name, text := range files {
		path := filepath.Join(root, name)
		testkit.Check(t, os.MkdirAll(filepath.Dir(path), 0o700))
		testkit.Check(t, os.WriteFile(path, []byte(text), 0o600))
	}
	r := New()
	r.root = root
	return r
}

const twoCores = `processor	: 0
model name	: AMD EPYC
physical id	: 0
core id		: 0
flags		: fpu sse hypervisor

processor	: 1
model name	: AMD EPYC
physical id	: 0
core id		: 0
flags		: fpu sse hypervisor

processor	: 2
physical id	: 1
core id		: 0
`

func TestFactsAreReadFromTheKernel(t *testing.T) {
	t.Parallel()
	r := tree(t, map[string]string{
		"proc/sys/kernel/ostype": "Linux\n", "proc/sys/kernel/osrelease": "6.1.0-18-amd64\n", "proc/sys/kernel/random/boot_id": "b-1\n",
		"etc/os-release": "NAME=\"Debian\"\nPRETTY_NAME=\"Debian GNU/Linux 12\"\n",
		"proc/cpuinfo":   twoCores, "proc/meminfo": "MemTotal:  2048 kB\nMemFree: 1 kB\nSwapTotal: 1024 kB\n", "proc/loadavg": "0.42 1.00 2.00 1/2 3\n",
		"sys/devices/system/node/node0/x": "", "sys/devices/system/node/node1/x": "",
		"sys/devices/system/cpu/cpufreq/policy0/scaling_governor": "powersave\n", "sys/devices/system/cpu/cpufreq/policy1/scaling_governor": "performance\n",
		"sys/devices/system/cpu/intel_pstate/no_turbo": "1\n", "sys/devices/system/cpu/smt/control": "on\n",
		"sys/kernel/mm/transparent_hugepage/enabled":                      "always [madvise] never\n",
		"sys/devices/system/clocksource/clocksource0/current_clocksource": "tsc\n",
		"sys/class/dmi/id/sys_vendor":                                     "QEMU\n",
		"proc/1/cgroup":                                                   "0::/init.scope\n",
		"proc/self/cgroup":                                                "0::/a/b\n",
		"sys/fs/cgroup/a/cpu.max":                                         "50000 100000\n",
		"sys/fs/cgroup/a/b/memory.max":                                    "1048576\n",
	})
	f := r.Host()
	if f.Load == nil || *f.Load != 0.42 {
		t.Errorf("load: %v", f.Load)
	}
	f.Load, f.Machine, f.Arch = nil, "", ""
	want := facts.HostFacts{
		Boot: "b-1", Kernel: "Linux 6.1.0-18-amd64", Distribution: "Debian GNU/Linux 12", CPU: "AMD EPYC", Cores: 2, Threads: 3, CPUs: 0.5, NUMANodes: 2,
		Governor: "performance, powersave", Turbo: "off", SMT: "on", MemoryBytes: 2 << 20, MemoryLimitBytes: 1 << 20, SwapBytes: 1 << 20,
		THP: "madvise", ClockSource: "tsc", Virtualisation: "qemu", Container: "none",
	}
	if d := difference(f, want); d != "" {
		t.Error(d)
	}
}

func TestWhatCannotBeReadIsLeftOut(t *testing.T) {
	t.Parallel()
	f := tree(t, nil).Host()
	f.Machine, f.Arch, f.CPUs = "", "", 0
	if d := difference(f, facts.HostFacts{}); d != "" {
		t.Error(d)
	}
}

func TestVersionOneLimits(t *testing.T) {
	t.Parallel()
	r := tree(t, map[string]string{
		"proc/self/cgroup": "4:memory:/m\n1:cpu,cpuacct:/c\n", "proc/meminfo": "MemTotal: 4096 kB\n",
		"sys/fs/cgroup/cpu/c/cpu.cfs_quota_us": "25000\n", "sys/fs/cgroup/cpu/c/cpu.cfs_period_us": "100000\n", "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1\n",
		"sys/fs/cgroup/memory/m/memory.limit_in_bytes": "9223372036854771712\n",
	})
	if cpus, memory := r.limits(); cpus != 0.25 || memory != 0 {
		t.Errorf("limits: %v CPUs and %d bytes, want 0.25 and none", cpus, memory)
	}
}

func TestMachinesAndContainersAreTold(t *testing.T) {
	t.Parallel()
	metal := "processor: 0\nflags: fpu sse\n"
	for name, c := range map[string]struct {
		files              map[string]string
		machine, container string
	}{
		"a real machine":      {map[string]string{"proc/cpuinfo": "\n" + metal, "sys/class/dmi/id/sys_vendor": "Dell", "proc/1/cgroup": "0::/"}, "none", "none"},
		"Google's own server": {map[string]string{"proc/cpuinfo": "\n" + metal, "sys/class/dmi/id/sys_vendor": "Google"}, "none", ""},
		"Xen":                 {map[string]string{"proc/cpuinfo": "\n" + metal, "sys/hypervisor/type": "xen"}, "xen", ""},
		"Firecracker":         {map[string]string{"proc/cpuinfo": "\n" + twoCores, "proc/cmdline": "--firecracker-init", ".dockerenv": ""}, "firecracker", "docker"},
		"nobody knows":        {map[string]string{"proc/cpuinfo": "\n" + twoCores, "run/systemd/container": "lxc"}, "some hypervisor", "lxc"},
		"Kubernetes":          {map[string]string{"proc/1/cgroup": "0::/kubepods/x"}, "", "kubepods"},
		"Podman":              {map[string]string{"run/.containerenv": ""}, "", "podman"},
	} {
		f := tree(t, c.files).Host()
		if f.Virtualisation != c.machine || f.Container != c.container {
			t.Errorf("%s: %q and %q, want %q and %q", name, f.Virtualisation, f.Container, c.machine, c.container)
		}
	}
}
