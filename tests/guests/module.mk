# Payload guests: freestanding bzImage-format files, build/guests/NAME.bin; NAME.elf starts on QEMU by PVH.
GUESTS := $(patsubst %,$(BUILD)/guests/%.bin,hello dirty exits devtest still)
GUEST_CFLAGS := -std=gnu11 -O2 -g -I. $(CFLAGS_WARN) -ffreestanding -fbuiltin -fno-pic -fno-pie -mno-red-zone \
                -mgeneral-regs-only -fno-stack-protector -fno-asynchronous-unwind-tables -fno-strict-aliasing \
                -fcf-protection=none -fno-tree-loop-distribute-patterns -mcmodel=small -MMD -MP
GUEST_RUNTIME := $(addprefix $(BUILD)/guests/,start.o runtime.o runtime_cpu.o)

$(BUILD)/guests/%.o: tests/guests/%.c
	@mkdir -p $(@D)
	$(CC) $(GUEST_CFLAGS) -c -o $@ $<

$(BUILD)/guests/%.o: tests/guests/%.S
	@mkdir -p $(@D)
	$(CC) $(GUEST_CFLAGS) -c -o $@ $<

$(BUILD)/guests/%.elf: $(BUILD)/guests/%.o $(GUEST_RUNTIME) tests/guests/guest.ld
	$(LD) -nostdlib -static -z noexecstack -z max-page-size=4096 --build-id=none \
	    -T tests/guests/guest.ld -o $@ $(GUEST_RUNTIME) $<

# The header section is not loaded by ELF loaders; in the file it comes first.
$(BUILD)/guests/%.bin: $(BUILD)/guests/%.elf
	objcopy -O binary -j .header --set-section-flags .header=alloc,load,contents $< $@.header
	objcopy -O binary -R .header -R .bss $< $@.body
	cat $@.header $@.body >$@
	@rm -f $@.header $@.body

.PRECIOUS: $(BUILD)/guests/%.o $(BUILD)/guests/%.elf
.PHONY: guests
guests: $(GUESTS)

.PHONY: guests-qemu
guests-qemu: guests
	@tests/guests/run_qemu.sh $(BUILD)

-include $(wildcard $(BUILD)/guests/*.d)
