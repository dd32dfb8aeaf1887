/* SPDX-License-Identifier: MIT */
/* vcpu_snapshot.h - the field list of a vCPU's architectural state. Pure. */
#ifndef GUEST_VCPU_SNAPSHOT_H
#define GUEST_VCPU_SNAPSHOT_H

#include "guest/snapshot.h"
#include "vmx/vcpu_state.h"

void vcpu_snapshot(struct vcpu_state *state, struct snap *s);

#endif
