## A newcomer needs two of these: make demo and make test. Each installs what it lacks by itself (Debian 12).
##
##   make demo        the farm on virtual boards, from nothing to a login on one (root; DEMO=folder, else .demo)
##   make demo-arm64  give the demo that runs an arm64 board (UEFI, GRUB) as well; demo-amd64: an amd64 one
##   make demo-down   end it; what stays is caches, .venv and Debian packages
##   make test        everything, booting boards included (root)
##   make overnight   what takes longer than all of that: whole systems built on virtual boards, and each format damaged (root)
##   make quick       what needs no root: below a minute
##   make lint        format, lint, types, floors, paths into trees, lock
##   make check       lint and test; what CI runs
##   make format      have the formatter write
##   make bench       measure; ONLY=name for one
##   make setup       the Python environment alone

SHELL := /bin/sh
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

# Debian's own Python, never a downloaded one; uv from a small environment of its own, so that it is pinned too.
UV_VERSION := 0.13.9
export UV_PYTHON := /usr/bin/python3
export UV_PYTHON_DOWNLOADS := never
unexport VIRTUAL_ENV
# Each process of the tests would compile all that it reads: a third of the time of the quick suite.
unexport PYTHONDONTWRITEBYTECODE
UV := .uv/bin/uv
BIN := .venv/bin

DEMO ?= .demo
ONLY ?=

.PHONY: help setup quick test overnight lint format check bench demo demo-arm64 demo-amd64 demo-down need-root

help:
	@sed -n 's/^## \{0,1\}//p' Makefile

setup: .venv/.ready

# The processes of the farm that are not root's read what is laid here, whatever umask root has.
.venv/.ready: pyproject.toml uv.lock Makefile packaging/debian-packages.txt
	@packaging/need-packages setup
	@umask 022 && { test -x $(UV) && $(UV) --version | grep -q ' $(UV_VERSION) ' || { \
	  echo 'Laying the Python environment (.uv, .venv)' && /usr/bin/python3 -m venv --clear .uv && \
	  .uv/bin/pip install --quiet --disable-pip-version-check uv==$(UV_VERSION); }; }
	@umask 022 && $(UV) sync --quiet --locked --compile-bytecode
	@touch $@

# Much of its time is waiting, so several wait side by side; each takes neighbours, which share what was made for them.
quick: setup
	$(BIN)/pytest -q -n 4 --dist worksteal -m "not world and not slow"

test: need-root setup
	@packaging/need-packages farm arm64 amd64 test
	@$(MAKE) quick
	@logs=$$(mktemp -d); echo 'Booting boards, one or two at a time; and beside that all else'; \
	{ $(BIN)/pytest -m "boards and not overnight" > "$$logs/boards" 2>&1; echo $$? > "$$logs/boards.rc"; } & \
	{ $(BIN)/pytest -n 2 -m "slow and not world"; echo $$? > "$$logs/slow.rc"; } 2>&1 | tee "$$logs/slow"; \
	{ $(BIN)/pytest -m "world and not boards and not overnight"; echo $$? > "$$logs/others.rc"; } 2>&1 | tee "$$logs/others"; \
	wait; cat "$$logs/boards"; echo 'What went wrong in the three of them:'; \
	grep -hE '^(FAILED|ERROR) |^=+ .* in [0-9.]+s' "$$logs/boards" "$$logs/slow" "$$logs/others"; \
	codes=$$(cat "$$logs"/*.rc | tr -d '\n'); rm -rf "$$logs"; test "$$codes" = 000

overnight: need-root setup
	@packaging/need-packages farm arm64 amd64 test
	$(BIN)/pytest -m overnight

lint: setup
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/python -m tests.lint.tree_paths src
	$(UV) lock --check --quiet

format: setup
	$(BIN)/ruff check --fix --exit-zero
	$(BIN)/ruff format

check: lint test

bench: need-root setup
	@packaging/need-packages farm test
	$(BIN)/python -m benchmarks $(ONLY)

demo: need-root
	@packaging/need-packages setup farm
	@$(MAKE) -s setup
	@umask 022 && $(BIN)/python -m compileall -q src && $(BIN)/python -m boardgrid.demo up "$(DEMO)"

# A board of another architecture means other packages, which not everybody wants to wait for.
demo-arm64: EXTRA := arm64
demo-amd64: EXTRA := amd64
demo-arm64 demo-amd64: need-root
	@packaging/need-packages setup farm $(EXTRA)
	@$(MAKE) -s setup
	@umask 022 && $(BIN)/python -m boardgrid.demo extra $(EXTRA) "$(DEMO)"

# Where nothing was ever made, nothing is needed. An environment that has gone meanwhile says nothing of the farm: it is
# laid again. One that is there is good for this, whatever has changed in the project since.
demo-down: need-root
	@if test -d "$(DEMO)"; then \
	  { test -e .venv/.ready || $(MAKE) -s setup; } && $(BIN)/python -m boardgrid.demo down "$(DEMO)"; \
	else echo 'There is no demo in $(DEMO).'; fi

need-root:
	@test "$$(id -u)" = 0 || { \
	  echo 'This needs root: mounts, namespaces and virtual boards are made. Try: sudo make $(MAKECMDGOALS)' >&2; exit 1; }
