package rendezvous

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"downbeat/internal/message"
)

// ErrRefused is wrapped by the error of a request that was answered, and not granted: it
// has waited too long, say.
var ErrRefused = errors.New("not granted")

// Call asks for something on the socket at path, and waits for the answer: the value, of
// a get.
func Call(ctx context.Context, path string, r Request) ([]byte, error) {
	client := &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", path)
		},
	}}
	request, err := newRequest(ctx, &r)
	if err != nil {
		return nil, err
	}
	response, err := client.Do(request)
	if err != nil {
		if inner, ok := errors.AsType[*url.Error](err); ok { // the URL is of our own making
			err = inner.Err
		}
		return nil, fmt.Errorf("ask the worker at %s: %w", path, err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, message.MaxSyncValue))
	if err != nil {
		return nil, fmt.Errorf("read the answer of the worker at %s: %w", path, err)
	}
	if response.StatusCode >= http.StatusMultipleChoices {
		return nil, fmt.Errorf("%w: %s", ErrRefused, strings.TrimSpace(string(body)))
	}
	return body, nil
}

func newRequest(ctx context.Context, r *Request) (*http.Request, error) {
	method, kind, query := http.MethodPost, "mark", make(url.Values)
	switch r.What {
	case message.AskBarrier:
		kind = "barrier"
		query.Set("count", strconv.Itoa(r.Count))
		query.Set("within", r.Within.String())
	case message.AskPut:
		method, kind = http.MethodPut, "value"
	case message.AskGet:
		method, kind = http.MethodGet, "value"
		query.Set("wait", r.Within.String())
	case message.AskMark:
	}
	address := url.URL{Scheme: "http", Host: "worker", Path: "/" + kind + "/" + r.Name, RawQuery: query.Encode()}
	request, err := http.NewRequestWithContext(ctx, method, address.String(), bytes.NewReader(r.Value))
	if err != nil {
		return nil, fmt.Errorf("ask for %s %s: %w", r.What, r.Name, err)
	}
	if r.Process != "" {
		request.Header.Set(ProcessHeader, r.Process)
	}
	return request, nil
}
