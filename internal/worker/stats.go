package worker

// Stats is what a worker tells its monitors.
type Stats struct {
	Namespace, Host string
	Taken           uint64 // jobs journaled since the start
	Refused         uint64 // messages dead-lettered since the start
	Runs            int    // that are not over
	Busy            bool   // a run has the host
	Outside         bool   // another worker serves the host, and this one waits
}

// Stats tells how the worker is doing. It may be called at any time.
func (w *Worker) Stats() Stats {
	busy := w.turns.active() != ""
	w.mu.Lock()
	defer w.mu.Unlock()
	return Stats{
		Namespace: w.config.Namespace, Host: w.config.Host, Taken: w.taken.Load(), Refused: w.refused.Load(),
		Runs: len(w.runs), Busy: busy, Outside: w.outside.Load(),
	}
}
