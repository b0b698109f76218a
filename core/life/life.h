/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What can be done with a whole VM from outside. All of this runs on the boot CPU, between two runs of a vCPU
 * (cpu->work): at boot, and for the monitor. The phases, and which code moves a VM between them:
 * sched/vm_run.h. What is refused in which situation is one table (life.c).
 *
 * NULL: done, or on its way where that is said. Else the reason why not, for one line.
 */
#pragma once

#include "core/vm/part.h"

/* Once, before any VM: what VMs are made of. */
void life_setup(const struct vm_part *parts, unsigned count);

/* How a VM is, for people: "runs", "paused", ... */
const char *vm_situation(const struct vm *vm);

/* Every VM has ended, or one has that was to take the machine with it (poweroff). */
bool vm_all_ended(void);

const char *vm_start(struct vm *vm);

/* Ends it, or ends it and starts it again: its last vCPU to leave does so, and says it. */
const char *vm_stop(struct vm *vm);
const char *vm_reset(struct vm *vm);

/* An NMI for its first vCPU, as the button of a machine gives one; a paused VM gets it when it goes on. */
const char *vm_nmi(struct vm *vm);

/* Its vCPUs stand still, and so do its TSC and the local APICs' timers; the clock on the wall goes on. */
const char *vm_pause(struct vm *vm);
const char *vm_resume(struct vm *vm);

/*
 * For a look at a VM: it is at rest, that is, none of its vCPUs runs or can begin to. One that runs is paused
 * meanwhile (*held), and goes on with vm_let_go(), which follows in any case.
 */
const char *vm_hold(struct vm *vm, bool *held);
void vm_let_go(struct vm *vm, bool held);

/* Gives back all that it holds. */
const char *vm_destroy(struct vm *vm);

/* Builds number id of the configuration again. */
const char *vm_create(const struct config *config, unsigned id);

/* --- vm_build.c --- */

/*
 * Builds VM number id from its configuration: memory, vCPUs on free physical CPUs, devices, images. NULL
 * after reporting the reason as a configuration error.
 */
struct vm *vm_build(const struct vm_config *config, unsigned id);

void vm_set_parts(const struct vm_part *parts, unsigned count);

/* Its guest has ended: nobody touches its memory until it is loaded again. */
void vm_rest_parts(struct vm *vm);

/* Its parts, the last one first, for a VM whose memory is about to go. */
void vm_destroy_parts(struct vm *vm);

/* Brings it to the state of a machine just switched on, with its images in memory. False after reporting why.
 */
bool vm_load(struct vm *vm);

/* --- audit.c --- */

/*
 * Compare what a VM holds with what it held when it was built: the account at each restart, and the whole
 * page map behind it when the VM has stopped. False after an error line for each difference.
 */
bool vm_account_is_as_built(const struct vm *vm);
bool vm_audit(const struct vm *vm);
