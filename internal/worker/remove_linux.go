package worker

import (
	"strconv"

	"golang.org/x/sys/unix"
)

// allowAll makes a directory readable and writable for its owner: through a handle
// of its own, which is of a directory and of no link, whatever its name leads to by
// then. Whoever needs it finds out whether it worked.
func allowAll(above int, name string) {
	fd, err := unix.Openat(above, name, unix.O_PATH|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return
	}
	defer func() { _ = unix.Close(fd) }()
	_ = unix.Chmod("/proc/self/fd/"+strconv.Itoa(fd), 0o700)
}

// isMountPoint reports whether something is mounted at a directory, be it of the
// same file system (a bind mount).
func isMountPoint(above int, name string) bool {
	var st unix.Statx_t
	err := unix.Statx(above, name, unix.AT_SYMLINK_NOFOLLOW|unix.AT_NO_AUTOMOUNT, unix.STATX_INO, &st)
	if err == nil && st.Attributes_mask&unix.STATX_ATTR_MOUNT_ROOT != 0 {
		return st.Attributes&unix.STATX_ATTR_MOUNT_ROOT != 0
	}
	return onOtherDevice(above, name) // before Linux 5.8
}
