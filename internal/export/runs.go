package export

import (
	"downbeat/internal/facts"
	"downbeat/internal/results"
)

// Tables are those of the experiment.
func (d *Data) Tables() []Table {
	tables := []Table{d.runTable(), d.hostTable(), d.processTable(), d.metricTable()}
	if t, ok := d.sampleTable(); ok {
		tables = append(tables, t)
	}
	return tables
}

// identity are the columns with which each table begins: which run a row is about, whether it
// counts, and the run's parameters.
func (d *Data) identity() []Column {
	columns := []Column{
		{"run", Text}, {"experiment", Text}, {"datapoint", Integer}, {"repetition", Integer}, {"attempt", Integer}, {"counts", Boolean},
	}
	for _, p := range d.parameters {
		columns = append(columns, Column{p.name, p.kind})
	}
	return columns
}

func (d *Data) identify(r *results.CompleteRun) []any {
	cells := []any{r.Run, r.Experiment, countCell(r.Datapoint), countCell(r.Repetition), countCell(r.Attempt), r.Counts()}
	for _, p := range d.parameters {
		cells = append(cells, p.cell(r))
	}
	return cells
}

// begin begins a table whose rows are about runs, or parts of them.
func (d *Data) begin(name string, columns ...Column) *builder {
	return &builder{name: name, columns: append(d.identity(), columns...)}
}

func (d *Data) runTable() Table {
	b := d.begin("runs",
		Column{"outcome", Text}, Column{"reason", Text}, Column{"superseded", Boolean}, Column{"directory", Text},
		Column{"enqueued_at", Time}, Column{"released_at", Time}, Column{"ended_at", Time}, Column{"duration_s", Real},
		Column{"start_skew_us", Integer}, Column{"start_error_us", Integer}, Column{"stop_skew_us", Integer}, Column{"stop_error_us", Integer},
		Column{"stop_exit_us", Integer}, Column{"stop_exit_error_us", Integer}, Column{"clock_error_us", Integer},
		Column{"git_commit", Text}, Column{"git_branch", Text}, Column{"git_dirty", Boolean},
	)
	for i := range d.runs {
		r := &d.runs[i]
		released, stopped := !r.ReleasedAt.IsZero(), r.Stopped()
		var took any
		if released {
			took = r.EndedAt.Sub(r.ReleasedAt).Seconds()
		}
		row := append(d.identify(r),
			string(r.Outcome), textCell(r.Reason), r.Superseded, r.Directory, timeCell(r.EnqueuedAt), timeCell(r.ReleasedAt), timeCell(r.EndedAt), took,
			known(r.StartSkewUS, released), known(r.StartErrorUS, r.StartErrorUS > 0), known(r.StopSkewUS, stopped), known(r.StopErrorUS, stopped && r.StopErrorUS > 0),
			known(r.StopExitUS, stopped && r.StopExitUS > 0), known(r.StopExitErrorUS, stopped && r.StopExitErrorUS > 0), known(r.ClockErrorUS, released))
		b.add(append(row, gitCells(r.Git)...)...)
	}
	return b.table()
}

func gitCells(g *facts.Git) []any {
	if g == nil {
		return []any{nil, nil, nil}
	}
	return []any{g.Commit, textCell(g.Branch), g.Dirty}
}

// hostTable has a row for each host of each run, with what was true of it.
func (d *Data) hostTable() Table {
	columns := []Column{
		{"host", Text},
		{"outcome", Text},
		{"reason", Text},
		{"clock_offset_us", Integer},
		{"clock_error_us", Integer},
		{"stopped_at", Time},
		{"stopped_error_us", Integer},
		{"lines", Integer},
		{"bytes", Integer},
	}
	for _, row := range facts.Rows {
		kind := Real
		if row.Text != nil {
			kind = Text
		}
		columns = append(columns, Column{row.Name, kind})
	}
	b := d.begin("hosts", columns...)
	for i := range d.runs {
		r := &d.runs[i]
		for n := range r.Hosts {
			h := &r.Hosts[n]
			row := append(d.identify(r),
				h.Host, string(h.Outcome), textCell(h.Reason), known(h.ClockOffsetUS, h.ClockErrorUS > 0), known(h.ClockErrorUS, h.ClockErrorUS > 0),
				timeCell(h.StoppedAt), known(h.StoppedErrorUS, !h.StoppedAt.IsZero()), countCell(h.Lines), countCell(h.Bytes))
			for _, fact := range facts.Rows {
				row = append(row, factCell(fact, h.Facts))
			}
			b.add(row...)
		}
	}
	return b.table()
}

func factCell(row facts.Row, f *facts.HostFacts) any {
	if f == nil {
		return nil
	}
	if row.Text != nil {
		if v, ok := row.Text(f); ok {
			return v
		}
		return nil
	}
	if v, ok := row.Number(f); ok {
		return v
	}
	return nil
}
