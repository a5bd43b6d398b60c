package sqstest

import (
	"maps"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
)

// chunk is how many bytes of messages SQS charges for as one request.
const chunk = 64 << 10

// A Counter stands before an emulator and counts what goes through.
type Counter struct {
	server *httptest.Server

	mu       sync.Mutex
	requests map[string]int
	sent     int64
}

// NewCounter listens on loopback, before the emulator at the endpoint.
func NewCounter(endpoint string) (*Counter, error) {
	target, err := url.Parse(endpoint)
	if err != nil {
		return nil, err
	}
	c := &Counter{requests: make(map[string]int)}
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target) }}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = 64
	proxy.Transport = transport
	c.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c.count(r)
		proxy.ServeHTTP(w, r)
	}))
	return c, nil
}

func (c *Counter) count(r *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, action, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	c.requests[action]++
	if strings.HasPrefix(action, "SendMessage") {
		c.sent += r.ContentLength
		// The first chunk is the request itself.
		c.requests["further 64 KiB"] += max(0, int(r.ContentLength-1)/chunk)
	}
}

// URL is the endpoint of the counter.
func (c *Counter) URL() string { return c.server.URL }

// Take returns how many requests of each kind there have been since it was last
// called, and how many bytes were sent as messages.
func (c *Counter) Take() (requests map[string]int, sent int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	requests, sent = maps.Clone(c.requests), c.sent
	clear(c.requests)
	c.sent = 0
	return requests, sent
}

// Close ends the counter; what waits for an answer gets none.
func (c *Counter) Close() {
	c.server.CloseClientConnections()
	c.server.Close()
}
