# `make demo` and `make test` are all that a fresh machine with git, make and Python 3.11 needs.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
# The others that tfkit supports.
PYTHONS ?= python3.12 python3.13
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check

.PHONY: help setup demo test check pythons zoo bench docs fuzz lock tables clean

help:  ## Say what can be made.
	@sed -n 's/^\([a-z]*\):.*##/\1\t/p' $(MAKEFILE_LIST) | expand -t 10

setup: $(VENV)/.ready  ## Make the environment, from the lock file.

$(VENV)/.ready: pyproject.toml requirements/dev.lock
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) --require-hashes --requirement requirements/dev.lock
	$(PIP) --no-deps --no-build-isolation --editable .
	touch $@

demo: setup  ## The main job on real digits: export, inspect, warm up, serve, ask.
	$(BIN)/python sample_models/demo.py

test: setup check  ## Everything that CI runs.
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile

check: setup  ## Style, types and import contracts.
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

pythons:  ## Each TensorFlow in each other Python: its runtime, its own models, its services.
	for python in $(PYTHONS); do \
		venv=.venv-$$(basename $$python); \
		$(MAKE) setup PYTHON=$$python VENV=$$venv && $$venv/bin/python -m pytest tests/runtime tests/old_tensorflow \
			|| exit 1; \
	done

zoo: setup  ## Every kind of model on every processor, and as ONNX, beside its source: docs/zoo.md, docs/onnx.md.
	mkdir -p build/zoo
	$(BIN)/python -m tests.zoo --whole --folder build/zoo --output docs/zoo.md
	$(BIN)/python -m tests.zoo.onnx build/zoo --output docs/onnx.md

bench: setup  ## Measure; the results go into benchmarks/RESULTS.md.
	$(BIN)/python -m benchmarks

docs: setup  ## Bring the options and signatures that docs/ shows up to date.
	$(BIN)/python docs/options.py

fuzz: setup  ## Ten minutes of fuzzing the message codec.
	$(BIN)/python tests/fuzz/fuzz_messages.py -max_total_time=600

lock: setup  ## Bring the lock file up to date with pyproject.toml.
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
		--no-header --group dev pyproject.toml --output-file requirements/dev.lock > /dev/null

tables: setup  ## Read the op and kernel tables out of the installed runtimes again.
	$(BIN)/python -m tfkit.runtime.make_tables

clean:  ## Remove what was made.
	rm -rf $(VENV) .venv-* build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
