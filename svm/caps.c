/* SPDX-License-Identifier: BSD-2-Clause */
#include "svm/caps.h"

#include "arch/x86/cpu.h"
#include "arch/x86/features.h"
#include "core/base/format.h"
#include "core/base/log.h"

#define LEAF_EXTENDED     0x80000001u
#define LEAF_EXTENDED_SVM BIT(2) /* ECX */
#define LEAF_SVM          0x8000000au
#define LEAST_ASIDS       2u /* the host's and one more */

struct svm_caps svm_caps;

enum use { NEED, LIKE, SPARE };

static const struct row {
    enum svm_feature bit;
    enum use use;
    const char *name, *instead;
} rows[] = {
#define FEATURE_ROW(symbol, number, use, name, instead) {SVM_##symbol, use, name, instead},
    SVM_FEATURES(FEATURE_ROW)
#undef FEATURE_ROW
};

bool svm_caps_read(struct svm_caps *caps)
{
    struct cpuid r;

    *caps = (struct svm_caps){0};
    if (cpuid(0x80000000, 0).eax < LEAF_SVM || !(cpuid(LEAF_EXTENDED, 0).ecx & LEAF_EXTENDED_SVM))
        return false;
    r = cpuid(LEAF_SVM, 0);
    *caps = (struct svm_caps){r.eax & 0xff, r.ebx, r.edx, cpu_below_tcg()};
    return true;
}

const char *svm_caps_missing(const struct svm_caps *caps)
{
    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
        if (rows[i].use == NEED && !(caps->features & rows[i].bit))
            return rows[i].name;
    }
    return caps->asids < LEAST_ASIDS ? "an ASID for guests" : NULL;
}

/* One CPU at a time asks. */
const char *svm_caps_mismatch(const struct svm_caps *boot, const struct svm_caps *other)
{
    static char text[96];

    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
        if (rows[i].use == SPARE || !(boot->features & ~other->features & rows[i].bit))
            continue;
        format(text, sizeof(text), "it lacks %s, which the boot CPU has", rows[i].name);
        return text;
    }
    return other->asids < LEAST_ASIDS ? "it has no ASID for guests" : NULL;
}

static void print_row(const struct row *r)
{
    static const char *const uses[] = {[NEED] = "required", [LIKE] = "used", [SPARE] = "not used"};
    bool present = svm_caps.features & r->bit;

    print("  %-38s %-8s %s\n", r->name, present ? "present" : "absent",
          r->use == LIKE && !present ? r->instead : uses[r->use]);
}

void svm_caps_explain(void)
{
    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
        if (rows[i].use == LIKE)
            print_row(&rows[i]);
    }
}

void svm_caps_print(void)
{
    print("SVM revision %u, %u ASIDs, features %x\n", svm_caps.revision, svm_caps.asids, svm_caps.features);
    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++)
        print_row(&rows[i]);
}
