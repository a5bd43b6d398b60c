.DEFAULT_GOAL := help
# In the order given, also with -j: each step keeps all cores busy by itself.
.NOTPARALLEL:

# The race detector needs a C compiler. This is looked at after install-deps, which installs one if it can.
RACE ?= $(if $(filter 1,$(shell go env CGO_ENABLED)),-race)
# A program built with the race detector sleeps for a second before it exits, to see races at the very end.
# Tests start hundreds of programs: a moment has to do.
export GORACE ?= atexit_sleep_ms=20
# What was compiled in one clone serves in each other, too.
export GOFLAGS := $(strip $(filter-out -trimpath,$(shell go env GOFLAGS)) -trimpath)
# More flags for go test, as in: make test TESTFLAGS='-run=Release -v'
TESTFLAGS ?=
# What takes longest begins first, and does not remain when all else is over.
PKG ?= ./test/... ./...
# These start no goroutine: the race detector finds nothing in them, and makes them ten times as slow.
UNRACED = $(addprefix ./internal/,clock compare experiment lastwords message publisher/conduct sim statistics worker/course)
# Many tests wait for a lease to end or a broker to start: so more tests of a package at a time
# than there are cores. More packages at a time than cores make tests late that wait for each other.
PACKAGES ?= 2
PARALLEL ?= 6
# What `go test` finds by vetting, `make vet` does, too.
GOTEST = go test -vet=off -p=$(PACKAGES) -parallel=$(PARALLEL) -timeout=20m $(TESTFLAGS)
BENCHFLAGS ?=
FUZZTIME ?= 10s
# More flags for the soak, as in: make soak SOAKFLAGS='-soak.datapoints=50 -soak.seed=7'
SOAKFLAGS ?=
# How many runs are simulated, and from which seed on (or which seeds, as in 100-200).
RUNS ?= 20000
SEEDS ?= 1

.PHONY: help
help: ## show this list
	@awk 'BEGIN { FS = ":.*## " } /^[a-z-]+:.*## / { printf "make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: build
build: ## build worker, publish, pproc and downbeat-conform into bin/
	go build -trimpath -o bin/ ./cmd/...

.PHONY: test
test: export MEANWHILE = $(GOTEST) $(UNRACED)
test: install-deps bin/withbrokers ## run all tests, on a private RabbitMQ node and SQS emulator (PKG=, TESTFLAGS=, RACE=)
ifeq ($(filter ./...,$(PKG)),)
	bin/withbrokers -- $(GOTEST) $(RACE) $(PKG)
else
	bin/withbrokers --meanwhile="$$MEANWHILE" -- $(GOTEST) $(RACE) $(filter-out ./...,$(PKG)) $$(go list $(filter ./...,$(PKG)) | grep -vxF "$$(go list $(UNRACED))")
endif

# What of the tests in test/ a broker of another version may change: what it says when it refuses, and goes away. What
# a run makes of its messages is the same on each broker that passes the conformance suite.
RABBITMQ4_TESTS = TestAMQP|TestBroker.*|TestCutFor.*|TestTwoWorkersWithOneName|TestWorkerThatReconnectsKeepsItsName|TestWorkerOfManyNamesServesThem|TestPublishTriesAgainWhileTheBrokerHangsUp
RABBITMQ4_SKIPPED = TestAMQP/(cancel|collect|files|keys|killed|lease|real|steps|together)
.PHONY: test-rabbitmq4
test-rabbitmq4: export MEANWHILE = $(GOTEST) $(RACE) ./internal/queue/amqp/... ./internal/queue/dial
test-rabbitmq4: install-deps bin/withbrokers ## run the tests of AMQP on RabbitMQ 4, out of a Debian 13 in ~/.cache; needs root (TESTFLAGS=, RACE=)
	@root=$$(scripts/debian trixie rabbitmq-server) && export DOWNBEAT_TEST_RABBITMQ_ROOT="$$root" && bin/withbrokers -- \
		bin/withbrokers --meanwhile="$$MEANWHILE" -- \
		$(GOTEST) $(RACE) -run="^($(RABBITMQ4_TESTS))$$" -skip="^$(RABBITMQ4_SKIPPED)$$" ./test

.PHONY: test-faults
test-faults: install-deps bin/withbrokers ## run the tests that docs/faults.md names; they are part of make test, too (TESTFLAGS=, RACE=)
	bin/withbrokers -- go test $(RACE) $(TESTFLAGS) -run="^($$(grep -o '\bTest[A-Za-z]*' docs/faults.md | sort -u | paste -sd'|')|TestEmbedded|TestAMQP)$$" $(PKG)

.PHONY: test-compose
test-compose: install-deps ## run the image, docker-compose.yml and the systemd unit, on a private Docker engine; needs root (COMPOSE='docker compose')
	@scripts/install-deps docker.io docker-compose iptables mmdebstrap
	go test -tags=compose -vet=off -count=1 -parallel=8 -timeout=40m -v $(TESTFLAGS) ./test/compose

.PHONY: soak
soak: install-deps ## run 300 datapoints and break something every few, on a private RabbitMQ node; takes 10 to 20 minutes (SOAKFLAGS=)
	go test -tags=soak -count=1 -timeout=2h -v ./test/soak $(SOAKFLAGS)

.PHONY: sim
sim: ## run publishers and workers in virtual time, through whatever can go wrong; see docs/simulator.md (RUNS=, SEEDS=)
	go test ./internal/sim -count=1 -timeout=24h -v -run='^TestPromisesHold$$' -sim.runs=$(RUNS) -sim.seeds=$(SEEDS)

.PHONY: sim-mutants
sim-mutants: ## break one rule at a time, and check that the simulator finds each within 20,000 runs; takes 10 to 20 minutes
	go run ./scripts/simmutants

.PHONY: lint
lint: bin/golangci-lint ## run golangci-lint, as .golangci.yml says
	bin/golangci-lint run

.PHONY: fmt
fmt: bin/golangci-lint ## format the Go files
	bin/golangci-lint fmt

.PHONY: format-check
format-check: bin/golangci-lint ## show what fmt would change, and fail if that is anything
	bin/golangci-lint fmt --diff

.PHONY: vet
vet: ## run go vet, for Linux and for macOS
	GOOS=linux go vet -tags=compose,soak ./...
	GOOS=darwin go vet ./...

.PHONY: tidy-check
tidy-check: ## fail if go mod tidy would change anything
	go mod tidy -diff

.PHONY: check
check: fmt vet tidy-check lint test ## format, then check everything: run it before you commit

.PHONY: bench
bench: install-deps ## compare with a plain shell, over RabbitMQ, on this machine (BENCHFLAGS=)
	go run ./bench $(BENCHFLAGS)

.PHONY: microbench
microbench: install-deps bin/withbrokers ## run the Go benchmarks of the packages (PKG=, TESTFLAGS=)
	bin/withbrokers -- go test -run='^$$' -bench=. -benchmem $(TESTFLAGS) $(PKG)

.PHONY: fuzz
fuzz: ## run each fuzz test for a while (FUZZTIME=10s)
	scripts/fuzz $(FUZZTIME)

.PHONY: schema
schema: ## write the JSON Schemas in docs/ anew, after a change to the file's fields or to the wire
	go run ./internal/experiment/schemagen
	go run ./internal/message/schemagen

.PHONY: install-deps
install-deps: ## install what the tests need and is missing here, from Debian's packages and npm
	@scripts/install-deps

.PHONY: clean
clean: ## remove bin/ and what the tests and fuzzing left in Go's cache
	rm -rf bin
	go clean -testcache -fuzzcache

# Go knows best whether these are up to date. Without a commit in them, they stay so after the next one.
.PHONY: FORCE
bin/withbrokers: FORCE
	@go build -buildvcs=false -o $@ ./internal/queue/queuetest/withbrokers
bin/testreport: FORCE
	@go build -buildvcs=false -o $@ ./scripts/testreport
bin/golangci-lint: FORCE
	@go build -C tools -buildvcs=false -o ../$@ github.com/golangci/golangci-lint/v2/cmd/golangci-lint
