/* SPDX-License-Identifier: BSD-2-Clause */
/* Where the program is redirected. Each place holds the method's only call that matters, unless said
 * otherwise. */
#include "vmhost.h"

#define CALL(at, b1, b2, b3, b4, function)             \
    {                                                  \
        at, {0xe8, b1, b2, b3, b4}, (void *)(function) \
    }
#define JUMP(at, b1, b2, b3, b4, function)             \
    {                                                  \
        at, {0xe9, b1, b2, b3, b4}, (void *)(function) \
    }

const struct redirection redirections[] = {
    CALL(0x12c368, 0x13, 0xcc, 0x03, 0x00, hook_run_trace),         /* main loop of several CPUs */
    CALL(0x168fa3, 0x58, 0xfc, 0xff, 0xff, hook_icache_entry),      /* cpu_run_trace */
    CALL(0x16a08b, 0x10, 0xf9, 0xff, 0xff, hook_handle_external),   /* handleAsyncEvent */
    JUMP(0x169a7e, 0xbd, 0x23, 0x10, 0x00, hook_deliver_virtual),   /* HandleExtInterrupt */
    CALL(0x169e30, 0x3b, 0xf9, 0xff, 0xff, hook_wait_for_event),    /* handleAsyncEvent */
    CALL(0x169ed3, 0x98, 0x21, 0x10, 0x00, hook_apic_access_trap),  /* handleAsyncEvent */
    CALL(0x169a01, 0x1a, 0x28, 0x10, 0x00, hook_posted_interrupt),  /* HandleExtInterrupt */
    CALL(0x1f54da, 0xa1, 0xac, 0xff, 0xff, hook_check_vm_controls), /* VMLAUNCH */
    CALL(0x1f54fd, 0x8e, 0xc4, 0xff, 0xff, hook_check_guest_state), /* VMLAUNCH */
    CALL(0x1f5579, 0x42, 0xe0, 0xff, 0xff, hook_inject_events),     /* VMLAUNCH */
    CALL(0x1fab4e, 0x1d, 0xff, 0xff, 0xff, hook_init_vmx_capabilities),
    CALL(0x1fabad, 0x0e, 0xf5, 0xff, 0xff, hook_vmcs_field_supported), /* init_VMCS */
    CALL(0x2315ca, 0x61, 0xf2, 0xff, 0xff, hook_rdmsr),                /* RDMSR */
    CALL(0x231c70, 0x8b, 0xa4, 0x03, 0x00, hook_x2apic_write),         /* wrmsr */
    JUMP(0x252986, 0xc5, 0x8d, 0x01, 0x00, hook_apic_page_write),      /* access_write_physical's tail */
};
const size_t redirection_count = sizeof(redirections) / sizeof(redirections[0]);

/* VM entry's check of the descriptor's address: aligned to 64 bytes and not to 4096. */
const struct patch patches[] = {
    {0x1f09c2,
     10,
     {0x48, 0xba, 0xff, 0x0f, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff},
     {0x48, 0xba, 0x3f, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff}},
};
const size_t patch_count = sizeof(patches) / sizeof(patches[0]);
