/* SPDX-License-Identifier: MIT */
#include "net/slab.h"

#define SMALL_CLASSES 2u /* 128 and 256 octets */

struct slab_head {
    struct slab_head *next; /* while free */
    uint64_t class;
};
_Static_assert(sizeof(struct slab_head) == 16, "objects stay 16-aligned");

void slab_init(struct slab *s, void *base, size_t len) {
    *s = (struct slab){.next = base, .end = (uint8_t *)base + len, .small_reserve = len / 4};
}

static unsigned class_of(size_t len) {
    size_t whole = len + sizeof(struct slab_head);
    if (whole <= 1ul << SLAB_MIN_SHIFT)
        return 0;
    return (unsigned)(64 - __builtin_clzl(whole - 1)) - SLAB_MIN_SHIFT;
}

void *slab_alloc(struct slab *s, size_t len) {
    if (len > (1ul << SLAB_MAX_SHIFT) - sizeof(struct slab_head))
        return NULL;
    unsigned class = class_of(len);
    size_t size = 1ul << (class + SLAB_MIN_SHIFT);
    struct slab_head *head = s->free[class];
    if (head != NULL) {
        s->free[class] = head->next;
    } else {
        size_t keep = class < SMALL_CLASSES ? 0 : s->small_reserve;
        if ((size_t)(s->end - s->next) < size + keep) {
            s->failures++;
            return NULL;
        }
        head = (struct slab_head *)(void *)s->next;
        s->next += size;
        head->class = class;
    }
    s->used += size;
    s->peak = MAX(s->peak, s->used);
    return head + 1;
}

void slab_free(struct slab *s, void *p) {
    if (p == NULL)
        return;
    struct slab_head *head = (struct slab_head *)p - 1;
    s->used -= 1ul << (head->class + SLAB_MIN_SHIFT);
    head->next = s->free[head->class];
    s->free[head->class] = head;
}
