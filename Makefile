# `make help` lists the targets. A fresh Debian machine with Go needs nothing
# else: what a target wants beyond it, it installs (as root) or asks for.

GO      ?= go
KERNEL  ?= 6.12
PKGS    ?= ./...
COUNT   ?= 1
FUZZ    ?= 10s
BENCH   ?= .
ROUNDS  ?= 7
RUNS    ?= 20
DEEP    ?= 60s
SOAK    ?= 1000000000
ALL     ?= 100000000
URING   ?= 10000000
SOAK_RXE ?= 1000000
EVD_SOAK_STATE ?= bin/soak.json
export MAKE

# A checkout that git refuses to read (another owner, no git) still builds.
ifneq ($(shell git rev-parse HEAD >/dev/null 2>&1; echo $$?),0)
export GOFLAGS += -buildvcs=false
endif

TOOL    := $(GO) tool -modfile=tools/go.mod
STATIC  := CGO_ENABLED=0 $(GO)
# Those with a comma have no files of the same names, and are looked at together.
TAGS    := explore invariants guest,launcher,seeded,browser
# Needs cgo and libibverbs, which a machine may lack.
VERBS   := verbs
CROSS   := linux/arm64 darwin/arm64 windows/amd64
# Modules below the root, for comparison only; tools has nothing to test.
NESTED  := $(patsubst %/go.mod,%,$(filter-out tools/go.mod,$(wildcard */go.mod */*/go.mod)))
# The C programs to compare with, and the drivers that they load.
REFERENCE := ibverbs-utils,ibverbs-providers,rdmacm-utils
RDMA_RIVALS := perftest,dapl2-utils,libdapl2
# What measures beside them, and its parts in a guest whose clock counts
# instructions and in an ordinary one.
RXE     := bin/rxe-rivals/rxe-rivals
ICOUNT  ?= event,dapl,poll
PLAIN   ?= spin,bw,dapl,poll
# Packages whose tests also run in a guest: those that ask for a soft-RoCE
# device, and the engine, which meets another scheduler and clock there.
# The oldest kernel for io_uring is not the host's; time is short there, so -short.
GUEST   := $(if $(filter 6.1,$(KERNEL)),hwcq/uring) $(sort engine $(patsubst ./%,%,$(shell grep -rl EVD_RXE_REQUIRED --include='*_test.go' . | xargs -rn1 dirname)))
# The tools of measuring have many tests that no device changes: of them those that ask
# for one.
ONRXE   := bench cmd/evdbench
# Of all, the ones that are built with libibverbs.
CGUEST  := hwcq/verbs bench
STAGES  := lint model unit race explore mutants invariants bench-smoke cross $(if $(NESTED),nested) nodes-test html-test guest-test rxe-test rxe-test-6.1 two-nodes

# Output of test runs goes through testlog, which fails if they did.
SHELL := /bin/bash
.SHELLFLAGS := -o pipefail -c

##@ Use

.PHONY: help
help: ## this list
	@awk 'BEGIN { FS = ":.*## " } /^##@/ { printf "\n%s\n", substr($$0, 5) } /^[a-z0-9.-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: run
run: bin/evdbench ## build, and measure latency and rate on the mock CQ, spinning and event-driven (under 90 s)
	@for what in lat bw; do for mode in spin event; do \
		echo "== $$what, $$mode mode, mock CQ"; \
		bin/evdbench $$what --cq mock --mode $$mode --duration 3s --warmup 500ms || exit 1; echo; \
	done; done
	@echo "The same on real kernel completion queues (soft-RoCE in a guest): make rxe"

.PHONY: rxe
rxe: rxe-programs ## boot a guest and compare with ibv_rc_pingpong on soft-RoCE, side by side, sleeping and spinning; ROUNDS=7
	@bin/evdvm run -kernel $(KERNEL) -packages $(REFERENCE) -timeout 10m -- $(RXE) -parts event,spin -rounds $(ROUNDS)

.PHONY: rxe-icount
rxe-icount: rxe-programs ## the same, event-driven only, in instructions: host load does not enter
	@bin/evdvm run -kernel $(KERNEL) -packages $(REFERENCE) -timeout 10m -icount -- $(RXE) -parts event -limit 1h -rounds $(ROUNDS)

.PHONY: rxe-rivals
rxe-rivals: rxe-programs bin/evdbench-verbs ## soft-RoCE beside C's ping-pong, perftest, uDAPL and ibv_poll_cq, in two guests; RIVALS=flags, ICOUNT= or PLAIN= for one of them; one line per goal; bin/rxe-rivals/*.json
	@status=0; \
	for guest in "icount $(ICOUNT)" "plain $(PLAIN)"; do \
		set -- $$guest; [ -n "$$2" ] || continue; icount= limit=10m; [ $$1 = plain ] || { icount=-icount; limit=1h; }; \
		echo "== $$2, $$1"; \
		bin/evdvm run -kernel $(KERNEL) -packages $(REFERENCE),$(RDMA_RIVALS) -timeout 30m -share bin/rxe-rivals $$icount -- \
			$(RXE) -parts $$2 -limit $$limit -json $$1.json $(RIVALS) || status=1; \
	done; exit $$status

.PHONY: rxe-programs
rxe-programs: bin/evdbench bin/evdvm libibverbs
	@mkdir -p bin/rxe-rivals
	@gcc -O2 -Wall -Wextra -o bin/rxe-rivals/poll bench/rivals/rxe/c/poll.c -libverbs
	@cd bench/rivals && $(STATIC) build -o ../../bin/rxe-rivals/rxe-rivals ./rxe

.PHONY: uring-rivals
uring-rivals: ## NOPs and a TCP echo server through the engine on io_uring, beside C with liburing and Go's net; ROUNDS=7; one line per goal
	@scripts/need.sh gcc gcc libc6-dev
	@scripts/need.sh /usr/include/liburing.h liburing-dev libc6-dev
	@scripts/need.sh taskset util-linux
	@mkdir -p bin/uring-rivals
	@for p in nop echo client; do gcc -O2 -Wall -Wextra -o bin/uring-rivals/$$p bench/rivals/uring/c/$$p.c -luring || exit 1; done
	@$(STATIC) build -o bin/uring-rivals/evd-echo ./examples/echo
	@cd bench/rivals && $(STATIC) build -o ../../bin/uring-rivals/uring-rivals ./uring
	@bin/uring-rivals/uring-rivals -rounds $(ROUNDS)

.PHONY: rivals
rivals: ## rings and dispatch beside other people's (Go, and C++ where installed), locks and the hardware's limits; RIVALS=flags, -quick; one line per goal; bin/rivals.json, .svg
	@mkdir -p bin
	@cd bench/rivals && $(STATIC) build -o ../../bin/rivals .
	@$(STATIC) test -c -o bin/rivals-rxe.test ./hwcq/rxe
	@bin/rivals -json bin/rivals.json -svg bin/rivals.svg $(RIVALS)

.PHONY: vm-fetch
vm-fetch: bin/evdvm ## only install and download what guests need
	@bin/evdvm fetch -kernel $(KERNEL)

.PHONY: vm-doctor
vm-doctor: bin/evdvm ## say what guests need and what is missing
	@bin/evdvm doctor -kernel $(KERNEL)

##@ Test

.PHONY: test
test: ## lint and everything below but fuzz-smoke; all of it runs even if something fails
	@scripts/stages.sh $(STAGES)

.PHONY: model
model: ## check the protocol's model with spin: every scenario must hold, every mutant must fail
	@scripts/need.sh spin spin
	@scripts/need.sh gcc gcc libc6-dev
	@model/run.sh

.PHONY: unit
unit: bin/testlog ## unit tests, without the race detector (which hides allocation counts)
	@$(GO) test -json -count=$(COUNT) $(PKGS) | bin/testlog

.PHONY: race
race: bin/testlog ## unit tests with the race detector
	@# Otherwise each of the many processes that tests start sleeps for a second at its end.
	@scripts/need.sh gcc gcc libc6-dev
	@GORACE=atexit_sleep_ms=0 CGO_ENABLED=1 $(GO) test -json -race -count=$(COUNT) $(PKGS) | bin/testlog

.PHONY: explore
explore: bin/testlog ## every interleaving of the scenarios with at most two preemptions
	@scripts/explore.sh | bin/testlog

.PHONY: mutants
mutants: ## every clause of protocol and ring taken out in turn: a scenario must notice
	@$(GO) run ./internal/mutants

.PHONY: explore-deep
explore-deep: bin/testlog ## the engine's scenarios with three preemptions, by partial-order reduction, and by PCT of depth 5; DEEP=60s for each
	@for search in bound=3 search=dpor search=pct,depth=5; do echo "== $$search"; \
		TIMEOUT=24h EVD_EXPLORE=$$search,time=$(DEEP) scripts/explore.sh | bin/testlog -show executions || exit 1; done

.PHONY: invariants
invariants: bin/testlog ## unit tests with the self-checks compiled in: those of the mock CQ, and of who uses it
	@$(GO) test -json -tags invariants -count=$(COUNT) ./engine ./bench ./cmd/evdbench ./hwcq/mock | bin/testlog

.PHONY: bench-smoke
bench-smoke: ## every benchmark once, so that none can rot
	@$(GO) test -run '^$$' -bench . -benchtime 1x $(PKGS) | awk '/no test files/ || /^ok .*0\.0/ { next } { print } \
		/^Benchmark/ { n++ } END { if (!n) { print "bench-smoke: no benchmark ran"; exit 1 } }'

.PHONY: flood
flood: ## one EVD flooded by posters: the latency of 16 others, with one worker and with all, with and without the flood
	@$(GO) test -run '^$$' -bench 'Flood$$' -benchtime 5000x ./bench | grep -E '^Benchmark|^FAIL|^ok'

.PHONY: scale
scale: ## 100,000 idle EVDs: ns an event of active ones beside them (in turn, ROUNDS=7 times), bytes an EVD, a wake-up among them, goroutines
	@for i in $$(seq $(ROUNDS)); do $(GO) test -run '^$$' -bench 'ScaleActive$$' -benchtime 300ms ./engine | grep -E '^Benchmark|^FAIL' || exit 1; done
	@$(GO) test -run '^$$' -bench 'ScaleWake$$' -benchtime 20000x ./engine | grep -E '^Benchmark|^FAIL' || exit 1
	@$(GO) test -run '^$$' -bench 'Pollers$$' -benchtime 20000x ./engine | grep -E '^Benchmark|^FAIL' || exit 1

.PHONY: compare-power
compare-power: ## does `evdbench compare` find a slow-down of 5 % in rate and 10 % in p99, and none where there is none? RUNS=20 of each; minutes to an hour
	@scripts/compare-power.sh $(RUNS)

.PHONY: soak
soak: ## SOAK=1000000000 events under changing policies and closes; minutes; EVD_SEED=n; goes on where it was stopped; then ALL=100000000 with CNOs, a shared CQ, resizes and modes; then URING=10000000 requests of io_uring
	@mkdir -p $(dir $(EVD_SOAK_STATE))
	@EVD_SOAK=$(SOAK) EVD_SOAK_STATE=$(abspath $(EVD_SOAK_STATE)) $(GO) test -run 'TestISERSoak$$' -v -count=1 -timeout 24h ./engine
	@rm -f $(EVD_SOAK_STATE)
	@EVD_SOAK=$(ALL) $(GO) test -run 'TestWholeSoak$$' -v -count=1 -timeout 24h ./engine
	@EVD_SOAK=$(URING) $(GO) test -run 'TestUringSoak$$' -v -count=1 -timeout 24h ./hwcq/uring

.PHONY: fuzz-smoke
fuzz-smoke: ## every fuzz target for FUZZ=10s
	@grep -rlE '^func Fuzz' --include='*_test.go' . | while read -r file; do \
		for f in $$(sed -nE 's/^func (Fuzz[A-Za-z0-9_]*)\(.*/\1/p' "$$file"); do \
			echo "== $$f"; $(GO) test -run '^$$' -fuzz "^$$f$$" -fuzztime $(FUZZ) -fuzzminimizetime 1s "$$(dirname "$$file")" || exit 1; \
		done; done

.PHONY: cross
cross: ## compile everything for the other platforms, tests too for the first of them
	@for p in $(CROSS); do echo "== $$p"; CGO_ENABLED=0 GOOS=$${p%/*} GOARCH=$${p#*/} $(GO) build $(PKGS) || exit 1; done
	@CGO_ENABLED=0 GOOS=linux GOARCH=arm64 $(GO) vet $(PKGS)

.PHONY: nested
nested: bin/testlog ## the modules kept apart from the root one
	@scripts/need.sh gcc gcc libc6-dev
	@scripts/need.sh g++ g++
	@for m in $(NESTED); do echo "== $$m"; (cd $$m && $(GO) vet ./... && $(GO) test -json ./...) | bin/testlog || exit 1; done

.PHONY: nodes-test
nodes-test: bin/testlog bin/evdbench ## evdbench with four ranks on this machine, under mpirun
	@scripts/need.sh mpirun openmpi-bin
	@EVD_EVDBENCH=$(abspath bin/evdbench) $(GO) test -json -tags launcher -run Launcher -count=1 -timeout 15m ./cmd/evdbench | bin/testlog -noskip

.PHONY: html-test
html-test: bin/testlog ## the page of evdbench report, in Chromium without a window; pictures in bin/html
	@scripts/need.sh chromium chromium fonts-liberation
	@$(GO) test -json -tags browser -run 'Browser|Probe|Screens' -count=1 -timeout 15m ./bench/render -args -screens $(CURDIR)/bin/html | bin/testlog -noskip

.PHONY: guest-test
guest-test: bin/testlog ## the guest machinery itself: output, status, time limit, panic
	@$(GO) test -json -tags guest -run Guest -count=1 -timeout 15m ./internal/vm | bin/testlog -noskip

.PHONY: rxe-test
rxe-test: guest-binaries ## the soft-RoCE tests in a guest, on kernel KERNEL=6.12; nothing may be skipped
	@bin/evdvm run -kernel $(KERNEL) -packages $(REFERENCE) -timeout 20m -env EVD_RXE_REQUIRED=1 -- \
		bash scripts/guest-tests.sh bin/guest/test2json $(foreach p,$(GUEST),'bin/guest/$(subst /,-,$(p)).test=$(p)$(if $(filter $(p),$(ONRXE)),:RXE|Verbs)') | bin/testlog -noskip

.PHONY: rxe-soak
rxe-soak: guest-binaries ## SOAK_RXE=1000000 completions of soft-RoCE in a guest, under changing policies, arms and closes; minutes; EVD_SEED=n
	@bin/evdvm run -kernel $(KERNEL) -timeout 3h -env EVD_RXE_REQUIRED=1 -env EVD_SOAK=$(SOAK_RXE) -env EVD_SEED=$(EVD_SEED) -- \
		bash -c 'cd hwcq/rxe && ../../bin/guest/hwcq-rxe.test -test.run "TestRXESoak$$" -test.v -test.timeout 3h'

.PHONY: rxe-test-6.1
rxe-test-6.1: ## the same on kernel 6.1
	@$(MAKE) --no-print-directory rxe-test KERNEL=6.1

.PHONY: two-nodes
two-nodes: bin/testlog ## evdbench between two nodes, in one guest and in two, on kernel KERNEL=6.12: loss, delay, a peer that is killed
	@EVD_KERNEL=$(KERNEL) $(STATIC) test -json -tags guest -run Guest -count=1 -timeout 20m ./cmd/evdbench | bin/testlog -noskip

.PHONY: two-nodes-6.1
two-nodes-6.1: ## the same on kernel 6.1
	@$(MAKE) --no-print-directory two-nodes KERNEL=6.1

.PHONY: rxe-matrix
rxe-matrix: ## all that needs soft-RoCE, on every kernel that we support; a line each at the end
	@scripts/stages.sh rxe-test-6.1 two-nodes-6.1 rxe-test two-nodes

.PHONY: guest-binaries
guest-binaries: bin/evdvm bin/testlog libibverbs
	@mkdir -p bin/guest
	@$(STATIC) build -o bin/guest/test2json cmd/test2json
	@$(foreach p,$(filter-out $(CGUEST),$(GUEST)),$(STATIC) test -c -o bin/guest/$(subst /,-,$(p)).test ./$(p) &&) true
	@$(foreach p,$(CGUEST),CGO_ENABLED=1 $(GO) test -tags $(VERBS) -c -o bin/guest/$(subst /,-,$(p)).test ./$(p) &&) true

##@ Check

.PHONY: lint
lint: ## formatting, vet and staticcheck under every build tag, the repository's own rules
	@bad=0; tags="$(TAGS)"; \
	if $(MAKE) -s --no-print-directory libibverbs; then tags="$$tags $(VERBS)"; else echo "lint: without the build tag $(VERBS)"; fi; \
	unformatted=$$($(TOOL) gofumpt -l .) || bad=1; \
	if [ -n "$$unformatted" ]; then echo "not formatted (make fmt):"; echo "$$unformatted"; bad=1; fi; \
	for s in .ci/run scripts/*.sh; do bash -n $$s || bad=1; done; \
	for t in "" $$tags; do $(GO) vet -tags "$$t" $(PKGS) || bad=1; done; \
	{ echo plain:; for t in $$tags; do echo "$${t//,/_}: -tags=$$t"; done; } | $(TOOL) staticcheck -matrix $(PKGS) || bad=1; \
	$(GO) test -count=1 ./internal/lint || bad=1; \
	exit $$bad

.PHONY: fmt
fmt: ## format every Go file
	@$(TOOL) gofumpt -w .

.PHONY: cover
cover: ## statement coverage of ring and engine, what nothing reaches, and bin/cover.html
	@mkdir -p bin
	@scripts/cover.sh bin/cover.out
	@$(GO) tool cover -html=bin/cover.out -o bin/cover.html

.PHONY: bench
bench: ## benchmarks matching BENCH=., COUNT times, with benchstat's summary
	@mkdir -p bin
	@$(GO) test -run '^$$' -bench '$(BENCH)' -count=$(COUNT) $(PKGS) | tee bin/bench.txt
	@$(TOOL) benchstat bin/bench.txt

.PHONY: profiles
profiles: bin/evdbench ## take the profiles of profiles/ again, on this machine: CPU, mutex, block, trace; minutes
	@GO=$(GO) scripts/profiles.sh bin/evdbench profiles

.PHONY: pgo
pgo: ## build evdbench with those profiles merged (bin/evdbench-pgo) and compare it, in turn ROUNDS=7 times, with one without
	@GO=$(GO) scripts/pgo.sh profiles $(ROUNDS)

##@ Build

.PHONY: build
build: bin/evdbench bin/evdvm ## the commands, static, in bin/

# The go tool knows best what is up to date.
bin/evdbench bin/evdvm: bin/%: FORCE
	@$(STATIC) build -trimpath -o $@ ./cmd/$*

# With the CQs of libibverbs: not static, and only where that is installed.
bin/evdbench-verbs: FORCE libibverbs
	@CGO_ENABLED=1 $(GO) build -tags $(VERBS) -trimpath -o $@ ./cmd/evdbench

.PHONY: libibverbs
libibverbs:
	@scripts/need.sh gcc gcc libc6-dev
	@scripts/need.sh /usr/include/infiniband/verbs.h libibverbs-dev

bin/testlog: FORCE
	@$(STATIC) build -o $@ ./internal/testlog

.PHONY: clean
clean: ## remove what was built; kernels for guests stay (evdvm doctor says where)
	rm -rf bin

.PHONY: FORCE
FORCE:
