# Every target is one call of the tool in tools/xtask; `cargo xtask help` shows what else it can do.

XTASK := tools/cargo.sh xtask

.DEFAULT_GOAL := help
.PHONY: help setup build run test test-host test-qemu test-oracle check clean

help: ## print this list
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' $(firstword $(MAKEFILE_LIST)) | expand -t 20

setup: ## find or install what a build and a boot need (root only to install)
	@$(XTASK) setup

build: ## build the kernel, the programs and the initramfs
	@$(XTASK) build

run: ## boot in QEMU and show a container's life
	@$(XTASK) run

test: ## all tests: test-host, then test-qemu
	@$(XTASK) test

test-host: ## the tests that need no emulator
	@$(XTASK) test-host

test-qemu: ## the tests that boot the kernel
	@$(XTASK) test-qemu

test-oracle: ## compare what scripts see in the guest with Linux (root)
	@$(XTASK) test-oracle

check: ## what CI runs: formatting, lints, tidy, documentation, all tests
	@$(XTASK) check

clean: ## remove all that was built
	@rm -rf target
