# skiff: what people and CI run. "make help" lists the targets.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
# Every system and both architectures, beside the machine's own: that is what a mistake can depend on. "make platforms" builds all six.
PLATFORMS := linux/arm64 darwin/arm64 windows/amd64
ALL_PLATFORMS := linux/amd64 linux/arm64 darwin/amd64 darwin/arm64 windows/amd64 windows/arm64

# All that the local cluster keeps, outside the checkout, so that every checkout shares it. Absolute, because the driver
# runs in its own folder.
cache := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)
export SKIFF_E2E_HOME := $(abspath $(or $(SKIFF_E2E_HOME),$(cache)/skiff-e2e))
driver := go -C e2e/cluster run .

# With E2E_KUBECONTEXT=name the tests run against that context of your own kubeconfig, and no cluster is started.
needed := $(if $(E2E_KUBECONTEXT),,cluster)
kubeconfig := $(if $(E2E_KUBECONTEXT),,KUBECONFIG=$(SKIFF_E2E_HOME)/kubeconfig)

# Where tests with the tag e2e are. They run one package after the other: they share the cluster, and some measure.
e2epackages = $$(grep -rl --include='*_test.go' '^//go:build e2e' . | xargs -n 1 dirname | sort -u)

gofiles := git ls-files -co --exclude-standard '*.go' ':!:**/testdata/**'

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: build
build: ## build dist/skiff
	go build -ldflags='-s -w' -o dist/skiff ./cmd/skiff

# One after the other: on a small machine they would only slow each other down.
.PHONY: test
test: ## all there is: the cluster, unit tests, linters, and the tests against the cluster
	@for part in $(needed) unit lint fuzz e2e; do \
	  echo "== make $$part"; begin=$$SECONDS; $(MAKE) $$part; echo "== make $$part took $$((SECONDS - begin)) s"; \
	done

.PHONY: unit
unit: ## the tests that need nothing
	go test ./...
	go -C e2e/cluster test ./...

# Four targets share a minute; FUZZTIME=10m gives each ten. Go's fuzzer sometimes fails because its own deadline came while an
# input was at work ("context deadline exceeded"); a find is known by the input that it writes to testdata/fuzz.
FUZZTIME ?= 15s

.PHONY: fuzz
fuzz: ## throw bytes at the loader of project files (FUZZTIME=15s for each target)
	@for target in FuzzLoad FuzzMigrate FuzzProfiles FuzzPatches; do \
	  output=$$(go test ./internal/config -run '^$$' -fuzz "^$$target$$" -fuzztime $(FUZZTIME) 2>&1) || { \
	    if grep -q 'context deadline exceeded' <<<"$$output" && ! grep -q 'Failing input written' <<<"$$output"; then \
	      echo "$$target: the time was up in the middle of an input"; \
	    else \
	      echo "$$output"; exit 1; \
	    fi; \
	  }; \
	  echo "$$target: $$(grep '^fuzz: elapsed' <<<"$$output" | tail -n 1)"; \
	done

.PHONY: lint
lint: lint-format lint-vet lint-staticcheck lint-platforms ## formatting, go vet, staticcheck, and builds for other platforms

.PHONY: lint-format
lint-format:
	@bad=$$($(gofiles) | xargs gofmt -l); if [ -n "$$bad" ]; then echo "not formatted (make fmt mends it):"; echo "$$bad"; exit 1; fi

.PHONY: lint-vet
lint-vet:
	go vet ./...
	go vet -tags e2e ./...
	go -C e2e/cluster vet ./...

.PHONY: lint-staticcheck
lint-staticcheck:
	go run $(STATICCHECK) -tags e2e ./...
	cd e2e/cluster && go run $(STATICCHECK) ./...

.PHONY: lint-platforms
lint-platforms:
	@for platform in $(PLATFORMS); do \
	  echo "go build ./... for $$platform"; \
	  CGO_ENABLED=0 GOOS=$${platform%/*} GOARCH=$${platform#*/} go build ./...; \
	done

.PHONY: platforms
platforms: ## a build for every platform that skiff is for
	@$(MAKE) --no-print-directory lint-platforms PLATFORMS='$(ALL_PLATFORMS)'

.PHONY: e2e
e2e: build $(needed) ## the tests against a real cluster (E2E_KUBECONTEXT=name: yours instead of the local one)
	$(kubeconfig) SKIFF=$(CURDIR)/dist/skiff go test -tags e2e -count=1 -p 1 -timeout 40m $(e2epackages)

.PHONY: setup
setup: ## install and build what the local cluster needs, start nothing (root, Debian)
	@$(driver) setup

.PHONY: cluster
cluster: ## start the local cluster, or what has died of it (root, Debian)
	@$(driver) up

.PHONY: cluster-down
cluster-down: ## stop the local cluster and forget its objects; what was built stays
	@$(driver) down

.PHONY: cluster-status
cluster-status: ## say which parts of the local cluster run
	@$(driver) status

.PHONY: bench
bench: build $(needed) ## measure against the local cluster: a table, and JSON
	$(kubeconfig) go run ./bench $(BENCHFLAGS)

.PHONY: demo
demo: ## the tutorial: the local cluster, then skiff dev on examples/flask
	@begin=$$SECONDS; echo "== the cluster"; $(MAKE) cluster; echo "== the cluster took $$((SECONDS - begin)) s"
	@begin=$$SECONDS; echo "== building skiff"; $(MAKE) build; echo "== building skiff took $$((SECONDS - begin)) s"
	@echo "== skiff dev --port-forward, in examples/flask (Ctrl-C ends it); change app.py and look at http://127.0.0.1:5000"
	@cd examples/flask && KUBECONFIG=$(SKIFF_E2E_HOME)/kubeconfig $(CURDIR)/dist/skiff dev --port-forward

.PHONY: fmt
fmt: ## format all Go files
	@$(gofiles) | xargs gofmt -w

.PHONY: clean
clean: ## remove what was built here; the cluster's folder stays
	rm -rf dist
