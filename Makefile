# `make demo` and `make test` are all a newcomer needs; each makes .venv by itself.
PYTHON ?= python3
BIN := .venv/bin

# Passive waiting in tests alone: it costs a training a third of its speed or more, and keeps
# two busy programs on one machine from slowing each other several times over.
test test-slow: export OMP_WAIT_POLICY = PASSIVE
# Test files run in two processes of one thread each: twice as fast as one process of two threads.
TESTS := 2
test: export OMP_NUM_THREADS = 1

.PHONY: demo test test-slow check bench bench-all bench-safety docs clean

.venv/ready: pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check torch==2.13.0
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[train,dev]'
	touch $@

demo: .venv/ready
	$(BIN)/assay run examples/support/recipe.yaml

test: .venv/ready
	$(BIN)/python -m pytest -n $(TESTS) --dist loadfile

test-slow: .venv/ready
	$(BIN)/python -m pytest -m slow

check: .venv/ready
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/python -m mypy
	$(BIN)/python -m pytest tests/test_arrows.py tests/test_slim_import.py

bench: .venv/ready
	$(BIN)/python -m benchmarks
	$(BIN)/python -m benchmarks peers --workload lora-fp32 lora-bf16 --repeats 1

# Every workload, two rounds: some three hours.
bench-all: .venv/ready
	$(BIN)/python -m benchmarks peers

# Goes on with what is missing (hours in all), then writes the tables of docs/safety.md.
bench-safety: .venv/ready
	$(BIN)/python -m benchmarks safety
	$(BIN)/python -m benchmarks safety --write

docs: .venv/ready
	mkdir -p docs/reference
	$(BIN)/assay config schema > docs/reference/recipe.schema.json
	$(BIN)/assay config explain > docs/reference/recipe.txt

clean:
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache benchmarks/.envs benchmarks/.data
