/* SPDX-License-Identifier: BSD-2-Clause */
/* The keys of skerry.cfg: for the parser (core/config/config.c) alone. A table for each kind of section. */
#pragma once

#include "core/base/span.h"
#include "core/config/config.h"

#define CONFIG_MAX_KEYS 40 /* in a table */

struct key;
typedef bool set_value(const struct key *key, struct span value, void *field);

struct limits {
    unsigned least, most;
};

struct key {
    const char *name;
    set_value *set;
    const char *kind, *expected; /* "memory = 'x' is no KIND, expected EXPECTED" */
    size_t field, size;          /* in the section's struct; for text the size of its array */
    size_t line;                 /* offset of the unsigned that keeps the line number; 0: none */
    const void *values;          /* choices or limits, if it has them */
};

struct key_table {
    const struct key *keys;
    unsigned count;
};

extern const struct key_table config_host_keys, config_vm_keys, config_net_keys;
extern struct key_table config_switch_keys; /* of VMs, too: config_add_switches() */

/* Those of a VM that other code names, by their places. */
enum { KEY_LOAD, KEY_MODE };

/* It may be given several times: the modules of a kernel, into a struct vm_config. */
bool config_key_repeats(const struct key *key);
/* It may be given without a value. */
bool config_key_may_be_empty(const struct key *key);

bool config_valid_name(struct span name);

/* By its name; NULL: there is none. */
struct vm_config *config_find_vm(struct config *config, struct span name);
struct net_config *config_find_net(struct config *config, struct span name);

/* What several tables use: CPUs by number; a word of text; one of key->values; words with commas between
 * them, into the bits of each. */
bool config_set_cpus(const struct key *key, struct span value, void *field);
bool config_set_word(const struct key *key, struct span value, void *field);
bool config_set_choice(const struct key *key, struct span value, void *field);
bool config_set_flags(const struct key *key, struct span value, void *field);

/* A network card, into a struct vm_config. */
bool config_set_net(const struct key *key, struct span value, void *field);
bool config_set_link(const struct key *key, struct span value, void *field);

/* Memory that VMs share, into a struct vm_config. */
bool config_set_shared(const struct key *key, struct span value, void *field);

/* All sections are known: what networks and cards say of each other. */
typedef void config_net_fault(void *context, struct vm_config *vm, unsigned line, const char *text);
void config_check_shared(struct config *config, config_net_fault *fault, void *context);
void config_check_nets(struct config *config, config_net_fault *fault, void *context);
