package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"downbeat/internal/message"
	"downbeat/internal/queue"
	"downbeat/internal/worker"
)

// health serves /metrics, for Prometheus, and /healthz: 200 while the queue can be reached.
type health struct {
	broker  queue.Broker
	workers []*worker.Worker
}

func (h *health) serve(ctx context.Context, addr string, log *slog.Logger) error {
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), h)
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /healthz", h.healthz)
	listener, err := net.Listen("tcp", addr)
	if err == nil {
		log.Info("serving metrics", "address", addr)
		err = serveUntil(ctx, listener, mux)
	}
	if err != nil {
		return fmt.Errorf("serve metrics on DOWNBEAT_METRICS_ADDR=%s: %w", addr, err)
	}
	return nil
}

// answerWithin is how long unfinished answers may take after ctx has ended.
const answerWithin = time.Second

// serveUntil serves until ctx ends. Clients that hold a connection without asking, or without
// reading the answer, are then disconnected, which is not an error.
func serveUntil(ctx context.Context, listener net.Listener, handler http.Handler) error {
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 5 * time.Second, WriteTimeout: 30 * time.Second}
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		<-ctx.Done()
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), answerWithin)
		defer cancel()
		if server.Shutdown(ctx) != nil {
			_ = server.Close()
		}
	}()
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	<-stopped
	return nil
}

// alive returns once every worker has shown that none of its locks is stuck. It does not matter
// whether the queue can be reached: a restart would not help.
func (h *health) alive() {
	for _, one := range h.workers {
		one.Stats()
	}
}

// healthz answers whether the queue can be reached now.
func (h *health) healthz(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), 2*time.Second)
	defer cancel()
	for _, one := range h.workers {
		s := one.Stats()
		if s.Outside {
			http.Error(w, "another worker serves host "+s.Host+", this one waits", http.StatusServiceUnavailable)
			return
		}
		if _, err := h.broker.Inspect(ctx, message.JobsQueue(s.Namespace, s.Host)); err != nil {
			http.Error(w, "queue: "+err.Error(), http.StatusServiceUnavailable)
			return
		}
	}
	fmt.Fprintln(w, "ok")
}

var (
	jobsTaken   = prometheus.NewDesc("downbeat_jobs_taken_total", "Jobs journaled.", []string{"host"}, nil)
	jobsRefused = prometheus.NewDesc("downbeat_messages_refused_total", "Messages that were dead-lettered.", []string{"host"}, nil)
	runsHere    = prometheus.NewDesc("downbeat_runs", "Runs that are not over.", []string{"host"}, nil)
	busyDesc    = prometheus.NewDesc("downbeat_busy", "1 while a run has the host.", []string{"host"}, nil)
)

// Describe implements [prometheus.Collector].
func (h *health) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{jobsTaken, jobsRefused, runsHere, busyDesc} {
		ch <- d
	}
}

// Collect implements [prometheus.Collector].
func (h *health) Collect(ch chan<- prometheus.Metric) {
	for _, w := range h.workers {
		s := w.Stats()
		busy := 0.0
		if s.Busy {
			busy = 1
		}
		ch <- prometheus.MustNewConstMetric(jobsTaken, prometheus.CounterValue, float64(s.Taken), s.Host)
		ch <- prometheus.MustNewConstMetric(jobsRefused, prometheus.CounterValue, float64(s.Refused), s.Host)
		ch <- prometheus.MustNewConstMetric(runsHere, prometheus.GaugeValue, float64(s.Runs), s.Host)
		ch <- prometheus.MustNewConstMetric(busyDesc, prometheus.GaugeValue, busy, s.Host)
	}
}
