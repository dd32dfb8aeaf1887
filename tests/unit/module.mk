# Hosted unit tests: every pure source (pure.txt) under ASan and UBSan, one program per test_*.c.
UNIT_PURE := $(shell sed -e 's/\#.*//' tests/unit/pure.txt)
UNIT_TESTS := $(patsubst tests/unit/%.c,%,$(wildcard tests/unit/test_*.c))
UNIT_HELPERS := $(filter-out tests/unit/test_%.c,$(wildcard tests/unit/*.c))
UNIT_CFLAGS := -std=gnu11 -O1 -g -I. -msse4.2 $(CFLAGS_WARN) -fsanitize=address,undefined -fno-sanitize-recover=all \
               -D_GNU_SOURCE -DGODWIT_HOSTED -MMD -MP
UNIT_OBJS := $(patsubst %.c,$(BUILD)/unit/%.o,$(UNIT_PURE) $(UNIT_HELPERS))

$(BUILD)/unit/%.o: %.c
	@mkdir -p $(@D)
	$(Q)$(CC) $(UNIT_CFLAGS) -c -o $@ $<

$(BUILD)/unit/libpure.a: $(UNIT_OBJS) tests/unit/pure.txt
	@rm -f $@
	$(Q)ar rcs $@ $(UNIT_OBJS)

$(BUILD)/unit/test_%: $(BUILD)/unit/tests/unit/test_%.o $(BUILD)/unit/libpure.a
	$(Q)$(CC) $(UNIT_CFLAGS) $(UNIT_LDFLAGS) -o $@ $< $(BUILD)/unit/libpure.a -lcmocka

# Runs out of memory on purpose.
$(BUILD)/unit/test_mig_nomem: UNIT_LDFLAGS := -Wl,--wrap=malloc

.PHONY: unit
unit: $(addprefix $(BUILD)/unit/,$(UNIT_TESTS))
	@tests/unit/run.sh $^

-include $(shell find $(BUILD)/unit -name '*.d' 2>/dev/null)
