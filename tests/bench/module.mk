# Hosted benchmarks: throughput of the hot paths on a real CPU, beside memcpy in the same run.
#   make bench-host     a table; BENCH_JSON=1 prints JSON lines instead
# Our code is built with the kernel's code generation (no vector registers); memcpy is the host's.
BENCH_CFLAGS := -std=gnu11 -O2 -g -I. $(CFLAGS_WARN) -D_GNU_SOURCE -fno-strict-aliasing -MMD -MP
BENCH_SOURCES := migration/page_scan.c migration/page_store.c migration/receiver.c migration/sender.c migration/wire.c \
                 migration/wire_msg.c guest/gmem.c guest/snapshot.c kernel/result.c
BENCH_OBJS := $(patsubst %.c,$(BUILD)/bench/%.o,$(BENCH_SOURCES))

$(BENCH_OBJS): $(BUILD)/bench/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(BENCH_CFLAGS) -mgeneral-regs-only -mno-red-zone -fno-tree-vectorize -c -o $@ $<

$(BUILD)/bench/bench_%: tests/bench/bench_%.c $(BENCH_OBJS)
	@mkdir -p $(@D)
	$(CC) $(BENCH_CFLAGS) -o $@ $< $(BENCH_OBJS)

# Instructions per page; needs the dirty log as well.
$(BUILD)/bench/bench_steps: tests/bench/bench_steps.c $(BENCH_OBJS) $(BUILD)/bench/vmx/dirty.o
	@mkdir -p $(@D)
	$(CC) $(BENCH_CFLAGS) -o $@ $(filter %.c %.o,$^)

$(BUILD)/bench/vmx/dirty.o: vmx/dirty.c
	@mkdir -p $(@D)
	$(CC) $(BENCH_CFLAGS) -mgeneral-regs-only -mno-red-zone -fno-tree-vectorize -c -o $@ $<

.PHONY: bench-host
bench-host: $(BUILD)/bench/bench_pages
	@$< $(if $(BENCH_JSON),--json)

-include $(shell find $(BUILD)/bench -name '*.d' 2>/dev/null)

# Everything the project makes promises about, beside its targets: tests/bench/bench.py.
$(BUILD)/bench/godwit.map: $(BUILD)/godwit.elf
	@mkdir -p $(@D)
	$(Q)ld -nostdlib -static -z max-page-size=4096 -z noexecstack --no-warn-rwx-segments --gc-sections -Map $@ \
	    -T linker.ld -o $(@:.map=.elf) $(KERNEL_OBJS) $(LWIP_OBJS) $(NEWLIB_LIBC)

BENCH_ONLY := machine,migration,host,size
.PHONY: bench bench-build
bench-build: $(BUILD)/BOOTX64.EFI $(BUILD)/initrd.img guests wire $(BUILD)/bench/bench_pages $(BUILD)/bench/bench_steps \
             $(BUILD)/bench/godwit.map

bench:
	@$(MAKE) --no-print-directory -s deps-run
	@$(MAKE) --no-print-directory -s bench-build
	@tests/bench/bench.py --only $(BENCH_ONLY)
