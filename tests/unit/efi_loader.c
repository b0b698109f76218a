/* SPDX-License-Identifier: BSD-2-Clause */
/* skerry.efi on a fake firmware: what it hands to the hypervisor, read by the hypervisor's own parser, and
 * what it leaves when it cannot. */
#include "tests/unit/fake_efi.h"

#include "arch/x86/multiboot2.h"
#include "arch/x86/types.h"
#include "boot/efi/files.h"
#include "boot/efi/sections.h"
#include "boot/efi/survey.h"

EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *table);

/* --- an image of Skerry's kind: 64-bit ELF, linked at 2 MiB, with a Multiboot2 header --- */

#define LINKED  0x200000u
#define PROGRAM 0x1000u /* where its bytes are in the file */
#define LOADED  0x300u
#define IN_RAM  0x5000u

static uint8_t elf[PROGRAM + LOADED];

static void put(uint8_t *at, uint64_t value, unsigned size)
{
    memcpy(at, &value, size);
}

static void make_elf(void)
{
    uint8_t *program = elf + 64;
    const uint32_t header[4] = {0xe85250d6, 0, 24, -(0xe85250d6u + 24)};

    memset(elf, 0, sizeof(elf));
    memcpy(elf, "\177ELF\2\1\1", 7);
    put(elf + 16, 2, 2);
    put(elf + 18, 62, 2);
    put(elf + 20, 1, 4);
    put(elf + 24, LINKED + 0x40, 8);
    put(elf + 32, 64, 8);
    put(elf + 52, 64, 2);
    put(elf + 54, 56, 2);
    put(elf + 56, 1, 2);
    put(program, 1, 4);
    put(program + 8, PROGRAM, 8);
    put(program + 16, LINKED, 8);
    put(program + 24, LINKED, 8);
    put(program + 32, LOADED, 8);
    put(program + 40, IN_RAM, 8);
    for (unsigned i = 0; i < LOADED; i++)
        elf[PROGRAM + i] = (uint8_t)(i * 7 + 1);
    memcpy(elf + PROGRAM, header, sizeof(header));
}

/* --- files --- */

static const char config_text[] =
    "[vm a]\nkernel = sub/kernel\ninitrd = rd\nmodule = m words of it\nmemory = 64M\n"
    "[vm b]\nkernel = sub/kernel\nmemory = 64M\ndisk = disk.img cow 2M\n";
static uint8_t kernel[3 * 1024 * 1024 + 5];
static const char initrd[] = "the initrd", module[] = "the module", disk[512] = "the disk";

static void add_all(void)
{
    for (unsigned i = 0; i < sizeof(kernel); i++)
        kernel[i] = (uint8_t)(i >> 12 ^ i);
    fake_add_file("\\skerry\\skerry.cfg", config_text, sizeof(config_text) - 1);
    fake_add_file("\\skerry\\skerry.elf", elf, sizeof(elf));
    fake_add_file("\\skerry\\skerry.cmd", "explain log=debug\r\nnot this", 28);
    fake_add_file("\\skerry\\sub\\kernel", kernel, sizeof(kernel));
    fake_add_file("\\skerry\\rd", initrd, sizeof(initrd));
    fake_add_file("\\skerry\\m", module, sizeof(module));
    fake_add_file("\\skerry\\disk.img", disk, sizeof(disk));
}

static int set_up(void **unused)
{
    (void)unused;
    fake_set_up();
    make_elf();
    add_all();
    return 0;
}

static int tear_down(void **unused)
{
    (void)unused;
    fake_tear_down();
    return 0;
}

/* True: the image was entered. */
static bool starts(void)
{
    EFI_STATUS status;

    if (setjmp(fake.jumped))
        return true;
    status = efi_main(&fake.self, &fake.table);
    assert_int_equal(status, EFI_LOAD_ERROR);
    return false;
}

/* Nothing is left of a start that failed, and the line is there. */
static void expect_failure(const char *line)
{
    if (starts() || !strstr(fake.said, line))
        fail_msg("'%s' expected, said: %s", line, fake.said);
    assert_int_equal(fake.taken, 0);
    assert_int_equal(fake_open_handles, 0);
    assert_non_null(strstr(fake.said, "nothing was started; the firmware goes on\n"));
}

static struct boot_info info;

static void expect_start(void)
{
    const char *why = "";

    if (!starts())
        fail_msg("not started: %s", fake.said);
    assert_true(fake.gone);
    assert_false(fake.called_late);
    assert_int_equal(fake_open_handles, 0);
    if (!multiboot2_parse((const void *)(uintptr_t)fake.info, 1 << 20, &info, &why))
        fail_msg("boot information: %s", why);
}

static void expect_module(unsigned i, const char *name, const void *data, uint64_t size)
{
    assert_string_equal(info.modules[i].string, name);
    assert_int_equal(info.modules[i].size, size);
    assert_memory_equal((const void *)info.modules[i].start.value, data, size);
}

/* --- what is handed over --- */

static void all_of_it(void **unused)
{
    const uint8_t *image;

    (void)unused;
    expect_start();
    assert_string_equal(info.cmdline, "explain log=debug");
    assert_memory_equal(info.loader, "skerry.efi ", 11);
    assert_int_equal(info.module_count, 5);
    expect_module(0, "skerry.cfg", config_text, sizeof(config_text) - 1);
    expect_module(1, "sub/kernel", kernel, sizeof(kernel));
    expect_module(2, "rd", initrd, sizeof(initrd));
    expect_module(3, "m", module, sizeof(module));
    expect_module(4, "disk.img", disk, sizeof(disk));
    assert_true(info.relocated);
    assert_int_equal(info.load_base.value % PAGE_2M, 0);
    assert_int_equal(fake.entry, info.load_base.value + 0x40);
    image = (const uint8_t *)info.load_base.value;
    assert_memory_equal(image, elf + PROGRAM, LOADED);
    for (unsigned i = LOADED; i < IN_RAM; i++)
        assert_int_equal(image[i], 0);
    assert_int_equal(info.efi_system_table.value, (uintptr_t)&fake.table);
    assert_int_equal(info.rsdp_size, 36);
    assert_memory_equal(info.rsdp, fake.rsdp, 36);
}

static void memory_as_it_is(void **unused)
{
    static const struct boot_memory wanted[] = {{0, 0xa0000, 1},
                                                {0x100000, 0x700000, 1},
                                                {0x800000, 0x2000, 3},
                                                {0x802000, 0x2000, 2},
                                                {UINT64_C(0x100000000), 0x1000000, 1}};

    (void)unused;
    expect_start();
    assert_int_equal(info.memory_count, ARRAY_SIZE(wanted));
    for (unsigned i = 0; i < ARRAY_SIZE(wanted); i++) {
        assert_int_equal(info.memory[i].base, wanted[i].base);
        assert_int_equal(info.memory[i].size, wanted[i].size);
        assert_int_equal(info.memory[i].type, wanted[i].type);
    }
    assert_int_equal(info.efi_map_size, sizeof(fake.map));
    assert_int_equal(info.efi_descriptor_size, FAKE_STEP);
    assert_int_equal(info.efi_descriptor_version, 1);
    assert_memory_equal(info.efi_map, fake.map, sizeof(fake.map));
}

static void expect_colours(unsigned red, unsigned green, unsigned blue, unsigned bits)
{
    assert_true(info.framebuffer.present);
    assert_int_equal(info.framebuffer.red.position, red);
    assert_int_equal(info.framebuffer.green.position, green);
    assert_int_equal(info.framebuffer.blue.position, blue);
    assert_int_equal(info.framebuffer.red.size, bits);
}

static void screens(void **unused)
{
    (void)unused;
    expect_start();
    expect_colours(16, 8, 0, 8);
    assert_int_equal(info.framebuffer.address.value, UINT64_C(0x480000000));
    assert_int_equal(info.framebuffer.pitch, 1344 * 4);
    assert_int_equal(info.framebuffer.width, 1280);
    assert_int_equal(info.framebuffer.height, 800);
    assert_int_equal(info.framebuffer.bpp, 32);

    tear_down(unused);
    set_up(unused);
    fake.mode_info.PixelFormat = PixelBitMask;
    fake.mode_info.PixelInformation = (EFI_PIXEL_BITMASK){0x3ff, 0xffc00, 0x3ff00000, 0};
    expect_start();
    expect_colours(0, 10, 20, 10);

    tear_down(unused);
    set_up(unused);
    fake.mode_info.PixelFormat = PixelBltOnly;
    expect_start();
    assert_false(info.framebuffer.present);

    tear_down(unused);
    set_up(unused);
    fake.has_screen = false;
    expect_start();
    assert_false(info.framebuffer.present);
}

static void stale_keys(void **unused)
{
    (void)unused;
    fake.stale = 3;
    expect_start();
    assert_int_equal(fake.exits, 4);
}

/* --- boot options --- */

static void give(const char *text)
{
    static CHAR16 wide[2048];
    unsigned i;

    for (i = 0; text[i] && i < ARRAY_SIZE(wide) - 1; i++)
        wide[i] = (CHAR16)text[i];
    wide[i] = 0;
    fake.self.LoadOptions = wide;
    fake.self.LoadOptionsSize = (UINT32)((i + 1) * sizeof(CHAR16));
}

static void options(void **unused)
{
    static const struct {
        const char *given, *result;
    } cases[] = {{"", "explain log=debug"},
                 {"boot.efi", "explain log=debug"},
                 {"FS0:\\EFI\\SKERRY.EFI selftest", "explain log=debug  selftest"},
                 {"selftest x", "explain log=debug selftest x"}};

    for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
        set_up(unused);
        give(cases[i].given);
        expect_start();
        assert_string_equal(info.cmdline, cases[i].result);
        tear_down(unused);
    }
    set_up(unused);
    give("tab\there");
    expect_failure("boot options: character 9, expected printable ASCII");
    set_up(unused);
    fake.files[2] = (struct fake_file){.path = "\\skerry\\skerry.cmd", .data = kernel, .size = 2000};
    memset(kernel, 'x', 2000);
    expect_failure("boot options: expected at most 1023 characters");
    set_up(unused);
    fake.files[2].path = "no such option file";
    expect_start();
    assert_string_equal(info.cmdline, "");
}

static void survey_by_option(void **unused)
{
    static const struct {
        const char *options;
        bool wanted;
        unsigned seconds;
    } cases[] = {{"", false, 60},           {"explain", false, 60},  {"survey", true, 60},
                 {"a survey=2 b", true, 2}, {"surveyor", false, 60}, {"nosurvey", false, 60},
                 {"survey=", true, 0},      {"surve", false, 60},    {"survey=99999", true, 9999}};

    (void)unused;
    for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
        unsigned seconds = 0;

        assert_int_equal(survey_wanted(cases[i].options, &seconds), cases[i].wanted);
        assert_int_equal(seconds, cases[i].seconds);
    }
}

/* --- what is missing or wrong --- */

static void files_that_are_not_there(void **unused)
{
    for (unsigned i = 0; i < 7; i++) {
        const char *path;

        if (i == 2)
            continue;
        set_up(unused);
        path = strrchr(fake.files[i].path, '\\') + 1;
        fake.files[i].path = "gone";
        expect_failure(path);
        assert_non_null(strstr(fake.said, "not found on the volume"));
    }
}

static void files_that_cannot_be_read(void **unused)
{
    (void)unused;
    fake.files[3].promised = sizeof(kernel) + 7;
    expect_failure("\\skerry\\sub/kernel: ends at byte 3145733, expected 3145740");
    set_up(unused);
    fake.files[4].broken = true;
    expect_failure("\\skerry\\rd: the volume cannot be read at byte 0");
    set_up(unused);
    fake.files[5].folder = true;
    expect_failure("\\skerry\\m: expected a file of less than 4 GiB");
    set_up(unused);
    fake.files[5].promised = UINT64_C(5) << 30;
    expect_failure("\\skerry\\m: expected a file of less than 4 GiB");
    set_up(unused);
    fake.has_volume = false;
    expect_failure("not started from a volume with files");
}

static void images_of_others(void **unused)
{
    (void)unused;
    elf[0] = 0;
    expect_failure("skerry.elf: not an image of Skerry: no ELF file");
    set_up(unused);
    elf[18] = 40;
    expect_failure("skerry.elf: not an image of Skerry: no ELF file for x86");
    set_up(unused);
    elf[PROGRAM + 12] ^= 1;
    expect_failure("skerry.elf: not an image of Skerry: no Multiboot2 header");
    set_up(unused);
    put(elf + 64 + 32, LOADED + 1, 8);
    expect_failure("skerry.elf: not an image of Skerry: an ELF segment ends behind the file");
    set_up(unused);
    put(elf + 64 + 24, LINKED + 0x1000, 8);
    put(elf + 24, LINKED + 0x40, 8);
    expect_failure("expected a multiple of 2 MiB");
}

/* Each allocation once. */
static void no_memory(void **unused)
{
    unsigned most;

    expect_start();
    most = fake.allocations;
    assert_true(most > 8);
    tear_down(unused);
    for (unsigned i = 1; i <= most; i++) {
        set_up(unused);
        fake.fail_at = i;
        expect_failure("not enough memory: expected ");
    }
}

static void firmware_that_stays(void **unused)
{
    (void)unused;
    fake.stale = 1000;
    assert_false(starts());
    assert_int_equal(fake.exits, 4);
    assert_non_null(strstr(fake.said, "the firmware does not let go"));
}

/* --- a TPM --- */

#define MEASURED \
    "8 skerry.cmd 17;8 skerry.cfg 138;9 skerry.elf 4864;9 sub/kernel 3145733;9 rd 11;9 m 11;9 disk.img 512;"

static void with_tpm(void **unused, uint8_t present, EFI_STATUS status)
{
    tear_down(unused);
    set_up(unused);
    fake.has_tpm = true;
    fake.tpm_present = present;
    fake.tpm_status = status;
}

static void measured(void **unused)
{
    with_tpm(unused, 1, EFI_SUCCESS);
    expect_start();
    assert_string_equal(fake.measured, MEASURED);
    assert_non_null(strstr(fake.said, "measured: PCR 8 sha256 000102030405"));
    assert_non_null(strstr(fake.said, "measured: PCR 9 sha256 808182838485"));
    with_tpm(unused, 1, EFI_VOLUME_FULL); /* the PCR has it, the log has not */
    expect_start();
    assert_string_equal(fake.measured, MEASURED);
    with_tpm(unused, 0, EFI_SUCCESS);
    expect_start();
    assert_string_equal(fake.measured, "");
    with_tpm(unused, 1, EFI_DEVICE_ERROR);
    expect_failure("skerry.cmd: the TPM does not take its measurement");
    assert_string_equal(fake.measured, "8 skerry.cmd 17;");
}

/* --- one file --- */

#define SECTIONS 7
static uint8_t pe[0x1000 * (SECTIONS + 1) + sizeof(kernel)] ALIGNED(4096);
static const char names[] = "sub/kernel\0rd\0m\0disk.img";

static void add_section(const char *name, const void *data, uint64_t size)
{
    uint16_t count = le16(pe + 0x86);
    uint8_t *row = pe + 0x80 + 24 + 240 + count * 40;
    uint64_t at = count ? ALIGN_UP(le32(row - 40 + 12) + le32(row - 40 + 8), 4096) : 0x1000;

    assert_true(at + size <= sizeof(pe));
    memcpy(row, name, strlen(name) < 8 ? strlen(name) + 1 : 8);
    put(row + 8, size, 4);
    put(row + 12, at, 4);
    memcpy(pe + at, data, size);
    put(pe + 0x86, count + 1u, 2);
}

static void make_pe(void)
{
    memset(pe, 0, sizeof(pe));
    memcpy(pe, "MZ", 2);
    put(pe + 0x3c, 0x80, 4);
    memcpy(pe + 0x80, "PE\0\0", 4);
    put(pe + 0x80 + 20, 240, 2);
    add_section(".skelf", elf, sizeof(elf));
    add_section(".skcfg", config_text, sizeof(config_text) - 1);
    add_section(".sknames", names, sizeof(names));
    add_section(".skm00", kernel, 4000);
    add_section(".skm01", initrd, sizeof(initrd));
    add_section(".skm02", module, sizeof(module));
    add_section(".skm03", disk, sizeof(disk));
    fake.self.ImageBase = pe;
    fake.self.ImageSize = sizeof(pe);
}

static void one_file(void **unused)
{
    (void)unused;
    make_pe();
    fake.secure = 1;
    give("keep-bus-masters"); /* nobody has signed that */
    expect_start();
    assert_string_equal(info.cmdline, "");
    assert_int_equal(info.module_count, 5);
    expect_module(0, "skerry.cfg", config_text, sizeof(config_text) - 1);
    expect_module(1, "sub/kernel", kernel, 4000);
    expect_module(4, "disk.img", disk, sizeof(disk));
    assert_null(strstr(fake.said, "reading")); /* nothing from the volume, where all of it is, too */
}

static void one_file_that_lacks_some(void **unused)
{
    (void)unused;
    make_pe();
    memcpy(pe + 0x80 + 24 + 240 + 6 * 40, ".skm04", 6);
    expect_failure("disk.img: not in this image");
    set_up(unused);
    make_pe();
    pe[0x80 + 24 + 240] = 'x'; /* no .skelf: the one of the volume is not taken for it */
    expect_failure("skerry.elf: not in this image");
}

static void secure_boot(void **unused)
{
    (void)unused;
    fake.secure = 1;
    expect_failure("Secure Boot is on, and files beside this program are not signed");
}

/* Any prefix, and any byte of the headers wrong: an answer inside the image, or none. */
static void bad_pe(void **unused)
{
    uint64_t length;
    const uint8_t *at;

    (void)unused;
    make_pe();
    for (uint64_t size = 0; size < 0x400; size++) {
        at = pe_section(pe, size, ".skm03", &length);
        assert_true(!at || (at >= pe && at + length <= pe + size));
    }
    for (unsigned i = 0; i < 0x300; i++) {
        uint8_t kept = pe[i];

        pe[i] ^= 0xff;
        at = pe_section(pe, sizeof(pe), ".skm03", &length);
        assert_true(!at || (at >= pe && at + length <= pe + sizeof(pe)));
        pe[i] = kept;
    }
    assert_non_null(pe_section(pe, sizeof(pe), ".sknames", &length));
    assert_null(pe_section(pe, sizeof(pe), ".skname", &length));
    assert_null(pe_section(pe, sizeof(pe), ".sk", &length));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(all_of_it, set_up, tear_down),
        cmocka_unit_test_setup_teardown(memory_as_it_is, set_up, tear_down),
        cmocka_unit_test_setup_teardown(screens, set_up, tear_down),
        cmocka_unit_test_setup_teardown(stale_keys, set_up, tear_down),
        cmocka_unit_test_setup_teardown(options, set_up, tear_down),
        cmocka_unit_test(survey_by_option),
        cmocka_unit_test_setup_teardown(files_that_are_not_there, set_up, tear_down),
        cmocka_unit_test_setup_teardown(files_that_cannot_be_read, set_up, tear_down),
        cmocka_unit_test_setup_teardown(images_of_others, set_up, tear_down),
        cmocka_unit_test_setup_teardown(no_memory, set_up, tear_down),
        cmocka_unit_test_setup_teardown(firmware_that_stays, set_up, tear_down),
        cmocka_unit_test_setup_teardown(measured, set_up, tear_down),
        cmocka_unit_test_setup_teardown(one_file, set_up, tear_down),
        cmocka_unit_test_setup_teardown(one_file_that_lacks_some, set_up, tear_down),
        cmocka_unit_test_setup_teardown(secure_boot, set_up, tear_down),
        cmocka_unit_test_setup_teardown(bad_pe, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
