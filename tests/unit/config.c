/* SPDX-License-Identifier: BSD-2-Clause */
/* core/config/config.c: what is accepted, and the exact line and text of every report. */
#include "tests/unit/unit.h"

#include "hypercall/kvm_abi.h"
#include "tests/unit/parse_config.h"

static void defaults(void **state)
{
    const struct vm_config *vm = &config.vms[0];

    (void)state;
    expect("[vm a]\nkernel = vmlinuz\nmemory = 64M\n", "");
    assert_int_equal(config.vm_count, 1);
    assert_true(vm->valid && vm->x2apic && vm->hlt_exits && vm->pci);
    assert_true(vm->trace);
    assert_true(!vm->rng && !vm->disk_count && vm->console == CONSOLE_UART);
    for (unsigned i = 0; switches[i]; i++)
        assert_false(config_is_off(vm, switches[i]));
    assert_int_equal(vm->exit_budget_line, 0);
    assert_false(vm->stop_on_budget);
    assert_string_equal(vm->name, "a");
    assert_string_equal(vm->kernel, "vmlinuz");
    assert_int_equal(vm->memory, 64 * MIB);
    assert_int_equal(vm->vcpus, 1);
    assert_int_equal(vm->mode, 32);
    assert_int_equal(vm->load, MIB);
    assert_int_equal(vm->sched, SCHED_DEDICATED);
    assert_int_equal(vm->on_exit, ENDING_STOP);
    assert_int_equal(vm->on_crash, ENDING_STOP);
    assert_int_equal(vm->format, IMAGE_AUTO);
    assert_int_equal(vm->line, 1);
    assert_int_equal(vm->kernel_line, 2);
    assert_int_equal(vm->memory_line, 3);
    assert_false(config.host.debug);
}

static void every_key(void **state)
{
    const struct vm_config *vm = &config.vms[0];

    (void)state;
    expect("# comment\n[host]\nfocus=edge # that one\nlog = debug\r\n\r\n"
           "\t[vm edge]   # comment\nkernel=k\ninitrd\t= i\nmodule = m1 a b\nmodule=m2\n"
           "cmdline = console=ttyS0 a#b x=\"#\" # gone\nformat = flat\nload = 0x8000\nmode=16\n"
           "memory = 1G\nvcpus = 3\ncpus = 0, 2-3,70\nsched = shared\nweight = 250\nslice=2ms\non-exit = "
           "restart\n"
           "on-crash=poweroff\nmax-restarts = 7\nhlt-exits = off\nx2apic = off\npci = off\nhv-timer = off\n"
           "tsc-khz = 2400000\ntpr-shadow = off\napicv = off\nposted = off\nipiv = off\ntrace = off",
           "");
    assert_string_equal(config.host.focus, "edge");
    assert_true(config.host.debug);
    assert_string_equal(vm->initrd, "i");
    assert_int_equal(vm->module_count, 2);
    assert_string_equal(vm->modules[0], "m1 a b");
    assert_string_equal(vm->modules[1], "m2");
    assert_int_equal(vm->module_lines[1], 10);
    assert_string_equal(vm->cmdline, "console=ttyS0 a#b x=\"#\"");
    assert_int_equal(vm->load, 0x8000);
    assert_int_equal(vm->mode, 16);
    assert_int_equal(vm->memory, GIB);
    assert_int_equal(vm->vcpus, 3);
    assert_int_equal(vm->cpus.bits[0], 1 | 4 | 8);
    assert_int_equal(vm->cpus.bits[1], 1 << 6);
    assert_int_equal(vm->sched, SCHED_SHARED);
    assert_int_equal(vm->weight, 250);
    assert_int_equal(vm->slice_us, 2000);
    assert_int_equal(vm->on_exit, ENDING_RESTART);
    assert_int_equal(vm->on_crash, ENDING_POWEROFF);
    assert_int_equal(vm->max_restarts, 7);
    assert_false(vm->hlt_exits);
    assert_int_equal(vm->format, IMAGE_FLAT);
    assert_int_equal(vm->tsc_khz, 2400000);
    assert_false(vm->x2apic);
    assert_false(vm->pci);
    assert_false(vm->trace);
    for (unsigned i = 0; switches[i]; i++)
        assert_true(config_is_off(vm, switches[i]));
}

static void virtio_devices(void **state)
{
    const struct vm_config *vm = &config.vms[0];

    (void)state;
    expect("[vm a]\n" GOOD "disk = a.img ro\nrng = on\ndisk = b.img   cow 4M\nconsole = virtio\n", "");
    assert_true(vm->rng && vm->console == CONSOLE_VIRTIO);
    assert_int_equal(vm->disk_count, 2);
    assert_string_equal(vm->disks[0].file, "a.img");
    assert_string_equal(vm->disks[1].file, "b.img");
    assert_int_equal(vm->disks[0].budget, 0);
    assert_int_equal(vm->disks[1].budget, 4 * MIB);
    assert_int_equal(vm->disks[1].line - vm->disks[0].line, 2);
    assert_int_equal(vm->module_count, 0);
    expect("[vm a]\n" GOOD "disk = a ro\nrng = on\nmodule = m\npci = off\n",
           "5: a device without PCI, expected pci = on with rng, disk, net, link, shared and console = "
           "virtio\n");
    assert_int_equal(vm->module_lines[0], 6);
}

static void budget_is(const char *setting, unsigned exits, unsigned after_ms)
{
    char text[128];

    format(text, sizeof(text), "[vm a]\nexit-budget = %s\non-budget = stop\n" GOOD, setting);
    expect(text, "");
    assert_int_equal(config.vms[0].exit_budget.exits, exits);
    assert_int_equal(config.vms[0].exit_budget.after_ms, after_ms);
    assert_int_equal(config.vms[0].exit_budget_line, 2);
    assert_true(config.vms[0].stop_on_budget);
}

static void budgets(void **state)
{
    (void)state;
    budget_is("0/s", 0, 0);
    budget_is("20/s after 5s", 20, 5000);
    budget_is("1000000000/s  after  250ms # now", 1000000000, 250);
    budget_is("0/s after 3600s", 0, 3600000);
    budget_is("0/s after 0ms", 0, 0);
}

static void release(void **state)
{
    const struct host_config *host = &config.host;

    (void)state;
    expect("[vm a]\n" GOOD "module = of the VM\n", "");
    assert_int_equal(host->when_done, DONE_POWER_OFF);
    assert_int_equal(host->release.kernel_line, 0);
    assert_int_equal(host->release.module_count, 0);
    expect("[host]\nwhen-done = release\nrelease = vmlinuz\nrelease-initrd=i # c\nrelease-module = m one\n"
           "release-module = n\nrelease-cmdline = quiet a=b\n[vm a]\n" GOOD,
           "");
    assert_int_equal(host->when_done, DONE_RELEASE);
    assert_true(host->release.valid);
    assert_string_equal(host->release.kernel, "vmlinuz");
    assert_int_equal(host->release.kernel_line, 3);
    assert_string_equal(host->release.initrd, "i");
    assert_int_equal(host->release.module_count, 2);
    assert_string_equal(host->release.modules[0], "m one");
    assert_int_equal(host->release.module_lines[1], 6);
    assert_string_equal(host->release.cmdline, "quiet a=b");
    assert_int_equal(config.vms[0].module_count, 0);
    expect(
        "[host]\nwhen-done = reboot\n[vm a]\nrelease = k\n" GOOD,
        "4: unknown key 'release' in [vm a], expected one of load mode module kernel initrd cmdline format "
        "memory vcpus cpus sched smt mitigations weight slice on-exit on-crash on-triple-fault max-restarts "
        "hlt-exits "
        "cr3-exits channels pv "
        "pv-off tsc-khz io-delay x2apic pci trace rng disk net link shared console serial exit-budget "
        "on-budget "
        "hv-timer "
        "tpr-shadow "
        "apicv posted "
        "ipiv\n");
    assert_int_equal(host->when_done, DONE_REBOOT);
    parse("[host]\nrelease = k\nlog = x\n", 28);
    assert_false(host->release.valid);
}

/* [host] may stand behind the VMs that it says it for. */
static void inherited(void **state)
{
    (void)state;
    expect("[vm a]\n" GOOD, "");
    assert_int_equal(config.vms[0].smt, SMT_OWN);
    assert_int_equal(config.vms[0].mitigations, MITIGATIONS_AUTO);
    expect("[vm a]\n" GOOD "[vm b]\nsmt = own\nmitigations = full\n" GOOD
           "[host]\nsmt = shared\nmitigations = off\n",
           "");
    assert_int_equal(config.vms[0].smt, SMT_SHARED);
    assert_int_equal(config.vms[0].mitigations, MITIGATIONS_OFF);
    assert_int_equal(config.vms[1].smt, SMT_OWN);
    assert_int_equal(config.vms[1].mitigations, MITIGATIONS_FULL);
    expect("[vm a]\nsmt = off\nmitigations = some\n" GOOD,
           "2: smt = 'off' is no use of cores, expected own or shared\n"
           "3: mitigations = 'some' is no level, expected auto, off or full\n");
}

static void mode_16_loads_at_7c00(void **state)
{
    (void)state;
    expect("[vm a]\nformat = flat\nmode = 16\n" GOOD, "");
    assert_int_equal(config.vms[0].load, 0x7c00);
    expect("[vm a]\nmode = 16\n" GOOD,
           "2: mode is given for a kernel that is not raw bytes, expected format = flat with it\n");
}

struct wrong {
    const char *text, *reports;
};

static const struct wrong lines[] = {
    {"[link x]\nfoo = bar\njunk\n",
     "1: unknown section [link x], expected [host], [vm NAME] or [net NAME]\n"},
    {"[host x]\n", "1: unknown section [host x], expected [host], [vm NAME] or [net NAME]\n"},
    {"[vm\n", "1: '[vm' has no ], expected [host], [vm NAME] or [net NAME]\n"},
    {"[]\n", "1: unknown section [], expected [host], [vm NAME] or [net NAME]\n"},
    {"[vm]\n", "1: '' is no VM name, expected 1 to 31 letters, digits, '.', '-' or '_'\n"},
    {"[vm a b]\n", "1: 'a b' is no VM name, expected 1 to 31 letters, digits, '.', '-' or '_'\n"},
    {"[host]\n[host]\nx=1\n", "2: [host] is given again, expected it once (line 1)\n"},
    {"\nmemory = 2M", "2: key 'memory' before any section, expected [host], [vm NAME] or [net NAME] first\n"},
    {"hello\n", "1: 'hello' is neither a section nor a setting, expected [SECTION] or KEY = VALUE\n"},
    {"[host]\nx=1\n",
     "2: unknown key 'x' in [host], expected one of focus keyboard log smt mitigations when-done release "
     "release-initrd release-module release-cmdline\n"},
    {"[host]\nwhen-done = stop\n",
     "2: when-done = 'stop' is no action, expected power-off, reboot or release\n"},
    {"[host]\nwhen-done = release\n",
     "2: when-done = release without a kernel, expected release = FILE with it\n"},
    {"[host]\nrelease-initrd = i\n",
     "2: something is given for a kernel that is not, expected release = FILE with it\n"},
    {"[host]\n\nrelease-module = m x\n",
     "3: something is given for a kernel that is not, expected release = FILE with it\n"},
    {"[host]\nrelease-cmdline = x\n",
     "1: something is given for a kernel that is not, expected release = FILE with it\n"},
    {"[host]\nrelease = a b\n", "2: release = 'a b' is no file name, expected one word of at most 127 "
                                "printable characters\n"},
    {"[host]\nlog = loud\n", "2: log = 'loud' is no log level, expected info or debug\n"},
    {"[host]\nfocus = b\n[vm a]\n" GOOD, "2: focus = 'b' names no VM, expected the name of a [vm NAME]\n"},
    {"[host]\nfocus=\xbe", "2: focus = '\\xbe' names no VM, expected the name of a [vm NAME]\n"},
    {"[host]\nlog=\n", "2: log has no value, expected info or debug\n"},
    {"a\x01\x02\x03\x7f\xff", "1: 'a\\x01\\x02\\x03\\x7f\\xff' is neither a section nor a setting, expected "
                              "[SECTION] or KEY = VALUE\n"},
    {"0123456789012345678901234567890123456789X",
     "1: '0123456789012345678901234567890123456...' is neither a "
     "section nor a setting, expected [SECTION] or KEY = VALUE\n"},
    {"[vm a]\nkernel = x\n", "1: [vm a] has no memory, expected memory = SIZE\n"},
    {"[vm a]\nmemory = 2M\n", "1: [vm a] has no kernel, expected kernel = FILE\n"},
};

static void reports_outside(void **state)
{
    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(lines); i++)
        expect(lines[i].text, lines[i].reports);
}

#define SIZE_WANTED    ", expected a number with K, M or G, a multiple of 2M\n"
#define ADDRESS_WANTED ", expected a number below 4G, 0x for hexadecimal, K, M or G allowed\n"
#define FEATURES_WANTED                                                                                    \
    ", expected clock, io-delay, steal-time, eoi, unhalt, tlb-flush, send-ipi, poll-control, sched-yield " \
    "or msi-dest, "                                                                                        \
    "commas between\n"
#define CHANNELS_WANTED ", expected up to 8 names as VMs have them, commas between, none twice\n"
#define CPUS_WANTED     ", expected numbers from 0 to 255 as in 1-2 or 0,2-3, none twice\n"
#define DISK_WANTED     "at most 2 of FILE ro or FILE cow SIZE, a multiple of 2M up to 64G\n"
#define BUDGET_WANTED   "as in 0/s or 20/s after 5s, at most 1000000000 and 3600s\n"

/* Each stands as line 2 of an otherwise good VM. */
static const struct wrong settings[] = {
    {"memroy = 2M",
     "2: unknown key 'memroy' in [vm a], expected one of load mode module kernel initrd cmdline "
     "format memory vcpus cpus sched smt mitigations weight slice on-exit on-crash on-triple-fault "
     "max-restarts hlt-exits "
     "cr3-exits channels "
     "pv "
     "pv-off tsc-khz io-delay x2apic pci trace rng disk net link shared console serial exit-budget on-budget "
     "hv-timer "
     "tpr-shadow "
     "apicv posted "
     "ipiv\n"},
    {"cpus = 1-", "2: cpus = '1-' is no set of CPUs" CPUS_WANTED},
    {"cpus = -1", "2: cpus = '-1' is no set of CPUs" CPUS_WANTED},
    {"cpus = 3-1", "2: cpus = '3-1' is no set of CPUs" CPUS_WANTED},
    {"cpus = 1,,2", "2: cpus = '1,,2' is no set of CPUs" CPUS_WANTED},
    {"cpus = 1,", "2: cpus = '1,' is no set of CPUs" CPUS_WANTED},
    {"cpus = 256", "2: cpus = '256' is no set of CPUs" CPUS_WANTED},
    {"cpus = 0-18446744073709551615", "2: cpus = '0-18446744073709551615' is no set of CPUs" CPUS_WANTED},
    {"cpus = 1,1", "2: cpus = '1,1' is no set of CPUs" CPUS_WANTED},
    {"cpus = 1-2-3", "2: cpus = '1-2-3' is no set of CPUs" CPUS_WANTED},
    {"vcpus = 0", "2: vcpus = '0' is no number of vCPUs, expected 1 to 64\n"},
    {"vcpus = 65", "2: vcpus = '65' is no number of vCPUs, expected 1 to 64\n"},
    {"vcpus = 2K", "2: vcpus = '2K' is no number of vCPUs, expected 1 to 64\n"},
    {"format = flat\nload = 4G", "3: load = '4G' is no address" ADDRESS_WANTED},
    {"format = flat\nload = 0x", "3: load = '0x' is no address" ADDRESS_WANTED},
    {"format = flat\nmode = 64", "3: mode = '64' is no mode, expected 16 or 32\n"},
    {"mode = 16\nformat = flat\nload = 64K",
     "4: load lies at 64K or above, expected an address below it with mode = 16\n"},
    {"format = linux\nload = 1M",
     "3: load is given for a kernel that is not raw bytes, expected format = flat with it\n"},
    {"format = elf",
     "2: format = 'elf' is no format, expected auto, linux, multiboot, multiboot2, pvh or flat\n"},
    {"sched = fifo", "2: sched = 'fifo' is no scheduling class, expected dedicated or shared\n"},
    {"on-exit = halt", "2: on-exit = 'halt' is no action, expected stop, restart or poweroff\n"},
    {"x2apic = yes", "2: x2apic = 'yes' is no switch, expected on or off\n"},
    {"cr3-exits = 1", "2: cr3-exits = '1' is no switch, expected on or off\n"},
    {"pv = xen", "2: pv = 'xen' is no interface, expected none, skerry or kvm\n"},
    {"pv-off = clock, apic", "2: pv-off = 'clock, apic' is no list of features" FEATURES_WANTED},
    {"pv-off = ,eoi", "2: pv-off = ',eoi' is no list of features" FEATURES_WANTED},
    {"channels = a,b c", "2: channels = 'a,b c' is no list of channels" CHANNELS_WANTED},
    {"channels = a,b,a", "2: channels = 'a,b,a' is no list of channels" CHANNELS_WANTED},
    {"channels = a,b,c,d,e,f,g,h,i",
     "2: channels = 'a,b,c,d,e,f,g,h,i' is no list of channels" CHANNELS_WANTED},
    {"channels = a\npv = none",
     "2: channels are used by hypercalls, which pv = none takes away, expected pv = skerry or kvm\n"
     "2: channel 'a' is named by 1 VM(s), expected two\n"},
    {"channels = a", "2: channel 'a' is named by 1 VM(s), expected two\n"},
    {"initrd = a b",
     "2: initrd = 'a b' is no file name, expected one word of at most 127 printable characters\n"},
    {"cmdline = a\x1b[2J", "2: cmdline = 'a\\x1b[2J' is no command line, expected at most 2047 printable "
                           "characters\n"},
    {"x2apic = on\nx2apic = on", "3: x2apic is given again, expected it once (line 2)\n"},
    {"exit-budget =", "2: exit-budget has no value, expected " BUDGET_WANTED},
    {"exit-budget = 5", "2: exit-budget = '5' is no budget, expected " BUDGET_WANTED},
    {"exit-budget = /s", "2: exit-budget = '/s' is no budget, expected " BUDGET_WANTED},
    {"exit-budget = -1/s", "2: exit-budget = '-1/s' is no budget, expected " BUDGET_WANTED},
    {"exit-budget = 1000000001/s", "2: exit-budget = '1000000001/s' is no budget, expected " BUDGET_WANTED},
    {"exit-budget = 0/s 5s", "2: exit-budget = '0/s 5s' is no budget, expected " BUDGET_WANTED},
    {"exit-budget = 0/s after", "2: exit-budget = '0/s after' is no budget, expected " BUDGET_WANTED},
    {"exit-budget = 0/s after 5", "2: exit-budget = '0/s after 5' is no budget, expected " BUDGET_WANTED},
    {"exit-budget = 0/s after 5 s", "2: exit-budget = '0/s after 5 s' is no budget, expected " BUDGET_WANTED},
    {"exit-budget = 0/s after 3601s",
     "2: exit-budget = '0/s after 3601s' is no budget, expected " BUDGET_WANTED},
    {"exit-budget = 0/s after 18446744073709551615s",
     "2: exit-budget = '0/s after 18446744073709551615s' is no budget, expected " BUDGET_WANTED},
    {"sched = shared\nexit-budget = 0/s",
     "3: exit-budget on shared CPUs, expected sched = dedicated with it\n"},
    {"on-budget = stop", "2: on-budget without a budget, expected exit-budget = N/s with it\n"},
    {"on-budget = halt", "2: on-budget = 'halt' is no action, expected report or stop\n"
                         "2: on-budget without a budget, expected exit-budget = N/s with it\n"},
    {"rng = yes", "2: rng = 'yes' is no switch, expected on or off\n"},
    {"console = hvc0", "2: console = 'hvc0' is no console, expected uart or virtio\n"},
    {"disk =", "2: disk has no value, expected " DISK_WANTED},
    {"disk = a", "2: disk = 'a' is no disk, expected " DISK_WANTED},
    {"disk = a rw", "2: disk = 'a rw' is no disk, expected " DISK_WANTED},
    {"disk = a ro 2M", "2: disk = 'a ro 2M' is no disk, expected " DISK_WANTED},
    {"disk = a cow", "2: disk = 'a cow' is no disk, expected " DISK_WANTED},
    {"disk = a cow 1M", "2: disk = 'a cow 1M' is no disk, expected " DISK_WANTED},
    {"disk = a cow 0", "2: disk = 'a cow 0' is no disk, expected " DISK_WANTED},
    {"disk = a cow 66G", "2: disk = 'a cow 66G' is no disk, expected " DISK_WANTED},
    {"disk = a ro\ndisk = b ro\ndisk = c ro", "4: disk = 'c ro' is no disk, expected " DISK_WANTED},
    {"rng = on\npci = off",
     "2: a device without PCI, expected pci = on with rng, disk, net, link, shared and console = virtio\n"},
    {"serial = x\nconsole = virtio", "2: serial line 'x' is named by 1 VM(s), expected two\n"},
    {"serial = monitor", "2: serial line without a virtio console, expected console = virtio with it\n"},
    {"console = virtio\nserial = a b",
     "3: serial = 'a b' is no serial line, expected monitor, or a name as VMs have them\n"},
    {"trace = yes", "2: trace = 'yes' is no switch, expected on or off\n"},
    {"vcpus = 2\ncpus = 1", "3: cpus names 1 for 2 vCPUs, expected one CPU each with sched = dedicated\n"},
};

static void reports_in_vm(void **state)
{
    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(settings); i++) {
        char text[256];

        format(text, sizeof(text), "[vm a]\n%s\n" GOOD "[vm b]\n" GOOD, settings[i].text);
        expect(text, settings[i].reports);
        assert_int_equal(config.vm_count, 2);
        assert_false(config.vms[0].valid);
        assert_true(config.vms[1].valid);
    }
}

#define LINE(name) "console = virtio\nserial = " name "\n" GOOD

static void serial_lines(void **state UNUSED)
{
    expect("[vm a]\n" LINE("x") "[vm b]\n" GOOD
                                "[vm c]\n" LINE("monitor") "[vm d]\n" LINE("x") "[vm e]\n" LINE("monitor"),
           "");
    assert_string_equal(config.vms[0].serial, "x");
    assert_string_equal(config.vms[1].serial, "");
    assert_true(config_is_monitored(&config.vms[2]) && !config_is_monitored(&config.vms[3]));
    expect("[vm a]\n" LINE("x") "[vm b]\n" LINE("x") "[vm c]\n" LINE("x"),
           "3: serial line 'x' is named by 3 VM(s), expected two\n"
           "8: serial line 'x' is named by 3 VM(s), expected two\n"
           "13: serial line 'x' is named by 3 VM(s), expected two\n");
    assert_false(config.vms[0].valid || config.vms[1].valid || config.vms[2].valid);
}

static void paravirtual(void **state)
{
    (void)state;
    expect("[vm a]\n" GOOD "[vm b]\npv = skerry\npv-off = eoi , clock\ncr3-exits = on\nchannels = x, y\n" GOOD
           "[vm c]\nchannels = y\n" GOOD "[vm d]\nchannels = x\n" GOOD "[vm e]\npv = none\n" GOOD,
           "");
    assert_true(config.vms[0].pv == PV_KVM && !config.vms[0].pv_off && !config.vms[0].cr3_exits);
    assert_true(config.vms[1].pv == PV_SKERRY && config.vms[1].cr3_exits);
    assert_int_equal(config.vms[1].pv_off, 1 | 1 << 3 | 1 << 6);
    assert_int_equal(config.vms[1].channel_count, 2);
    assert_string_equal(config.vms[1].channels[1], "y");
    assert_int_equal(config.vms[4].pv, PV_NONE);
    expect("[vm a]\nchannels = x\n" GOOD "[vm b]\nchannels = x\n" GOOD "[vm c]\nchannels = x\n" GOOD,
           "2: channel 'x' is named by 3 VM(s), expected two\n"
           "6: channel 'x' is named by 3 VM(s), expected two\n"
           "10: channel 'x' is named by 3 VM(s), expected two\n");
    assert_false(config.vms[0].valid || config.vms[1].valid || config.vms[2].valid);
}

static void sizes(void **state)
{
    static const char *const bad[] = {
        "12Q", "0", "1M", "3M", "2MB", "M", "-2M", "99999999999999999999G", "17179869184G", "2 M"};
    static const char *const good[] = {"2M", "2048K", "0x200000", "2097152", "2m"};
    char text[128], wanted[160];

    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
        format(text, sizeof(text), "[vm a]\nkernel=k\nmemory = %s\n", bad[i]);
        format(wanted, sizeof(wanted), "3: memory = '%s' is no size" SIZE_WANTED, bad[i]);
        expect(text, wanted);
    }
    for (unsigned i = 0; i < ARRAY_SIZE(good); i++) {
        format(text, sizeof(text), "[vm a]\nkernel=k\nmemory = %s\n", good[i]);
        expect(text, "");
        assert_int_equal(config.vms[0].memory, 2 * MIB);
    }
}

static void duplicate_vm(void **state)
{
    (void)state;
    expect("[vm a]\n" GOOD "[vm a]\nnonsense\n" GOOD "[vm b]\n" GOOD,
           "4: [vm a] is already defined in line 1, expected another name\n");
    assert_int_equal(config.vm_count, 2);
    assert_false(config.vms[0].valid);
    assert_string_equal(config.vms[1].name, "b");
    assert_true(config.vms[1].valid);
}

static void too_many(void **state)
{
    char text[4096] = "";
    size_t used = 0;

    (void)state;
    for (unsigned i = 0; i <= CONFIG_MAX_VMS; i++)
        used += (size_t)format(text + used, sizeof(text) - used, "[vm v%u]\n" GOOD, i);
    expect(text, "97: [vm v32] is one too many, expected at most 32 VMs\n");
    assert_int_equal(config.vm_count, CONFIG_MAX_VMS);

    used = (size_t)format(text, sizeof(text), "[vm a]\n" GOOD);
    for (unsigned i = 0; i <= IMAGE_MAX_MODULES; i++)
        used += (size_t)format(text + used, sizeof(text) - used, "module = m%u\n", i);
    expect(text,
           "12: module = 'm8' is no module, expected at most 8 of a file name and its words, 127 printable "
           "characters\n");
}

static void long_values(void **state)
{
    char text[34 + CONFIG_LINE_SIZE];

    (void)state;
    memset(text, 'x', sizeof(text));
    memcpy(text, "[vm a]\n" GOOD "cmdline=", 34);
    parse(text, 34 + CONFIG_LINE_SIZE - 1);
    assert_int_equal(report_count, 0);
    assert_int_equal(strlen(config.vms[0].cmdline), CONFIG_LINE_SIZE - 1);
    parse(text, 34 + CONFIG_LINE_SIZE);
    assert_int_equal(report_count, 1);
}

static void byte_order_mark(void **state)
{
    (void)state;
    expect("\xef\xbb\xbf[vm a]\r\n" GOOD, "");
    assert_true(config.vms[0].valid);
}

static void empty(void **state)
{
    (void)state;
    parse("", 0);
    assert_int_equal(config.vm_count, 0);
    assert_int_equal(config.errors, 0);
    config_parse(NULL, 0, &config, note, NULL);
    assert_int_equal(config.errors, 0);
    parse("\0\0\n\0", 4);
    assert_int_equal(config.errors, 2);
}

static void garbage(void **state)
{
    size_t size = MIB;
    char *text = malloc(size);
    uint32_t seed = 1;

    (void)state;
    for (size_t i = 0; i < size; i++) {
        seed = seed * 1664525 + 1013904223;
        text[i] = (char)(seed >> 24);
    }
    parse(text, size);
    assert_int_equal(report_count, 20);
    assert_true(config.errors > 20);
    memset(text, '[', size);
    parse(text, size);
    assert_int_equal(report_count, 1);
    memset(text, '\n', size);
    parse(text, size);
    assert_int_equal(report_count, 0);
    free(text);
}

/* The configuration has KVM's numbers of its own, as it is below hypercall/. */
static void kvm_features(void **state)
{
    static const struct choice abi[] = {{"clock", KVM_CLOCKSOURCE | KVM_CLOCKSOURCE2},
                                        {"io-delay", KVM_NOP_IO_DELAY},
                                        {"steal-time", KVM_STEAL_TIME},
                                        {"eoi", KVM_PV_EOI},
                                        {"unhalt", KVM_PV_UNHALT},
                                        {"tlb-flush", KVM_PV_TLB_FLUSH},
                                        {"send-ipi", KVM_PV_SEND_IPI},
                                        {"poll-control", KVM_POLL_CONTROL},
                                        {"sched-yield", KVM_PV_SCHED_YIELD},
                                        {"msi-dest", KVM_MSI_EXT_DEST_ID}};
    unsigned count = 0;

    (void)state;
    for (const struct choice *c = config_kvm_features; c->name; c++, count++) {
        assert_true(count < ARRAY_SIZE(abi));
        assert_string_equal(c->name, abi[count].name);
        assert_int_equal(c->value, abi[count].value);
    }
    assert_int_equal(count, ARRAY_SIZE(abi));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults),        cmocka_unit_test(every_key),
        cmocka_unit_test(budgets),         cmocka_unit_test(virtio_devices),
        cmocka_unit_test(release),         cmocka_unit_test(mode_16_loads_at_7c00),
        cmocka_unit_test(reports_outside), cmocka_unit_test(reports_in_vm),
        cmocka_unit_test(paravirtual),     cmocka_unit_test(serial_lines),
        cmocka_unit_test(sizes),           cmocka_unit_test(duplicate_vm),
        cmocka_unit_test(too_many),        cmocka_unit_test(long_values),
        cmocka_unit_test(byte_order_mark), cmocka_unit_test(empty),
        cmocka_unit_test(garbage),         cmocka_unit_test(kvm_features),
        cmocka_unit_test(inherited),
    };

    config_add_switches(switches);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
