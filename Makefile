# punchlist: "make" alone lists what there is to do.

GO      := $(shell command -v go || echo /usr/local/go/bin/go)
VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
# The time of the source, not of the building: the same source makes the same bytes.
BUILT   := $(or $(SOURCE_DATE_EPOCH),$(shell git log -1 --format=%ct 2>/dev/null))

# sqlite_fts5 makes search fast; the programs work without it, and say which it is.
TAGS     := -tags sqlite_fts5
PACKAGES := ./...

# Without cgo the SQLite driver compiles to one that refuses every file.
export CGO_ENABLED := 1
# QPSG: without it SQLite prepares a statement anew at each execution when a bound
# value could change its plan (every LIMIT ?, many an ORDER BY): a tenth of all work.
# MEMSTATUS: nobody reads those counters, and each allocation takes a lock for them.
export CGO_CFLAGS := -O2 -g -DSQLITE_ENABLE_QPSG -DSQLITE_DEFAULT_MEMSTATUS=0
export PATH := $(PATH):/usr/local/go/bin

.DEFAULT_GOAL := help
.PHONY: help demo test check build deb reproduce bench race sim replay torture fuzz cover golden lint tools deps

help: ## list these commands
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' Makefile

demo: build ## three minutes: work offline, come back, sync (without a terminal: as a script)
	@bin/punchlist demo $(ARGS)

test: deps ## run every test under the race detector
	$(GO) test -race $(TAGS) -timeout 30m $(PACKAGES)
	$(GO) test $(TAGS) -timeout 30m ./sync/simtest ./localdb/exchange

check: lint test ## what must hold before a commit: format, vet, staticcheck, modules, tests

build: tools ## build bin/punchlist and bin/punchlistd
	@echo "building (the first time takes a minute or two: SQLite is compiled too)"
	@$(GO) build -buildvcs=false -trimpath $(TAGS) -ldflags "-X main.version=$(VERSION) -X main.built=$(BUILT)" -o bin/ ./cmd/punchlist ./cmd/punchlistd

# NFPM makes Debian packages; it is run, not depended on, because its modules are many.
NFPM    := github.com/goreleaser/nfpm/v2/cmd/nfpm@v2.43.4
OUT     := bin
export DEB_ARCH    ?= $(shell $(GO) env GOARCH)
export DEB_VERSION ?= $(or $(patsubst v%,%,$(shell git describe --tags --exact-match 2>/dev/null)),0.$(or $(BUILT),0).$(VERSION))

deb: tools ## build the .deb packages of both programs into bin/
	$(GO) build -buildvcs=false -trimpath $(TAGS) -ldflags "-s -w -buildid= -X main.version=$(VERSION) -X main.built=$(BUILT)" -o $(OUT)/ ./cmd/punchlist ./cmd/punchlistd
	@set -e; for p in punchlist punchlistd; do \
		share=$(OUT)/share/$$p; rm -rf $$share; mkdir -p $$share; \
		$(OUT)/$$p man $$share/man; gzip -9n $$share/man/*.1; \
		for shell in bash zsh fish; do $(OUT)/$$p completion $$shell >$$share/$$shell; done; \
		OUT=$(OUT) SOURCE_DATE_EPOCH=$(or $(BUILT),0) $(GO) run $(NFPM) package --packager deb --config cmd/$$p/deb/nfpm.yaml --target $(OUT)/; \
	done

reproduce: tools ## build twice, from two folders with caches of their own, and compare
	@.ci/reproduce "$(VERSION)" "$(BUILT)"

bench: tools ## measure, each figure beside its reference (BENCH=Hot COUNT=10: what benchstat compares)
	$(GO) test $(TAGS) -run '^$$' -bench '$(or $(BENCH),.)' -count $(or $(COUNT),1) -benchmem -timeout 60m $(PACKAGES)

race: tools ## the tests three times over, in random order
	$(GO) test -race $(TAGS) -count 3 -shuffle on -timeout 60m $(PACKAGES)

sim: tools ## play SEEDS histories of many laptops on a bad network, from seed FROM on (SEED=n plays one and shows it)
	SEED=$(SEED) SEEDS=$(or $(SEEDS),1000) FROM=$(or $(FROM),1) $(GO) test $(TAGS) ./sync/simtest -run 'TestSeeds' -count 1 -timeout 0 -v

torture: deps ## power cuts, kills, damage, faults and abuse in the number that a release asks for (SIZE=0.1: a tenth of it)
	@.ci/torture $(or $(SIZE),1)

replay: tools ## let the people of a recorded year work again, where their records are at hand (REPLAY=n: so many slices of 208)
	REPLAY=$(or $(REPLAY),all) $(GO) test $(TAGS) ./sync/simtest -run 'TestReplayIncidents' -count 1 -timeout 0 -v

# Ten tries to shorten an input that is new, not the minute that go test takes for
# each: where goroutines run beside, every other input looks new, and nothing else is done.
fuzz: tools ## feed each fuzz target for FUZZTIME (30s)
	@grep -rno --include='*_test.go' 'func Fuzz[A-Za-z]*' cmd localdb sync tui | sed 's/^\(.*\)\/[^/]*:[0-9]*:func \(.*\)/.\/\1 \2/' | while read -r package target; do \
		$(GO) test $(TAGS) $$package -run '^$$' -fuzz "^$$target\$$" -fuzztime $(or $(FUZZTIME),30s) -fuzzminimizetime 10x || exit 1; done

cover: deps ## how much of the stores, the sync and the server the tests run, as a table (bin/cover.out: the profile)
	@.ci/cover

golden: tools ## draw the screens' golden frames anew; look at the difference before you commit it
	$(GO) test $(TAGS) ./tui -update

lint: tools
	@unformatted=$$("$$($(GO) env GOROOT)/bin/gofmt" -l cmd tui localdb sync); \
	if [ -n "$$unformatted" ]; then echo "not in gofmt's form:"; echo "$$unformatted"; exit 1; fi
	$(GO) build -buildvcs=false ./...
	$(GO) vet $(TAGS) ./...
	$(GO) tool staticcheck $(TAGS) ./...
	$(GO) mod verify
	$(GO) mod tidy -diff

# tools is what a build needs (a C compiler for SQLite), deps what the tests
# need beside it. Both install it when they can and say what is missing when not.
tools:
	@.ci/install build
deps:
	@.ci/install
