# Everything sets itself up: `make test` and `make demo` work in a fresh checkout.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.ONESHELL:
BIN := .venv/bin
UV_VERSION := 0.13.9
# The interpreter for the virtual environment, if it is not to be the first one that fits: make PYTHON=python3.12
export PYTHON

.PHONY: help
help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 12

.PHONY: demo
demo: venv ## one minute of everything on an embedded broker; ARGS="--help" shows what it can do
	$(BIN)/senderwatch demo $(ARGS)

.PHONY: test
test: check jars browser ## checks and all tests, on brokers of their own; ARGS="-k policy" picks some, ARGS="-n 0" for one process
	$(BIN)/python -m processor.workers.warming
	$(BIN)/python -m pytest -n auto $(ARGS)

.PHONY: faults
faults: venv jars ## breaks brokers, workers, networks and mail servers for SEED and DURATION (seconds), then compares; ARGS="--help"
	$(BIN)/python -m tests.faults --seed $(or $(SEED),1) --duration $(or $(DURATION),600) $(if $(PROTOCOL),--protocol $(PROTOCOL)) $(ARGS)

.PHONY: simulate
simulate: venv ## the workers' own code over a made-up broker and clock, a world a seed: SEEDS=1-2000 ARGS="--help"
	$(BIN)/python -m tests.simulation --seeds $(or $(SEEDS),1-500) $(ARGS)

.PHONY: fuzz
fuzz: export TARGET ?= all
fuzz: export COUNT ?= 20000
fuzz: export SEED ?= 1
fuzz: venv ## what reads others' bytes against bytes that nobody would write: TARGET=policies COUNT=100000 SEED=1 ARGS="--help"
	$(BIN)/pip install --quiet --disable-pip-version-check --only-binary :all: --require-hashes -r requirements/fuzz.txt \
		|| echo "without atheris: not guided by coverage" >&2
	$(BIN)/python -m tests.fuzz "$$TARGET" --count "$$COUNT" --seed "$$SEED" $(ARGS)

.PHONY: check
check: venv ## lint, format, types, and who may import whom
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

.PHONY: bench
bench: venv jars contenders ## what the detector costs, beside other ways to do its job; three quarters of an hour; ARGS="--help"
	$(BIN)/python -m bench $(or $(ARGS),--profile)

.PHONY: bench-quick
bench-quick: venv jars contenders ## in three minutes: costs, contenders and restores, with less of each
	$(BIN)/python -m bench --quick $(or $(ARGS),--section costs --section contenders --section restore)

.PHONY: contenders
contenders: bench/quix/.venv/installed ## Quix Streams and Kafka Streams, for `make bench`
	[ -n "$$(ls bench/streams/jars 2>/dev/null)" ] || requirements/system.sh maven
	requirements/system.sh jdk
	bench/streams/build.sh

bench/quix/.venv/installed: bench/quix/requirements.txt
	python=$$(requirements/system.sh python | tail -n 1)
	[ -x bench/quix/.venv/bin/python ] || $$python -m venv bench/quix/.venv
	bench/quix/.venv/bin/pip install --quiet --disable-pip-version-check --require-hashes -r $<
	touch $@

.PHONY: docs
docs: venv ## docs/metrics.md from the catalogue in processor/telemetry.py
	$(BIN)/python -c 'from processor.telemetry import metrics_page; print(metrics_page(), end="")' > docs/metrics.md

.PHONY: package
package: venv ## sdist and wheel in dist/
	$(BIN)/python -m build --no-isolation

.PHONY: venv
venv: .venv/installed ## the virtual environment, from the locked requirements

.venv/installed: requirements/dev.txt pyproject.toml
	python=$$(requirements/system.sh python | tail -n 1)
	[ -x $(BIN)/python ] || $$python -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	touch $@

.PHONY: jars
jars: ## Kafka, for tests, benchmarks and single-machine use
	[ -n "$$(ls deploy/kafka/jars 2>/dev/null)" ] || requirements/system.sh maven
	requirements/system.sh java
	deploy/kafka/kafka.sh jars

.PHONY: browser
browser: ## Chromium, for the tests of pages
	requirements/system.sh chromium

.PHONY: lock
lock: .cache/uv/bin/uv ## the locked requirements anew, with the newest versions that fit
	requirements/lock.sh $<

.cache/uv/bin/uv: Makefile
	python=$$(requirements/system.sh python | tail -n 1)
	$$python -m venv .cache/uv
	.cache/uv/bin/pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	touch $@
