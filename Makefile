# make demo | make test | make check | make serve. All share one virtual environment; LITE=1 uses a torch-free one.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
ifdef LITE
VENV ?= .venv-lite
NEEDS_GB := 4
EXTRAS := server,lite,demo,offline-models
else
VENV ?= .venv
NEEDS_GB := 10
EXTRAS := dev,detectors,offline-models
endif
BIN := $(VENV)/bin
READY := $(VENV)/.ready
DATA ?= demo-data

.PHONY: help demo stop test check serve clean
help:
	@echo "make demo    set up, send sample answers through the real detectors, print what was caught (LITE=1: without torch)"
	@echo "make stop    stop what make demo left running"
	@echo "make test    set up and run the tests"
	@echo "make check   formatting, lint, types, import direction, migrations"
	@echo "make serve   run the sidecar, the workers and the dashboard on ./groundwatch-data"

$(READY): pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed: install it, or name it with make PYTHON=/path/to/python3.11"; exit 2; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "$(PYTHON) is older than 3.11: name a newer one with make PYTHON=…"; exit 2; }
	@test -d $(VENV) || { free=$$(df -Pk $(dir $(abspath $(VENV))) | awk 'NR == 2 { print int($$4 / 1048576) }'); \
		test "$$free" -ge $(NEEDS_GB) || { \
			echo "The installation takes $(NEEDS_GB) GB of disk, and $$free GB are free in $(dir $(abspath $(VENV))): make room"; exit 2; }; }
	$(PYTHON) -m venv $(VENV)
	@echo "Installing into $(VENV) (a few minutes the first time) …"
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[$(EXTRAS)]'
	@touch $@

demo: $(READY)
	$(BIN)/groundwatch demo --data $(DATA)

stop: $(READY)
	$(BIN)/groundwatch stop --data $(DATA)

test: $(READY)
	$(BIN)/python -m pytest

check: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -q tests/test_architecture.py tests/migrations

serve: $(READY)
	$(BIN)/groundwatch up

clean:
	rm -rf .venv .venv-lite build dist *.egg-info
