package experiment

import (
	"fmt"
	"strings"
	"testing"
)

const sampledFile = `
hosts: {alpha: , bravo: }
sample: 1s
groups:
  server: {on: alpha, run: s}
  client: {on: [alpha, bravo], run: c}
`

func TestMetricsOfSamples(t *testing.T) {
	t.Parallel()
	dp := first(t, sampledFile+`
metrics:
  cpu: {sample: cpu, group: client, reduce: max}
  steal: {sample: steal, reduce: max, unit: percent}
  load: {sample: load, group: server, reduce: {lines: mean, processes: max}}
`)
	cpu, steal, load := dp.Metrics[0], dp.Metrics[1], dp.Metrics[2]
	if cpu.Sample != "cpu" || cpu.Unit != "%" || len(cpu.Sources) != 2 || cpu.Sources[1].Host != "bravo" || cpu.Sources[1].Process != "client.1" {
		t.Errorf("cpu is %+v", cpu)
	}
	if steal.Unit != "percent" || len(steal.Sources) != 2 || steal.Sources[0].Host != "alpha" || steal.Sources[0].Process != "" {
		t.Errorf("steal is %+v", steal)
	}
	if len(load.Sources) != 1 || load.Sources[0].Process != "" {
		t.Errorf("load is %+v", load)
	}
}

func TestRequirementsOfSamplesAreMetricsOfTheirOwn(t *testing.T) {
	t.Parallel()
	dp := first(t, sampledFile+`require: {client.cpu: "< 85%", steal: "<= 1.5", idle: "> 10 %", client.rss: ["< 2GiB", "> 1 kB"], switches: "< 5/s", received: "< 10MB/s"}`)
	var got []string
	for _, r := range dp.Require {
		got = append(got, fmt.Sprintf("%s %s %v", r.Metric, r.Operator, r.Limit))
	}
	want := "client.cpu < 85, steal <= 1.5, idle.least > 10, client.rss < 2.147483648e+09, client.rss.least > 1000, switches < 5, received < 1e+07"
	if strings.Join(got, ", ") != want {
		t.Errorf("got  %s\nwant %s", strings.Join(got, ", "), want)
	}
	if len(dp.Metrics) != 7 || dp.Metrics[0].Lines != Mean || dp.Metrics[0].Processes != Max || dp.Metrics[2].Processes != Min || len(dp.Metrics[0].Sources) != 2 {
		t.Errorf("metrics %+v", dp.Metrics)
	}
}

func TestMetricOfTheFileIsMeantBeforeASample(t *testing.T) {
	t.Parallel()
	dp := first(t, sampledFile+`
metrics: {steal: {output: stdout, pattern: 'x=(\d+)', reduce: sum}}
require: {steal: "> 1"}
`)
	if len(dp.Metrics) != 1 || dp.Require[0].Metric != "" {
		t.Errorf("got %+v, %+v", dp.Metrics, dp.Require)
	}
}

func TestWhatIsWrongWithSamplesIsSaid(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ add, want string }{
		{`metrics: {m: {sample: cpuu, reduce: max}}`, `metrics.m.sample: there are no samples of "cpuu" (did you mean "cpu"?)`},
		{`metrics: {m: {sample: cpu, output: stdout, reduce: max}}`, `metrics.m.output: output goes with a file, an output or a program, not with samples (remove it)`},
		{`metrics: {m: {sample: cpu}}`, `"reduce" is missing: it makes one number of the samples`},
		{`metrics: {m: {sample: cpu, reduce: rate}}`, `rate counts lines, and samples have none`},
		{`require: {client.cpu: "85"}`, `require.client.cpu: "85" must begin with <, <=, > or >= (such as "< 85%")`},
		{`require: {client.cpu: "< x%"}`, `require.client.cpu: "x%" is not a number in % (such as "< 85%")`},
		{`require: {client.rss: "< 2 pages"}`, `"2 pages" is not a number in B (such as "< 2GiB")`},
		{`require: {clint.cpu: "< 85%"}`, `require: no metric "clint.cpu"`},
	} {
		t.Run(tt.add, func(t *testing.T) {
			t.Parallel()
			_, err := Parse("x.yaml", []byte(sampledFile+tt.add))
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got  %v\nwant %s", err, tt.want)
			}
		})
	}
	for _, tt := range []struct{ add, want string }{
		{`metrics: {m: {sample: cpu, reduce: max}}`, `metrics.m: no samples are taken (add sample: 1s to the file)`},
		{`require: {client.cpu: "< 85%"}`, `require: no samples are taken (add sample: 1s to the file)`},
		{`sample: 50ms`, `sample: 50ms is too often: at the finest, samples are taken every 100ms (1s is enough for most)`},
		{`sample: 150500us`, `sample: 150500us is finer than a millisecond`},
		{`sample: often`, `sample: "often" is not a duration`},
	} {
		t.Run(tt.add, func(t *testing.T) {
			t.Parallel()
			_, err := Parse("x.yaml", []byte(strings.Replace(sampledFile, "sample: 1s\n", "", 1)+tt.add))
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got  %v\nwant %s", err, tt.want)
			}
		})
	}
}
