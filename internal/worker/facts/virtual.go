package facts

import "strings"

// hypervisors are known by what they write into the machine's description.
var hypervisors = []struct{ word, name string }{
	{"amazon ec2", "amazon"},
	{"google", "google"},
	{"kvm", "kvm"},
	{"qemu", "qemu"},
	{"vmware", "vmware"},
	{"virtualbox", "virtualbox"},
	{"innotek", "virtualbox"},
	{"xen", "xen"},
	{"microsoft corporation virtual machine", "microsoft"},
	{"openstack", "openstack"},
	{"parallels", "parallels"},
	{"bochs", "bochs"},
}

// virtualisation is the hypervisor that the machine runs on: none, if it is real.
func (r *Reader) virtualisation(cpuinfo string) string {
	dmi := strings.ToLower(r.text("sys/class/dmi/id/sys_vendor") + " " + r.text("sys/class/dmi/id/product_name"))
	virtual := hasFlag(cpuinfo, "hypervisor")
	for _, h := range hypervisors {
		// On a processor that tells, a machine that is not virtual may have such a vendor too.
		if strings.Contains(dmi, h.word) && (virtual || !strings.Contains(cpuinfo, "flags")) {
			return h.name
		}
	}
	switch kind := r.text("sys/hypervisor/type"); {
	case kind != "":
		return kind
	case virtual && strings.Contains(r.text("proc/cmdline"), "firecracker"):
		return "firecracker"
	case virtual:
		return "some hypervisor"
	case cpuinfo == "":
		return ""
	}
	return "none"
}

// hasFlag reports whether the processors have a feature.
func hasFlag(cpuinfo, flag string) bool {
	_, rest, ok := strings.Cut(cpuinfo, "\nflags")
	if !ok {
		return false
	}
	line, _, _ := strings.Cut(rest, "\n")
	for word := range strings.FieldsSeq(line) {
		if word == flag {
			return true
		}
	}
	return false
}

// container is what kind of container the worker is in: none, if no trace of one is found.
func (r *Reader) container() string {
	switch {
	case r.exists("run/.containerenv"):
		return "podman"
	case r.exists(".dockerenv"):
		return "docker"
	case r.text("run/systemd/container") != "":
		return r.text("run/systemd/container")
	}
	groups := r.text("proc/1/cgroup")
	for _, kind := range []string{"kubepods", "docker", "lxc", "containerd"} {
		if strings.Contains(groups, kind) {
			return kind
		}
	}
	if groups == "" {
		return ""
	}
	return "none"
}
