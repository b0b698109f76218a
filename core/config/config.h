/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * skerry.cfg: what the host does and which virtual machines it starts. Grammar: docs/configuration.md.
 */
#pragma once

#include "arch/x86/types.h"
#include "boot/guest/loader.h"
#include "core/config/config_net.h"

#define CONFIG_MAX_VMS      32
#define CONFIG_MAX_VCPUS    64 /* of a VM */
#define CONFIG_MAX_CHANNELS 32
#define VM_MAX_CHANNELS     8
#define VM_MAX_DISKS        2
#define VM_MAX_SHARED       3
#define CONFIG_MAX_SHARED   16 /* names */
#define CONFIG_FILE_SIZE    128
#define CONFIG_LINE_SIZE    2048 /* of a command line, as Linux takes them on x86 */
#define CONFIG_MAX_SWITCHES 16

enum ending { ENDING_STOP, ENDING_RESTART, ENDING_POWEROFF };
/* Paravirtual interfaces: none, Skerry's own, or KVM's beside it. */
enum pv { PV_NONE, PV_SKERRY, PV_KVM };
/* Threads of a core that another VM is on: never, or if that one says so, too. */
enum smt { SMT_UNSAID, SMT_OWN, SMT_SHARED };
/* Against what processors give away: what this one needs, nothing, all that it can do. */
enum mitigations { MITIGATIONS_UNSAID, MITIGATIONS_AUTO, MITIGATIONS_OFF, MITIGATIONS_FULL };
/* Where a VM's keys go, and what it has beside the UART. */
enum vm_console { CONSOLE_UART, CONSOLE_VIRTIO };
enum sched_class { SCHED_DEDICATED, SCHED_SHARED };

struct choice {
    const char *name;
    unsigned value;
};

/* What pv-off may name, and the bits of KVM's leaf that it stands for; the last one has no name. */
extern const struct choice config_kvm_features[];

struct disk_config {
    char file[CONFIG_FILE_SIZE];
    uint64_t budget; /* bytes of it that may be changed; 0: it is read-only */
    unsigned line;
};

/* Memory that VMs share by a device on PCI. */
struct shared_config {
    char name[CONFIG_NAME_SIZE];
    uint64_t size; /* bytes, a power of two */
    bool read_only;
    unsigned line;
    unsigned region, peer; /* by number: the memory of this name, and this VM among those that have it */
};

struct vm_config {
    char name[CONFIG_NAME_SIZE];
    unsigned line; /* of its section header, counted from 1 */
    bool valid;    /* false: an error was reported; the VM must not be started */
    char kernel[CONFIG_FILE_SIZE];
    char initrd[CONFIG_FILE_SIZE]; /* "" when there is none */
    char modules[IMAGE_MAX_MODULES]
                [CONFIG_FILE_SIZE]; /* Multiboot modules: "FILE words of its command line" */
    unsigned module_count;
    char cmdline[CONFIG_LINE_SIZE];
    enum image_format format;
    uint64_t load;   /* format = flat: where; default 1 MiB, or 7c00h with mode = 16 */
    unsigned mode;   /* format = flat: 16 or 32 (default) */
    uint64_t memory; /* bytes, a multiple of 2 MiB */
    unsigned vcpus;
    struct cpu_set cpus; /* physical CPUs for the vCPUs, pinned in ascending order; empty: any free ones */
    enum sched_class sched;
    unsigned weight, slice_us; /* sched = shared: share of the CPUs, and how long it runs at a time */
    enum ending on_exit, on_crash;
    bool crash_on_triple_fault;    /* instead of a reset, as on a PC */
    unsigned max_restarts;         /* 0: no limit */
    bool hlt_exits;                /* off, dedicated only: HLT and MWAIT are the processor's; default on */
    bool x2apic;                   /* offer x2APIC mode; default on */
    bool pass_io_delay;            /* ports 80h and EDh are the machine's own; default off */
    bool off[CONFIG_MAX_SWITCHES]; /* of what the processor can do for it: config_is_off() */
    bool cr3_exits;                /* address-space switches exit, and are counted; default off */
    char channels[VM_MAX_CHANNELS][CONFIG_NAME_SIZE]; /* that connect it with other VMs, by number */
    unsigned channel_count, channels_line;
    enum pv pv;
    unsigned
        pv_off;   /* features of KVM's interface that are not offered, by their bits (hypercall/kvm_abi.h) */
    enum smt smt; /* as said, else as [host] says */
    enum mitigations mitigations; /* so, too */
    bool trace;                   /* its exits are recorded; default on */
    bool pci;                     /* it has a PCI bus; default on */
    bool rng;                     /* it has a source of random bytes; default off */
    enum vm_console console;
    char serial[CONFIG_NAME_SIZE]; /* the line at port 1 of its virtio console; "": none */
    struct disk_config disks[VM_MAX_DISKS];
    unsigned disk_count;
    struct shared_config shared[VM_MAX_SHARED];
    unsigned shared_count;
    struct port_config ports[VM_MAX_PORTS];
    unsigned port_count;
    unsigned rng_line, console_line, serial_line, disk_line, net_line, link_line,
        shared_line; /* the last of disks, cards and memories */
    struct exit_budget {
        unsigned exits, after_ms; /* a second, from so much time of the guest's life on */
    } exit_budget;
    bool stop_on_budget; /* instead of a report */
    unsigned exit_budget_line, on_budget_line;
    unsigned tsc_khz; /* rate of the guest's TSC; 0: the machine's */
    unsigned kernel_line, initrd_line, memory_line, cpus_line, tsc_khz_line,
        vcpus_line; /* for later checks; 0: not given */
    unsigned module_lines[IMAGE_MAX_MODULES];
};

enum when_done { DONE_POWER_OFF, DONE_REBOOT, DONE_RELEASE };

struct host_config {
    char focus[CONFIG_NAME_SIZE]; /* VM that has the console at the start; "": the first */
    unsigned focus_line;
    enum smt smt; /* of VMs that do not say it; "own" if it does not either */
    enum mitigations mitigations;
    bool debug;               /* log = debug instead of info */
    bool ps2_keyboard;        /* keyboard = ps2; default: where there is no serial port */
    enum when_done when_done; /* all VMs have ended */
    unsigned when_done_line;
    struct vm_config release; /* the kernel to release the machine to: its images alone; no line: none */
};

struct config {
    struct host_config host;
    struct vm_config vms[CONFIG_MAX_VMS];
    unsigned vm_count;
    struct net_config nets[CONFIG_MAX_NETS];
    unsigned net_count;
    unsigned errors; /* number of lines reported */
};

/*
 * What the processor can do for a VM, and the configuration may switch off (NAME = off): each backend brings
 * its names, before anything is parsed. NULL ends them; they stay where they are.
 */
void config_add_switches(const char *const *names);
bool config_is_off(const struct vm_config *c, const char *name);

/* Its serial line goes to the monitor, not to another VM. */
bool config_is_monitored(const struct vm_config *c);

/* Called once per error: the line number, and "what, expected what" without newline. */
typedef void config_report(void *context, unsigned line, const char *text);

/*
 * Parses size bytes of text. Every error is reported and marks its VM (or nothing, outside a VM section)
 * invalid; parsing goes on. After 20 reports the rest are only counted. Always fills in *out.
 */
void config_parse(const char *text, size_t size, struct config *out, config_report *report, void *context);

/* Says what the machine cannot do of what a line asks for: "what, expected what", as the parser's errors are
 * shown. */
void config_refuse(unsigned line, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* Cards of all VMs in a network, or on a link, of this name. */
unsigned config_count_cards(const struct config *config, const char *net, bool link);

static inline bool cpu_set_has(const struct cpu_set *set, unsigned cpu)
{
    return cpu < CONFIG_MAX_CPUS && (set->bits[cpu / 64] >> (cpu % 64) & 1);
}
