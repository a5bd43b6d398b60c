package samples

import (
	"maps"
	"slices"
	"time"
)

// A Quantity is what can be asked of samples, by its name: how much was used in the time between
// two of them, or how much there was at the second.
type Quantity struct {
	Name  string
	Unit  string // "%", "B", "B/s", "/s", "MHz", "°C", or empty
	About string // for people
	// OfHost: it is one of hosts, not of processes.
	OfHost bool
	// Least: little of it is what is bad.
	Least bool

	table  string
	fields []string // added up, over all subjects but the loopback device
	minus  []string // taken off
	how    how
	scale  float64 // 0: 1
}

// how is how a quantity comes of two samples.
type how uint8

const (
	gauge    how = iota // as it was at the second
	rate                // per second
	fraction            // per second, of a second
	share               // of all CPU time of the host
)

// cpuFields are those that all CPU time of a host is in.
var cpuFields = []string{"user_us", "system_us", "iowait_us", "irq_us", "steal_us", "idle_us"}

// Quantities are all there are, those of processes first.
func Quantities() []Quantity { return slices.Clone(quantities) }

var quantities = []Quantity{
	{Name: "cpu", Unit: "%", About: "CPU time, in percent of one core", table: "process", fields: []string{"cpu_us"}, how: fraction, scale: 1e-4},
	{Name: "cpu_user", Unit: "%", About: "the part of it in user mode", table: "process", fields: []string{"cpu_us"}, minus: []string{"system_us"}, how: fraction, scale: 1e-4},
	{Name: "cpu_system", Unit: "%", About: "the part of it in the kernel", table: "process", fields: []string{"system_us"}, how: fraction, scale: 1e-4},
	{Name: "rss", Unit: "B", About: "resident memory", table: "process", fields: []string{"rss_bytes"}},
	{Name: "read", Unit: "B/s", About: "read from storage", table: "process", fields: []string{"read_bytes"}, how: rate},
	{Name: "written", Unit: "B/s", About: "written to storage", table: "process", fields: []string{"written_bytes"}, how: rate},
	{Name: "switches", Unit: "/s", About: "times that its threads waited for something", table: "process", fields: []string{"switches"}, how: rate},
	{Name: "preemptions", Unit: "/s", About: "times that its threads were interrupted", table: "process", fields: []string{"preemptions"}, how: rate},
	{Name: "threads", About: "threads", table: "process", fields: []string{"threads"}},
	{Name: "descriptors", About: "open descriptors", table: "process", fields: []string{"descriptors"}},
	{Name: "processes", About: "the process and its descendants", table: "process", fields: []string{"processes"}},

	{Name: "busy", Unit: "%", About: "CPU time that was neither idle nor waiting for storage, of that of all CPUs", OfHost: true, table: "host", fields: []string{"user_us", "system_us", "irq_us", "steal_us"}, how: share},
	{Name: "user", Unit: "%", About: "CPU time in user mode, of that of all CPUs", OfHost: true, table: "host", fields: []string{"user_us"}, how: share},
	{Name: "system", Unit: "%", About: "CPU time in the kernel", OfHost: true, table: "host", fields: []string{"system_us"}, how: share},
	{Name: "iowait", Unit: "%", About: "CPU time idle while something waited for storage", OfHost: true, table: "host", fields: []string{"iowait_us"}, how: share},
	{Name: "irq", Unit: "%", About: "CPU time in interrupts", OfHost: true, table: "host", fields: []string{"irq_us"}, how: share},
	{Name: "steal", Unit: "%", About: "CPU time that the hypervisor gave to others", OfHost: true, table: "host", fields: []string{"steal_us"}, how: share},
	{Name: "idle", Unit: "%", About: "idle CPU time", OfHost: true, Least: true, table: "host", fields: []string{"idle_us"}, how: share},
	{Name: "load", About: "load average of a minute", OfHost: true, table: "host", fields: []string{"load_thousandths"}, scale: 1e-3},
	{Name: "memory_used", Unit: "B", About: "memory that is not available", OfHost: true, table: "host", fields: []string{"memory_used_bytes"}},
	{Name: "memory_available", Unit: "B", About: "memory that programs could get", OfHost: true, Least: true, table: "host", fields: []string{"memory_available_bytes"}},
	{Name: "memory_cached", Unit: "B", About: "buffers, page cache and reclaimable slabs", OfHost: true, Least: true, table: "host", fields: []string{"memory_cached_bytes"}},
	{Name: "frequency", Unit: "MHz", About: "mean frequency of the CPUs", OfHost: true, Least: true, table: "host", fields: []string{"frequency_khz"}, scale: 1e-3},
	{Name: "temperature", Unit: "°C", About: "of the hottest CPU sensor", OfHost: true, table: "host", fields: []string{"temperature_millidegrees"}, scale: 1e-3},
	{Name: "received", Unit: "B/s", About: "received from the network, without loopback", OfHost: true, table: "network", fields: []string{"received_bytes"}, how: rate},
	{Name: "sent", Unit: "B/s", About: "sent to the network", OfHost: true, table: "network", fields: []string{"sent_bytes"}, how: rate},
	{Name: "received_packets", Unit: "/s", About: "packets received", OfHost: true, table: "network", fields: []string{"received_packets"}, how: rate},
	{Name: "sent_packets", Unit: "/s", About: "packets sent", OfHost: true, table: "network", fields: []string{"sent_packets"}, how: rate},
	{Name: "dropped_packets", Unit: "/s", About: "packets dropped in either direction", OfHost: true, table: "network", fields: []string{"dropped_packets"}, how: rate},
	{Name: "disk_read", Unit: "B/s", About: "read from disks", OfHost: true, table: "disk", fields: []string{"read_bytes"}, how: rate},
	{Name: "disk_written", Unit: "B/s", About: "written to disks", OfHost: true, table: "disk", fields: []string{"written_bytes"}, how: rate},
	{Name: "disk_reads", Unit: "/s", About: "reads from disks", OfHost: true, table: "disk", fields: []string{"reads"}, how: rate},
	{Name: "disk_writes", Unit: "/s", About: "writes to disks", OfHost: true, table: "disk", fields: []string{"writes"}, how: rate},
	{Name: "disk_busy", Unit: "%", About: "time in which disks had something to do, added up over them", OfHost: true, table: "disk", fields: []string{"busy_us"}, how: fraction, scale: 1e-4},
}

// QuantityOf is the quantity of that name; nil: there is none.
func QuantityOf(name string) *Quantity {
	i := slices.IndexFunc(quantities, func(q Quantity) bool { return q.Name == name })
	if i < 0 {
		return nil
	}
	return &quantities[i]
}

// A Reading is what a quantity was between two samples.
type Reading struct {
	Process  string // empty: it is of the host
	From, To time.Time
	Bound    time.Duration // of the error of To
	Value    float64
}

// Middle is the middle of its time.
func (r *Reading) Middle() time.Time { return r.From.Add(r.To.Sub(r.From) / 2) }

// A Meter takes the readings of a quantity out of the rows of a file, in their order.
type Meter struct {
	quantity *Quantity
	at       time.Time
	before   map[string][]int64 // by subject: the quantity's fields added up, and all CPU time
	subjects []string           // of the row
	now      map[string][]int64
	alive    map[string]bool
	readings []Reading
}

// NewMeter makes one.
func NewMeter(q *Quantity) *Meter {
	return &Meter{quantity: q, before: make(map[string][]int64), now: make(map[string][]int64), alive: make(map[string]bool)}
}

// Next gives the readings that a row completes: of each process, or one of the host. They are
// valid until it is called again.
func (m *Meter) Next(row *Row) []Reading {
	m.take(row)
	m.readings = m.readings[:0]
	seconds := row.At.Sub(m.at).Seconds()
	first := m.at.IsZero()
	if m.quantity.OfHost {
		m.addHost(row, first, seconds)
	} else {
		for _, name := range m.subjects {
			if v, ok := m.value([]string{name}, first, seconds); ok && m.alive[name] {
				m.readings = append(m.readings, Reading{name, m.at, row.At, row.Bound, v})
			}
		}
	}
	m.at = row.At
	maps.Copy(m.before, m.now) // a name may be missing for a while: a process, between two lives
	return m.readings
}

func (m *Meter) addHost(row *Row, first bool, seconds float64) {
	if v, ok := m.value(m.subjects, first, seconds); ok {
		m.readings = append(m.readings, Reading{"", m.at, row.At, row.Bound, v})
	}
}

// take reads what the quantity needs of a row.
func (m *Meter) take(row *Row) {
	m.subjects = m.subjects[:0]
	clear(m.now)
	clear(m.alive)
	for i, s := range row.Subjects {
		t := &row.Tables[s.Table]
		if t.Name != m.quantity.table || row.Values[i] == nil || t.Name == "network" && s.Name == "lo" {
			continue
		}
		plus, ok1 := sum(t, m.quantity.fields, row.Values[i])
		minus, ok2 := sum(t, m.quantity.minus, row.Values[i])
		all := int64(0)
		ok3 := true
		if m.quantity.how == share {
			all, ok3 = sum(t, cpuFields, row.Values[i])
		}
		if !ok1 || !ok2 || !ok3 {
			continue
		}
		alive, known := sum(t, []string{"processes"}, row.Values[i])
		m.alive[s.Name] = !known || alive > 0 || m.quantity.how != gauge
		m.now[s.Name] = []int64{plus - minus, all}
		m.subjects = append(m.subjects, s.Name)
	}
}

// sum adds up fields of a subject; false where one is not there, or not known.
func sum(t *Table, fields []string, values []int64) (int64, bool) {
	total := int64(0)
	for _, f := range fields {
		i := slices.Index(t.Fields, f)
		if i < 0 || values[i] == Unknown {
			return 0, false
		}
		total += values[i]
	}
	return total, true
}

// value is the quantity of some subjects together. What was not there before has not been
// counted from a known time on, but a process, which counts from its beginning.
func (m *Meter) value(names []string, first bool, seconds float64) (float64, bool) {
	if first || len(names) == 0 {
		return 0, false
	}
	var v, all int64
	for _, name := range names {
		now := m.now[name]
		if m.quantity.how == gauge {
			v += now[0]
			continue
		}
		before := m.before[name]
		if before == nil {
			if m.quantity.OfHost {
				continue
			}
			before = []int64{0, 0}
		}
		v += now[0] - before[0]
		all += now[1] - before[1]
	}
	scale := m.quantity.scale
	if scale == 0 {
		scale = 1
	}
	switch m.quantity.how {
	case rate, fraction:
		return float64(v) / seconds * scale, seconds > 0
	case share:
		return 100 * float64(v) / float64(all), all > 0
	}
	return float64(v) * scale, true
}
