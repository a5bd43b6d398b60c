//go:build race

package sim

// campaignRuns is how many runs are part of the tests; the race detector has
// nothing to find in one goroutine, and makes each ten times as slow: so make test runs
// them once more without it.
const campaignRuns = 200
