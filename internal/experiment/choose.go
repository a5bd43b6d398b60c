package experiment

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
)

// choose picks k of n, in random order. What it picks depends on the file's seed, the
// datapoint and what is chosen, and on nothing else: every run of the datapoint gets
// the same.
func (p Point) choose(what string, n, k int) []int {
	sum := sha256.Sum256(fmt.Appendf(nil, "%d\x00%s\x00%s", p.file.Seed, p.Key(), what))
	r := rand.New(rand.NewPCG(binary.LittleEndian.Uint64(sum[:8]), binary.LittleEndian.Uint64(sum[8:16])))
	return r.Perm(n)[:k]
}

// mayPick reports whether a host is among those that may be chosen for a group.
func (f *File) mayPick(host string) bool {
	return slices.ContainsFunc(f.commands, func(c *command) bool {
		return c.place.pick != nil && (len(c.place.hosts) == 0 || slices.ContainsFunc(c.place.hosts, func(t *text) bool {
			return t.src == host || !t.constant()
		}))
	})
}

// chooses reports whether the file has anything chosen at random.
func (f *File) chooses() bool {
	for _, c := range f.commands {
		if c.place.pick != nil {
			return true
		}
	}
	for _, a := range f.actions {
		if slices.ContainsFunc(slices.Concat(a.toWhom(), a.of), func(t *target) bool { return len(t.any)+len(t.allBut) > 0 }) {
			return true
		}
	}
	return false
}
