# `make demo` and `make test` do all the set-up themselves, on any machine with Python >= 3.11 and make.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
DEMO   ?= samples/faulty-sequence-16.pcap

.DEFAULT_GOAL := help
.PHONY: help demo test lint types contracts docs docs-check wheel-check bench bench-proxy pictures clean

help:            ## list the targets
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(VENV)/.installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable .
	$(BIN)/python -m compileall -q ocpp_inspect rules  # or every start does it, where Python may not keep what it compiled
	@touch $@

$(VENV)/.developer: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --editable . --group dev
	@touch $@

demo: $(VENV)/.installed  ## analyse a real capture: findings, a database and a timeline
	$(BIN)/ocpp-inspect analyze $(DEMO) --db demo.duckdb --replace --fail-on never
	$(BIN)/ocpp-inspect timeline demo.duckdb --problems
	@echo && echo "Next:  $(BIN)/ocpp-inspect timeline demo.duckdb      $(BIN)/ocpp-inspect query demo.duckdb --tables"

test: $(VENV)/.developer  ## run every test
	$(BIN)/python -m pytest -n 2

lint: $(VENV)/.developer  ## formatting and lint
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.developer  ## strict types
	$(BIN)/mypy

contracts: $(VENV)/.developer  ## import direction between the rooms
	$(BIN)/lint-imports

docs: $(VENV)/.developer  ## write the generated documents anew
	$(BIN)/python docs/generate.py

docs-check: $(VENV)/.developer  ## fail when a generated document is stale
	$(BIN)/python docs/generate.py --check

wheel-check: $(VENV)/.developer  ## build the wheel, install it elsewhere, run the main job from it
	bash .ci/wheel

bench: $(VENV)/.developer  ## compare with tshark, pyshark and scapy on the same file
	$(BIN)/python -m bench.compare

bench-proxy: $(VENV)/.developer  ## compare the proxy with mitmproxy and a direct connection; hold 5,000 connections
	$(BIN)/python -m bench.proxy --idle 5000

clean:           ## remove what was built
	rm -rf $(VENV) dist build demo.duckdb
