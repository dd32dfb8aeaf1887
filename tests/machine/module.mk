# SPDX-License-Identifier: MIT
# The machine test bench: the wire, the preload library and the bench's own test program.
WIRE_DIR := tests/machine/wire
WIRE_CFLAGS := -std=gnu11 -O2 $(CFLAGS_WARN)
WIRE_HEADERS := $(wildcard $(WIRE_DIR)/*.h)
WIRE_PRELOAD_SRC := $(addprefix $(WIRE_DIR)/,preload.c detour.c couple.c link.c)
WIRED_SRC := $(addprefix $(WIRE_DIR)/,wired.c wired_options.c switch.c switch_report.c fault.c pcap.c link.c)

$(BUILD)/wire/preload.so: $(WIRE_PRELOAD_SRC) $(WIRE_HEADERS)
	@mkdir -p $(@D)
	$(CC) $(WIRE_CFLAGS) -shared -fPIC -o $@ $(WIRE_PRELOAD_SRC) -ldl

$(BUILD)/wire/wired: $(WIRED_SRC) $(WIRE_HEADERS)
	@mkdir -p $(@D)
	$(CC) $(WIRE_CFLAGS) -o $@ $(WIRED_SRC)

.PHONY: wire
wire: $(BUILD)/wire/preload.so $(BUILD)/wire/wired
