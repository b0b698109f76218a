/* SPDX-License-Identifier: BSD-2-Clause */
#include "vcpu/machine_check.h"

#include "arch/x86/machine_check.h"
#include "core/base/log.h"
#include "core/base/machine_errors.h"
#include "sched/vm_run.h"

static bool end_whose(hpa_t page)
{
    struct vm *vm = vm_of_ram(page);

    if (!vm || !memory_retire(page))
        return false;
    vm->lost_memory = true;
    machine_errors_print();
    if (!vm_request_end(vm, VM_END_CRASH, "memory error: its page at %llx of the machine is lost",
                        (unsigned long long)page.value))
        log_error("[vm %s] has lost its page at %llx of the machine", vm->config->name,
                  (unsigned long long)page.value);
    return true;
}

bool vcpu_survives_machine_check(void)
{
    hpa_t page;
    enum machine_check_verdict verdict = machine_check_judge(&page);

    if (verdict == MACHINE_CHECK_FATAL || (verdict == MACHINE_CHECK_ONE_PAGE && !end_whose(page)))
        return false;
    machine_check_forgive();
    return true;
}
