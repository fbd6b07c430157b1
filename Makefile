# Two commands do everything on a fresh machine: `make demo` and `make test`.
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin

.PHONY: demo test soak check fix env peers bench lock clean

demo: env ## a real study through PACS, appliance and partner on loopback
	@$(BIN)/lockgate demo --once

test: env-dev peers ## the whole gate: lint, types, contracts, tests
	@PATH="$(CURDIR)/$(BIN):$$PATH" scripts/check

soak: env-dev peers ## full sizes; writes dated output under benchmarks/
	@PATH="$(CURDIR)/$(BIN):$$PATH" scripts/soak

bench: env-dev peers
	@PATH="$(CURDIR)/$(BIN):$$PATH" scripts/bench

env: $(VENV)/.product
env-dev: $(VENV)/.dev

$(VENV)/.product: requirements/product.txt pyproject.toml
	@scripts/environment $(PYTHON) $(VENV) product
	@touch $@

$(VENV)/.dev: requirements/product.txt requirements/dev.txt pyproject.toml
	@scripts/environment $(PYTHON) $(VENV) dev
	@touch $(VENV)/.product $@

peers: ## Orthanc, DCMTK, Chromium and Go from Debian, when we may install them
	@scripts/peers

lock: ## re-resolve and write the hash-locked requirements
	@scripts/lock

clean:
	rm -rf $(VENV) .models build dist
