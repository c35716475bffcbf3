# Five words to learn: run, test, check, build, bench. Everything they need is installed on first use.
SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON ?=
UV := .tools/uv/bin/uv
export UV_PROJECT_ENVIRONMENT := .venv
VENV := .venv/bin

.PHONY: help run test check build bench prove soak fuzz catalog providers compat clean install test-lambda
help: ## what there is
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 16

# -- what the words below stand on ---------------------------------------------------------------------------------
.tools/python:
	@mkdir -p .tools
	@PYTHON='$(PYTHON)' tools/find_python.sh > $@.tmp && mv $@.tmp $@

$(UV): tools/uv.txt | .tools/python
	@"$$(cat .tools/python)" -m venv .tools/uv
	@.tools/uv/bin/python -m pip install -q --disable-pip-version-check --require-hashes -r tools/uv.txt
	@touch $@

.venv/.installed: pyproject.toml uv.lock $(UV)
	@$(UV) sync -q --locked --python "$$(cat .tools/python)"
	@touch $@

.tools/emulator/.installed: tools/emulator/pyproject.toml tools/emulator/uv.lock $(UV)
	@UV_PROJECT_ENVIRONMENT=$(CURDIR)/.tools/emulator $(UV) sync -q --locked --project tools/emulator --python "$$(cat .tools/python)"
	@touch $@

.tools/sam/.installed: tools/sam/pyproject.toml tools/sam/uv.lock $(UV)
	@UV_PROJECT_ENVIRONMENT=$(CURDIR)/.tools/sam $(UV) sync -q --locked --project tools/sam --python "$$(cat .tools/python)"
	@touch $@

install: .venv/.installed .tools/emulator/.installed

# -- the words -------------------------------------------------------------------------------------------------------
run: install ## the whole product on this machine, until Ctrl-C
	@$(VENV)/python -m tools.local.stack

test: install ## the whole suite
	@$(VENV)/python -m pytest tests --ignore=tests/lambda_adapter -n 2 --dist loadfile

test-lambda: install ## the gateway behind the real Lambda Web Adapter (builds it once, with cargo)
	@$(VENV)/python -m tools.adapter
	@$(VENV)/python -m pytest tests/lambda_adapter

providers: install ## every kind of provider against everything it offers; the table goes into docs/providers.md
	@$(VENV)/python -m tests.providers

compat: install ## real clients against everything they offer; the table goes into docs/compatibility.md
	@$(VENV)/python -m tests.compat

prove: install ## attack the ledger: crashes, a model, random sequences, peers' bugs, mutants; one table
	@$(VENV)/python -m tests.prove

soak: install ## the same, forty times as much: for the night
	@$(VENV)/python -m tests.prove --nightly

fuzz: install ## attack the gateway by docs/openapi.yaml, and its parsers by a million bodies
	@$(VENV)/python -m tests.openapi

check: install .tools/sam/.installed ## style, types, layers, the template
	@$(VENV)/ruff check .
	@$(VENV)/ruff format --check .
	@$(VENV)/mypy
	@$(VENV)/lint-imports
	@AWS_DEFAULT_REGION=us-east-1 SAM_CLI_TELEMETRY=0 .tools/sam/bin/sam validate --lint -t template.yaml

build: install .tools/sam/.installed ## the package that `sam deploy` uploads
	@$(VENV)/python -m tools.package build

bench: install ## CPU, latency, memory and cold start against a bare pass-through of the same libraries
	@mkdir -p .local
	@$(VENV)/python -m tools.bench --json .local/bench.json

catalog: install ## catalog/models.yaml again, from the price packages; see docs/prices.md
	@$(VENV)/python -m tools.prices generate

clean: ## forget the local stack's data, and what was built
	@rm -rf .local .aws-sam .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
