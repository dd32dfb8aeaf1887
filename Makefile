# Godwit's build. `make help` lists the commands; the rules are in the folders' module.mk.
BUILD := build
CC := gcc
V ?= 0
Q := $(if $(filter 1,$(V)),,@)
CFLAGS_WARN := -Wall -Wextra -Wshadow -Wundef -Wconversion -Wno-sign-conversion -Wmissing-prototypes \
               -Wstrict-prototypes -Werror

.PHONY: all
all: $(BUILD)/BOOTX64.EFI

# Third-party packages: fetched by name, pinned in tools/deps.lock, built into build/deps. deps.mk says where they are.
DEPS_STAMP := $(BUILD)/deps/deps.mk
$(BUILD)/deps/deps.mk: tools/deps.lock tools/fetch.sh tools/build_deps.sh
	tools/fetch_host.sh build
	tools/fetch.sh build
	tools/build_deps.sh build
	@touch $@
NO_DEPS_GOALS := clean help unit tsan check fuzz fuzz-quick bench deps-run demo run run-gdb test test-quick
ifneq ($(filter-out $(NO_DEPS_GOALS),$(or $(MAKECMDGOALS),all)),)
-include $(BUILD)/deps/deps.mk
endif

include net/module.mk
include boot/module.mk
include tests/unit/module.mk
include tests/fuzz/module.mk
include tests/tsan/module.mk
include tests/bench/module.mk
include tests/guests/module.mk
include tests/machine/module.mk
include tests/module.mk
include tools/module.mk

.PHONY: help
help:
	@cat tools/help.txt

.PHONY: clean
clean:
	rm -rf $(BUILD)
