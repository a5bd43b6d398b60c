// Package proxy stands between a client and a broker and does what networks do:
// it hangs up, refuses, and falls silent.
package proxy

import (
	"io"
	"net"
	"net/url"
	"sync"
	"testing"
)

// A Proxy forwards connections to a broker. Its methods may be called concurrently.
type Proxy struct {
	t        testing.TB
	listener net.Listener
	target   string
	wg       sync.WaitGroup

	mu      sync.Mutex
	refuse  bool // new connections
	stalled bool // new connections too
	pairs   map[*pair]struct{}
	made    int // connections so far
}

// A pair is a client's connection and ours to RabbitMQ. While it is stalled it
// reads nothing and writes nothing, and hangs up on nobody.
type pair struct {
	client, server net.Conn
	mu             sync.Mutex
	flows          sync.Cond
	stalled, cut   bool
}

// New listens on loopback until the test ends and forwards to the broker at
// rawURL; it returns the URL that leads through it.
func New(t testing.TB, rawURL string) (*Proxy, string) {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return On(t, listener, rawURL)
}

// On is New with a listener, which it closes.
func On(t testing.TB, listener net.Listener, rawURL string) (*Proxy, string) {
	t.Helper()
	u, err := url.Parse(rawURL)
	if err != nil {
		t.Fatal(err)
	}
	p := &Proxy{t: t, listener: listener, target: u.Host, pairs: make(map[*pair]struct{})}
	p.wg.Go(p.accept)
	t.Cleanup(func() {
		_ = listener.Close()
		p.Cut()
		p.wg.Wait()
	})
	u.Host = listener.Addr().String()
	return p, u.String()
}

func (p *Proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		p.serve(client)
	}
}

func (p *Proxy) serve(client net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.refuse {
		_ = client.Close()
		return
	}
	server, err := (&net.Dialer{}).DialContext(p.t.Context(), "tcp", p.target)
	if err != nil {
		_ = client.Close()
		return
	}
	c := &pair{client: client, server: server, stalled: p.stalled}
	c.flows.L = &c.mu
	p.pairs[c] = struct{}{}
	p.made++
	p.wg.Go(func() {
		var there sync.WaitGroup
		there.Go(func() { c.forward(client, server) })
		c.forward(server, client)
		there.Wait()
		p.mu.Lock()
		defer p.mu.Unlock()
		delete(p.pairs, c)
	})
}

func (c *pair) forward(to io.Writer, from io.Reader) {
	defer c.hangUp()
	buffer := make([]byte, 64<<10)
	for c.await() {
		n, err := from.Read(buffer)
		if !c.await() { // stalled while it read: hold what there is
			return
		}
		if _, werr := to.Write(buffer[:n]); err != nil || werr != nil {
			return
		}
	}
}

// await waits while the pair is stalled; false: it has been cut.
func (c *pair) await() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.stalled && !c.cut {
		c.flows.Wait()
	}
	return !c.cut
}

func (c *pair) hangUp() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cut = true
	c.flows.Broadcast()
	_ = c.client.Close()
	_ = c.server.Close()
}

func (c *pair) stall(stalled bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stalled = stalled
	c.flows.Broadcast()
}

func (p *Proxy) each(f func(*pair)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.pairs {
		f(c)
	}
}

// Cut hangs up on all connections; new ones are taken.
func (p *Proxy) Cut() { p.each((*pair).hangUp) }

// Down hangs up on all connections and refuses new ones, until Up.
func (p *Proxy) Down() {
	p.mu.Lock()
	p.refuse = true
	p.mu.Unlock()
	p.Cut()
}

// Up takes connections again.
func (p *Proxy) Up() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.refuse = false
}

// Stall stops the connections that there are; new ones work.
func (p *Proxy) Stall() { p.each(func(c *pair) { c.stall(true) }) }

// StallAll stops all connections, also new ones, until Flow.
func (p *Proxy) StallAll() {
	p.mu.Lock()
	p.stalled = true
	p.mu.Unlock()
	p.Stall()
}

// Flow lets all connections go on.
func (p *Proxy) Flow() {
	p.mu.Lock()
	p.stalled = false
	p.mu.Unlock()
	p.each(func(c *pair) { c.stall(false) })
}

// Connections is how many have been made so far.
func (p *Proxy) Connections() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.made
}
