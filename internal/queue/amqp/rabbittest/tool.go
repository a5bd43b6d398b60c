package rabbittest

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// EnvRoot names the variable that holds the directory of a Debian system whose
// RabbitMQ is to be run instead of this machine's; scripts/debian makes one.
// Only root can do that.
const EnvRoot = "DOWNBEAT_TEST_RABBITMQ_ROOT"

// enter runs a program of the Debian system in $0, in a mount namespace of its
// own. Programs, libraries and their settings are that system's; all else, such
// as /proc, /dev and the node's directory, stays where it is.
const enter = `set -e
mount --bind "$0/etc" /etc
mount --bind "$0/usr" /usr
exec "$@"`

// command makes the command that runs one of RabbitMQ's programs.
func command(ctx context.Context, name string, args ...string) (*exec.Cmd, error) {
	root := os.Getenv(EnvRoot)
	path, err := tool(root, name)
	if err != nil {
		return nil, err
	}
	if root == "" {
		return exec.CommandContext(ctx, path, args...), nil
	}
	if os.Geteuid() != 0 {
		return nil, fmt.Errorf("only root can run the RabbitMQ in %s, for it takes mounts; be root, or unset %s", root, EnvRoot)
	}
	args = append([]string{"--mount", "--propagation=private", "sh", "-c", enter, root, path}, args...)
	return exec.CommandContext(ctx, "unshare", args...), nil
}

// tool finds one of RabbitMQ's programs, of this machine or of the system in root.
// Those of Debian's package on PATH change to a user of their own, so its own
// directory goes first.
func tool(root, name string) (string, error) {
	path := filepath.Join("/usr/lib/rabbitmq/bin", name)
	if _, err := os.Stat(filepath.Join(root, path)); err == nil {
		return path, nil
	}
	if root == "" {
		path, err := exec.LookPath(name)
		if err != nil {
			return "", fmt.Errorf("%w; install RabbitMQ (Debian: apt-get install rabbitmq-server)", err)
		}
		return path, nil
	}
	path = filepath.Join("/usr/bin", name)
	if _, err := os.Stat(filepath.Join(root, path)); err != nil {
		return "", fmt.Errorf("%w; let %s be what `scripts/debian trixie rabbitmq-server` prints", err, EnvRoot)
	}
	return path, nil
}
