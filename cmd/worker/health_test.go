package main

import (
	"context"
	"io"
	"net"
	"net/http"
	"testing"
)

// A client that holds a connection and asks nothing keeps no worker from leaving
// in order.
func TestAClientOfMetricsThatAsksNothingIsHungUpOn(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	conn, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if _, err := io.WriteString(conn, "GET /metrics HTTP/1.1\r\n"); err != nil { // the rest never comes
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error)
	go func() { served <- serveUntil(ctx, listener, http.NotFoundHandler()) }()
	if answer, err := http.Get("http://" + listener.Addr().String()); err != nil { // so it has taken the first, too
		t.Error(err)
	} else {
		_ = answer.Body.Close()
	}
	cancel()
	if err := <-served; err != nil {
		t.Errorf("got %v, want no error", err)
	}
}
