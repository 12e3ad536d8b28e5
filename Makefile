# The workshop's verbs. `make help` lists them; every one of them works in a fresh clone.

PYTHON ?= python3
BIN := .venv/bin
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PYRIGHT_PYTHON_IGNORE_WARNINGS := 1

.DEFAULT_GOAL := help
.PHONY: help run test check bench drill docs clean packages

help:
	@grep -E '^[a-z]+:.*##' $(firstword $(MAKEFILE_LIST)) | sed -E 's/:[^#]*## */\t/' | awk -F '\t' '{printf "  make %-8s%s\n", $$1, $$2}'

run: .venv/ready ## Start the endpoint demo and print its address (PORT=8000).
	@$(BIN)/pagi run examples/endpoint_demo/app.py

test: .venv/ready packages ## Run all tests.
	@.ci/tests $(ARGS)

check: .venv/ready packages ## All that CI asks: format, lint, types (mypy and pyright), tests with docs.
	@echo "check: format"
	@$(BIN)/ruff format --check --quiet .
	@echo "check: lint"
	@$(BIN)/ruff check --quiet .
	@echo "check: mypy"
	@$(BIN)/mypy --no-error-summary
	@echo "check: pyright"
	@$(BIN)/pyright
	@echo "check: tests"
	@.ci/tests

bench: .venv/bench packages ## Compare with other servers and frameworks, side by side.
	@$(BIN)/python benchmarks/run.py $(ARGS)

drill: .venv/ready packages ## Load and fault runs with their whole numbers (CI runs a tenth).
	@PAGI_DRILL=1 $(BIN)/python -m pytest tests/drills tests/faults -s $(ARGS)

docs: .venv/ready ## Write the generated parts of docs/ anew.
	@$(BIN)/python -m pagi.cli.reference docs/*.md docs/reference/*.md
	@$(BIN)/python -m tests.claims.page docs
	@$(BIN)/python -m tests.claims.choices docs/reference/elsewhere.md

clean: ## Remove the virtual environment, caches and builds.
	@rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .hypothesis dist
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

packages:
	@.ci/packages

.venv/ready: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "pagi needs Python 3.11 or later; say which: make PYTHON=python3.12")'
	@echo "setup: .venv with pagi and what its tests need"
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --upgrade 'pip>=25.1'
	@$(BIN)/python -m pip install --quiet --editable '.[speed]' --group dev
	@touch $@

.venv/bench: .venv/ready
	@echo "setup: what to compare with"
	@$(BIN)/python -m pip install --quiet --group bench
	@touch $@
