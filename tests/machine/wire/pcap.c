/* SPDX-License-Identifier: MIT */
/* Capture files: https://datatracker.ietf.org/doc/draft-ietf-opsawg-pcap/, "PCAP Capture File Format". */
#include "pcap.h"

#include <stdlib.h>

struct pcap_header {
    uint32_t magic;                 /*  0 0xa1b2c3d4: microseconds */
    uint16_t major, minor;          /*  4 */
    uint32_t rsvd0, rsvd1;          /*  8 */
    uint32_t snap_bytes;            /* 16 */
    uint32_t link_type;             /* 20 */
};

struct pcap_record {
    uint32_t seconds, microseconds;
    uint32_t captured_bytes, original_bytes;
};

FILE *pcap_open(const char *path)
{
    const struct pcap_header header = { .magic = 0xa1b2c3d4, .major = 2, .minor = 4, .snap_bytes = 65535,
                                        .link_type = 1 };
    FILE *file = fopen(path, "wb");

    if (!file || fwrite(&header, sizeof(header), 1, file) != 1) {
        perror(path);
        exit(2);
    }
    return file;
}

void pcap_write(FILE *file, uint64_t time_ns, const void *frame, size_t len)
{
    struct pcap_record record = {
        .seconds = (uint32_t)(time_ns / 1000000000u),
        .microseconds = (uint32_t)(time_ns / 1000u % 1000000u),
        .captured_bytes = (uint32_t)len,
        .original_bytes = (uint32_t)len,
    };

    if (file) {
        fwrite(&record, sizeof(record), 1, file);
        fwrite(frame, len, 1, file);
    }
}
