//go:build compose && linux

package compose

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// boot is the first process of a machine with systemd. On a host with cgroup
// v1, systemd gets a branch of the v2 hierarchy of its own, as it has on
// machines of today; with v2 the engine has given it one already. Mounts are
// shared as on a real machine: that is how services get their credentials.
const boot = `
mount --make-rshared /
if [ "$(stat -f -c %T /sys/fs/cgroup)" != cgroup2fs ]; then
	umount -R /sys/fs/cgroup
	mount -t cgroup2 cgroup2 /sys/fs/cgroup
	mkdir -p "/sys/fs/cgroup/$0/nevis"
	echo $$ >"/sys/fs/cgroup/$0/nevis/cgroup.procs"
	exec unshare --cgroup sh -c 'umount /sys/fs/cgroup; mount -t cgroup2 cgroup2 /sys/fs/cgroup; exec /lib/systemd/systemd'
fi
exec /lib/systemd/systemd
`

// nevisDockerfile follows docs/operations.md.
const nevisDockerfile = `FROM debian:bookworm-slim
RUN apt-get update && apt-get install --yes --no-install-recommends systemd
COPY --from=downbeat /usr/local/bin/worker /usr/local/bin/
RUN useradd --system --home-dir /var/lib/downbeat --shell /usr/sbin/nologin downbeat && \
    install -d /etc/downbeat /srv/downbeat && \
    ln -s /trusted/downbeat.pub /etc/downbeat/trusted-keys
COPY worker.env /etc/downbeat/
COPY downbeat-worker.service /etc/systemd/system/
RUN printf '[Service]\nWatchdogSec=2s\n' >/tmp/watchdog.conf && \
    install -D -m 644 /tmp/watchdog.conf /etc/systemd/system/downbeat-worker.service.d/test.conf && \
    systemctl enable downbeat-worker
`

// systemdServes boots a machine with systemd and the unit, beside the cluster's
// workers: it serves its host, in cgroups of its own, is started again when it
// dies or hangs, and leaves in order.
func systemdServes(t *testing.T, c *cluster) {
	m := bootMachine(t, c)
	m.awaitState(t, "active")

	c.write(t, "nevis.json", `{"name": "nevis", "hosts": {"nevis": ["id -un", "cat /proc/self/cgroup", "sh -c 'echo ${NOTIFY_SOCKET-none} ${WATCHDOG_USEC-none}'"]}}`)
	out := succeeds(t, c, "nevis.json")
	for _, want := range []string{"nevis/0 | downbeat\n", "/system.slice/downbeat-worker.service/downbeat-", "nevis/2 | none none\n"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}

	m.do(t, "systemctl", "kill", "--kill-whom=main", "--signal=KILL", unit)
	m.awaitRestarts(t, "1")
	m.do(t, "systemctl", "kill", "--kill-whom=main", "--signal=STOP", unit) // the watchdog notices
	m.awaitRestarts(t, "2")

	c.write(t, "long-nevis.json", `{"name": "long-nevis", "hosts": {"nevis": ["sh -c 'echo up; exec sleep 600'"]}}`)
	p := c.publish(t, "long-nevis.json")
	p.await(t, "nevis/0 | up\n")
	m.do(t, "systemctl", "stop", unit)
	if status := p.wait(t); status != 1 || !strings.Contains(p.stderr.String(), "nevis: the worker on this host is shutting down") {
		t.Errorf("publish exited with status %d, want 1 and why in\n%s", status, &p.stderr)
	}
	if got := m.show(t, "Result"); got != "success" {
		t.Errorf("the service's result is %s, want success\n%s", got, m.do(t, "journalctl", "--unit="+unit, "--no-pager"))
	}
}

const unit = "downbeat-worker"

// A machine is a container in which systemd has booted.
type machine struct {
	c    *cluster
	name string
}

func bootMachine(t *testing.T, c *cluster) *machine {
	t.Helper()
	dir := t.TempDir()
	service, err := os.ReadFile(filepath.Join(c.dir, "deploy/systemd/downbeat-worker.service"))
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"Dockerfile": nevisDockerfile, "downbeat-worker.service": string(service),
		"worker.env": "DOWNBEAT_QUEUE_URL=amqp://downbeat:downbeat@rabbitmq/\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	m := &machine{c, "nevis"}
	c.do(t, "docker", "build", "--tag", "nevis", dir)
	t.Cleanup(func() {
		if out, err := c.in(context.Background(), "docker", "rm", "--force", "--volumes", m.name).CombinedOutput(); err != nil {
			t.Errorf("remove the machine: %v\n%s", err, out)
		}
	})
	c.do(t, "docker", "run", "--detach", "--name", m.name, "--hostname", m.name, "--network="+c.network(),
		"--cap-add=SYS_ADMIN", "--security-opt=seccomp=unconfined", "--security-opt=apparmor=unconfined",
		"--volume="+c.name+"_trusted:/trusted:ro", "--tmpfs=/run", "--env=container=docker", "nevis", "sh", "-c", boot, docker.cgroup)
	return m
}

func (m *machine) do(t *testing.T, args ...string) string {
	t.Helper()
	return m.c.do(t, append([]string{"docker", "exec", m.name}, args...)...)
}

// show is a property of the unit; empty while systemd has not booted so far.
func (m *machine) show(t *testing.T, property string) string {
	t.Helper()
	out, err := m.c.in(t.Context(), "docker", "exec", m.name, "systemctl", "show", "--value", "--property="+property, unit).Output()
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(out))
}

func (m *machine) awaitState(t *testing.T, state string) {
	t.Helper()
	waitFor(t, unit+" is "+state, func() bool { return m.show(t, "ActiveState") == state })
}

// awaitRestarts waits until the unit has been started again so often, and serves.
func (m *machine) awaitRestarts(t *testing.T, times string) {
	t.Helper()
	waitFor(t, times+" restarts", func() bool {
		return m.show(t, "NRestarts") == times && strings.HasPrefix(m.show(t, "StatusText"), "serving nevis at ")
	})
}
