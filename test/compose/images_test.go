//go:build compose && linux

package compose

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// The images that the project's files are built from are made here from
// Debian's packages, under the names that the files ask for, so that no image
// registry is needed. What the files install on top of Debian is in it already;
// their own `apt-get install` has nothing left to fetch.
const (
	debianImage = "debian:bookworm-slim"
	packages    = "ca-certificates,tini,redis-server,redis-tools,systemd"
)

// brokerImage is made of the system that also serves `make test-rabbitmq4`.
const (
	brokerImage  = "rabbitmq:4"
	brokerChange = `CMD ["rabbitmq-server"]`
)

// goImage is the image with the machine's Go and the project's modules besides.
const goImage = "golang:1.26-bookworm"

const goEnviron = "ENV PATH=/usr/local/go/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin " +
	"GOPATH=/go GOPROXY=off GOTOOLCHAIN=local"

// makeImages gives the engine all base images. It needs Debian's archive and
// Go's proxy, nothing else.
func makeImages(ctx context.Context, e *engine) error {
	tar := filepath.Join(e.dir, "root.tar")
	// Containers have no way out to the archive: nobody is to look for one there.
	forget := `--customize-hook=rm -rf "$1"/etc/apt/sources.list "$1"/etc/apt/sources.list.d/* "$1"/var/lib/apt/lists/*`
	if err := e.run(ctx, "mmdebstrap", "--quiet", "--variant=minbase", "--include="+packages, forget, "bookworm", tar); err != nil {
		return err
	}
	if err := e.run(ctx, "docker", "import", tar, debianImage); err != nil {
		return err
	}
	const addBroker = `root=$(scripts/rabbitmq4) && tar -C "$root" -c . | docker import --change "$1" - "$2"`
	if err := e.run(ctx, "sh", "-ec", "cd "+root+"; "+addBroker, "sh", brokerChange, brokerImage); err != nil {
		return err
	}
	if err := e.addGo(ctx, tar); err != nil {
		return err
	}
	if err := e.run(ctx, "docker", "import", "--change", goEnviron, tar, goImage); err != nil {
		return err
	}
	return os.Remove(tar)
}

// addGo adds what a build needs of the machine's Go to a tar file: its compiler
// and the project's modules, also those that only other systems need, as
// `go mod download` asks for them.
func (e *engine) addGo(ctx context.Context, tar string) error {
	mod := filepath.Join(e.dir, "mod")
	fetch := exec.CommandContext(ctx, "sh", "-c",
		`GOPROXY="file://$(go env GOMODCACHE)/cache/download,$(go env GOPROXY)" GOMODCACHE="$0" GOFLAGS=-modcacherw go mod download`, mod)
	fetch.Dir = root
	if out, err := fetch.CombinedOutput(); err != nil {
		return fmt.Errorf("fetch the project's modules: %w\n%s", err, out)
	}
	const add = `tar -C "$(go env GOROOT)" --exclude=./test --exclude=./doc --exclude=./api --exclude='*_test.go' --exclude=testdata \
		--transform 's,^\.,usr/local/go,S' -rf "$0" . && tar -C "$1" --transform 's,^\.,go/pkg/mod,S' -rf "$0" .`
	if err := e.run(ctx, "sh", "-c", add, tar, mod); err != nil {
		return err
	}
	return os.RemoveAll(mod)
}

// run runs a command that may talk to the engine, and else knows this machine
// as its user does.
func (e *engine) run(ctx context.Context, name string, args ...string) error {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = append(append(os.Environ(), e.environ()...), "HOME="+os.Getenv("HOME"))
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s %s: %w\n%s", name, strings.Join(args, " "), err, out)
	}
	return nil
}
