/* SPDX-License-Identifier: BSD-2-Clause */
#include "vcpu/guards.h"

#include "arch/x86/cpu.h"
#include "arch/x86/flaws.h"
#include "arch/x86/msr.h"
#include "arch/x86/topology.h"
#include "core/base/format.h"
#include "core/base/log.h"
#include "core/base/panic.h"
#include "vcpu/context.h"
#include "vcpu/state.h"

#define FLAW(name)  ((uint32_t)BIT(FLAW_##name))
#define MEANS(name) ((uint32_t)BIT(MEANS_##name))

static struct cpu_kind kind;
static struct cpu_flaws here;

/*
 * A row for each guard: against which flaws, by which means, and what it costs. A guard of 0 is the same for
 * all VMs, or nothing. `auto` takes those whose flaws are here, `full` all whose means are.
 */
static const struct row {
    const char *name;
    uint32_t flaws;
    uint32_t means; /* all of these; 0: it needs none */
    unsigned guard;
    bool otherwise; /* where the row above has no means */
    const char *done, *cost;
} rows[] = {
    {"L1TF", FLAW(L1TF), MEANS(L1D_FLUSH), GUARD_L1D, false, "L1D flushed at each entry",
     "1 us an entry, and a cold L1D"},
    {"MDS", FLAW(MDS), MEANS(VERW), GUARD_BUFFERS, false, "VERW at each entry", "500 cycles an entry"},
    {"TAA", FLAW(TAA), MEANS(VERW), GUARD_BUFFERS, false, "VERW at each entry", "500 cycles an entry"},
    {"RFDS", FLAW(RFDS), MEANS(VERW), GUARD_BUFFERS, false, "VERW at each entry", "500 cycles an entry"},
    {"MMIO stale data", FLAW(MMIO), 0, 0, false, "nothing: no guest reaches a device's registers", "nothing"},
    {"iTLB multihit", FLAW(MULTIHIT), 0, GUARD_SMALL_PAGES, false, "RAM mapped by 4 KiB pages",
     "more TLB misses, 1/512 of RAM for tables"},
    {"branch targets", FLAW(BRANCHES), MEANS(EIBRS), 0, false, "enhanced IBRS, always on", "nothing"},
    {"branch targets", FLAW(BRANCHES), MEANS(IBRS), GUARD_IBRS, true,
     "IBRS and full return stack, IA32_SPEC_CTRL switched", "300 cycles an exit, slower branches in Skerry"},
    {"branch targets of others", FLAW(BRANCHES), MEANS(IBPB), GUARD_BARRIER, false,
     "IBPB where a CPU changes to another VM", "1 to 5 us a change"},
    {"branch history", FLAW(HISTORY), MEANS(BHI_DIS), 0, false, "BHI_DIS_S, always on",
     "some branches predicted worse"},
};

static bool has_means(const struct row *r)
{
    return (here.means & r->means) == r->means;
}

/* A row above it has better means for the same. */
static bool is_second(const struct row *r)
{
    return r->otherwise && has_means(r - 1);
}

static bool is_done(const struct row *r, enum mitigations level)
{
    if (!has_means(r) || is_second(r))
        return false;
    return !r->guard || level == MITIGATIONS_FULL || (here.flaws & r->flaws);
}

unsigned guards_for(const struct vm_config *c)
{
    unsigned guards = 0;

    if (c->mitigations == MITIGATIONS_OFF)
        return 0;
    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++)
        guards |= is_done(&rows[i], c->mitigations) ? rows[i].guard : 0;
    if (kind.capabilities & ARCH_SKIP_L1D_FLUSH) /* who runs us does it */
        guards &= ~GUARD_L1D;
    if (guards & GUARD_L1D) /* does that, too */
        guards &= ~GUARD_BUFFERS;
    return guards;
}

void guards_init(void)
{
    _Static_assert((GUARD_L1D | GUARD_BUFFERS | GUARD_IBRS) == GUARD_STUBS - 1, "a stub for each of them");
    kind = cpu_kind();
    here = cpu_flaws(&kind);
}

unsigned guards_of_stubs(void)
{
    return GUARD_BUFFERS | (here.means & MEANS(L1D_FLUSH) ? GUARD_L1D : 0) |
           (here.means & MEANS(IBRS) ? GUARD_IBRS : 0);
}

/* --- the page --- */

static unsigned threads_of_a_core(void)
{
    unsigned most = 1;

    for (unsigned i = 0; i < cpu_count; i++) {
        unsigned n = 0;

        for (unsigned k = 0; k < cpu_count; k++)
            n += same_core(cpus[i], cpus[k]);
        most = MAX(most, n);
    }
    return most;
}

void guards_explain(void)
{
    print("Side channels: CPU signature %x, IA32_ARCH_CAPABILITIES %llx, %u thread(s) a core\n",
          kind.signature, (unsigned long long)kind.capabilities, threads_of_a_core());
    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
        const struct row *r = &rows[i];
        bool last = r + 1 == rows + ARRAY_SIZE(rows) || !r[1].otherwise;

        if (is_second(r) || (!has_means(r) && !last))
            continue;
        if (!(here.flaws & r->flaws))
            print("  %-32s %-8s nothing needed\n", r->name, "no");
        else if (has_means(r))
            print("  %-32s %-8s %s; costs %s\n", r->name, "yes", r->done, r->cost);
        else
            print("  %-32s %-8s NOT guarded: this CPU, or its microcode, has no means\n", r->name, "yes");
    }
}

void guards_explain_vm(const struct vm_config *c)
{
    static const struct {
        unsigned guard;
        const char *name;
    } names[] = {{GUARD_L1D, "L1D flush"},
                 {GUARD_BUFFERS, "VERW"},
                 {GUARD_IBRS, "IBRS"},
                 {GUARD_BARRIER, "IBPB"},
                 {GUARD_SMALL_PAGES, "4 KiB pages"}};
    static const char *const levels[] = {[MITIGATIONS_UNSAID] = "auto",
                                         [MITIGATIONS_AUTO] = "auto",
                                         [MITIGATIONS_OFF] = "off",
                                         [MITIGATIONS_FULL] = "full"};
    unsigned guards = guards_for(c);
    char text[80] = "";
    size_t n = 0;

    for (unsigned i = 0; i < ARRAY_SIZE(names); i++) {
        if (guards & names[i].guard)
            n += (size_t)format(text + n, sizeof(text) - n, "%s %s", n ? "," : "", names[i].name);
    }
    print("    mitigations = %s:%s, cores %s\n", levels[c->mitigations], n ? text : " none",
          c->smt == SMT_SHARED ? "shared with others that say so" : "of its own");
}

/* --- IA32_SPEC_CTRL --- */

/*
 * Where IBRS holds once and for all, guests' writes exit, and what Skerry wants stays set beside what they
 * want. Where it is to be written at each exit, that is what stubs with GUARD_IBRS do, around a guest that
 * has the register for itself: guests without that guard are not shown it.
 */
static bool is_enhanced(void)
{
    return here.means & MEANS(EIBRS);
}

static bool has_spec_ctrl(const struct vm *vm)
{
    return (here.means & MEANS(IBRS)) && (is_enhanced() || (vm->guards & GUARD_IBRS));
}

uint64_t guards_host_spec_ctrl(void)
{
    if (!is_enhanced())
        return 0;
    return SPEC_CTRL_IBRS |
           ((here.flaws & FLAW(HISTORY)) && (here.means & MEANS(BHI_DIS)) ? SPEC_CTRL_BHI_DIS_S : 0);
}

/* Below, what IA32_SPEC_CTRL is in root mode while v has the CPU; above, whose predictions may be there, 0
 * for a VM that does not mind. */
uint64_t guards_word(const struct vcpu *v)
{
    uint64_t spec_ctrl = is_enhanced()                ? guards_host_spec_ctrl() | v->regs.spec_ctrl
                         : v->vm->guards & GUARD_IBRS ? SPEC_CTRL_IBRS
                                                      : 0;

    ASSERT(!(spec_ctrl >> 32));
    return spec_ctrl | (v->vm->guards & GUARD_BARRIER ? (uint64_t)(v->vm->id + 1) << 32 : 0);
}

COLD void guards_switch(uint64_t before, uint64_t now)
{
    if ((before ^ now) >> 32 && now >> 32)
        wrmsr(IA32_PRED_CMD, PRED_CMD_IBPB);
    if ((uint32_t)(before ^ now))
        wrmsr(IA32_SPEC_CTRL, (uint32_t)now);
}

bool guards_read_spec_ctrl(struct vcpu *v, uint32_t msr UNUSED, uint64_t *value)
{
    *value = v->regs.spec_ctrl;
    return has_spec_ctrl(v->vm);
}

bool guards_write_spec_ctrl(struct vcpu *v, uint32_t msr UNUSED, uint64_t value)
{
    uint64_t allowed =
        SPEC_CTRL_IBRS | SPEC_CTRL_STIBP | (kind.features & LEAF7_EDX_SSBD ? SPEC_CTRL_SSBD : 0);

    if (!has_spec_ctrl(v->vm) || (value & ~allowed))
        return false;
    v->regs.spec_ctrl = value;
    vcpu_follow_guard(v);
    return true;
}

/* --- what guests are told --- */

uint32_t guards_hidden_features(const struct vm *vm)
{
    return has_spec_ctrl(vm) ? 0 : LEAF7_EDX_SPEC_CTRL | LEAF7_EDX_STIBP | LEAF7_EDX_SSBD;
}

bool guards_open_spec_ctrl(const struct vm *vm)
{
    return has_spec_ctrl(vm) && !is_enhanced();
}

bool guards_open_pred_cmd(const struct vm *vm)
{
    return has_spec_ctrl(vm);
}

bool guards_open_flush_cmd(const struct vm *vm UNUSED)
{
    return here.means & MEANS(L1D_FLUSH);
}

/* What is true for a guest: what the processor says, without the MSRs that a guest does not have; and code
 * pages may change their size where Skerry has made sure of that. */
bool guards_read_capabilities(struct vcpu *v, uint32_t msr UNUSED, uint64_t *value)
{
    const uint64_t passed = ARCH_RDCL_NO | ARCH_IBRS_ALL | ARCH_RSBA | ARCH_SKIP_L1D_FLUSH | ARCH_SSB_NO |
                            ARCH_MDS_NO | ARCH_PSCHANGE_MC_NO | ARCH_TAA_NO | ARCH_SBDR_SSDP_NO |
                            ARCH_FBSDP_NO | ARCH_PSDP_NO | ARCH_FB_CLEAR | ARCH_RRSBA | ARCH_BHI_NO |
                            ARCH_PBRSB_NO | ARCH_GDS_NO | ARCH_RFDS_NO | ARCH_RFDS_CLEAR | ARCH_ITS_NO;

    *value = (kind.capabilities & passed) | (v->vm->guards & GUARD_SMALL_PAGES ? ARCH_PSCHANGE_MC_NO : 0);
    return kind.features & LEAF7_EDX_ARCH_CAPS;
}
