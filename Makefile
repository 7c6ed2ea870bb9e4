# The two commands of the README are `make demo` and `make test`; each does its own set-up.
# `make help` lists the others.

PYTHON ?= python3
export PYTHON
BIN = .venv/bin
PYTEST = $(BIN)/python -m pytest
SEEDS ?= 2000

MAN = man

.PHONY: man help demo test lint unit reference simulation lab interop soak venv bench clean

help:
	@echo "make demo        a two-node Heartbeat cluster, imported, moved, killed, measured"
	@echo "make test        everything CI runs: lint, unit, reference cases, simulation, lab"
	@echo "make lint        ruff, mypy --strict, import-linter"
	@echo "make unit        unit and property tests only"
	@echo "make reference   the recorded scheduler and command-line cases"
	@echo "make simulation  whole clusters in virtual time, from seeds"
	@echo "make lab         end-to-end tests in namespaces"
	@echo "make interop     against the real Heartbeat, crm_simulate and agents of Debian"
	@echo "make soak        long campaigns (SEEDS=$(SEEDS) simulated clusters and more)"
	@echo "make bench       the benchmarks behind the README's figures"
	@echo "make venv        .venv with everything installed"
	@echo "make man         manual pages and shell completion, from the tools' own tables"
	@echo "make clean       remove .venv and caches"

demo:
	@.ci/setup demo
	@$(BIN)/python -m cli.lab.demo

test:
	@.ci/setup test
	@$(MAKE) --no-print-directory lint unit reference simulation lab interop
	@echo "make test: all parts passed"

venv:
	@.ci/setup test

lint: $(BIN)/ruff
	@echo "== lint: ruff, mypy --strict, import-linter"
	@$(BIN)/ruff check cib ocf crmd cli tests benchmarks
	@$(BIN)/ruff format --check cib ocf crmd cli tests benchmarks
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache

unit: $(BIN)/ruff
	@echo "== unit and property tests"
	@$(PYTEST) tests -n 2 -m "not lab and not interop and not reference and not simulation"

reference: $(BIN)/ruff
	@echo "== recorded cases (../shared, skipped where it is absent)"
	@$(PYTEST) tests -n 2 -m "reference"

simulation: $(BIN)/ruff
	@echo "== whole clusters in virtual time"
	@$(PYTEST) tests -n 2 -m "simulation"

lab: $(BIN)/ruff
	@echo "== end-to-end in namespaces"
	@$(PYTEST) tests -m "lab and not interop"

interop: $(BIN)/ruff
	@echo "== against the programs of Debian"
	@$(PYTEST) tests -m "interop and not soak"

soak: $(BIN)/ruff
	@$(PYTEST) tests -m "soak"
	$(BIN)/python -m tests.simulation --seeds $(SEEDS)
	$(BIN)/python -m tests.simulation --seeds $(SEEDS) --knobs replication
	$(BIN)/python -m tests.simulation.mutations --limit 100

bench: $(BIN)/ruff
	@for script in benchmarks/*.py; do echo "== $$script"; $(BIN)/python $$script || exit 1; done

$(BIN)/ruff:
	@.ci/setup test

man: $(BIN)/ruff
	@$(BIN)/python -m cli.manual $(MAN)

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis build *.egg-info
