/* SPDX-License-Identifier: BSD-2-Clause */
/* Memory that VMs share: the key shared of a VM's section. */
#include "arch/x86/string.h"
#include "core/base/format.h"
#include "core/config/config_keys.h"

#define MIN_SHARED PAGE_2M /* so that a BAR that is moved needs no page for a table (core/vm/backend.h) */
#define MAX_SHARED (64 * MIB)

_Static_assert(MIN_SHARED == 2 * MIB && VM_MAX_SHARED == 3, "as shared says in core/config/config_keys.c");

static bool is_size(uint64_t size)
{
    return size >= MIN_SHARED && size <= MAX_SHARED && !(size & (size - 1));
}

static bool has_shared(const struct vm_config *vm, struct span name)
{
    for (unsigned i = 0; i < vm->shared_count; i++) {
        if (span_equals(name, vm->shared[i].name))
            return true;
    }
    return false;
}

/* "NAME 16M", or "NAME 16M ro"; no name twice. */
bool config_set_shared(const struct key *key UNUSED, struct span value, void *field)
{
    struct vm_config *vm = field;
    struct span name = span_cut(&value, ' '), size = span_cut(&value, ' ');
    struct shared_config s = {.line = vm->shared_line, .read_only = !span_empty(value)};

    if (vm->shared_count == VM_MAX_SHARED || !config_valid_name(name) || has_shared(vm, name) ||
        !span_size(size, &s.size) || !is_size(s.size) || (s.read_only && !span_equals(value, "ro")))
        return false;
    span_copy(name, s.name, sizeof(s.name) - 1);
    vm->shared[vm->shared_count++] = s;
    return true;
}

/* --- when all sections are known --- */

/* The first that names it, which is s itself if nobody else did before; *before: how many did. */
static struct shared_config *first_of(struct config *config, const struct shared_config *s, unsigned *before)
{
    struct shared_config *first = NULL;

    *before = 0;
    for (unsigned i = 0; i < config->vm_count * VM_MAX_SHARED; i++) {
        struct vm_config *vm = &config->vms[i / VM_MAX_SHARED];
        struct shared_config *other = &vm->shared[i % VM_MAX_SHARED];

        if (i % VM_MAX_SHARED >= vm->shared_count || strcmp(other->name, s->name))
            continue;
        first = first ? first : other;
        if (other == s)
            return first;
        ++*before;
    }
    return first;
}

static unsigned count_shared(const struct config *config, const char *name)
{
    unsigned count = 0;

    for (unsigned i = 0; i < config->vm_count; i++)
        count += has_shared(&config->vms[i], span_of(name));
    return count;
}

static void say_fault(const struct config *config, const struct shared_config *s,
                      const struct shared_config *first, char *text, size_t size)
{
    text[0] = '\0';
    if (count_shared(config, s->name) < 2)
        format(text, size, "shared '%s' is named by one VM, expected two or more", s->name);
    else if (s->size != first->size)
        format(text, size, "shared '%s' has another size than in line %u, expected the same", s->name,
               first->line);
    else if (s->region >= CONFIG_MAX_SHARED)
        format(text, size, "shared '%s' is one too many, expected at most %u in all VMs", s->name,
               CONFIG_MAX_SHARED);
}

void config_check_shared(struct config *config, config_net_fault *fault, void *context)
{
    unsigned regions = 0, before;

    for (unsigned i = 0; i < config->vm_count * VM_MAX_SHARED; i++) {
        struct vm_config *vm = &config->vms[i / VM_MAX_SHARED];
        struct shared_config *s = &vm->shared[i % VM_MAX_SHARED], *first;
        char text[160];

        if (i % VM_MAX_SHARED >= vm->shared_count)
            continue;
        first = first_of(config, s, &before);
        s->peer = before;
        s->region = first == s ? regions++ : first->region;
        say_fault(config, s, first, text, sizeof(text));
        if (text[0])
            fault(context, vm, s->line, text);
    }
}
