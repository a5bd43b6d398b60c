//go:build race

package sim

// campaignRuns is how many runs are part of the tests. The race detector finds nothing in
// one goroutine, and makes it ten times as slow: so make test runs this package without.
const campaignRuns = 200
