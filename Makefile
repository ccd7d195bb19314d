# The dead letter office. `make help` lists the targets.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
CACHE := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/deadletteroffice
export PATH := $(CACHE)/node/node_modules/.bin:$(PATH)
export GOFLAGS := -tags=sqlite_fts5 $(filter-out -tags=%,$(GOFLAGS))
VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
WEB := ui/web

.DEFAULT_GOAL := help
.PHONY: help build run test lint fmt setup ui ui-check web-deps go-test web-test e2e bench soak fuzz clean

help: ## list the targets
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

build: ## build bin/dlq (the page is in the tree already)
	CGO_ENABLED=1 go build -trimpath -ldflags '-s -w -X main.version=$(VERSION)' -o bin/dlq ./cmd/dlq

run: build ## a broker, the demo shop and the console; with DLQ_NAMESRV set the console alone against that cluster
	@demo/run.sh

test: setup go-test web-test e2e ## all tests: Go on real brokers, the page's logic, and the page in Chromium

lint: setup web-deps ## gofmt, go vet, staticcheck, TypeScript, the page's linter, and that ui/dist is what ui/web builds
	@unformatted=$$(gofmt -l $$(git ls-files '*.go')); if [ -n "$$unformatted" ]; then echo "gofmt these: $$unformatted"; exit 1; fi
	go vet ./...
	go run $(STATICCHECK) ./...
	cd $(WEB) && npm run --silent typecheck && npm run --silent lint
	$(MAKE) --no-print-directory ui-check

fmt: web-deps ## format everything
	gofmt -w $$(git ls-files '*.go')
	cd $(WEB) && npm run --silent format

setup: ## install what tests need (JDK, Maven, Node.js, Chromium); by apt as root or in CI, else it says how
	@.ci/setup

web-deps: $(WEB)/node_modules/.package-lock.json

$(WEB)/node_modules/.package-lock.json: $(WEB)/package-lock.json
	cd $(WEB) && npm ci --no-audit --no-fund
	@touch $@

ui: web-deps ## build the page into ui/dist
	cd $(WEB) && npm run --silent build

ui-check: web-deps
	@rm -rf $(WEB)/.dist-check && cd $(WEB) && npx vite build --logLevel warn --outDir .dist-check --emptyOutDir && diff -r -x '*.br' .dist-check ../dist && rm -rf .dist-check \
		|| { echo "ui/dist is not what ui/web builds: run make ui and commit it"; exit 1; }

# The client library's push consumers race with themselves (ConsumerRunningInfo.Encode against their rebalancing), so the
# tests that run one in their own process do so out of the race detector's way; so does the one that measures memory, of which
# the detector takes a multiple.
RACY := ^(TestOnlineConsumer|TestKill9LosesAndDoublesNothing|TestHostileRulesTakeLittleMemory)$$

go-test:
	go test -race -timeout 30m -skip '$(RACY)' ./...
	go test -timeout 15m -run '$(RACY)' ./broker/rocketmq/remoting ./cmd/dlq

web-test: web-deps
	cd $(WEB) && npm run --silent test

e2e: build web-deps ## the main job in Chromium on a real broker
	cd $(WEB) && npm run --silent e2e

bench: build ## every figure beside a limit measured in the same run, on a real broker
	go run ./cmd/bench

soak: ## what takes longer: 100 000 letters replayed while console and broker are killed, every door waited for to its outcome
	DLQ_SOAK=1 go test -timeout 120m -run 'Kill9|DoorMatrix' -v ./cmd/dlq

fuzz: ## each fuzz target for half a minute
	@for p in $$(go list ./...); do for f in $$(go test -list '^Fuzz' $$p | grep '^Fuzz' || true); do echo "$$p $$f"; go test -run '^$$' -fuzz "^$$f$$" -fuzztime 30s $$p; done; done

clean: ## remove what was built
	rm -rf bin $(WEB)/node_modules $(WEB)/.dist-check
