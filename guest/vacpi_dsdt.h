/* SPDX-License-Identifier: MIT */
/* vacpi_dsdt.h - the body of the guest's DSDT.
 * - vacpi_dsdt_emit: the AML after the table header. */
#ifndef GUEST_VACPI_DSDT_H
#define GUEST_VACPI_DSDT_H

#include "guest/vacpi_aml.h"

void vacpi_dsdt_emit(struct aml *a);

#endif
