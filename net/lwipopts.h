/* SPDX-License-Identifier: MIT */
/* lwipopts.h - how lwIP is built for Godwit: one owner (CPU 0), raw API only, one network interface.
 * Memory, all in all below 16 MiB: receive buffers 4 MiB (driver), lwIP's heap 2 MiB (net/slab.c), its pools
 * 0.5 MiB, and 1 MiB per stream that has written something (net/stream.c). */
#ifndef NET_LWIPOPTS_H
#define NET_LWIPOPTS_H

#define NET_MTU 1500

#define NO_SYS 1
#define SYS_LIGHTWEIGHT_PROT 0
#define LWIP_TIMERS 1
#define LWIP_NETCONN 0
#define LWIP_SOCKET 0
#define LWIP_SINGLE_NETIF 1
#define LWIP_STATS 0
#define LWIP_HOOK_FILENAME "arch/hooks.h"

/* Memory: PBUF_RAM and other variable sizes from net/slab.c, which lies in the direct map so that the card
 * can read it; fixed-size objects from static pools, whose counts are limits. No PBUF_POOL is needed: the
 * driver has its own buffers. */
#define MEM_ALIGNMENT 16
#define MEM_CUSTOM_ALLOCATOR 1
#define MEM_CUSTOM_MALLOC net_mem_alloc
#define MEM_CUSTOM_CALLOC net_mem_calloc
#define MEM_CUSTOM_FREE net_mem_free
#define MEMP_MEM_MALLOC 0
#define LWIP_SUPPORT_CUSTOM_PBUF 1
#define PBUF_POOL_SIZE 16
#define PBUF_POOL_BUFSIZE 1536
#define MEMP_NUM_PBUF 4096
#define MEMP_NUM_RAW_PCB 4
#define MEMP_NUM_UDP_PCB 8
#define MEMP_NUM_TCP_PCB 32
#define MEMP_NUM_TCP_PCB_LISTEN 8
#define MEMP_NUM_TCP_SEG 4096
#define MEMP_NUM_ARP_QUEUE 32
#define MEMP_NUM_REASSDATA 8
#define MEMP_NUM_FRAG_PBUF 32
#define MEMP_NUM_SYS_TIMEOUT (LWIP_NUM_SYS_TIMEOUT_INTERNAL + 32)

/* Link and internet layers. */
#define LWIP_ETHERNET 1
#define LWIP_ARP 1
#define ARP_TABLE_SIZE 32
#define ARP_QUEUEING 1
#define ETH_PAD_SIZE 0
#define LWIP_IPV4 1
#define LWIP_IPV6 1
#define LWIP_IPV6_DHCP6 0
#define IPV6_FRAG_COPYHEADER 1 /* mandatory with 64-bit pointers */
#define LWIP_ND6_TCP_REACHABILITY_HINTS 0
#define IP_REASSEMBLY 1
#define IP_REASS_MAX_PBUFS 64
#define IP_FRAG 1
#define LWIP_ICMP 1
#define LWIP_RAW 1
#define LWIP_UDP 1
#define LWIP_DHCP 1
#define LWIP_DHCP_DOES_ACD_CHECK 0
#define LWIP_AUTOIP 0
#define LWIP_IGMP 0
#define LWIP_DNS 0
#define LWIP_NETIF_HOSTNAME 1
#define LWIP_NETIF_STATUS_CALLBACK 1
#define LWIP_NETIF_HWADDRHINT 1
#define LWIP_NETIF_LOOPBACK 0
#define LWIP_HAVE_LOOPIF 0

/* TCP. Data is written by reference from the stream's own ring, so there is no oversizing. */
#define LWIP_TCP 1
#define LWIP_ALTCP 1
#define TCP_MSS (NET_MTU - 40)
#define LWIP_WND_SCALE 1
#define TCP_RCV_SCALE 5
#define TCP_WND (1024 * 1024)
#define TCP_SND_BUF (1024 * 1024)
#define TCP_SND_QUEUELEN 3072
#define TCP_SNDLOWAT (8 * 1024)
#define TCP_SNDQUEUELOWAT (TCP_SND_QUEUELEN / 2)
#define TCP_OVERSIZE 0
#define TCP_QUEUE_OOSEQ 1
#define TCP_OOSEQ_MAX_BYTES TCP_WND
#define TCP_OOSEQ_MAX_PBUFS 1024
#define TCP_WND_UPDATE_THRESHOLD (16 * 1024) /* must be reachable with a peer that cannot scale windows */
#define LWIP_TCP_SACK_OUT 1
#define LWIP_TCP_MAX_SACK_NUM 4
#define LWIP_TCP_KEEPALIVE 1
#define LWIP_TCP_TIMESTAMPS 0
#define TCP_LISTEN_BACKLOG 1
#define TCP_DEFAULT_LISTEN_BACKLOG 8
#define TCP_MSL 1000
#define SO_REUSE 1
/* Ticks of 25 and 50 ms: an acknowledgement waits 25 ms at most, and a lost segment is sent again after 3
 * slow ticks (lwIP's variance never falls below 3) instead of after 1.5 s. */
#define TCP_TMR_INTERVAL 25
#define LWIP_TCP_RTO_TIME 1000
#define LWIP_RANDOMIZE_INITIAL_LOCAL_PORTS 1
/* The window checks reckon with PBUF_POOL, which is not used for receiving. */
#define LWIP_DISABLE_TCP_SANITY_CHECKS 1

/* Checksums: TCP on transmit by the card where it can (net/netif_nic.c), everything else here. */
#define LWIP_CHECKSUM_CTRL_PER_NETIF 1
#define LWIP_CHECKSUM_ON_COPY 0
#define LWIP_CHKSUM net_lwip_checksum

#endif
