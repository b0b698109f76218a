/* SPDX-License-Identifier: BSD-2-Clause */
/* What a VM holds, compared with what it was built with. */
#include "core/base/log.h"
#include "core/life/life.h"
#include "core/vm/backend.h"

bool vm_account_is_as_built(const struct vm *vm)
{
    const char *const names[MEMORY_KINDS] = {"RAM", backend.tables, backend.control, "state"};
    const uint64_t *now = vm->account.pages, *then = vm->built.pages;
    bool right = true;

    _Static_assert(ARRAY_SIZE(names) == 4, "each has its name");
    for (unsigned kind = 0; kind < MEMORY_KINDS; kind++) {
        if (now[kind] == then[kind])
            continue;
        log_error("[vm %s] holds %llu pages of %s, expected the %llu it was built with", vm->config->name,
                  (unsigned long long)now[kind], names[kind], (unsigned long long)then[kind]);
        right = false;
    }
    return right;
}

bool vm_audit(const struct vm *vm)
{
    bool right = vm_account_is_as_built(vm);

    if (!memory_audit(&vm->account)) {
        log_error("[vm %s] the page map is not what the account says", vm->config->name);
        right = false;
    }
    if (vm_state(vm).running) {
        log_error("[vm %s] still runs on %u CPUs", vm->config->name, vm_state(vm).running);
        right = false;
    }
    return right;
}
