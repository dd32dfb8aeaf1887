# SPDX-License-Identifier: MIT
# lwIP as the top Makefile compiles it: LWIP_SRCS are relative to LWIP_DIR (build/deps/deps.mk), LWIP_CFLAGS come after
# the kernel's own flags (with -w for third-party files only). System includes, so that our own warnings stay strict.
LWIP_SRCS := $(addprefix src/core/,altcp.c altcp_alloc.c altcp_tcp.c def.c inet_chksum.c init.c ip.c mem.c memp.c \
                 netif.c pbuf.c raw.c tcp.c tcp_in.c tcp_out.c timeouts.c udp.c) \
             $(addprefix src/core/ipv4/,acd.c dhcp.c etharp.c icmp.c ip4.c ip4_addr.c ip4_frag.c) \
             $(addprefix src/core/ipv6/,ethip6.c icmp6.c inet6.c ip6.c ip6_addr.c ip6_frag.c mld6.c nd6.c) \
             src/netif/ethernet.c
LWIP_INCLUDES := -Inet -isystem $(LWIP_DIR)/src/include
LWIP_CFLAGS := $(LWIP_INCLUDES)

# Headers that lwIP's own, which count as system headers, include: the compiler does not list them as dependencies.
LWIP_PORT_HEADERS := net/lwipopts.h net/copy.h $(wildcard net/arch/*.h)
$(patsubst %.c,$(BUILD)/lwip/%.o,$(LWIP_SRCS)): $(LWIP_PORT_HEADERS)
$(patsubst %,$(BUILD)/kernel/%.o,$(wildcard net/*.c)): $(LWIP_PORT_HEADERS)

# Streams over the real lwIP in one process, on a wire with faults (tests/net). Needs build/deps.
NET_TESTS := $(patsubst tests/net/%.c,%,$(wildcard tests/net/test_*.c))
NET_TEST_SRCS := $(filter-out tests/net/test_%,$(wildcard tests/net/*.c)) \
                 $(filter-out net/net.c net/netif_nic.c net/ping.c,$(wildcard net/*.c)) \
                 kernel/result.c tests/unit/host_log.c
NET_TEST_OBJS := $(patsubst %.c,$(BUILD)/net-test/%.o,$(NET_TEST_SRCS)) \
                 $(patsubst %.c,$(BUILD)/net-test/lwip/%.o,$(LWIP_SRCS))
NET_TEST_CFLAGS := -std=gnu11 -O1 -g -fsanitize=address,undefined -fno-sanitize=alignment -fno-sanitize-recover=all \
                   -D_GNU_SOURCE -DGODWIT_HOSTED -I. $(LWIP_INCLUDES) -MMD -MP

$(BUILD)/net-test/lwip/%.o: $(LWIP_DIR)/%.c $(DEPS_STAMP) $(LWIP_PORT_HEADERS)
	@mkdir -p $(@D)
	$(Q)$(CC) $(NET_TEST_CFLAGS) -w -c -o $@ $<

$(BUILD)/net-test/%.o: %.c $(DEPS_STAMP) $(LWIP_PORT_HEADERS)
	@mkdir -p $(@D)
	$(Q)$(CC) $(NET_TEST_CFLAGS) $(CFLAGS_WARN) -c -o $@ $<

$(BUILD)/net-test/test_%: $(BUILD)/net-test/tests/net/test_%.o $(NET_TEST_OBJS)
	$(Q)$(CC) $(NET_TEST_CFLAGS) -o $@ $< $(NET_TEST_OBJS) -lcmocka

.SECONDARY: $(NET_TEST_OBJS) $(patsubst %,$(BUILD)/net-test/tests/net/%.o,$(NET_TESTS))
.PHONY: net-test
net-test: $(addprefix $(BUILD)/net-test/,$(NET_TESTS))
	@tests/unit/run.sh $^

-include $(shell find $(BUILD)/net-test -name '*.d' 2>/dev/null)
