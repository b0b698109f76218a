/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What can be done with a whole VM from outside. All of this runs on the boot CPU, between two runs of a vCPU
 * (cpu->work): at boot, and for the monitor.
 *
 *     vm_build -> stopped --vm_start--> live --vm_pause--> paused --vm_resume--> live
 *                    ^                    |
 *                    +--- its end, vm_stop; reset: live again with fresh memory
 *     stopped --vm_destroy--> gone; its pages are zeroed and free, its CPUs are anybody's
 *
 * NULL: done, or on its way where that is said. Else the reason why not, for one line.
 */
#pragma once

#include "core/vm/vm.h"

const char *vm_start(struct vm *vm);

/* Ends it, or ends it and starts it again: its last vCPU to leave does so, and says it. */
const char *vm_stop(struct vm *vm);
const char *vm_reset(struct vm *vm);

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

/*
 * Compare what a VM holds with what it held when it was built: the account at each restart, and the whole
 * page map behind it when the VM has stopped. False after an error line for each difference.
 */
bool vm_account_is_as_built(const struct vm *vm);
bool vm_audit(const struct vm *vm);
