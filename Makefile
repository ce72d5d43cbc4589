# Understory's commands. `make help` lists them.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help demo dev demo-reset test storm check bench bench-place messages format lock clean chromium

VENV := .venv
BIN := $(VENV)/bin
PYTHON := $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do command -v $$p >/dev/null 2>&1 && $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$p; break; }; done)
# Installs Debian packages as root, or through sudo where that asks for no password; otherwise it fails without a word.
INSTALL = as() { if [ "$$(id -u)" = 0 ]; then "$$@"; elif command -v sudo >/dev/null 2>&1; then sudo -n "$$@" 2>/dev/null; else return 1; fi; }; \
  install() { command -v apt-get >/dev/null 2>&1 && as apt-get update -qq && as apt-get install -y -qq "$$@" >/dev/null; }

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 20

# What the shop itself runs on. Made anew when its lock or the project's own description changes, and when the Python that it
# was made with is gone.
$(VENV)/.runs: requirements/run.txt pyproject.toml $(shell $(BIN)/python -m pip --version >/dev/null 2>&1 || echo no-venv)
	@test -n "$(PYTHON)" || { echo "Understory needs Python 3.11 or newer: install the package python3." >&2; exit 2; }
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || { rm -rf $(VENV); $(PYTHON) -m venv $(VENV) >/dev/null 2>&1; } || { rm -rf $(VENV); \
	  $(INSTALL); install python3-venv && $(PYTHON) -m venv $(VENV); } \
	  || { rm -rf $(VENV); echo "Python's venv is missing: install the package python3-venv." >&2; exit 2; }
	@echo "Installing what Understory runs on ..."
	@$(BIN)/python -m pip install --quiet --require-hashes -r requirements/run.txt
	@$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

# And what it is tested, checked and measured with.
$(VENV)/.ready: $(VENV)/.runs requirements/dev.txt
	@echo "Installing what Understory is tested with ..."
	@$(BIN)/python -m pip install --quiet --require-hashes -r requirements/dev.txt
	@touch $@

.PHONY: no-venv
no-venv: ;

demo: $(VENV)/.runs ## the shop, a local Stripe and a newsroom, together
	@$(BIN)/shop demo

dev: $(VENV)/.runs ## the same, restarted when a file changes
	@$(BIN)/shop dev

demo-reset: $(VENV)/.runs ## empty the demo's data folder
	@$(BIN)/shop demo-reset

chromium: $(VENV)/.ready
	@command -v chromium chromium-browser google-chrome >/dev/null 2>&1 || { $(INSTALL); install chromium; } \
	  || $(BIN)/playwright install chromium || { echo "No Chromium: install the package chromium." >&2; exit 2; }

test: $(VENV)/.ready chromium ## the whole suite, on SQLite and PostgreSQL
	$(BIN)/python -m pytest -q -n auto --maxprocesses 4 --dist loadfile

storm: $(VENV)/.ready ## thousands of orders while everything goes wrong; STORM_ORDERS and STORM_SEED choose
	STORM_ORDERS=$${STORM_ORDERS:-2000} STORM_SEED=$${STORM_SEED:-$$(date +%s)} $(BIN)/python -m pytest -q -s tests/storm

check: $(VENV)/.ready ## format, lint, types, import contracts
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(VENV)/.ready ## CPU and SQL for a request, beside a bare Flask app
	@$(BIN)/python -m bench

bench-place: $(VENV)/.ready ## checkouts of one hot variant on PostgreSQL, beside psycopg by hand
	@$(BIN)/python -m bench --place --requests 320 --rounds 3

messages: $(VENV)/.ready ## bring the catalogues of the languages up to date with what is said
	@mkdir -p build && $(BIN)/pybabel -q extract -F pyproject.toml -k gettext_noop --no-location -o build/shop.pot .
	@$(BIN)/pybabel -q update -D shop -i build/shop.pot -d shop/languages -w 120 --no-fuzzy-matching --ignore-obsolete --ignore-pot-creation-date

format: $(VENV)/.ready ## put the code into its form
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lock: $(VENV)/.ready ## resolve the dependencies anew
	$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate --group build pyproject.toml -o requirements/run.txt
	$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate --group dev pyproject.toml -o requirements/dev.txt

clean: ## take away what can be made again; data stays
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache
