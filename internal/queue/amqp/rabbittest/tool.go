package rabbittest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// tool finds one of RabbitMQ's programs. Those of Debian's package on PATH
// change to a user of their own, so its own directory goes first.
func tool(name string) (string, error) {
	path := filepath.Join("/usr/lib/rabbitmq/bin", name)
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	path, err := exec.LookPath(name)
	if err != nil {
		return "", fmt.Errorf("%w; install RabbitMQ (Debian: apt-get install rabbitmq-server)", err)
	}
	return path, nil
}
