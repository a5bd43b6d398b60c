package rendezvous

import (
	"bytes"
	"fmt"
	"net"
	"os"

	"golang.org/x/sys/unix"

	"downbeat/internal/message"
)

// peer is the name of the process at the other end of a connection, as the worker had
// told it; empty if it can't be known.
func peer(conn net.Conn) string {
	local, ok := conn.(*net.UnixConn)
	if !ok {
		return ""
	}
	raw, err := local.SyscallConn()
	if err != nil {
		return ""
	}
	var credentials *unix.Ucred
	if controlErr := raw.Control(func(fd uintptr) {
		credentials, err = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	}); controlErr != nil || err != nil {
		return ""
	}
	environment, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", credentials.Pid))
	if err != nil {
		return ""
	}
	for entry := range bytes.SplitSeq(environment, []byte{0}) {
		if name, ok := bytes.CutPrefix(entry, []byte(message.EnvPrefix+"PROCESS=")); ok {
			return string(name)
		}
	}
	return ""
}
