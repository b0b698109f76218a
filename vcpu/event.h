/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Exceptions on their way into a guest. An event is a word in the format that Intel (VM-entry interruption
 * information) and AMD (EVENTINJ) share: vector, type in bits 10:8, bit 11 error code, bit 31 valid.
 */
#pragma once

#include "core/vm/vm.h"

#define EVENT_VALID      BIT(31)
#define EVENT_ERROR_CODE BIT(11)
#define EVENT_TYPE_MASK  0x700u
#define EVENT_VECTOR(x)  ((unsigned)((x)&0xff))
#define EVENT_TYPE(x)    ((unsigned)((x) >> 8 & 7))
enum event_type {
    EVENT_EXTERNAL = 0,
    EVENT_NMI = 2,
    EVENT_EXCEPTION = 3,
    EVENT_SOFTWARE_INTERRUPT = 4,
    EVENT_PRIVILEGED_SOFTWARE = 5, /* Intel's only, like the next */
    EVENT_SOFTWARE_EXCEPTION = 6,
};

/* At the next entry; on top of one that is to be delivered already it may become a double or triple fault. */
void vcpu_inject(struct vcpu *v, unsigned vector);
void vcpu_inject_error(struct vcpu *v, unsigned vector, uint32_t error); /* those with an error code */
void vcpu_inject_int1(struct vcpu *v, unsigned length); /* #DB behind INT1, which is so long */
void vcpu_inject_page_fault(struct vcpu *v, uint64_t linear, uint32_t error);

/* For handlers that refuse an instruction: #GP(0). */
enum next vcpu_protection_fault(struct vcpu *v);
