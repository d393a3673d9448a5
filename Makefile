# The two commands of the README are `make demo` and `make test`; both make the virtual environment they need.
#
#   make demo                                    compare local and remote execution, on what comes with the package
#   make demo IMAGES=photos MODEL=network.cfg    the same on your pictures, with your model
#   make test                                    the whole test suite
#   make soak                                    the server and the remote path under load and attack; 20,000 mutated files
#   make check                                   format, lint, types, import layers, then the tests
#   make clean                                   remove the virtual environment and what tools left

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
export PIP_QUIET ?= 1
SOAKED := tests/apps/server/test_running.py tests/apps/server/test_schemathesis.py tests/test_fuzzing.py \
    tests/test_offloading_soak.py

.PHONY: demo test soak check format clean

demo: $(VENV)/.demo
	@$(BIN)/lookout demo $(if $(IMAGES),"$(IMAGES)") $(if $(MODEL),--model "$(MODEL)")

test: $(VENV)/.dev
	$(BIN)/python -m pytest

soak: $(VENV)/.dev
	LOOKOUT_SOAK=20000 $(BIN)/python -m pytest -s $(SOAKED)

check: $(VENV)/.dev
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(MAKE) test

format: $(VENV)/.dev
	$(BIN)/ruff check --fix-only
	$(BIN)/ruff format

clean:
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Lookout needs Python 3.11 or later: make PYTHON=python3.12 ...")'
	@$(PYTHON) -m venv $(VENV)

# A stamp a set of packages: what is installed already is not asked for again until pyproject.toml changes.
$(VENV)/.demo: pyproject.toml | $(BIN)/python
	@echo "Installing Lookout into $(VENV) ..."
	@$(PIP) install -e '.[onnxruntime,server,emulator]'
	@touch $@

$(VENV)/.dev: pyproject.toml | $(BIN)/python
	@echo "Installing Lookout and its tools into $(VENV) ..."
	@$(PIP) install -e '.[all,dev]'
	@touch $@
