# The table of contents: from recorded sessions to an adapter behind a gate. `make help` lists the targets.

PYTHON   ?= python3
CONFIG   ?= configs/car_sales.yaml
CONFIGS  ?= configs/car_sales.yaml configs/insurance.yaml
ENDPOINT ?= http://127.0.0.1:8000
MODELS   ?= tiny $(notdir $(basename $(CONFIG)))
GPU      ?= $(shell command -v nvidia-smi)

BIN   := .venv/bin
RUN   := $(BIN)/python -m
PIP   := $(RUN) pip install -qq --disable-pip-version-check
READY := .venv/.ready

# A folder of wheels that pip is configured with comes first; otherwise PyTorch's own index has the CPU build.
WHEELS    = $(shell $(PYTHON) -m pip config list 2>/dev/null | grep find-links)
CPU_INDEX = $(if $(WHEELS),,--extra-index-url https://download.pytorch.org/whl/cpu)

# In a container, as in CI, nobody else would.
INSTALL_CHROMIUM = { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && echo "installing Chromium" && \
	apt-get update -qq && apt-get install -qq -y --no-install-recommends chromium >/dev/null 2>&1; }

.DEFAULT_GOAL := help
.PHONY: help setup demo demo-real train serve evaluate gate bench base data test browser check clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(READY) ## create .venv with everything (CPU, or CUDA where nvidia-smi is)

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(f"Python 3.11 or newer is needed, this is {v[0]}.{v[1]}: make PYTHON=python3.11" if v < (3, 11) else 0)'
	@echo "setting up .venv: Python packages, about 3 GB; takes some minutes, once"
	$(PYTHON) -m venv .venv
ifeq ($(GPU),)
	$(PIP) $(CPU_INDEX) 'torch==2.13.0+cpu'
	$(PIP) --no-deps -r constraints.txt
	$(PIP) --no-deps --no-build-isolation --editable .
else
	$(PIP) --editable '.[train,serve,dev]'
endif
	@touch $@
	@echo "ready: .venv/bin/callproof, or source .venv/bin/activate and callproof"

demo: setup ## train two adapters, serve both, evaluate, gate and bench them
	@$(BIN)/python demo.py

demo-real: setup ## the same road on SmolLM2-135M-Instruct, one adapter: one to four hours on 2 CPU cores
	@$(BIN)/python demo.py --real

train: setup ## train the adapter of CONFIG
	$(BIN)/callproof train --config $(CONFIG)

serve: setup ## serve the adapters of CONFIGS on one vLLM
	$(BIN)/callproof serve $(CONFIGS:%=--config %)

evaluate: setup ## replay all eval turns of CONFIG against ENDPOINT with MODELS
	$(BIN)/callproof evaluate --endpoint $(ENDPOINT) --config $(CONFIG) $(MODELS:%=--model %)

gate: setup ## compare run CANDIDATE with run or blessed name BASELINE
	$(BIN)/callproof evaluate gate $(BASELINE) $(CANDIDATE) --config $(CONFIG)

bench: setup ## measure latency and correct calls a second at ENDPOINT
	$(BIN)/callproof bench --endpoint $(ENDPOINT) --config $(CONFIG) $(MODELS:%=--model %) --concurrency 1,4,16

base: setup ## make the embedded base model models/tiny again, in three passes (about four hours)
	$(BIN)/callproof train base --out models/tiny
	$(BIN)/callproof train base --from models/tiny --out models/tiny
	$(BIN)/callproof train base --from models/tiny --out models/tiny

data: setup ## write the sessions of the two domains again
	$(BIN)/callproof train synth

test: setup browser ## run the whole suite, real vLLM and a real browser included
	@failed=0; set -x; \
	$(RUN) pytest tests/e2e || failed=1; \
	$(RUN) pytest --ignore tests/e2e --numprocesses 2 --dist loadfile || failed=1; \
	exit $$failed

browser: setup
	@PYTHONPATH=tests/support $(BIN)/python -c 'import browser; raise SystemExit(browser.CHROMIUM is None)' || \
	$(INSTALL_CHROMIUM) || \
	echo "no Chromium: the tests of reports and of the web page are skipped; install it with the system's package manager"

check: setup ## ruff, pyright, import contracts, the docs site
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/basedpyright
	$(BIN)/lint-imports
	NO_MKDOCS_2_WARNING=1 $(RUN) mkdocs build --strict --quiet

clean: ## remove what runs have made; keeps .venv, data and models
	rm -rf outputs runs build *.egg-info .pytest_cache .ruff_cache .hypothesis .import_linter_cache
