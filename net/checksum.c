/* SPDX-License-Identifier: MIT */
#include "net/checksum.h"

#include <string.h>

#define BLOCK 64u

uint16_t checksum_fold(uint64_t sum) {
    sum = (sum >> 32) + (sum & UINT32_MAX);
    sum = (sum >> 32) + (sum & UINT32_MAX);
    sum = (sum >> 16) + (sum & UINT16_MAX);
    sum = (sum >> 16) + (sum & UINT16_MAX);
    return (uint16_t)sum;
}

static inline uint64_t add_carry(uint64_t sum, uint64_t value) {
    sum += value;
    return sum + (sum < value);
}

/* 11 instructions per 64 octets; lea and dec leave the carry alone, so it runs through the whole loop. */
static inline uint64_t sum_blocks(uint64_t sum, const void *data, size_t blocks) {
    __asm__("clc\n"
            "1:\n\t"
            "adcq 0(%[p]), %[sum]\n\t"
            "adcq 8(%[p]), %[sum]\n\t"
            "adcq 16(%[p]), %[sum]\n\t"
            "adcq 24(%[p]), %[sum]\n\t"
            "adcq 32(%[p]), %[sum]\n\t"
            "adcq 40(%[p]), %[sum]\n\t"
            "adcq 48(%[p]), %[sum]\n\t"
            "adcq 56(%[p]), %[sum]\n\t"
            "leaq 64(%[p]), %[p]\n\t"
            "decq %[n]\n\t"
            "jnz 1b\n\t"
            "adcq $0, %[sum]"
            : [sum] "+r"(sum), [p] "+r"(data), [n] "+r"(blocks)
            :
            : "cc", "memory");
    return sum;
}

uint16_t checksum_sum(uint64_t sum, const void *data, size_t len) {
    const uint8_t *at = data;
    size_t blocks = len / BLOCK;
    if (blocks != 0) {
        sum = sum_blocks(sum, at, blocks);
        at += blocks * BLOCK;
        len %= BLOCK;
    }
    for (; len >= sizeof(uint64_t); len -= sizeof(uint64_t), at += sizeof(uint64_t)) {
        uint64_t word;
        memcpy(&word, at, sizeof word);
        sum = add_carry(sum, word);
    }
    if (len != 0) {
        uint64_t last = 0;
        memcpy(&last, at, len);
        sum = add_carry(sum, last);
    }
    return checksum_fold(sum);
}
