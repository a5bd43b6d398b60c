package udpclock

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"time"
)

// A socket sends and receives datagrams, and says when they left and came: by the kernel's
// stamps where it stamps, else by the clock just before and just after. One goroutine at a
// time may receive.
type socket struct {
	conn *net.UDPConn
	raw  syscall.RawConn
	in   [Length + 1]byte // one more, to tell what is too long
	oob  [256]byte

	mu      sync.Mutex // guards what follows
	wall    *wall
	suspect bool // the wall clock was stepped: what has come until now may bear stamps from before
	sent    []departure
	read    [512]byte
	readOOB [256]byte
}

// A departure is a datagram that was sent, and whose stamp may come.
type departure struct {
	sum    [sumLength]byte
	before time.Time // it had not left yet
	steps  int       // of the wall clock, until then
	left   func(at time.Time)
}

// mostDepartures is how many stamps are waited for. They come at once, or soon.
const mostDepartures = 32

// listen opens a socket at an address such as ":0".
func listen(addr string) (*socket, error) {
	conn, err := (&net.ListenConfig{}).ListenPacket(context.Background(), "udp", addr)
	if err != nil {
		return nil, fmt.Errorf("open a socket for probes of the clock: %w", err)
	}
	s := &socket{conn: conn.(*net.UDPConn), wall: newWall()}
	if s.raw, err = s.conn.SyscallConn(); err != nil {
		return nil, fmt.Errorf("open a socket for probes of the clock: %w", err)
	}
	s.askForStamps()
	return s, nil
}

// A packet is a datagram that has come.
type packet struct {
	data []byte // valid until the next one
	from netip.AddrPort
	by   []byte    // control data with which an answer leaves from where the packet came to
	at   time.Time // it had come by then, and hardly before
}

// receive waits for the next datagram.
func (s *socket) receive() (packet, error) {
	n, oobn, _, from, err := s.conn.ReadMsgUDPAddrPort(s.in[:], s.oob[:])
	now := time.Now()
	if err != nil {
		return packet{}, err
	}
	came, by := readControl(s.oob[:oobn])
	p := packet{data: s.in[:n], from: from, by: by, at: now}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.check()
	if s.suspect {
		s.drain() // what comes from here on has stamps of the stepped clock
		s.suspect = false
	} else if !came.IsZero() {
		if at := s.wall.at(came); !at.earliest.After(now) && at.latest.Before(now) {
			p.at = at.latest
		}
	}
	return p, nil
}

// check looks whether the wall clock was stepped.
func (s *socket) check() { s.suspect = s.wall.check() || s.suspect }

// send sends a datagram, and returns when it had not left yet. When it is known more exactly
// when it left, left is told, with the socket locked, during this call or a later one.
func (s *socket) send(b []byte, to netip.AddrPort, by []byte, left func(at time.Time)) (before time.Time, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.check()
	d := departure{sum: [sumLength]byte(b[headLength:]), steps: s.wall.steps, left: left, before: time.Now()}
	if _, _, err := s.conn.WriteMsgUDPAddrPort(b, by, to); err != nil {
		return d.before, err
	}
	if len(s.sent) == mostDepartures {
		s.sent = append(s.sent[:0], s.sent[1:]...)
	}
	s.sent = append(s.sent, d)
	s.departures()
	return d.before, nil
}

// collect tells of what has left since.
func (s *socket) collect() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.departures()
}

// departures reads the stamps of what has left.
func (s *socket) departures() {
	for {
		data, stamp, more := s.nextStamp()
		if !more {
			return
		}
		if len(data) < Length || stamp.IsZero() {
			continue
		}
		sum := [sumLength]byte(data[len(data)-sumLength:])
		for i := range s.sent {
			if d := s.sent[i]; d.sum == sum {
				s.sent = append(s.sent[:i], s.sent[i+1:]...)
				s.left(d, stamp)
				break
			}
		}
	}
}

// left tells of a departure, unless the wall clock was stepped meanwhile.
func (s *socket) left(d departure, stamp time.Time) {
	s.check()
	now := time.Now()
	if at := s.wall.at(stamp).earliest; d.steps == s.wall.steps && at.After(d.before) && at.Before(now) {
		d.left(at)
	}
}

func (s *socket) close() error { return s.conn.Close() }
