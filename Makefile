# Two commands set everything up: `make demo` and `make test`. The rest are steps of them or for people who change the code.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test test-unit test-s3 check lint types docs chaos clean bench bench-quick bench-remote

$(VENV)/.base:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade pip
	touch $@

# One stamp per set of extras: an environment is only touched when pyproject.toml changed.
$(VENV)/.%: pyproject.toml | $(VENV)/.base
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[$*]'
	touch $@

demo: $(VENV)/.demo
	$(BIN)/python -m cfdb.demo

test: test-unit test-s3

test-unit: $(VENV)/.test
	$(BIN)/python -m pytest -m "not s3 and not chaos"

test-s3: $(VENV)/.test
	$(BIN)/python -m tests.s3server $(BIN)/python -m pytest -m s3 tests

check: lint types test

lint: $(VENV)/.lint
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.lint
	$(BIN)/mypy

docs: $(VENV)/.docs
	$(BIN)/mkdocs build --strict

chaos: $(VENV)/.test
	$(BIN)/python -m pytest -m chaos tests/chaos --timeout=7200

# The peers live in an environment of their own: two of them have the names of packages of ours.
PEERS := benchmarks/.venv-peers
OURS := benchmarks/.venv-ours

$(PEERS)/.ready: benchmarks/peers.txt
	$(PYTHON) -m venv $(PEERS)
	$(PEERS)/bin/python -m pip install --quiet --disable-pip-version-check --upgrade pip
	$(PEERS)/bin/python -m pip install --quiet --disable-pip-version-check --requirement benchmarks/peers.txt
	touch $@

$(OURS)/.ready: pyproject.toml setup.py $(wildcard cfdb/kernel/*.[ch])
	$(PYTHON) -m venv $(OURS)
	$(OURS)/bin/python -m pip install --quiet --disable-pip-version-check --upgrade pip
	$(OURS)/bin/python -m pip install --quiet --disable-pip-version-check --editable '.[demo]'
	touch $@

bench: $(PEERS)/.ready $(OURS)/.ready
	$(OURS)/bin/python -m benchmarks

bench-quick: $(PEERS)/.ready $(OURS)/.ready
	$(OURS)/bin/python -m benchmarks --quick

bench-remote: $(PEERS)/.ready $(OURS)/.ready
	$(OURS)/bin/python -m tests.s3server $(OURS)/bin/python -m benchmarks.remote

clean:
	rm -rf $(VENV) $(PEERS) $(OURS) site demo-output
