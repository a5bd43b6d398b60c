package amqp

import (
	"context"
	"crypto/tls"
	"net"
	"strings"
	"time"

	amqp091 "github.com/rabbitmq/amqp091-go"
)

const (
	// dialTimeout bounds the making of a TCP connection.
	dialTimeout = 5 * time.Second
	// handshakeTimeout bounds what follows: TLS, login, opening.
	handshakeTimeout = 10 * time.Second
	// heartbeat is the interval of heartbeats; a connection that is silent for one and a half
	// intervals is given up.
	heartbeat = 10 * time.Second
	// frameSize is RabbitMQ's own limit.
	frameSize = 128 << 10
)

// connect makes a connection and returns it ready for use, watched.
func (t *target) connect(ctx context.Context, name string, report func(amqp091.Blocking)) (*session, error) {
	dialer := net.Dialer{Timeout: t.dialTimeout}
	tcp, err := dialer.DialContext(ctx, "tcp", t.address())
	if err != nil {
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		return nil, t.unreachable(err)
	}
	sock := &socket{Conn: tcp}
	stop := context.AfterFunc(ctx, func() { _ = sock.Close() })
	conn, err := t.handshake(ctx, sock, name)
	if !stop() { // ctx has ended, and the socket is closed or about to be
		err = t.unreachable(ctx.Err())
	}
	if err != nil {
		_ = sock.Close() // the library's goroutines end with it
		return nil, err
	}
	// The library sets a read deadline whenever it has read something, but may remove the one
	// set at the end of the handshake.
	if silence := conn.Config.Heartbeat * 3 / 2; silence > 0 {
		_ = sock.SetReadDeadline(time.Now().Add(silence)) // fails only if it is closed, which is noticed
	}
	s := newSession(conn, sock)
	closes := conn.NotifyClose(make(chan *amqp091.Error, 1))
	blockings := conn.NotifyBlocked(make(chan amqp091.Blocking, 16))
	go s.watch(closes, blockings, report)
	return s, nil
}

// handshake makes an AMQP connection of the TCP connection.
func (t *target) handshake(ctx context.Context, sock *socket, name string) (*amqp091.Connection, error) {
	// The library removes the deadline at the end of the handshake.
	if err := sock.SetDeadline(time.Now().Add(handshakeTimeout)); err != nil {
		return nil, t.unreachable(err)
	}
	transport := &greeted{Conn: sock}
	if t.tls != nil {
		client := tls.Client(sock, t.tls)
		if err := client.HandshakeContext(ctx); err != nil {
			return nil, t.noTLS(err)
		}
		transport.Conn = client
	}
	properties := amqp091.Table{"product": "Downbeat", "connection_name": bounded(name)}
	conn, err := amqp091.Open(transport, amqp091.Config{
		SASL:       explained(t.sasl, properties),
		Vhost:      t.uri.Vhost,
		ChannelMax: t.uri.ChannelMax,
		FrameSize:  frameSize,
		Heartbeat:  t.heartbeat,
		Locale:     "en_US",
		Properties: properties,
		Recovery:   nil, // it acknowledges the wrong messages after a reconnect
	})
	if err != nil {
		return nil, t.refused(err, transport)
	}
	return conn, nil
}

// maxName bounds the name of a connection. Its first frames may have 4,096 bytes, and RabbitMQ
// hangs up on longer ones.
const maxName = 256

// bounded cuts a name that is too long.
func bounded(name string) string {
	if len(name) <= maxName {
		return name
	}
	const more = "..."
	return strings.ToValidUTF8(name[:maxName-len(more)], "") + more
}

// explained makes the broker give a reason when it refuses the login. It does that only for
// clients with a capability that the library doesn't know. The library sets the capabilities,
// asks how to log in, and sends both; so the capability is added when it asks.
func explained(sasl []amqp091.Authentication, properties amqp091.Table) []amqp091.Authentication {
	all := make([]amqp091.Authentication, len(sasl))
	for i, one := range sasl {
		all[i] = &explainedLogin{one, properties}
	}
	return all
}

type explainedLogin struct {
	amqp091.Authentication
	properties amqp091.Table
}

// Response implements [amqp091.Authentication].
func (l *explainedLogin) Response() string {
	if capabilities, ok := l.properties["capabilities"].(amqp091.Table); ok {
		capabilities["authentication_failure_close"] = true
	}
	return l.Authentication.Response()
}
