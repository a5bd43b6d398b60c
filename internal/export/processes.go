package export

import (
	"maps"
	"slices"

	"downbeat/internal/results"
)

// processTable has a row for each life of each process. What a process wrote, and when it became
// ready, is in the row of its last.
func (d *Data) processTable() Table {
	b := d.begin("processes",
		Column{"host", Text}, Column{"process", Text}, Column{"group", Text}, Column{"index", Integer}, Column{"rank", Integer}, Column{"beat", Integer},
		Column{"life", Integer}, Column{"pid", Integer}, Column{"argv", Text}, Column{"outcome", Text}, Column{"reason", Text},
		Column{"exit_code", Integer}, Column{"signal", Text}, Column{"ready_at", Time}, Column{"started_at", Time}, Column{"started_error_us", Integer},
		Column{"ended_at", Time}, Column{"ended_error_us", Integer}, Column{"duration_s", Real}, Column{"user_s", Real}, Column{"system_s", Real},
		Column{"max_rss_bytes", Integer}, Column{"stdout_lines", Integer}, Column{"stdout_bytes", Integer}, Column{"stderr_lines", Integer}, Column{"stderr_bytes", Integer},
		Column{"program", Text}, Column{"program_sha256", Text}, Column{"program_build", Text},
	)
	for i := range d.runs {
		r := &d.runs[i]
		for n := range r.Processes {
			p := &r.Processes[n]
			if len(p.Lives) == 0 {
				b.add(append(d.identify(r), processCells(p, 0, true)...)...)
				continue
			}
			for k := range p.Lives {
				life := p.Life(k)
				b.add(append(d.identify(r), processCells(&life, p.Lives[k].Life, k == len(p.Lives)-1)...)...)
			}
		}
	}
	return b.table()
}

func processCells(p *results.ProcessRecord, life int, last bool) []any {
	started, ended := !p.StartedAt.IsZero(), !p.EndedAt.IsZero()
	var took, user, system any
	if started && ended {
		took, user, system = p.EndedAt.Sub(p.StartedAt).Seconds(), float64(p.UserUS)/1e6, float64(p.SystemUS)/1e6
	}
	cells := []any{
		p.Host, p.Process, textCell(p.Group), countCell(p.Index), countCell(p.Rank), countCell(p.Beat),
		countCell(life), known(p.PID, p.PID > 0), textOf(p.Argv), string(p.Outcome), textCell(p.Reason),
		known(p.ExitCode, p.ExitCode >= 0), textCell(p.Signal), timeCell(p.ReadyAt), timeCell(p.StartedAt), known(p.StartedErrorUS, started && p.StartedErrorUS > 0),
		timeCell(p.EndedAt), known(p.EndedErrorUS, ended && p.EndedErrorUS > 0), took, user, system,
		known(p.MaxRSSBytes, ended),
		known(p.StdoutLines, last), known(p.StdoutBytes, last), known(p.StderrLines, last), known(p.StderrBytes, last),
	}
	if p.Program == nil {
		return append(cells, nil, nil, nil)
	}
	return append(cells, textCell(p.Program.Path), textCell(p.Program.SHA256), textCell(p.Program.Build))
}

// metricTable has a row for each metric of each run: what it is based on, and over which window.
func (d *Data) metricTable() Table {
	b := d.begin("metrics",
		Column{"metric", Text}, Column{"value", Real}, Column{"unit", Text}, Column{"n", Integer}, Column{"expected", Integer},
		Column{"window", Text}, Column{"window_from_s", Real}, Column{"window_to_s", Real}, Column{"note", Text}, Column{"definition", Text},
	)
	for i := range d.runs {
		r := &d.runs[i]
		for _, name := range slices.Sorted(maps.Keys(r.Metrics)) {
			of, based := r.MetricsOf[name]
			from, to := windowCells(r, of.Window)
			b.add(append(d.identify(r),
				name, realCell(r.Metrics[name]), textCell(r.Units[name]), known(of.Values, based), known(of.Expected, based),
				textCell(of.Window), from, to, textCell(r.MetricNotes[name]), textCell(of.Definition))...)
		}
	}
	return b.table()
}

// windowCells are the seconds after the last release at which a window began and ended.
func windowCells(r *results.CompleteRun, name string) (from, to any) {
	w, ok := r.Window(name)
	if !ok || w.From.IsZero() || w.To.IsZero() {
		return nil, nil
	}
	released := lastRelease(r)
	return w.From.Sub(released).Seconds(), w.To.Sub(released).Seconds()
}
