# Everything is a target here; what it does is in Go or in scripts/.
.DEFAULT_GOAL := help
VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LDFLAGS := -s -w -X github.com/eastwest-mesh/eastwest/internal/buildinfo.Version=$(VERSION)
export GOTOOLCHAIN := local

# Rows of docs/faults.md that `make test` shows by real processes, and their number: it
# fails where fewer pass. `make test-faults` shows all.
FAULTS_SUBSET := TestF06 TestF10 TestF15 TestF19 TestF23 TestF31 TestF33 TestF56 TestNoFilesLeft
FAULTS_COUNT := 9
export FAULTS_SUBSET FAULTS_COUNT

.PHONY: help
help: ## Show the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: build
build: require-go ## Build bin/eastwest, bin/eastwest-agent and bin/lab
	CGO_ENABLED=0 go build -trimpath -ldflags '$(LDFLAGS)' -o bin/eastwest ./cmd/eastwest
	CGO_ENABLED=0 go build -trimpath -ldflags '$(LDFLAGS)' -o bin/eastwest-agent ./cmd/eastwest-agent
	cd lab && CGO_ENABLED=0 go build -trimpath -o ../bin/lab ./cmd/lab

.PHONY: demo
demo: packages build ## Two real clusters become one mesh, and traffic proves it
	scripts/demo

.PHONY: demo-down
demo-down: ## Remove the demo's clusters
	bin/lab down

.PHONY: test
test: packages build ## The whole suite: lint, unit tests, and the lab with real clusters
	scripts/test

.PHONY: test-faults
test-faults: packages build ## Every fault that takes long as well, and long random histories
	EASTWEST_FAULTS=all scripts/test allfaults

.PHONY: unit
unit: require-go ## Only the unit tests
	scripts/test unit

.PHONY: e2e
e2e: packages build ## Only the tests on real clusters
	scripts/test e2e

# How often a benchmark repeats what it measures; figures are medians.
SCALE = cd lab && EASTWEST_BENCH_CHARTS="$(CURDIR)/docs/charts" go test -tags bench -run '^$$' -timeout 120m ./bench/scale

.PHONY: bench
bench: packages build ## Figures against istiod and CoreDNS, docs/benchmarks.md: takes hours
	bin/lab build
	$(SCALE) -bench 'Delay|FanOut' -benchtime 20x
	$(SCALE) -bench 'Churn|Storm|ColdStart' -benchtime 10x
	$(SCALE) -bench 'Memory|Growth|Bytes' -benchtime 1x
	cd lab && go test -tags bench -run '^$$' -bench . -benchtime 1x -timeout 60m ./bench/names

.PHONY: bench-smoke
bench-smoke: packages build ## Whether every benchmark against istiod works, a minute each
	bin/lab build
	$(SCALE) -short -bench . -benchtime 1x

.PHONY: fuzz
fuzz: require-go ## Every fuzz target for FUZZ_TIME each, 1m unless said
	scripts/fuzz $(or $(FUZZ_TIME),1m)

.PHONY: lint
lint: require-go ## gofumpt, go vet, staticcheck
	scripts/test lint

.PHONY: generate
generate: require-go ## Make the reference pages and goldens anew
	go generate ./...

.PHONY: clean
clean: ## Remove what was built in this tree
	rm -rf bin dist

.PHONY: require-go packages
require-go:
	@scripts/require-go
packages: require-go
	@scripts/install-debian-packages
