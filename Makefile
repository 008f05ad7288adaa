# make build   bin/hangouts-bridge
# make test    everything: lint, unit and in-process tests under the race detector, end-to-end tests, feature table
# make lint    vet, gofmt, staticcheck
# make crash   kill -9 and broken connections under load; CRASH_KILLS=500 CRASH_MESSAGES=2000 SEED=1 (docs/reliability.md)
# make bench   benchmarks; make fuzz: every fuzz target for FUZZTIME; make demo: the demo
# make setup   what the end-to-end tests need (they also ask for it themselves)

# Go never asks for another toolchain and encrypts with its own olm.
export GOFLAGS := -tags=goolm
export GOTOOLCHAIN := local

STATICCHECK_VERSION := v0.8.0
STATICCHECK := .cache/bin/staticcheck-$(STATICCHECK_VERSION)
FUZZTIME ?= 10s

VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
COMMIT := $(shell git rev-parse HEAD 2>/dev/null || echo unknown)
LDFLAGS := -X main.version=$(VERSION) -X main.commit=$(COMMIT)
GO_SOURCES = $(shell git ls-files -co --exclude-standard '*.go' 2>/dev/null || find . -name '*.go' -not -path './.cache/*')

.PHONY: all build test lint vet fmt-check staticcheck bench crash fuzz demo setup clean

all: build

build:
	go build -trimpath -ldflags "$(LDFLAGS)" -o bin/hangouts-bridge ./cmd/hangouts-bridge

# The tests run even when lint complains, so that one run shows everything; either fails the target.
test:
	@status=0; \
	$(MAKE) --no-print-directory -k lint || status=1; \
	go run ./internal/runtests || status=1; \
	[ $$status = 0 ] || echo "make test: FAILED (see above)"; \
	exit $$status

lint: vet fmt-check staticcheck

vet:
	go vet ./...

fmt-check:
	@changed=$$(gofmt -l $(GO_SOURCES)); \
	[ -z "$$changed" ] || { echo "gofmt would change:"; echo "$$changed"; exit 1; }

staticcheck: $(STATICCHECK)
	$(STATICCHECK) -tags goolm ./...

$(STATICCHECK):
	@echo "installing staticcheck $(STATICCHECK_VERSION) into .cache/bin"
	@mkdir -p .cache/bin/tmp
	GOBIN=$(CURDIR)/.cache/bin/tmp go install honnef.co/go/tools/cmd/staticcheck@$(STATICCHECK_VERSION)
	@mv .cache/bin/tmp/staticcheck $@

# The second call is the whole program: a few bounded runs, one after the other.
bench:
	go test -run '^$$' -bench . -benchmem $$(go list ./... | grep -v /e2e/)
	go test -run '^$$' -bench . -timeout 15m ./e2e/bench

crash:
	CRASH_KILLS=$${CRASH_KILLS:-60} CRASH_MESSAGES=$${CRASH_MESSAGES:-500} \
	  go test -count=1 -v -timeout 12h -run 'TestNothingLostInCrashes' ./e2e/crash

# go test takes one fuzz target of one package at a time.
fuzz:
	@set -e; for pkg in $$(go list ./...); do \
	  for target in $$(go test -list '^Fuzz' $$pkg | grep '^Fuzz' || true); do \
	    echo "== $$pkg $$target"; \
	    go test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 10x $$pkg; \
	  done; \
	done

# The Matrix half needs Python with venv; without it the demo runs the IRC half and says so.
demo: build
	@bash e2e/setup.sh synapse || echo "make demo: no Synapse here, going on without Matrix"
	@exec ./bin/hangouts-bridge demo

setup:
	bash e2e/setup.sh all

clean:
	rm -rf bin
