# `make` lists the targets. Everything works from a bare checkout with Python 3.11 or newer.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.NOTPARALLEL:

VENV := .venv
BIN := $(VENV)/bin
PY := $(BIN)/python
# Upstream servers and tools that are installed in the environment are found by their bare names.
ENV := PATH="$(CURDIR)/$(BIN):$$PATH"

# An interpreter counts only if it runs: version managers put commands on the path that merely explain themselves.
CANDIDATES := $(or $(PYTHON),python3.13 python3.12 python3.11 python3)
USABLE := import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))

# The whole suite runs on all processors, a file in one place and in the order of names, which mixes slow and fast ones;
# a part that is asked for runs where it can be watched.
WORKERS ?= $(if $(ARGS),0,logical)

CHECKED := $(wildcard mcp_gateway llm_proxy tests examples)
LOCK := $(BIN)/uv pip compile pyproject.toml --quiet --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-emit-find-links --no-header --no-annotate $(if $(UPGRADE),--upgrade)

define install
	@echo "installing requirements/$(1).txt into $(VENV)"
	@$(PY) -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements/$(1).txt
	@$(PY) -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
endef

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-12s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

$(PY):
	@for candidate in $(CANDIDATES); do \
		if $$candidate -c '$(USABLE)' >/dev/null 2>&1; then \
			echo "making $(VENV) with $$($$candidate --version)"; \
			exec $$candidate -m venv $(VENV); \
		fi; \
	done; \
	echo "no usable Python >= 3.11 with venv among: $(CANDIDATES). Name one: make PYTHON=/path/to/python3" >&2; exit 1

$(VENV)/.base: requirements/base.txt pyproject.toml | $(PY)
	$(call install,base)
	@touch $@

$(VENV)/.dev: requirements/dev.txt pyproject.toml | $(PY)
	$(call install,dev)
	@touch $(VENV)/.base $@

.PHONY: venv
venv: $(VENV)/.base ## install what the gateway and the demo need

.PHONY: dev
dev: $(VENV)/.dev ## install what tests and checks need as well

.PHONY: demo
demo: venv ## compose real servers, run an example agent against them, say what happened
	@$(ENV) mcp-gateway demo

.PHONY: run
run: venv ## serve ./gateway.yaml until Ctrl-C
	@$(ENV) mcp-gateway serve --config gateway.yaml

.PHONY: test
test: dev ## run the whole suite and report coverage (ARGS="tests/core -k seal" for a part)
	@rm -f .coverage .coverage.*
	@status=0; $(ENV) $(PY) -m coverage run -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder $(ARGS) || status=$$?; \
	$(PY) -m coverage combine --quiet; \
	$(PY) -m coverage report $(if $(ARGS),--fail-under=0) || [ $$status -ne 0 ] || status=$$?; \
	exit $$status

.PHONY: check
check: dev ## format, lint, import rules, types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports --no-logo
	$(BIN)/mypy $(CHECKED)

.PHONY: format
format: dev ## rewrite the code as `make check` wants it
	$(BIN)/ruff check --fix --exit-zero --quiet .
	$(BIN)/ruff format .

.PHONY: conformance
conformance: dev ## the official MCP suite through the gateway
	@$(ENV) $(PY) -m tests.conformance --peer fastmcp $(ARGS)

.PHONY: bench
bench: dev ## throughput and latency next to a plain forwarder; writes bench.json
	@$(ENV) $(PY) -m tests.bench $(ARGS)

.PHONY: test-deps
test-deps: ## system packages and node modules that tests use (installs packages only as root)
	@.ci/test-deps

.PHONY: lock
lock: dev ## resolve pyproject.toml into requirements/*.txt (UPGRADE=1 moves the pins)
	$(LOCK) --extra demo --group build --output-file requirements/base.txt >/dev/null
	$(LOCK) --extra demo --extra presidio --group build --group dev --constraints requirements/base.txt \
		--output-file requirements/dev.txt >/dev/null

.PHONY: clean
clean: ## remove caches and reports, keep the environment
	@rm -rf build dist htmlcov .coverage .coverage.* .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	@find . -name __pycache__ -not -path './$(VENV)/*' -not -path '*/node_modules/*' -prune -exec rm -rf {} +
