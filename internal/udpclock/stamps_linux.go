package udpclock

import (
	"encoding/binary"
	"time"

	"golang.org/x/sys/unix"
)

// askForStamps has the kernel stamp what comes and what leaves. Where it can't, the clock is
// read instead.
func (s *socket) askForStamps() {
	_ = s.raw.Control(func(fd uintptr) {
		const stamps = unix.SOF_TIMESTAMPING_SOFTWARE | unix.SOF_TIMESTAMPING_RX_SOFTWARE | unix.SOF_TIMESTAMPING_TX_SOFTWARE
		_ = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_TIMESTAMPING, stamps)
		// One of the two is of the other family.
		_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_IPV6, unix.IPV6_RECVPKTINFO, 1)
		_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_PKTINFO, 1)
	})
}

// readControl reads what has come beside a datagram: when it came, and to which address, as
// the control data that has an answer leave from there.
func readControl(oob []byte) (came time.Time, by []byte) {
	for len(oob) > 0 {
		header, data, rest, err := unix.ParseOneSocketControlMessage(oob)
		if err != nil {
			return came, by
		}
		oob = rest
		switch {
		case header.Level == unix.SOL_SOCKET && header.Type == unix.SCM_TIMESTAMPING:
			came = readStamp(data)
		case header.Level == unix.IPPROTO_IPV6 && header.Type == unix.IPV6_PKTINFO && len(data) >= unix.SizeofInet6Pktinfo:
			by = unix.PktInfo6(&unix.Inet6Pktinfo{Addr: [16]byte(data)})
		case header.Level == unix.IPPROTO_IP && header.Type == unix.IP_PKTINFO && len(data) >= unix.SizeofInet4Pktinfo:
			by = unix.PktInfo4(&unix.Inet4Pktinfo{Spec_dst: [4]byte(data[4:])})
		}
	}
	return came, by
}

// readStamp reads the first of three times, that of the software; it is zero if there is none.
func readStamp(data []byte) time.Time {
	const word = 32 << (^uint(0) >> 63) / 8 // bytes of a long
	if len(data) < 2*word {
		return time.Time{}
	}
	var seconds, nanoseconds int64
	if word == 8 {
		seconds, nanoseconds = int64(binary.NativeEndian.Uint64(data)), int64(binary.NativeEndian.Uint64(data[word:]))
	} else {
		seconds, nanoseconds = int64(int32(binary.NativeEndian.Uint32(data))), int64(binary.NativeEndian.Uint32(data[word:]))
	}
	if seconds == 0 && nanoseconds == 0 {
		return time.Time{}
	}
	return time.Unix(seconds, nanoseconds)
}

// nextStamp reads the stamp of a datagram that has left, which ends with data; false where
// there is none.
func (s *socket) nextStamp() (data []byte, stamp time.Time, more bool) {
	var n, oobn int
	var failed error
	err := s.raw.Control(func(fd uintptr) {
		n, oobn, _, _, failed = unix.Recvmsg(int(fd), s.read[:], s.readOOB[:], unix.MSG_ERRQUEUE|unix.MSG_DONTWAIT)
	})
	if err != nil || failed != nil {
		return nil, time.Time{}, false
	}
	stamp, _ = readControl(s.readOOB[:oobn])
	return s.read[:n], stamp, true
}

// drain drops all that has come.
func (s *socket) drain() {
	_ = s.raw.Control(func(fd uintptr) {
		var b [Length]byte
		for range mostDrained {
			if _, _, err := unix.Recvfrom(int(fd), b[:], unix.MSG_DONTWAIT); err != nil {
				return
			}
		}
	})
}

// mostDrained is more than a socket's buffer holds.
const mostDrained = 1 << 16
