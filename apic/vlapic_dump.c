/* SPDX-License-Identifier: BSD-2-Clause */
/* A virtual local APIC in words, for the monitor. */
#include "apic/vlapic_state.h"
#include "core/base/format.h"
#include "core/base/log.h"
#include "core/vm/backend.h"

#define LVT_DELIVERY(lvt) ((lvt) >> 8 & 7)
#define LVT_PENDING       0x1000u
#define LVT_LOW_ACTIVE    0x2000u
#define LVT_LEVEL         0x8000u
#define LINE              100

static const char *const deliveries[8] = {"fixed", "lowest priority", "SMI",   "reserved", "NMI",
                                          "INIT",  "startup",         "ExtINT"};

_Static_assert(LVT_DELIVERY(~0u) == ARRAY_SIZE(deliveries) - 1, "each has its words");

static void dump_lvt(const struct vlapic *a, const char *name, unsigned reg)
{
    static const char *const modes[] = {", one-shot", ", periodic", ", TSC-deadline", ", reserved mode"};
    uint32_t lvt = get(a, reg);
    bool timer = reg == LAPIC_LVT_TIMER;

    _Static_assert(LVT_MODE >> 17 == ARRAY_SIZE(modes) - 1, "so those of the timer");
    print("  lvt %-8s %08x  vector %02x%s%s%s%s%s%s%s\n", name, lvt, lvt & 0xff, timer ? "" : ", ",
          timer ? "" : deliveries[LVT_DELIVERY(lvt)], timer ? modes[(lvt & LVT_MODE) >> 17] : "",
          lvt & LVT_LEVEL ? ", level" : "", lvt & LVT_LOW_ACTIVE ? ", active low" : "",
          lvt & LVT_PENDING ? ", pending" : "", lvt & LVT_MASKED ? ", masked" : "");
}

/* The vectors whose bit is set, and of how many no more are shown. */
static void dump_vectors(const char *name, const uint64_t bits[4])
{
    char text[LINE] = "";
    unsigned shown = 0, more = 0;

    for (unsigned vector = 0; vector < 256; vector++) {
        if (!(bits[vector / 64] >> vector % 64 & 1))
            continue;
        if (shown + 4 < LINE)
            shown += (unsigned)format(text + shown, LINE - shown, " %02x", vector);
        else
            more++;
    }
    if (more)
        print("  %s%s and %u more\n", name, text, more);
    else
        print("  %s%s\n", name, shown ? text : " none");
}

static void dump_register_vectors(const struct vlapic *a, const char *name, unsigned base)
{
    uint64_t bits[4];

    for (unsigned i = 0; i < 4; i++)
        bits[i] = *vector_word(a, base, i * 64) | (uint64_t)*vector_word(a, base, i * 64 + 32) << 32;
    dump_vectors(name, bits);
}

static void dump_timer(const struct vcpu *v)
{
    const struct vlapic *a = v->lapic;
    uint64_t now = vm_time(v->vm);
    char when[48] = "not armed";

    if (a->expires && a->expires <= now)
        format(when, sizeof(when), "due");
    else if (a->expires)
        format(when, sizeof(when), "fires in %llu ticks of the TSC", (unsigned long long)(a->expires - now));
    print("  timer initial %u, divide %x, %s\n", get(a, LAPIC_TIMER_ICR), get(a, LAPIC_TIMER_DCR), when);
    if (a->deadline)
        print("  timer deadline %llu\n", (unsigned long long)a->deadline);
}

static void dump_mailbox(const struct pid *p)
{
    uint64_t control = __atomic_load_n(&p->control, __ATOMIC_SEQ_CST);

    dump_vectors("mailbox PIR", p->pir);
    print("  mailbox ON %u, SN %u, NV %02x, NDST %08x\n", !!(control & PID_ON), !!(control & PID_SN),
          PID_VECTOR(control), PID_DESTINATION(control));
}

void vlapic_dump(const struct vcpu *v)
{
    static const char *const modes[] = {"off", "xAPIC", "x2APIC"};
    static const struct {
        const char *name;
        unsigned reg;
    } lvts[] = {{"timer", LAPIC_LVT_TIMER}, {"thermal", REG_LVT_THERM}, {"perf", REG_LVT_PERF},
                {"lint0", LAPIC_LVT_LINT0}, {"lint1", LAPIC_LVT_LINT1}, {"error", LAPIC_LVT_ERROR}};
    const struct vlapic *a = v->lapic;

    _Static_assert(ARRAY_SIZE(modes) == VLAPIC_X2APIC + 1, "each has its name");
    print("  mode %s, base %llx, id %08x, apic id %u\n", modes[vlapic_mode(v)], (unsigned long long)a->base,
          get(a, LAPIC_ID), v->apic_id);
    print("  tpr %02x  ppr %02x  svr %08x (%s)  ldr %08x  dfr %08x  esr %02x\n", get(a, REG_TPR),
          processor_priority(a), get(a, LAPIC_SVR), software_enabled(a) ? "enabled" : "disabled by software",
          get(a, REG_LDR), get(a, REG_DFR), get(a, REG_ESR));
    for (unsigned i = 0; i < ARRAY_SIZE(lvts); i++)
        dump_lvt(a, lvts[i].name, lvts[i].reg);
    print("  icr %08x%08x  vector %02x, %s\n",
          x2apic_mode(a) ? get(a, LAPIC_ICR + 4) : get(a, LAPIC_ICR_HIGH), get(a, LAPIC_ICR),
          get(a, LAPIC_ICR) & 0xff, deliveries[LVT_DELIVERY(get(a, LAPIC_ICR))]);
    dump_timer(v);
    dump_register_vectors(a, "irr", REG_IRR);
    dump_register_vectors(a, "isr", REG_ISR);
    dump_register_vectors(a, "tmr", REG_TMR);
    dump_mailbox(&a->pid);
    if (v->asked & ASKED_NMI)
        print("  %s pending\n", (v->asked & ASKED_NMIS) == ASKED_NMIS ? "two NMIs are" : "an NMI is");
}
