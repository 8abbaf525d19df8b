# `make demo` shows the whole job on invented patients; `make test` checks everything.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
export DEMO_HOME ?= .demo
# Tests that need no server are handed out one by one, those that share servers a file at a time.
ALONE := dicom_assets_tests/deidentification dicom_assets_tests/verification
# The latter wait for servers a good part of their time: three of them to two processors.
WAITING = $(shell $(PYTHON) -c 'import os; print(os.cpu_count() * 3 // 2)')

.PHONY: demo ui approve test test-quick format clean-demo

demo: $(VENV)/.demo-installed
	@$(BIN)/python -m dicom_assets.demo run

ui: $(VENV)/.demo-installed
	@$(BIN)/python -m dicom_assets.demo ui

approve: $(VENV)/.demo-installed
	@$(BIN)/python -m dicom_assets.demo approve

test: $(VENV)/.test-installed
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports
	$(BIN)/mypy
	$(BIN)/pytest -n auto $(ALONE)
	$(BIN)/pytest -n $(WAITING) --dist loadfile --no-loadscope-reorder $(addprefix --ignore=,$(ALONE))

test-quick: $(VENV)/.test-installed
	$(BIN)/pytest -m "not long"

format: $(VENV)/.test-installed
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean-demo:
	rm -rf $(DEMO_HOME)

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed; name one with make PYTHON=...") if sys.version_info < (3, 11) else None'
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.demo-installed: pyproject.toml | $(VENV)/bin/python
	@echo "Installing into $(VENV), which takes a minute or two"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[demo]'
	@touch $@

$(VENV)/.test-installed: pyproject.toml | $(VENV)/bin/python
	@echo "Installing into $(VENV), which takes a minute or two"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[test]'
	@touch $@ $(VENV)/.demo-installed
