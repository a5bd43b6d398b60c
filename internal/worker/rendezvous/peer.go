package rendezvous

import (
	"context"
	"net"
	"net/http"

	"downbeat/internal/message"
)

// peerKey is under which a connection's context has the name of the process.
type peerKey struct{}

// withPeer finds out once for each connection who is at its other end.
func withPeer(ctx context.Context, conn net.Conn) context.Context {
	return context.WithValue(ctx, peerKey{}, peer(conn))
}

// processOf is the name of the process that asks, for people: empty if it is not known,
// or not a name.
func processOf(r *http.Request) string {
	name, _ := r.Context().Value(peerKey{}).(string)
	if name == "" {
		name = r.Header.Get(ProcessHeader)
	}
	if message.CheckName(name) != nil {
		return ""
	}
	return name
}
