# Hostler from a clone: `make` alone shows what can be done. DATA may hold spaces; YES=1 installs without asking.
SHELL := /bin/sh
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

YES ?=
# Guests' disks must be reached by QEMU's own user, whom nobody lets into /root.
ifeq ($(origin DATA),undefined)
HOSTLER_DATA := $(if $(filter /root/%,$(CURDIR)/),/var/lib/hostler,data)
else
HOSTLER_DATA := $(value DATA)
endif
# Debian's Python has the headers that the packages bring; another one in PATH may not.
PYTHON ?= $(shell test -x /usr/bin/python3 && echo /usr/bin/python3 || echo python3)
WORKERS ?= 2

export UV_PROJECT_ENVIRONMENT := .venv
export UV_PYTHON_DOWNLOADS := never
# Quoting is left to the environment: a folder's name never becomes part of a shell's text.
export HOSTLER_DATA
export HOSTLER_PYTHON := $(PYTHON)
export HOSTLER_YES := $(YES)

.PHONY: help setup run demo test check bench campaign fresh clean

help: ## show this
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' Makefile | while IFS="$$(printf '\t')" read -r target text; do printf '  make %-10s %s\n' "$$target" "$$text"; done

setup: ## check what this machine needs, offer to install it, and build the environment
	@dev/setup run

run: ## start Hostler on http://127.0.0.1:8100 and create a first virtual machine (DATA=folder)
	@dev/setup run
	@exec .venv/bin/hostler quickstart --data "$$HOSTLER_DATA"

demo: ## the same in a temporary folder; succeeds only if the guest answers with its own name
	@dev/setup demo
	@exec .venv/bin/hostler quickstart --demo

test: ## check everything and run every test
	@dev/setup test
	@dev/check
	@exec .venv/bin/pytest -n $(WORKERS) --dist loadgroup

check: ## style, types, imports, sizes, generated files; silent when well
	@dev/setup environment
	@dev/check

bench: ## the figures, each beside its yardstick
	@dev/setup bench
	@exec .venv/bin/python -m bench

campaign: ## the large counts: hours of what `make test` runs a share of
	@dev/setup test
	@HYPOTHESIS_PROFILE=campaign exec .venv/bin/pytest -n $(WORKERS) --dist loadgroup

fresh: ## try `make demo` and `make test` in a clean Debian 12 (root; TRY=demo or TRY=test for one)
	@dev/fresh $(TRY)

clean: ## remove the environment and caches; the data folder stays
	@rm -rf .venv .setup-stamp .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	@find src tests bench -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true
