# Every target sets up what it needs; the second run finds it done.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# The build backend warns of what an editable install of flat packages is; we know.
PIP := PYTHONWARNINGS=ignore $(BIN)/python -m pip install --quiet --disable-pip-version-check
STAMP := $(VENV)/.installed
LOWEST := .venv-lowest
LOWEST_PIP := PYTHONWARNINGS=ignore $(LOWEST)/bin/python -m pip install --quiet --disable-pip-version-check
LOWEST_STAMP := $(LOWEST)/.installed
BENCH_STAMP := $(VENV)/.installed-bench
NOTEBOOKS_STAMP := $(VENV)/.installed-notebooks

.PHONY: client coverage demo test test-lowest hunt soak soak-feeds bench lint notebooks clean setup

setup: $(STAMP)

$(STAMP): setup.cfg pyproject.toml
	@echo "setting up $(VENV): about a minute, once"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(PIP) --upgrade pip "setuptools>=77"
	@$(PIP) --editable ".[test,lint,console]"
	@touch $@

demo: $(STAMP)
	$(BIN)/overround demo $(ARGS)

# A whole run is spread over a process for each core (tests/spread.py); one of named files is not.
SPREAD = $(if $(filter tests tests/% ./tests%,$(ARGS)),,-n auto)
test: $(STAMP)
	$(BIN)/python -m pytest $(SPREAD) $(ARGS)

# Which lines and branches of the rules and of the journal the tests run.
coverage: $(STAMP)
	$(BIN)/python -m pytest $(SPREAD) --cov --cov-report=term $(ARGS)

# The tests on the lowest version of every package that setup.cfg allows, but for the simulator, whose
# minutes say nothing of packages. Kernels have a cache of their own: with another numba in the same
# one, this and `make test` would compile all anew in turn.
test-lowest: export NUMBA_CACHE_DIR = $(abspath $(LOWEST))/kernels
test-lowest: $(LOWEST_STAMP)
	$(LOWEST)/bin/python -m pytest $(SPREAD) --ignore=tests/simulator $(ARGS)

$(LOWEST_STAMP): setup.cfg .ci/lowest.py
	@test -x $(LOWEST)/bin/python || $(PYTHON) -m venv $(LOWEST)
	@$(LOWEST)/bin/python .ci/lowest.py setup.cfg >$(LOWEST)/constraints.txt
	@$(LOWEST_PIP) --upgrade pip "setuptools>=77"
	@$(LOWEST_PIP) --constraint $(LOWEST)/constraints.txt --editable ".[test,console]"
	@touch $@

# Properties on examples that no run has tried: make hunt ROUNDS=10 FIRST=200 begins at seed 200.
ROUNDS ?= 5
FIRST ?= 0
hunt: $(STAMP)
	@for seed in $$(seq $(FIRST) $$(($(FIRST) + $(ROUNDS) - 1))); do echo "seed $$seed"; $(BIN)/python -m pytest \
		-m hypothesis --hypothesis-profile=hunt --hypothesis-seed=$$seed $(ARGS) || exit 1; done

# The simulator: make soak SEEDS=1000, or MINUTES=30, or both; a seed that fails is shrunk and shown.
SEEDS ?= 0
MINUTES ?= 0
soak: $(STAMP)
	$(BIN)/python -m tests.simulator --seeds $(SEEDS) --minutes $(MINUTES) $(ARGS)

# Random feeds, disturbed on their way, with bets between them: make soak-feeds STORIES=10000.
STORIES ?= 10000
soak-feeds: $(STAMP)
	$(BIN)/python -m tests.feed_soak --stories $(STORIES) $(ARGS)

bench: $(BENCH_STAMP)
	$(BIN)/python -m tests.bench $(ARGS)

# What only the measures need: libraries to be measured against.
$(BENCH_STAMP): $(STAMP)
	@$(PIP) --editable ".[bench]"
	@touch $@

# Runs every notebook from top to bottom and leaves the pages in build/notebooks.
notebooks: $(NOTEBOOKS_STAMP)
	$(BIN)/python -m nbconvert --execute --log-level=ERROR \
		--to html --output-dir build/notebooks simulations/notebooks/*.ipynb

$(NOTEBOOKS_STAMP): $(STAMP)
	@$(PIP) --editable ".[notebooks]"
	@touch $@

# The distribution that a bettor's or trader's program installs: dist/overround_client-*.whl.
client: $(STAMP)
	@$(BIN)/python .ci/client.py build/client
	@$(BIN)/python -m pip wheel --quiet --disable-pip-version-check --no-deps --no-build-isolation \
		--wheel-dir dist build/client
	@ls dist/overround_client-*.whl

lint: $(STAMP)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --config setup.cfg

clean:
	rm -rf $(VENV) $(LOWEST) .venv-client .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis .coverage build dist ./*.egg-info overround-data
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
