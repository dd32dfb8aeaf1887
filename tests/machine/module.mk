# SPDX-License-Identifier: MIT
# The machine test bench: the wire and the preload library.
WIRE_DIR := tests/machine/wire
WIRE_CFLAGS := -std=gnu11 -O2 $(CFLAGS_WARN)
WIRE_PRELOAD_SRC := $(WIRE_DIR)/preload.c $(WIRE_DIR)/detour.c $(WIRE_DIR)/couple.c

$(BUILD)/wire/preload.so: $(WIRE_PRELOAD_SRC) $(wildcard $(WIRE_DIR)/*.h)
	@mkdir -p $(@D)
	$(CC) $(WIRE_CFLAGS) -shared -fPIC -o $@ $(WIRE_PRELOAD_SRC) -ldl

wire: $(BUILD)/wire/preload.so
.PHONY: wire
