/* SPDX-License-Identifier: BSD-2-Clause */
/* What the parser of skerry.cfg makes of a text, and what it reports. */
#pragma once

#include "tests/unit/unit.h"

#include "core/base/format.h"
#include "core/config/config.h"

#include <stdlib.h>
#include <string.h>

static struct config config;

/* As backends bring them. */
static const char *const switches[] = {"hv-timer", "tpr-shadow", "apicv", "posted", "ipiv", NULL};
static char reports[8192];
static unsigned report_count;

static void note(void *context, unsigned line, const char *text)
{
    size_t used = strlen(reports);

    (void)context;
    report_count++;
    format(reports + used, sizeof(reports) - used, "%u: %s\n", line, text);
    assert_true(strlen(text) > 0);
    for (const char *c = text; *c != '\0'; c++)
        assert_in_range(*c, 0x20, 0x7e);
}

/* Parses a copy that ends where an address sanitizer sees the first byte too much. */
static void parse(const char *text, size_t size)
{
    char *copy = malloc(size + 1);

    memcpy(copy + 1, text, size);
    reports[0] = '\0';
    report_count = 0;
    config_parse(copy + 1, size, &config, note, NULL);
    free(copy);
}

static inline void expect(const char *text, const char *wanted)
{
    parse(text, strlen(text));
    assert_string_equal(reports, wanted);
    assert_int_equal(config.errors, report_count);
}

#define GOOD "kernel=k\nmemory=2M\n"
