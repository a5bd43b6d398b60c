package report

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"downbeat/internal/results"
	"downbeat/internal/samples"
)

// What processes and hosts were using over a run's time, out of its samples.

// Bounds of what the page has of that: places along the time of a run, lines in a chart, and all of
// it together in bytes.
const (
	mostUsagePlaces  = 160
	leastUsagePlaces = 20
	mostUsageLines   = 6
	mostUsage        = 3 << 20
)

// A usage is all charts of a run. Problem says why there may be less than there was.
type usage struct {
	Charts  []usageChart `json:"charts"`
	Problem string       `json:"problem,omitempty"`
}

// A usageChart has lines over the time of the run: a value for each StepUS from FirstUS on, since
// the run's base.
type usageChart struct {
	Title   string      `json:"title"`
	Unit    string      `json:"unit"`
	Note    string      `json:"note,omitempty"`
	Stacked bool        `json:"stacked,omitempty"` // they add up, to 100
	FirstUS int64       `json:"first_us"`
	StepUS  int64       `json:"step_us"`
	Lines   []usageLine `json:"lines"`
}

type usageLine struct {
	Name   string      `json:"name"`
	Values usageValues `json:"values"`
}

// usageValues are written with few digits; NaN is null.
type usageValues []float64

// MarshalJSON implements [json.Marshaler].
func (v usageValues) MarshalJSON() ([]byte, error) {
	b := []byte{'['}
	for i, x := range v {
		if i > 0 {
			b = append(b, ',')
		}
		if math.IsNaN(x) || math.IsInf(x, 0) {
			b = append(b, "null"...)
			continue
		}
		b = strconv.AppendFloat(b, x, 'g', 3, 64)
	}
	return append(b, ']'), nil
}

// UnmarshalJSON implements [json.Unmarshaler].
func (v *usageValues) UnmarshalJSON(data []byte) error {
	var list []*float64
	if err := json.Unmarshal(data, &list); err != nil {
		return err
	}
	*v = make(usageValues, len(list))
	for i, x := range list {
		(*v)[i] = math.NaN()
		if x != nil {
			(*v)[i] = *x
		}
	}
	return nil
}

// shownKinds are the kinds of CPU time that are stacked, from below.
var shownKinds = []string{"user", "system", "irq", "iowait", "steal"}

// A usageReader puts readings into places of a run's time.
type usageReader struct {
	base  time.Time
	step  time.Duration
	count int
	// by quantity, and then by host, and process: a value for each place
	values map[string]map[results.Process]usageValues
}

// mostPlacesRead bounds the memory of a line before it is thinned.
const mostPlacesRead = 1 << 17

// readUsage reads what the page draws of a run's samples; nil where there are none.
func readUsage(dir string, record *results.Record, d *detail) *usage {
	r := &usageReader{base: d.base, values: make(map[string]map[results.Process]usageValues)}
	u := &usage{}
	for _, h := range record.Hosts {
		err := r.read(filepath.Join(dir, results.SamplesPath(h.Host)), h.Host, d.span)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			u.Problem = fmt.Sprintf("not all samples of %s can be read: %v", h.Host, err)
		}
	}
	if r.count == 0 && u.Problem == "" {
		return nil
	}
	u.Charts = slices.Concat(r.ofGroups(record), r.ofHosts(record))
	for i := range u.Charts {
		u.Charts[i].coarsen(mostUsagePlaces)
	}
	return u
}

// read reads the samples of a host.
func (r *usageReader) read(path, host string, span time.Duration) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }() // only read
	var meters []*samples.Meter
	names := append([]string{"cpu", "rss", "memory_used", "received", "sent", "disk_read", "disk_written"}, shownKinds...)
	for _, name := range names {
		meters = append(meters, samples.NewMeter(samples.QuantityOf(name)))
	}
	var first time.Time
	for file, rows := samples.NewReader(f), 0; ; rows++ {
		row, err := file.Next()
		if errors.Is(err, io.EOF) || errors.Is(err, samples.ErrCut) {
			return nil
		}
		if err != nil {
			return err
		}
		switch { // the first row comes before the release, the second with it
		case rows == 1:
			first = row.At
		case rows == 2 && r.step == 0:
			if r.step = row.At.Sub(first).Round(50 * time.Millisecond); r.step <= 0 {
				r.step = max(span, time.Millisecond)
			}
		}
		for i, m := range meters {
			for _, reading := range m.Next(row) {
				r.put(names[i], results.Process{Host: host, Name: reading.Process}, &reading)
			}
		}
	}
}

// put enters a reading at its place.
func (r *usageReader) put(quantity string, of results.Process, reading *samples.Reading) {
	if r.step == 0 || reading.To.Sub(reading.From) < r.step/4 {
		return
	}
	at := int(math.Floor(float64(reading.Middle().Sub(r.base)) / float64(r.step)))
	if at < 0 || at >= mostPlacesRead {
		return
	}
	by := r.values[quantity]
	if by == nil {
		by = make(map[results.Process]usageValues)
		r.values[quantity] = by
	}
	line := by[of]
	for len(line) <= at {
		line = append(line, math.NaN())
	}
	line[at] = reading.Value
	by[of] = line
	r.count = max(r.count, at+1)
}

func (r *usageReader) chart(title, unit string, lines []usageLine) usageChart {
	return usageChart{Title: title, Unit: unit, StepUS: r.step.Microseconds(), Lines: lines}
}

// ofGroups are the charts of processes.
func (r *usageReader) ofGroups(record *results.Record) []usageChart {
	var order []string
	members := make(map[string][]results.Process)
	for _, p := range record.Processes {
		if members[p.Group] == nil {
			order = append(order, p.Group)
		}
		members[p.Group] = append(members[p.Group], results.Process{Host: p.Host, Name: p.Process})
	}
	var charts []usageChart
	var memory []usageLine
	for _, group := range order {
		name := group
		if name == "" {
			name = "processes"
		}
		var lines []usageLine
		total := usageLine{Name: name}
		for _, p := range members[group] {
			if v := r.values["cpu"][p]; v != nil {
				lines = append(lines, usageLine{p.Host + "/" + p.Name, v})
			}
			total.Values = plus(total.Values, r.values["rss"][p], 1.0/(1<<20))
		}
		if len(lines) > 0 {
			charts = append(charts, r.summed("CPU time: "+name, "% of a core", lines))
		}
		if total.Values != nil && len(memory) < mostUsageLines {
			memory = append(memory, total)
		}
	}
	if len(memory) > 0 {
		charts = append(charts, r.chart("Memory of processes", "MiB", memory))
	}
	return charts
}

// summed is a chart of all lines or, of many, of the largest, the mean and the smallest.
func (r *usageReader) summed(title, unit string, lines []usageLine) usageChart {
	if len(lines) <= mostUsageLines {
		return r.chart(title, unit, lines)
	}
	largest, mean, smallest := make(usageValues, r.count), make(usageValues, r.count), make(usageValues, r.count)
	for i := range r.count {
		var here []float64
		for _, l := range lines {
			if i < len(l.Values) && !math.IsNaN(l.Values[i]) {
				here = append(here, l.Values[i])
			}
		}
		if len(here) == 0 {
			largest[i], mean[i], smallest[i] = math.NaN(), math.NaN(), math.NaN()
			continue
		}
		sum := 0.0
		for _, v := range here {
			sum += v
		}
		largest[i], mean[i], smallest[i] = slices.Max(here), sum/float64(len(here)), slices.Min(here)
	}
	c := r.chart(title, unit, []usageLine{{"the largest", largest}, {"mean", mean}, {"the smallest", smallest}})
	c.Note = fmt.Sprintf("of %d", len(lines))
	return c
}

// plus adds values to others; what is missing of either is left out.
func plus(sum, v usageValues, factor float64) usageValues {
	for len(sum) < len(v) {
		sum = append(sum, math.NaN())
	}
	for i, x := range v {
		switch {
		case math.IsNaN(x):
		case math.IsNaN(sum[i]):
			sum[i] = x * factor
		default:
			sum[i] += x * factor
		}
	}
	return sum
}

// ofHosts are the charts of hosts.
func (r *usageReader) ofHosts(record *results.Record) []usageChart {
	var charts []usageChart
	if len(record.Hosts) <= mostUsageLines {
		for _, h := range record.Hosts {
			c := r.chart("CPUs of "+h.Host, "%", nil)
			c.Stacked = true
			for _, kind := range shownKinds {
				if v := r.values[kind][results.Process{Host: h.Host}]; v != nil {
					c.Lines = append(c.Lines, usageLine{kind, v})
				}
			}
			if len(c.Lines) > 0 {
				charts = append(charts, c)
			}
		}
	} else {
		charts = append(charts, r.hosts(record, "Busy CPUs of hosts", "%", 1, shownKinds[:3]...)...)
		charts = append(charts, r.hosts(record, "Stolen CPU time of hosts", "%", 1, "steal")...)
	}
	const mib = 1.0 / (1 << 20)
	charts = append(charts, r.hosts(record, "Memory of hosts that is not available", "MiB", mib, "memory_used")...)
	charts = append(charts, r.hosts(record, "Received from the network", "MiB/s", mib, "received")...)
	charts = append(charts, r.hosts(record, "Sent to the network", "MiB/s", mib, "sent")...)
	charts = append(charts, r.hosts(record, "Read from disks", "MiB/s", mib, "disk_read")...)
	return append(charts, r.hosts(record, "Written to disks", "MiB/s", mib, "disk_written")...)
}

// hosts is a chart of the sum of quantities of each host; none where all of it is 0.
func (r *usageReader) hosts(record *results.Record, title, unit string, factor float64, quantities ...string) []usageChart {
	var lines []usageLine
	used := false
	for _, h := range record.Hosts {
		var sum usageValues
		for _, q := range quantities {
			sum = plus(sum, r.values[q][results.Process{Host: h.Host}], factor)
		}
		if sum != nil {
			lines = append(lines, usageLine{h.Host, sum})
			used = used || slices.ContainsFunc(sum, func(v float64) bool { return v > 0 })
		}
	}
	if !used {
		return nil
	}
	return []usageChart{r.summed(title, unit, lines)}
}

// coarsen makes at most so many places of a chart: of several the largest value or, where values
// add up, their mean.
func (c *usageChart) coarsen(places int) {
	longest := 0
	for _, l := range c.Lines {
		longest = max(longest, len(l.Values))
	}
	few := (longest + places - 1) / places
	if few <= 1 {
		return
	}
	c.StepUS *= int64(few)
	for i := range c.Lines {
		var kept usageValues
		for part := range slices.Chunk(c.Lines[i].Values, few) {
			kept = append(kept, joined(part, c.Stacked))
		}
		c.Lines[i].Values = kept
	}
}

func joined(part []float64, mean bool) float64 {
	n, sum, largest := 0, 0.0, math.NaN()
	for _, v := range part {
		if math.IsNaN(v) {
			continue
		}
		n, sum = n+1, sum+v
		if math.IsNaN(largest) || v > largest {
			largest = v
		}
	}
	if mean && n > 0 {
		return sum / float64(n)
	}
	return largest
}

// fitUsage has fewer places of the charts, until those of all runs are small enough; and none where
// even that is too much.
func fitUsage(runs []*run, most int) error {
	for places := mostUsagePlaces / 2; ; places /= 2 {
		size := 0
		for _, run := range runs {
			size += len(run.usage)
		}
		if size <= most {
			return nil
		}
		for _, run := range runs {
			if err := run.coarsenUsage(places); err != nil {
				return err
			}
		}
	}
}

func (r *run) coarsenUsage(places int) error {
	if r.usage == "" {
		return nil
	}
	if places < leastUsagePlaces {
		r.usage = ""
		return nil
	}
	var u usage
	if err := r.usage.unpack(&u); err != nil {
		return err
	}
	for i := range u.Charts {
		u.Charts[i].coarsen(places)
	}
	var err error
	r.usage, err = pack(u)
	return err
}
