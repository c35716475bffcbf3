# Five words to learn: run, test, check, build, bench. Everything they need is installed on first use.
SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON ?=
UV := .tools/uv/bin/uv
export UV_PROJECT_ENVIRONMENT := .venv
VENV := .venv/bin

.PHONY: help run test check build bench clean install test-lambda
help: ## what there is
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 16

# -- what the words below stand on ---------------------------------------------------------------------------------
.tools/python:
	@mkdir -p .tools
	@PYTHON='$(PYTHON)' tools/find_python.sh > $@.tmp && mv $@.tmp $@

$(UV): tools/uv.txt | .tools/python
	@"$$(cat .tools/python)" -m venv .tools/uv
	@.tools/uv/bin/python -m pip install -q --require-hashes -r tools/uv.txt
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
