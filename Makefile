# The tasks of the project. `make demo` shows what Sluice does, `make test` says whether a change may land.
SHELL := /bin/bash
.PHONY: help build demo test test-kubernetes check charts generate prove bench images kind kind-down services services-down clean
.DEFAULT_GOAL := help

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

build: ## compile everything
	@dev/install build
	@source dev/environment && cargo build --workspace

demo: build ## a Kafka topic flows into bronze, silver, quarantine and fraud Delta tables, and alerts, until Ctrl-C
	@dev/demo

test: ## everything that a change must pass, on real services; needs root for a node of Kubernetes
	@dev/test

test-kubernetes: build ## the operator on a real control plane and on a node, without Docker; needs root
	@dev/test-kubernetes

check: ## formatting, lints and generated files, without running a test
	@dev/check

charts: ## what the judges and the tests say of the charts, and of what is rendered from them
	@dev/charts check

generate: ## write the generated files (CRDs, reference of metrics; snapshots are reviewed with cargo-insta)
	@source dev/environment && cargo build --workspace && "$$SLUICE_BIN/crdgen"

prove: ## the long fault and comparison matrices; hours
	@SLUICE_PROVE=1 SLUICE_KILLS=$${SLUICE_KILLS:-200} SLUICE_SEEDS=$${SLUICE_SEEDS:-50} SLUICE_MESSAGES=$${SLUICE_MESSAGES:-1000000} dev/test

bench: build ## the figures of bench/RESULTS.md, on this machine
	@dev/install tests
	@dev/bench

images: build ## container images of the programs, without Docker, in .services/images
	@source dev/environment && dev/images

kind: ## the example on a kind cluster, with Strimzi; for machines with Docker
	@dev/kind up

kind-down: ## delete that cluster
	@dev/kind down

services: ## start the Kafka that tests need and print where it is
	@dev/install tests
	@dev/services/kafka up

services-down: ## stop them
	@dev/services/kafka down
	@dev/cluster down

clean: ## stop the services and forget local state; caches stay
	@dev/services/kafka down
	@dev/cluster down
	@rm -rf .services .sluice
