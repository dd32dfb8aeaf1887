# The kernel ELF and BOOTX64.EFI. Kernel sources are all .c and .S of the layers, plus boot/entry.S and boot/main*.c.
KERNEL_DIRS := kernel vmx guest drivers net migration console
KERNEL_SRCS := boot/entry.S $(wildcard boot/main*.c) $(foreach d,$(KERNEL_DIRS),$(wildcard $(d)/*.S $(d)/*.c $(d)/*/*.c))
KERNEL_CFLAGS := -std=gnu11 -O2 -g -ffreestanding -fbuiltin -fno-pic -fno-pie -mcmodel=kernel -mno-red-zone \
    -mgeneral-regs-only -mcrc32 -mpopcnt -fno-stack-protector -fno-asynchronous-unwind-tables -fno-strict-aliasing \
    -fcf-protection=none -ffunction-sections -fdata-sections -fno-common -ffile-prefix-map=$(CURDIR)=/src \
    -nostdinc -isystem $(NEWLIB_INC) -isystem $(shell $(CC) -print-file-name=include) -I. -MMD -MP
ifeq ($(DEBUG),1)
KERNEL_CFLAGS += -DGODWIT_DEBUG # order and owners of locks are checked (kernel/spinlock.h)
endif
KERNEL_OBJS := $(patsubst %,$(BUILD)/kernel/%.o,$(KERNEL_SRCS))
LWIP_OBJS := $(patsubst %.c,$(BUILD)/lwip/%.o,$(LWIP_SRCS))

$(BUILD)/kernel/net/%.c.o: net/%.c $(DEPS_STAMP)
	@mkdir -p $(@D)
	@echo "  CC $<"
	$(Q)$(CC) $(KERNEL_CFLAGS) $(CFLAGS_WARN) $(LWIP_CFLAGS) -c -o $@ $<

$(BUILD)/kernel/%.c.o: %.c $(DEPS_STAMP)
	@mkdir -p $(@D)
	@echo "  CC $<"
	$(Q)$(CC) $(KERNEL_CFLAGS) $(CFLAGS_WARN) -c -o $@ $<

$(BUILD)/kernel/%.S.o: %.S $(DEPS_STAMP)
	@mkdir -p $(@D)
	@echo "  CC $<"
	$(Q)$(CC) -I. -MMD -MP -c -o $@ $<

$(BUILD)/lwip/%.o: $(LWIP_DIR)/%.c $(DEPS_STAMP)
	@mkdir -p $(@D)
	@echo "  CC $<"
	$(Q)$(CC) $(KERNEL_CFLAGS) $(LWIP_CFLAGS) -w -c -o $@ $<

$(BUILD)/godwit.elf: $(KERNEL_OBJS) $(LWIP_OBJS) linker.ld
	@echo "  LD $@"
	$(Q)ld -nostdlib -static -z max-page-size=4096 -z noexecstack --no-warn-rwx-segments --gc-sections --build-id=sha1 \
	    -T linker.ld -o $@ $(KERNEL_OBJS) $(LWIP_OBJS) $(NEWLIB_LIBC)

LOADER_OBJS := $(patsubst %,$(BUILD)/loader/%.o,$(notdir $(wildcard boot/loader*.c))) $(BUILD)/loader/kernel_blob.o
LOADER_CFLAGS := -std=gnu11 -Os -fpic -ffreestanding -fno-stack-protector -fno-stack-check -fshort-wchar -mno-red-zone \
    -fcf-protection=none -fno-strict-aliasing -DGNU_EFI_USE_MS_ABI -isystem $(GNUEFI_INC) -isystem $(GNUEFI_INC)/x86_64 -I. -MMD -MP -Wall -Wextra -Werror

$(BUILD)/loader/%.c.o: boot/%.c $(DEPS_STAMP)
	@mkdir -p $(@D)
	@echo "  CC $<"
	$(Q)$(CC) $(LOADER_CFLAGS) -c -o $@ $<

# The image carries the kernel without debug information; godwit.elf keeps it for addr2line and gdb.
$(BUILD)/godwit.stripped.elf: $(BUILD)/godwit.elf
	$(Q)objcopy --strip-debug $< $@

$(BUILD)/loader/kernel_blob.o: boot/kernel_blob.S $(BUILD)/godwit.stripped.elf
	@mkdir -p $(@D)
	@echo "  CC $<"
	$(Q)$(CC) -DKERNEL_ELF='"$(BUILD)/godwit.stripped.elf"' -c -o $@ $<

$(BUILD)/BOOTX64.EFI: $(LOADER_OBJS)
	@echo "  LD $@"
	$(Q)ld -nostdlib -znocombreloc -z noexecstack --no-warn-rwx-segments -shared -Bsymbolic \
	    -T $(GNUEFI_LIBDIR)/elf_x86_64_efi.lds $(GNUEFI_LIBDIR)/crt0-efi-x86_64.o $(LOADER_OBJS) \
	    -o $(BUILD)/loader.so -L$(GNUEFI_LIBDIR) -lefi -lgnuefi
	$(Q)objcopy -j .text -j .sdata -j .data -j .rodata -j .dynamic -j .dynsym -j .rel -j '.rel.*' -j .rela -j '.rela.*' \
	    -j .reloc --target=efi-app-x86_64 --subsystem=10 $(BUILD)/loader.so $@

-include $(shell find $(BUILD)/kernel $(BUILD)/lwip $(BUILD)/loader -name '*.d' 2>/dev/null)
