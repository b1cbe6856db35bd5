# Every target prepares what it needs; the second time is quick.
SHELL := /bin/bash
.DEFAULT_GOAL := help
BOOT ?= python3
VENV := .venv
PY := $(VENV)/bin/python
UV := .venvs/boot/bin/uv
RUN := $(VENV)/bin/lean-llm
export HF_HUB_OFFLINE ?= 1
export HF_HUB_DISABLE_TELEMETRY ?= 1
export TOKENIZERS_PARALLELISM ?= false

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 22

$(UV):
	@$(BOOT) -c 'import sys; v=sys.version_info; sys.exit(0 if (3,11)<=v<(3,14) else "Python 3.11 to 3.13 is needed, this is %d.%d: set BOOT=python3.11" % v[:2])'
	@echo "fetching uv, the package installer …"
	@$(BOOT) -m venv .venvs/boot
	@.venvs/boot/bin/python -m pip install -q --disable-pip-version-check uv==0.13.8

# $(1) = lock name: run (the main job) or dev (everything).
define install
	@echo "installing the locked packages of requirements/$(1).lock …"
	@test -x $(PY) || $(UV) venv -q --python $(BOOT) $(VENV)
	@$(UV) pip sync -q --compile-bytecode --python $(PY) requirements/$(1).lock
	@$(UV) pip install -q --no-deps --python $(PY) -e .
endef

$(VENV)/.run: requirements/run.lock pyproject.toml | $(UV)
	@if [ -f $(VENV)/.dev ] && [ ! requirements/dev.lock -nt $(VENV)/.dev ]; then touch $@; else $(MAKE) --no-print-directory install-run && touch $@; fi

$(VENV)/.dev: requirements/dev.lock pyproject.toml | $(UV)
	@$(MAKE) --no-print-directory install-dev && touch $@ $(VENV)/.run

install-run:
	$(call install,run)

install-dev:
	$(call install,dev)

setup: $(VENV)/.dev ## install everything for development

backtest: $(VENV)/.run ## EURUSD 2013-2018 under the LLM validator with memory: a report in backtests/
	@$(RUN) backtest lean_algorithms/eurusd_ensemble --output backtests $(ARGS)

test: $(VENV)/.dev ## all tests on up to four cores, with a real Weaviate; ARGS="-n 0 -x tests/engine": one process, some of them
	@$(RUN) up weaviate --install-only
	@$(PY) -m pytest -n logical --maxprocesses 4 --dist loadfile --no-loadscope-reorder $(ARGS)

check: $(VENV)/.dev ## lint, types, import contracts, drift of generated docs
	@$(VENV)/bin/ruff check .
	@$(VENV)/bin/ruff format --check -q . || { echo "run 'make fix'"; exit 1; }
	@$(VENV)/bin/mypy
	@$(VENV)/bin/lint-imports --no-cache
	@$(PY) -m llm_plugin.docs_drift --check

floors: $(VENV)/.dev ## the two oldest environments that are supported, each fresh
	@tests/floors/run lean
	@tests/floors/run inprocess

fix: $(VENV)/.dev ## format, fix what ruff can, write the generated docs
	@$(VENV)/bin/ruff check --fix -q . ; $(VENV)/bin/ruff format -q .
	@$(PY) -m llm_plugin.docs_drift --write

bench: $(VENV)/.dev ## benchmarks; figures in .bench/results.json
	@$(RUN) up weaviate --install-only
	@LEAN_LLM_BENCH=1 OMP_WAIT_POLICY=PASSIVE $(PY) -m pytest tests/benchmarks --benchmark-enable -p no:cacheprovider $(ARGS)
	@$(PY) -m json.tool .bench/results.json

proof-planted: $(VENV)/.run ## the validator on markets with a planted rule, 20 cells; can be resumed (about an hour)
	@$(RUN) prove planted-rule $(ARGS)

proof-loop: $(VENV)/.dev ## what the closed loop learns and what not, kills, gate, watch, drift, swaps; can be resumed (under three hours)
	@$(RUN) up weaviate --install-only
	@$(RUN) prove loop $(ARGS)

conformance: $(VENV)/.run ## LEAN's own algorithms of a checkout against LEAN's published results: make conformance LEAN_REPO=<checkout>
	@test -n "$(LEAN_REPO)" || { echo "name a checkout of QuantConnect/Lean: make conformance LEAN_REPO=<folder>"; exit 2; }
	@$(RUN) conformance $(LEAN_REPO) $(ARGS)

lock: $(UV) ## resolve the lock files anew
	@for e in run dev; do $(UV) pip compile -q --generate-hashes --universal --no-header --python-version 3.11 --extra $$e pyproject.toml -o requirements/$$e.lock; done

clean: ## remove what the project made inside the checkout (models under LEAN_LLM_HOME stay)
	rm -rf $(VENV) .venvs build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .bench

.PHONY: help setup install-run install-dev backtest test check floors fix bench proof-planted proof-loop lock clean
