# What several CPUs share, under the thread sanitizer: one program per stress_*.c, a fixed number of operations.
#   make tsan
TSAN_SOURCES := guest/bus.c guest/snapshot.c guest/vclock.c guest/vioapic.c guest/virq.c guest/vlapic.c guest/vlapic_inbox.c \
                guest/vlapic_regs.c guest/vlapic_take.c guest/vlapic_timer.c guest/vpic.c kernel/result.c tests/tsan/stress.c
TSAN_PROGRAMS := $(patsubst tests/tsan/%.c,$(BUILD)/tsan/%,$(wildcard tests/tsan/stress_*.c))
TSAN_CFLAGS := -std=gnu11 -O1 -g -I. $(CFLAGS_WARN) -fsanitize=thread -D_GNU_SOURCE -DGODWIT_HOSTED -MMD -MP
TSAN_OBJS := $(patsubst %.c,$(BUILD)/tsan/%.o,$(TSAN_SOURCES))

$(BUILD)/tsan/%.o: %.c
	@mkdir -p $(@D)
	$(Q)$(CC) $(TSAN_CFLAGS) -c -o $@ $<

$(BUILD)/tsan/stress_%: $(BUILD)/tsan/tests/tsan/stress_%.o $(TSAN_OBJS)
	$(Q)$(CC) -fsanitize=thread -o $@ $^ -lpthread

.PHONY: tsan
tsan: $(TSAN_PROGRAMS)
	@tests/tsan/run.sh $^

.SECONDARY: $(TSAN_OBJS) $(patsubst $(BUILD)/tsan/%,$(BUILD)/tsan/tests/tsan/%.o,$(TSAN_PROGRAMS))
-include $(shell find $(BUILD)/tsan -name '*.d' 2>/dev/null)
