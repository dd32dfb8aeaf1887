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
