# Fuzz targets: every fuzz_*.c with all pure sources, by clang under libFuzzer, ASan and UBSan.
#   make fuzz-quick                 a fixed number of runs per target, the same each time (FUZZ_RUNS)
#   make fuzz FUZZ_SECONDS=600      longer; finds are kept in build/fuzz/corpus
FUZZ_CC ?= clang
FUZZ_TARGETS := $(patsubst tests/fuzz/%.c,$(BUILD)/fuzz/%,$(wildcard tests/fuzz/fuzz_*.c))
FUZZ_PURE := $(shell sed -e 's/\#.*//' tests/unit/pure.txt) tests/unit/host_log.c
FUZZ_CFLAGS := -std=gnu11 -O1 -g -I. -msse4.2 $(CFLAGS_WARN) -fsanitize=fuzzer-no-link,address,undefined \
               -fno-sanitize-recover=all -D_GNU_SOURCE -DGODWIT_HOSTED -MMD -MP
FUZZ_OBJS := $(patsubst %.c,$(BUILD)/fuzz/%.o,$(FUZZ_PURE))

$(BUILD)/fuzz/%.o: %.c
	@mkdir -p $(@D)
	$(FUZZ_CC) $(FUZZ_CFLAGS) -c -o $@ $<

$(BUILD)/fuzz/libpure.a: $(FUZZ_OBJS) tests/unit/pure.txt
	@rm -f $@
	ar rcs $@ $(FUZZ_OBJS)

$(BUILD)/fuzz/fuzz_%: $(BUILD)/fuzz/tests/fuzz/fuzz_%.o $(BUILD)/fuzz/libpure.a
	$(FUZZ_CC) -g -fsanitize=fuzzer,address,undefined -o $@ $^

.PHONY: fuzz fuzz-quick
fuzz-quick: $(FUZZ_TARGETS)
	@tests/fuzz/run.sh quick $(BUILD) $^
fuzz: $(FUZZ_TARGETS)
	@tests/fuzz/run.sh long $(BUILD) $^

.SECONDARY: $(patsubst $(BUILD)/fuzz/%,$(BUILD)/fuzz/tests/fuzz/%.o,$(FUZZ_TARGETS))
-include $(shell find $(BUILD)/fuzz -name '*.d' 2>/dev/null)
