package conform

import (
	"os"
	"testing"

	"go.uber.org/goleak"
)

// faultyArg is the first argument of the test binary where it is a subject.
const faultyArg = "be-faulty"

func TestMain(m *testing.M) {
	if len(os.Args) > 3 && os.Args[1] == faultyArg {
		os.Exit(beFaulty(os.Args[2], os.Args[3]))
	}
	goleak.VerifyTestMain(m)
}
