package sqstest

import (
	"bytes"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
)

// chunk is how many bytes of messages SQS charges for as one request.
const chunk = 64 << 10

// A Counter stands before an emulator and counts what goes through.
type Counter struct {
	server *httptest.Server

	mu       sync.Mutex
	requests map[Request]int
}

// A Request is what is counted: how often something was done with queues of one
// kind. Where it was done with more than 64 KiB of messages, for which SQS
// charges again, it counts again as [Further].
type Request struct {
	Action string // as SQS calls it, such as ReceiveMessage
	Kind   string // jobs, control, events or dead; empty: with none of these
}

// Further is the action of what is charged beyond a request's first 64 KiB.
const Further = "further 64 KiB"

// kinds are the middle parts of queues' names.
var kinds = regexp.MustCompile(`"[^"]*-(jobs|control|events|dead)\b[^"/]*"`)

// NewCounter listens on loopback, before the emulator at the endpoint.
func NewCounter(endpoint string) (*Counter, error) {
	target, err := url.Parse(endpoint)
	if err != nil {
		return nil, err
	}
	c := &Counter{requests: make(map[Request]int)}
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target) }}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = 64
	proxy.Transport = transport
	c.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := c.count(r); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		proxy.ServeHTTP(w, r)
	}))
	return c, nil
}

func (c *Counter) count(r *http.Request) error {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return err
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	_, action, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	var to struct{ QueueURL, QueueName, QueueNamePrefix string }
	if err := json.Unmarshal(body, &to); err != nil {
		return err
	}
	kind := ""
	if found := kinds.FindStringSubmatch(`"` + to.QueueURL[strings.LastIndexByte(to.QueueURL, '/')+1:] + to.QueueName + to.QueueNamePrefix + `"`); found != nil {
		kind = found[1]
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.requests[Request{action, kind}]++
	if strings.HasPrefix(action, "SendMessage") {
		c.requests[Request{Further, kind}] += (len(body) - 1) / chunk
	}
	return nil
}

// URL is the endpoint of the counter.
func (c *Counter) URL() string { return c.server.URL }

// Take returns the requests since it was last called.
func (c *Counter) Take() Counts {
	c.mu.Lock()
	defer c.mu.Unlock()
	taken := Counts(maps.Clone(c.requests))
	clear(c.requests)
	return taken
}

// Counts is how many requests there were of each.
type Counts map[Request]int

// Total is how many requests are charged.
func (c Counts) Total() int { return c.sum(func(Request) bool { return true }) }

// Sends is how many requests brought messages to queues of one of the kinds.
func (c Counts) Sends(kinds ...string) int {
	return c.sum(func(r Request) bool {
		return strings.HasPrefix(r.Action, "SendMessage") && slices.Contains(kinds, r.Kind)
	})
}

func (c Counts) sum(which func(Request) bool) int {
	sum := 0
	for r, n := range c {
		if which(r) {
			sum += n
		}
	}
	return sum
}

// Close ends the counter; what waits for an answer gets none.
func (c *Counter) Close() {
	c.server.CloseClientConnections()
	c.server.Close()
}
