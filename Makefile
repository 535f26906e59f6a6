# SPDX-License-Identifier: GPL-2.0
# What people type. What the modules are made of stands in Kbuild.

MAKEFLAGS += --no-print-directory
SHELL := /bin/bash
# A kernel tree that can build Rust modules; see scripts/kbuild for the default.
export KDIR

.DEFAULT_GOAL := all
.PHONY: all setup newest modules_install install uninstall clean distclean demo test test-debug diff-test fuzz \
	fuzz-keep coverage bench bench-more fmt fmt-check clippy doc pictures shell help

all: ## build the modules
	@scripts/kbuild modules

setup: ## set up everything that building and testing need, in the cache folder
	@scripts/setup guest

newest: ## look for a newer stock kernel and set it up
	@scripts/setup newest

install: all ## install modules, modprobe.d file and manual page (INSTALL_MOD_PATH= for another root)
	@scripts/install

modules_install: install ## the same, by the name that kernel people type

uninstall: ## take away what install put there
	@scripts/install --uninstall

demo: ## show in a guest what the modules are for
	@scripts/demo

test: ## run all tests; T=PATTERN only those scenarios of the guest
	@tests/run $(if $(T),-T '$(T)') $(if $(DEBUG_UNTIL),--debug-until $(DEBUG_UNTIL))

test-debug: ## run tests on a kernel with KASAN, lockdep and kmemleak; T=PATTERN or ALL=1
	@tests/run --debug $(if $(T),-T '$(T)') $(if $(ALL),--all) $(if $(GUESTS),--guests $(GUESTS))

diff-test: ## give INPUTS=N made-up packets to mainline's helpers and to ours, and count the differences
	@scripts/rust diff $(or $(INPUTS),1000000) $(SEED)

fuzz: ## fuzz the protocol core, each protocol for SECONDS=N
	@scripts/fuzz run $(or $(SECONDS),60)

fuzz-keep: ## put what fuzzing found of interest into tests/fuzz/corpus
	@scripts/fuzz keep

coverage: ## what of the protocol core its tests and the corpus reach
	@scripts/fuzz coverage

bench: ## count the instructions of our helpers and of the kernel's own, side by side
	@tests/bench/run

bench-more: ## measure two CPUs at once, and whole sessions through a router
	@tests/bench/run more

shell: all ## a shell in the test guest, with the modules installed
	@scripts/vm shell

fmt: ## format the Rust code
	@scripts/rust fmt

fmt-check: ## fail if the Rust code is not formatted
	@scripts/rust fmt --check

clippy: ## check the Rust code with the kernel's lints
	@scripts/rust clippy

doc: ## build the documentation of the code, in build/doc
	@scripts/rust doc

pictures: ## draw the pictures of docs/ anew
	@scripts/pictures

clean: ## remove what was built
	@rm -rf build

distclean: clean ## remove the cache folder, too: compilers, kernel, guest
	@scripts/clean-cache

help: ## this text
	@echo 'Targets:'
	@sed -n 's/^\([a-z_-]*\):[^#]*## \(.*\)/  \1\t\2/p' $(firstword $(MAKEFILE_LIST)) | expand -t 20
	@echo 'Variables:'
	@echo '  KDIR=DIR            a kernel tree with Rust metadata to build for'
	@echo '  T=PATTERN           tests to run, as pytest -k'
	@echo '  ALL=1               test-debug: every guest scenario; PACKETS=, TIMES=, SEED=: how many, how often, which'
	@echo '  GUESTS=N            test-debug: how many guests side by side; with T= one unless told otherwise'
	@echo '  DEBUG_UNTIL=MINUTES test: part of test-debug behind it, if that can be done so long after the start'
	@echo '  INPUTS=N SEED=N     how many inputs for diff-test, and which'
	@echo '  SECONDS=N           how long fuzz runs for each protocol'
	@echo '  INSTALL_MOD_PATH=   root of the modules_install target'
	@echo '  IP_CONNTRACK_CACHE= where set-up keeps compilers, kernel and guest'
