//go:build compose && linux

package compose

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// The images that the project's files are built from are made here from
// Debian's packages, under the names that the files ask for, so that no image
// registry is needed. What the files install on top of Debian is in it already;
// their own `apt-get install` has nothing left to fetch. What does not change from
// one time to the next is kept in ~/.cache/downbeat.
const (
	debianImage  = "debian:bookworm-slim"
	debianChange = `CMD ["bash"]`
	debian       = "scripts/debian bookworm ca-certificates tini redis-server redis-tools systemd"
)

// brokerImage is made of the system that also serves `make test-rabbitmq4`.
const (
	brokerImage  = "rabbitmq:4"
	brokerChange = `CMD ["rabbitmq-server"]`
)

// goImage is debianImage with the machine's Go besides, the project's modules, and what
// the compiler made of them.
const (
	goImage   = "golang:1.26-bookworm"
	goEnviron = "ENV PATH=/usr/local/go/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin " +
		"GOPATH=/go GOCACHE=/go/build GOPROXY=off GOTOOLCHAIN=local"
)

// pack writes a system into a tar file. Containers have no way out to the archive:
// nobody is to look for one there.
const pack = `tar -C "$(%s)" --exclude='./etc/apt/sources.list*' --exclude='./var/lib/apt/lists/*' -cf "$0" .`

// addGo adds the machine's Go to a tar file, and what is kept for it in a directory: the
// project's modules, also those that only other systems need, as the Dockerfile's
// `go mod download` asks for them, and the packages of others that its `go build` needs,
// compiled as it compiles them.
const addGo = `
kept=${XDG_CACHE_HOME:-$HOME/.cache}/downbeat/go-image
export GOPROXY="file://$(go env GOMODCACHE)/cache/download,$(go env GOPROXY)" GOMODCACHE="$kept/pkg/mod" GOCACHE="$kept/build"
export CGO_ENABLED=0 GOFLAGS='-modcacherw -trimpath -buildvcs=false'
go mod download
go build $(go list -deps -f '{{if and .Module (not .Module.Main)}}{{.ImportPath}}{{end}}' ./cmd/...)
tar -C "$(go env GOROOT)" --exclude=./test --exclude=./doc --exclude=./api --exclude='*_test.go' --exclude=testdata \
	--transform 's,^\.,usr/local/go,S' -rf "$0" .
tar -C "$kept" --transform 's,^\.,go,S' -rf "$0" .
`

// A base is an image, the system that it is made of, what is added to it, and the
// instruction that is applied.
type base struct{ name, system, add, change string }

var bases = []base{
	{name: debianImage, system: debian, change: debianChange},
	{name: goImage, system: debian, add: addGo, change: goEnviron},
	{name: brokerImage, system: "scripts/debian trixie rabbitmq-server", change: brokerChange},
}

// madeOf is the label that says what an image was made of.
const madeOf = "downbeat.made-of"

// makeImages gives the engine all base images. It needs Debian's archive and
// Go's proxy, nothing else, and these only for what is not kept.
func makeImages(ctx context.Context, e *engine) error {
	for _, b := range bases {
		hash, err := b.hash(ctx, e)
		if err != nil {
			return err
		}
		if e.has(ctx, b.name, hash) {
			continue
		}
		tar := filepath.Join(e.dir, "image.tar")
		if err := e.script(ctx, fmt.Sprintf(pack, b.system)+b.add, tar); err != nil {
			return err
		}
		if err := e.run(ctx, "docker", "import", "--change="+b.change, "--change=LABEL "+madeOf+"="+hash, tar, b.name); err != nil {
			return err
		}
		if err := os.Remove(tar); err != nil {
			return err
		}
	}
	return nil
}

// hash stands for all that the image is made of: a system's directory is made once, and another
// one in its place has other numbers.
func (b base) hash(ctx context.Context, e *engine) (string, error) {
	script := fmt.Sprintf("stat --format='%%n %%i %%W' \"$(%s)\"\n", b.system)
	if b.add != "" {
		script += "go version; cat go.mod go.sum\n"
	}
	parts, err := e.output(ctx, "sh", "-ec", "cd "+root+"\n"+script)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%x", sha256.Sum256([]byte(strings.Join([]string{string(parts), pack, b.add, b.change}, "\x00")))), nil
}

// has reports whether the engine has kept an image that was made of just that.
func (e *engine) has(ctx context.Context, name, hash string) bool {
	label, err := e.output(ctx, "docker", "image", "inspect", "--format={{index .Config.Labels \""+madeOf+"\"}}", name)
	return err == nil && strings.TrimSpace(string(label)) == hash
}

// script runs a shell script in the project's directory; args are $0, $1 and so on.
func (e *engine) script(ctx context.Context, script string, args ...string) error {
	return e.run(ctx, "sh", append([]string{"-ec", "cd " + root + "\n" + script}, args...)...)
}

// run runs a command that may talk to the engine, and else knows this machine
// as its user does.
func (e *engine) run(ctx context.Context, name string, args ...string) error {
	_, err := e.output(ctx, name, args...)
	return err
}

// output does the same, and returns what the command prints to its standard output.
func (e *engine) output(ctx context.Context, name string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = append(append(os.Environ(), e.environ()...), "HOME="+os.Getenv("HOME"))
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("%s %s: %w\n%s%s", name, strings.Join(args, " "), err, &stdout, &stderr)
	}
	return stdout.Bytes(), nil
}
