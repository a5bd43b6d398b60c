//go:build unix && !linux

package worker

import "golang.org/x/sys/unix"

// allowAll makes a directory readable and writable for its owner, and does not
// follow a link. Whoever needs it finds out whether it worked.
func allowAll(above int, name string) {
	if isDir(above, name) {
		_ = unix.Fchmodat(above, name, 0o700, unix.AT_SYMLINK_NOFOLLOW)
	}
}

func isMountPoint(above int, name string) bool { return onOtherDevice(above, name) }
