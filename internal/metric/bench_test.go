package metric

import (
	"bytes"
	"fmt"
	"regexp"
	"testing"

	"downbeat/internal/experiment"
)

// BenchmarkTake is how fast values come out of text, by its kind.
func BenchmarkTake(b *testing.B) {
	kinds := []struct {
		name, line, header string
		m                  experiment.Metric
	}{
		{"pattern", "12:00:01 client 7: %d requests/s, latency 1.25 ms\n", "", experiment.Metric{Pattern: regexp.MustCompile(`(\d+) requests/s`)}},
		{"csv", "\"SET\",\"%d\",\"0.371\",\"0.032\",\"0.103\",\"2.375\",\"6.247\",\"11.759\"\n", "test,rps,a,b,c,d,e,f\n", experiment.Metric{Format: experiment.CSV, Field: "rps"}},
		{"jsonl", `{"t": 1, "op": "SET", "rps": %d, "latency": {"p50": 0.103, "p99": 6.247}, "errors": 0}` + "\n", "", experiment.Metric{Format: experiment.JSONL, Field: "latency.p99"}},
	}
	for _, k := range kinds {
		b.Run(k.name, func(b *testing.B) {
			var text bytes.Buffer
			text.WriteString(k.header)
			for i := range 10_000 {
				fmt.Fprintf(&text, k.line, i)
			}
			k.m.Processes, k.m.Scale, k.m.Sources = experiment.Mean, 1, []experiment.Source{{Host: "h", Process: "0"}}
			b.SetBytes(int64(text.Len()))
			b.ReportAllocs()
			for b.Loop() {
				if v, note := scanAll(&k.m, bytes.NewReader(text.Bytes())); v <= 0 || note != "" {
					b.Fatal(v, note)
				}
			}
		})
	}
}
