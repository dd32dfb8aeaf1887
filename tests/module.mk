# SPDX-License-Identifier: MIT
# The commands of the README: demo, run, run-gdb, test. Their first steps install and fetch what is missing, so
# they start without build/deps/deps.mk and go on in a second make that reads it.
#   make run NET=tap:NAME|bxhub:PORT CONFIG=FILE RUN_ARGS="..."     RUN_ARGS: see tests/machine/run.py --help
CONFIG ?= tests/machine/example.cfg
NET ?=
RUN_ARGS ?=
AGAIN = $(MAKE) --no-print-directory -s

# What the Debian guest boots with besides the distribution's kernel.
$(BUILD)/initrd.img: tools/mkinitramfs.sh $(wildcard tests/guests/initramfs/*) $(DEPS_STAMP)
	tools/mkinitramfs.sh $@

# One machine's disk: Godwit, a configuration, and every guest that a configuration may name.
.PHONY: $(BUILD)/run.img
$(BUILD)/run.img: $(BUILD)/BOOTX64.EFI $(BUILD)/initrd.img guests
	@tools/mkimage.sh $@ $(BUILD)/BOOTX64.EFI=/EFI/BOOT/BOOTX64.EFI $(CONFIG)=/godwit/godwit.cfg \
	    $(GUEST_VMLINUZ)=/godwit/vmlinuz $(BUILD)/initrd.img=/godwit/initrd.img \
	    $(foreach g,$(GUESTS),$(g)=/godwit/$(notdir $(g)))

.PHONY: deps-run
deps-run:
	@tools/fetch_host.sh run
	@tools/fetch.sh all
	@tools/build_deps.sh all

.PHONY: demo
demo:
	@cat tests/machine/demo.txt
	@$(AGAIN) deps-run
	@$(AGAIN) $(BUILD)/BOOTX64.EFI $(BUILD)/initrd.img wire
	@tests/machine/demo.py

.PHONY: run
run:
	@$(AGAIN) deps-run
	@$(AGAIN) $(BUILD)/run.img wire
	@echo "One machine on this terminal. Ctrl-A x ends it. Try: vm start web, vm console web (Ctrl-] comes back), help"
	@tests/machine/run.py $(BUILD)/run.img --mem 768 $(if $(NET),--net $(NET)) $(RUN_ARGS)

.PHONY: run-gdb
run-gdb:
	@tools/fetch_host.sh test
	@$(AGAIN) deps-run
	@$(AGAIN) $(BUILD)/run.img
	@cat tests/machine/run-gdb.txt
	@tests/machine/run.py $(BUILD)/run.img --mem 768 --gdb $(RUN_ARGS)

.PHONY: test test-quick
test:
	@tests/run_all.sh all
test-quick:
	@tests/run_all.sh quick
