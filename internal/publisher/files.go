package publisher

import (
	"errors"
	"fmt"
	"iter"
	"slices"

	"downbeat/internal/message"
	"downbeat/internal/publisher/conduct"
	"downbeat/internal/results"
)

// missing names what is missing of a host's files.
type missing struct {
	list    []results.MissingFile
	named   int    // bytes of paths and reasons in it
	unnamed uint64 // files that are missing, and not in it
}

// Limits on the missing files that are named of a host: workers name a thousand.
const (
	mostMissing = 10_000
	mostNamed   = 4 << 20 // bytes
)

// add notes that a file is missing.
func (m *missing) add(path, reason string) {
	m.named += len(path) + len(reason)
	if len(m.list) >= mostMissing || m.named > mostNamed {
		m.unnamed++
		return
	}
	m.list = append(m.list, results.NewMissingFile(path, reason))
}

// all gives the list, with how many more there are.
func (m *missing) all() []results.MissingFile {
	if m.unnamed == 0 {
		return m.list
	}
	return append(m.list, results.NewMissingFile("", fmt.Sprintf("%d more files are missing that are not named", m.unnamed)))
}

// unfinished is why a file is missing that was begun and not ended.
const unfinished = "it was not sent to its end"

// storeFiles puts pieces of a host's files into the results.
func (r *run) storeFiles(n int, pieces iter.Seq[message.Piece]) {
	c, m := r.spec.Results.Collection(r.hosts[n].name), &r.hosts[n].missing
	for p := range pieces {
		if err := r.storePiece(n, c, m, p); err != nil {
			r.broken(err)
		}
	}
}

// storePiece takes a piece. A file that can't be stored under its name was received all
// the same; one that is not what was announced was not.
func (r *run) storePiece(n int, c *results.Collection, m *missing, p message.Piece) error {
	name := c.Open()
	switch p.Kind {
	case message.FileBegin:
		if err := discard(c, m, unfinished); err != nil {
			return err
		}
		return m.unless(c.Begin(p.Path, p.Mode, p.ModTime), p.Path)
	case message.FileData:
		if name != "" {
			return c.Write(p.Data)
		}
	case message.FileEnd:
		if name == "" {
			return nil
		}
		err := c.End(p.Size, p.Sum)
		if errors.Is(err, results.ErrNoPlace) {
			r.came = append(r.came, conduct.NotKept{Host: n, Bytes: p.Size})
		}
		return m.unless(err, name)
	case message.FileMissing:
		m.add(p.Path, p.Reason)
		return c.Discard()
	case message.FilesAnew:
		*m = missing{}
		r.came = slices.DeleteFunc(r.came, func(in conduct.Input) bool { // of what doesn't count any more
			file, ok := in.(conduct.NotKept)
			return ok && file.Host == n
		})
		return c.Anew()
	}
	return nil
}

// unless notes that the file is missing if that is what the error says, and passes on any
// other.
func (m *missing) unless(err error, path string) error {
	if errors.Is(err, results.ErrNoPlace) {
		m.add(path, err.Error())
		return nil
	}
	return err
}

// discard gives up the file that has begun and not ended, if there is one.
func discard(c *results.Collection, m *missing, reason string) error {
	if name := c.Open(); name != "" {
		m.add(name, reason)
	}
	return c.Discard()
}

// closeFiles notes what is missing once no more will come.
func (r *run) closeFiles(e conduct.CloseFiles) {
	h := r.hosts[e.Host]
	if e.Missing != "" {
		h.missing.add("", e.Missing)
	}
	if err := discard(r.spec.Results.Collection(h.name), &h.missing, e.Unfinished); err != nil {
		r.broken(err)
	}
}

// collected enters a host's files into its record.
func (r *run) collected(h *host, rec *results.HostRecord) {
	if len(r.dp.Collect[h.name]) == 0 {
		return
	}
	rec.Collected = r.spec.Results.Collection(h.name).Files()
	for _, f := range rec.Collected {
		rec.Files = append(rec.Files, f.Path)
	}
	rec.Missing = h.missing.all()
}

// unmatched lists the patterns that picked nothing on any host for which they
// were given: most likely, the file is wrong about what its processes leave.
func (r *run) unmatched(hosts []conduct.HostResult, records []results.HostRecord) []string {
	var order []string
	picked := make(map[string]bool)
	for i, h := range r.hosts {
		for _, pattern := range r.dp.Collect[h.name] {
			if _, seen := picked[pattern]; !seen {
				order = append(order, pattern)
			}
			// A host that did not come to its files may have had some.
			picked[pattern] = picked[pattern] || !hosts[i].FilesTold || picks(pattern, &records[i])
		}
	}
	return slices.DeleteFunc(order, func(pattern string) bool { return picked[pattern] })
}

// picks reports whether the pattern stands for any file of the host, collected
// or not. Of what can't be known, it does.
func picks(pattern string, h *results.HostRecord) bool {
	set := message.NewPathSet([]string{pattern})
	return slices.ContainsFunc(h.Files, set.Has) ||
		slices.ContainsFunc(h.Missing, func(m results.MissingFile) bool { return m.Path == "" || set.Has(m.Path) })
}
