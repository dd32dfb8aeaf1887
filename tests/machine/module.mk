# SPDX-License-Identifier: MIT
# The machine test bench: the wire, the preload library and the bench's own test program.
WIRE_DIR := tests/machine/wire
WIRE_CFLAGS := -std=gnu11 -O2 $(CFLAGS_WARN)
WIRE_HEADERS := $(wildcard $(WIRE_DIR)/*.h)
WIRE_PRELOAD_SRC := $(addprefix $(WIRE_DIR)/,preload.c detour.c couple.c guest_trace.c smp_idle.c link.c)
WIRED_SRC := $(addprefix $(WIRE_DIR)/,wired.c wired_clients.c wired_options.c switch.c switch_report.c fault.c \
    pcap.c link.c)

$(BUILD)/wire/preload.so: $(WIRE_PRELOAD_SRC) $(WIRE_HEADERS)
	@mkdir -p $(@D)
	$(CC) $(WIRE_CFLAGS) -shared -fPIC -o $@ $(WIRE_PRELOAD_SRC) -ldl

$(BUILD)/wire/wired: $(WIRED_SRC) $(WIRE_HEADERS)
	@mkdir -p $(@D)
	$(CC) $(WIRE_CFLAGS) -o $@ $(WIRED_SRC)

.PHONY: wire
wire: $(BUILD)/wire/preload.so $(BUILD)/wire/wired

# The bench's own test program, and its disk image.
SELFTEST_DIR := tests/machine/selftest
SELFTEST_OBJS := $(patsubst $(SELFTEST_DIR)/%.c,$(BUILD)/machine/selftest/%.o,$(wildcard $(SELFTEST_DIR)/*.c))
SELFTEST_CFLAGS := -std=gnu11 -O2 -fpic -ffreestanding -fno-stack-protector -fshort-wchar -mno-red-zone \
    -mgeneral-regs-only -fcf-protection=none -DGNU_EFI_USE_MS_ABI -isystem $(GNUEFI_INC) \
    -isystem $(GNUEFI_INC)/x86_64 -I. -MMD -MP $(CFLAGS_WARN)

$(BUILD)/machine/selftest/%.o: $(SELFTEST_DIR)/%.c $(DEPS_STAMP)
	@mkdir -p $(@D)
	$(CC) $(SELFTEST_CFLAGS) -c -o $@ $<

$(BUILD)/machine/selftest.efi: $(SELFTEST_OBJS)
	ld -nostdlib -znocombreloc -z noexecstack --no-warn-rwx-segments -shared -Bsymbolic \
	    -T $(GNUEFI_LIBDIR)/elf_x86_64_efi.lds $(GNUEFI_LIBDIR)/crt0-efi-x86_64.o $(SELFTEST_OBJS) \
	    -o $(BUILD)/machine/selftest.so -L$(GNUEFI_LIBDIR) -lefi -lgnuefi
	objcopy -j .text -j .sdata -j .data -j .rodata -j .dynamic -j .dynsym -j .rel -j '.rel.*' -j .rela \
	    -j '.rela.*' -j .reloc --target=efi-app-x86_64 --subsystem=10 $(BUILD)/machine/selftest.so $@

.PHONY: bench-tools
bench-tools: wire $(BUILD)/machine/selftest.efi

-include $(SELFTEST_OBJS:.o=.d)
