# Katkit's make targets; `make help` lists them. Every command here also runs by hand; longer ones are scripts in hack/.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

# Version stamped into the binaries and tag of the images.
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo v0.0.0)
# docker or buildah builds the images: docker where its daemon answers.
CONTAINER_TOOL ?= $(shell docker info >/dev/null 2>&1 && echo docker || echo buildah)
# Images are named $(IMAGE_PREFIX)/manager:$(VERSION) and so on, on top of $(BASE_IMAGE).
IMAGE_PREFIX ?= katkit
BASE_IMAGE ?= debian:bookworm-slim
# How long `make fuzz` spends on each target.
FUZZTIME ?= 30s
# More arguments for `go test`, e.g. GOTEST_ARGS='-run TestX -v', and for the stories of the controllers, e.g. GINKGO_ARGS='--focus "A link"'.
GOTEST_ARGS ?=
GINKGO_ARGS ?=
# How many of those run at once. Each has an API server of its own.
ENVTEST_PROCS ?= 2

# Tools are pinned in tools/; Go builds each once and keeps it in the user's build cache, for any checkout.
CONTROLLER_GEN := go tool -modfile=tools/go.mod controller-gen
CRD_REF_DOCS := go tool -modfile=tools/go.mod crd-ref-docs
GOLANGCI_LINT := go tool -modfile=tools/golangci-lint/go.mod golangci-lint-kube-api-linter
LOCALKUBE := go run -C hack/localkube .

# The flags are those of hack/localkube, so that Go compiles what both need once; so are GO_RUN's.
GO_BUILD := CGO_ENABLED=0 go build -trimpath -ldflags '-s -w -X main.version=$(VERSION)'
GO_RUN := env CGO_ENABLED=0 go run -trimpath

##@ Build

.PHONY: build
build: ## The binaries: bin/manager, bin/receiver, bin/logstore, bin/katkit-agent, bin/kubectl-katkit, bin/fakegithub
	$(GO_BUILD) -o bin/manager ./cmd/manager
	$(GO_BUILD) -o bin/receiver ./cmd/receiver
	$(GO_BUILD) -o bin/logstore ./cmd/logstore
	$(GO_BUILD) -o bin/katkit-agent ./cmd/agent
	$(GO_BUILD) -o bin/kubectl-katkit ./cmd/kubectl-katkit
	$(GO_BUILD) -o bin/fakegithub ./test/fakegithub/cmd/fakegithub

.PHONY: images
images: build ## The container images, with docker or buildah (CONTAINER_TOOL, IMAGE_PREFIX, BASE_IMAGE)
	for target in manager receiver logstore agent builder; do \
		$(CONTAINER_TOOL) build --build-arg BASE_IMAGE=$(BASE_IMAGE) --target $$target -t $(IMAGE_PREFIX)/$$target:$(VERSION) .; \
	done
	$(CONTAINER_TOOL) build --build-arg BASE_IMAGE=$(BASE_IMAGE) -f test/fakegithub/Dockerfile -t $(IMAGE_PREFIX)/fakegithub:$(VERSION) .

##@ Check

.PHONY: generate
generate: ## Write all that is generated: deepcopy, config/crd, roles, docs/reference
	crds=$$(mktemp -d); trap 'rm -rf "$$crds"' EXIT; \
	$(CONTROLLER_GEN) object paths=./api/... crd paths=./api/... output:crd:dir="$$crds"; \
	rm -f config/crd/katkit.dev_*.yaml; \
	install -D -m 644 -t config/crd "$$crds"/*
	if [ -d internal/controller ]; then \
		$(CONTROLLER_GEN) rbac:roleName=katkit-manager paths=./internal/controller/... output:rbac:dir=config/rbac; \
	fi
	$(CONTROLLER_GEN) rbac:roleName=katkit-receiver paths=./internal/receiver/... output:rbac:dir=config/receiver
	$(CONTROLLER_GEN) rbac:roleName=katkit-logstore paths=./internal/logstore/... output:rbac:dir=config/logstore
	$(CRD_REF_DOCS) --log-level=ERROR --source-path=api/v1alpha1 --config=tools/crd-ref-docs.yaml \
		--renderer=markdown --output-path=docs/reference/api.md

.PHONY: verify
verify: ## Fail if anything generated is stale, a go.mod untidy, a file not gofmt-ed, a manifest broken
	hack/verify.sh

.PHONY: lint
lint: ## golangci-lint: style, likely bugs, the import arrows, the API conventions
	status=0; \
	$(GOLANGCI_LINT) run || status=$$?; \
	cd hack/localkube && $(subst tools/,../../tools/,$(GOLANGCI_LINT)) run --config ../../.golangci.yml || status=$$?; \
	exit $$status

##@ Test

.PHONY: test
test: test-unit test-envtest test-e2e ## All tests

.PHONY: test-unit
test-unit: ## Tests that need nothing but Go, and from the npm registry what GitHub publishes of its API, and a server of Azure's buckets
	OCTOKIT_ASSETS="$$(hack/octokit-assets.sh)" BUCKETSERVER_ASSETS="$$(hack/bucketserver-assets.sh)" go test -race $(GOTEST_ARGS) $$(hack/test-packages.sh unit)
	cd hack/localkube && go test -race $(GOTEST_ARGS) ./...

.PHONY: test-envtest
test-envtest: ## Tests of the controllers against a real API server and etcd
	KUBEBUILDER_ASSETS="$$(hack/envtest-assets.sh)" OCTOKIT_ASSETS="$$(hack/octokit-assets.sh)" \
		go tool ginkgo run --no-color --race --procs=$(ENVTEST_PROCS) --timeout=30m --poll-progress-after=60s $(GINKGO_ARGS) $$(hack/test-packages.sh envtest)

.PHONY: test-e2e
test-e2e: ## End-to-end tests with real Pods: on $KUBECONFIG's cluster, else on the local one
	hack/with-cluster.sh --or-skip go test -count=1 -timeout=40m -v $(GOTEST_ARGS) ./test/e2e/...

.PHONY: fuzz
fuzz: ## Every fuzz target for FUZZTIME (30s)
	hack/fuzz.sh $(FUZZTIME)

.PHONY: bench
bench: ## Measure runs beside bare Pods: on $KUBECONFIG's cluster, else on the local one
	hack/with-cluster.sh $(GO_RUN) ./test/bench

.PHONY: bench-receiver
bench-receiver: ## Load the webhook receiver: 1,000 deliveries a second, half of them forged, on an API server of its own
	KUBEBUILDER_ASSETS="$$(hack/envtest-assets.sh)" $(GO_RUN) ./test/bench/receiver

.PHONY: bench-logstore
bench-logstore: ## Write logs of a GiB to the log store and read them back, over loopback to a folder and to servers of S3, Azure and GCS
	BUCKETSERVER_ASSETS="$$(hack/bucketserver-assets.sh)" go test -run '^$$' -bench . -benchtime 3x ./cmd/logstore

##@ See it run

.PHONY: demo
demo: ## A run from build to verification, on $KUBECONFIG's cluster, else on the local one
	hack/with-cluster.sh $(GO_RUN) ./hack/demo

.PHONY: cluster-up
cluster-up: ## Start or repair the local Kubernetes (the first time builds it, about a quarter of an hour)
	$(LOCALKUBE) up
	$(LOCALKUBE) images

.PHONY: cluster-down
cluster-down: ## Stop the local Kubernetes; its state is kept for the next start
	$(LOCALKUBE) down

.PHONY: cluster-status
cluster-status: ## Tell what of the local Kubernetes runs
	$(LOCALKUBE) status

##@ Help

.PHONY: help
help: ## This list
	@awk 'BEGIN {FS = ":.*## "} \
		/^##@ / {printf "\n%s\n", substr($$0, 5)} \
		/^[a-z0-9-]+:.*## / {printf "  %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
