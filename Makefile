# Every target first makes or updates .venv; see scripts/bootstrap.sh.
BIN := .venv/bin
# All but `ray`, which would hold cloudpickle below 3 for everybody, and `sweep`, for its optuna: dev has the launchers.
LOCKED_EXTRAS := metaworld so101 aloha pusht tensorboard dev
RESOLUTION := highest
unexport PYTHONPATH # a sourced ROS would put its own packages before ours

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-slow check format lock clean

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' Makefile

setup: ## make or update .venv (the other targets do it by themselves)
	@scripts/bootstrap.sh

demo: setup ## collect demonstrations, train on them and evaluate the policy
	$(BIN)/python scripts/demo.py

test: setup ## run the tests
	$(BIN)/python -m pytest -n 2 --verbosity=0

test-slow: setup ## run the tests that take longer than a few seconds each
	$(BIN)/python -m pytest -n 2 --verbosity=0 -m slow

check: setup ## linter, formatter, types, layer rules, forbidden calls, version floors
	$(BIN)/python -m ruff check .
	$(BIN)/python -m ruff format --check .
	$(BIN)/python -m pyright
	$(BIN)/python -m pytest --verbosity=0 tests/test_imports.py tests/test_forbidden.py

format: setup ## format the code and mend what the linter can mend
	$(BIN)/python -m ruff check --fix-only .
	$(BIN)/python -m ruff format .

lock: setup ## resolve requirements.lock anew from pyproject.toml
	$(BIN)/uv pip compile pyproject.toml $(LOCKED_EXTRAS:%=--extra %) --universal --python-version 3.12 \
		--resolution $(RESOLUTION) -o requirements.lock --no-annotate --no-header

clean: ## delete caches and builds; .venv, data and runs stay
	rm -rf build dist .pytest_cache .ruff_cache .hypothesis
	find . -name .venv -prune -o -type d -name __pycache__ -prune -exec rm -rf {} +
