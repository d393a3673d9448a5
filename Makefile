# The two commands of the README are `make demo` and `make test`; both make the virtual environment they need.
#
#   make demo                                    compare local and remote execution, on what comes with the package
#   make demo IMAGES=photos MODEL=network.cfg    the same on your pictures, with your model
#   make test                                    the whole test suite
#   make soak                                    the server and the remote path under load and attack; 20,000 mutated files
#   make bench                                   Lookout beside its peers, half an hour or more; then docs/performance.md
#   make bench ONLY="local start"                parts of it: local, remote, start, send
#   make check                                   format, lint, types, import layers, then the tests
#   make lint-cloud                              linters of the CloudFormation template; one in an environment of its own
#   make lambda-setup MODEL=yolov3-tiny          make all that remote execution needs on AWS: lookout stack up
#   make lambda-teardown                         remove it again, and see that it is gone: lookout stack down
#                                                both: GROUP=group41 for the reference's names, or NAME=... ; YES=1 to
#                                                be asked nothing; the first also ROLE_ARN=... where none can be made
#   make clean                                   remove the virtual environment and what tools left

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
export PIP_QUIET ?= 1
SOAKED := tests/apps/server/test_running.py tests/apps/server/test_schemathesis.py tests/test_fuzzing.py \
    tests/test_offloading_soak.py tests/apps/test_send.py

LINT_VENV ?= .venv-lint
# Pinned, as it finds more with every version; by itself, as it pins what Lookout and its tools need otherwise.
CHECKOV := checkov==3.3.30
TEMPLATE := src/lookout/cloud/stack.yaml

STACK = $(if $(NAME),--name "$(NAME)") $(if $(GROUP),--group "$(GROUP)") $(if $(YES),--yes)

.PHONY: demo test soak bench check lint-cloud format lambda-setup lambda-teardown clean

demo: $(VENV)/.demo
	@$(BIN)/lookout demo $(if $(IMAGES),"$(IMAGES)") $(if $(MODEL),--model "$(MODEL)")

test: $(VENV)/.dev
	$(BIN)/python -m pytest

soak: $(VENV)/.dev
	LOOKOUT_SOAK=20000 $(BIN)/python -m pytest -s $(SOAKED)

# The peers' environments are made in the user's cache. What is measured goes to benchmarks/results/<date>-<machine>/.
bench: $(VENV)/.dev
	PYTHONPATH=benchmarks $(BIN)/python -m peers measure $(if $(ONLY),--only $(ONLY)) $(BENCH)
	PYTHONPATH=benchmarks $(BIN)/python -m peers page

check: $(VENV)/.dev
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(MAKE) test

# --skip-download: what it would fetch are texts about its findings.
lint-cloud: $(VENV)/.dev $(LINT_VENV)/.$(CHECKOV)
	$(BIN)/cfn-lint --include-checks I --template $(TEMPLATE)
	$(LINT_VENV)/bin/checkov --framework cloudformation --skip-download --compact --quiet --file $(TEMPLATE)

format: $(VENV)/.dev
	$(BIN)/ruff check --fix-only
	$(BIN)/ruff format

lambda-setup: $(VENV)/.demo
	@$(BIN)/lookout stack up $(STACK) $(if $(MODEL),--model "$(MODEL)") $(if $(ROLE_ARN),--role-arn "$(ROLE_ARN)")

lambda-teardown: $(VENV)/.demo
	@$(BIN)/lookout stack down $(STACK)

clean:
	rm -rf $(VENV) $(LINT_VENV) .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Lookout needs Python 3.11 or later: make PYTHON=python3.12 ...")'
	@$(PYTHON) -m venv $(VENV)

# A stamp a set of packages: what is installed already is not asked for again until pyproject.toml changes.
$(VENV)/.demo: pyproject.toml | $(BIN)/python
	@echo "Installing Lookout into $(VENV) ..."
	@$(PIP) install -e '.[onnxruntime,server,emulator,report]'
	@touch $@

$(VENV)/.dev: pyproject.toml | $(BIN)/python
	@echo "Installing Lookout and its tools into $(VENV) ..."
	@$(PIP) install -e '.[all,dev]'
	@touch $@

$(LINT_VENV)/.$(CHECKOV):
	@echo "Installing $(CHECKOV) into $(LINT_VENV) ..."
	@$(PYTHON) -m venv --clear $(LINT_VENV)
	@$(LINT_VENV)/bin/python -m pip --disable-pip-version-check install '$(CHECKOV)'
	@touch $@
