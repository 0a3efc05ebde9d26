# `make help` lists what there is. Everything works on a bare machine: what is
# missing is fetched, pinned, into a cache folder; nothing is installed beside it.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.NOTPARALLEL:
.ONESHELL:

# The same folder that the programs use (MOIM_CACHE_DIR, XDG_CACHE_HOME).
CACHE := $(or $(MOIM_CACHE_DIR),$(or $(XDG_CACHE_HOME),$(HOME)/.cache)/moim)
export MOIM_TOOLS := $(CACHE)/tools
# Ours come last: a suitable tool of the machine's own is used as it is.
export PATH := $(PATH):$(MOIM_TOOLS)/bin:$(MOIM_TOOLS)/cmake-4.4.4/cmake/data/bin

# `make up PROFILE=dev` builds faster and runs slower.
PROFILE ?= release

.PHONY: help
help: ## List these commands
	@sed -nE 's/^([a-z]+):.*## (.*)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 16

.PHONY: up
up: explorer ## Build and run everything on this machine
	@tools/need compiler cmake python
	cargo build --locked --profile $(PROFILE) --package moim
	exec cargo run --quiet --locked --profile $(PROFILE) --package moim -- up

.PHONY: test
test: ## Run every test against real servers
	@tools/need compiler cmake python node nextest
	export SQLX_OFFLINE=true
	cargo nextest run --locked --workspace $(if $(CI),--profile ci)
	npm ci --prefix schema --ignore-scripts --silent
	node --test schema/test/
	npm ci --prefix tests/clients --ignore-scripts --silent
	cargo run --quiet --locked --package stack -- run -- node --test tests/clients/*.test.mjs

.PHONY: check
check: ## Everything that is checked without running it
	@tools/need compiler cmake python node deny promtool
	export SQLX_OFFLINE=true
	cargo fmt --all --check
	cargo clippy --locked --quiet --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --locked --quiet --workspace --no-deps --document-private-items
	cargo fetch --locked --quiet # also what other systems need: it is looked at too
	cargo deny --offline --log-level warn --locked check --hide-inclusion-graph licenses bans sources
	(cd ops/prometheus && promtool check rules moim.rules.yaml && promtool test rules moim.rules.test.yaml)
	tools/unchanged schema $(MAKE) --no-print-directory schema

.PHONY: bench
bench: ## Measure the router beside others, and live updates: docs/performance.md
	@tools/need compiler cmake python node
	export SQLX_OFFLINE=true
	cargo build --locked --release --package moim --package bench
	npm ci --prefix bench/gateway --ignore-scripts --silent
	bench="$${CARGO_TARGET_DIR:-target}/release/bench"
	"$$bench" run --results bench/results --gateway bench/gateway
	cargo run --quiet --locked --package stack -- run -- "$$bench" push --results bench/results

.PHONY: schema
schema: ## Print the subgraphs' schemas and compose them
	@tools/need compiler cmake node
	npm ci --prefix schema --ignore-scripts --silent
	tools/schema

.PHONY: sqlx
sqlx: ## Renew what the checked SQL needs to compile without a database
	@tools/need compiler cmake python
	cargo run --quiet --locked --package stack -- run -- tools/sqlx

.PHONY: explorer
explorer: ## Bundle GraphiQL
	@tools/need node
	tools/explorer

.PHONY: sample
sample: ## Put a recording to try with beside you: sample.wav
	@tools/need compiler cmake python
	cargo run --quiet --locked --profile $(PROFILE) --package moim -- fetch --sample sample.wav

.PHONY: format
format: ## Format the code
	cargo fmt --all

.PHONY: fuzz
fuzz: ## Look for inputs that break the router, each target for SECONDS=60
	@tools/need compiler
	tools/fuzz $(or $(SECONDS),60)
