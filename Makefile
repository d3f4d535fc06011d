# make demo and make test need Python 3.11 or newer and make, nothing else: tools come into .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DISTRIBUTIONS := blocks_core registry flows server $(sort $(wildcard plugins/*))
PACKAGES := $(sort $(notdir $(wildcard plugins/*/src/blocks_*)))
PROJECTS := $(addsuffix /pyproject.toml,$(DISTRIBUTIONS))
UV := $(BIN)/uv
export UV_NO_PROGRESS ?= 1

.PHONY: help setup demo test lint format types contracts unit docs screenshots quality lock clean

help:  ## Show this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## (.*)/  make \1\t\2/' | expand -t 22

setup: $(VENV)/.ready  ## Prepare .venv with every distribution, test and example dependency

$(UV):
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed, this is " + sys.version.split()[0] + ": make PYTHON=/path/to/python3.11") if sys.version_info < (3, 11) else 0'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check "$$(grep '^uv==' constraints.txt || echo uv)"

$(VENV)/.ready: $(UV) pyproject.toml constraints.txt $(PROJECTS)
	$(UV) pip install --quiet --python $(BIN)/python --constraints constraints.txt --group dev $(addprefix --editable ,$(DISTRIBUTIONS))
	@touch $@

demo: setup  ## Run the whole story on real parts, in a temporary folder
	@$(BIN)/python examples/demo.py

test: lint types contracts unit  ## Run all that CI runs

lint: setup
	$(BIN)/ruff format --check --quiet .
	$(BIN)/ruff check --quiet .

format: setup  ## Mend the format and what the linter can mend
	$(BIN)/ruff format --quiet .
	$(BIN)/ruff check --quiet --fix .

types: setup
	$(BIN)/pyright

contracts: setup
	$(BIN)/lint-imports

unit: setup
	$(BIN)/pytest --numprocesses 3 --no-loadscope-reorder

docs: setup  ## Renew the manifests of our plugins, the pages of their types and the catalog
	for package in $(PACKAGES); do $(BIN)/block plugin manifest $$package || exit 1; done
	$(BIN)/block plugin docs $(PACKAGES) --to docs/blocks --catalog

screenshots: setup  ## Take the pictures of the server's pages anew; needs Chromium
	$(BIN)/python docs/screenshots.py

quality: setup  ## Note what the suites see of each block type, from which its tier follows; then make docs
	$(BIN)/pytest --numprocesses 2 -p blocks_core.testing.quality_report --blocks-quality plugins tests/test_docs_blocks.py
	$(MAKE) docs

lock: $(UV)  ## Renew constraints.txt: versions only
	$(UV) pip compile --quiet --upgrade --universal --python-version 3.11 --no-header --no-annotate --no-emit-package blocks-core --no-emit-package blocks-registry $(addprefix --no-emit-package blocks-,flows server $(notdir $(wildcard plugins/*))) --group dev --extra testing $(PROJECTS) | grep -E '^[a-z0-9_.-]+(\[.*\])?==' > constraints.new
	@echo "uv==$$($(UV) --version | cut -d' ' -f2)" >> constraints.new
	mv constraints.new constraints.txt

clean:  ## Remove .venv and what tools left
	rm -rf $(VENV) .pytest_cache .ruff_cache .hypothesis .import_linter_cache
