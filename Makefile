# `make demo` and `make test` are all a new machine needs (Python 3.11+ and make).
PYTHON ?= python3
BIN := .venv/bin
WORKERS ?= auto

.PHONY: help install dev demo test lint bench campaign kibana lock clean

help:
	@echo "make demo      install, then watch a simulated backend being followed (Ctrl-C stops it)"
	@echo "make install   .venv with everything that running takes: .venv/bin/shipper"
	@echo "make test      lint, types and every test"
	@echo "make bench     the figures of the README"
	@echo "make campaign  the long form of the kill, erase and secret campaigns"
	@echo "make kibana    write Kibana's saved objects anew from pipelines/kibana/dashboards.yml"

install: .venv/.installed
dev: .venv/.dev

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "make: $(PYTHON) is older than Python 3.11; run: make PYTHON=/path/to/python3.11" >&2; exit 2; }
	$(PYTHON) -m venv .venv

.venv/.installed: .venv/bin/python requirements.lock pyproject.toml
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps -e .
	@touch $@

.venv/.dev: .venv/.installed requirements-test.lock
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements-test.lock
	@touch $@

demo: install
	$(BIN)/shipper demo

lint: dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

test: lint
	$(BIN)/pytest -n $(WORKERS) --dist worksteal

bench: dev
	$(BIN)/python benchmarks/run_once.py
	$(BIN)/python benchmarks/delivery.py
	$(BIN)/python benchmarks/tail.py
	$(BIN)/python benchmarks/tiers.py

campaign: dev
	SHIPPER_CAMPAIGN=full $(BIN)/pytest -n $(WORKERS) --dist worksteal \
		tests/property tests/campaign tests/faults tests/tier/test_erase.py tests/e2e/test_erase.py

kibana: install
	$(BIN)/python -m shipper.kibana

# All locks hold for every Python from 3.11 on and for x86-64 and arm64.
lock:
	uv pip compile --universal --python-version 3.11 --no-header --no-emit-index-url --generate-hashes --upgrade \
		--extra elasticsearch --extra notify --extra s3 --extra demo pyproject.toml -o requirements.lock
	uv pip compile --universal --python-version 3.11 --no-header --no-emit-index-url --generate-hashes \
		-c requirements.lock --extra elasticsearch --extra notify --extra s3 --extra demo --extra test pyproject.toml -o requirements-test.lock
	$(PYTHON) -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["build-system"]["requires"], sep="\n")' | \
		uv pip compile --universal --python-version 3.11 --no-header --no-emit-index-url --generate-hashes - -o requirements-build.lock

clean:
	rm -rf .venv data dist build .pytest_cache .mypy_cache .ruff_cache .hypothesis
