//go:build !race

package sim

// campaignRuns is how many runs are part of the tests.
const campaignRuns = 20_000
