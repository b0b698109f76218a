/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * skerry.efi: the hypervisor on UEFI without GRUB. What GRUB does for it is done here: its files are read,
 * described as Multiboot2 says, and its image is entered. Whatever is missing is said in one line before
 * anything is changed, and the firmware goes on with what it would have started next.
 */
#include "arch/x86/string.h"
#include "boot/efi/boot_info.h"
#include "boot/efi/files.h"
#include "boot/efi/firmware.h"
#include "boot/efi/leave.h"
#include "boot/efi/measure.h"
#include "boot/efi/names.h"
#include "boot/efi/options.h"
#include "boot/efi/placed.h"
#include "boot/efi/survey.h"
#include "core/base/panic.h"

#define SECONDS_TO_READ 5

/* All that is loaded; whoever starts has it in memory of its own. */
static struct {
    struct boot_file image, config, options, files[NAMES_MAX];
    unsigned count;
    struct names names;
    struct placed_image placed;
    struct boot_info_writer info;
    char cmdline[OPTIONS_SIZE];
} boot;

EFI_STATUS efi_main(EFI_HANDLE image,
                    EFI_SYSTEM_TABLE *table); /* for GNU-EFI's start code, by the System V ABI */

static bool load_file(const char *name, unsigned pcr, struct boot_file *out)
{
    return file_load(name, out) && measure(pcr, out->data, out->size, name);
}

static bool load_named_files(void)
{
    if (!names_of_config(boot.config.data, boot.config.size, &boot.names))
        return false;
    for (boot.count = 0; boot.count < boot.names.count; boot.count++) {
        if (!load_file(boot.names.list[boot.count], PCR_FILES, &boot.files[boot.count]))
            return false;
    }
    return true;
}

static bool load_options(void)
{
    return file_load_if_there("skerry.cmd", &boot.options) &&
           options_of(&boot.options, !files_are_inside(), boot.cmdline) &&
           measure(PCR_CONFIGURATION, boot.cmdline, strlen(boot.cmdline), "skerry.cmd");
}

/* All checks, before the firmware is left. Each is measured before it is looked into. */
static bool load_all(void)
{
    return load_file("skerry.cfg", PCR_CONFIGURATION, &boot.config) &&
           load_file("skerry.elf", PCR_FILES, &boot.image) && place_image(&boot.image, &boot.placed) &&
           load_named_files();
}

static uint64_t info_size(void)
{
    uint64_t size = PAGE_SIZE + OPTIONS_SIZE + leave_room();

    return size + (boot.count + 1) * (32 + NAMES_SIZE);
}

static void put_framebuffer(void)
{
    const EFI_GRAPHICS_OUTPUT_PROTOCOL_MODE *mode = screen_mode();

    if (mode)
        boot_info_framebuffer(&boot.info, mode);
}

static bool describe(void)
{
    uint64_t size = info_size();
    void *room = memory_take(size, FOUR_GIB, false, "the boot information");

    if (!room)
        return false;
    boot_info_begin(&boot.info, room, size);
    boot_info_cmdline(&boot.info, boot.cmdline);
    boot_info_loader(&boot.info, "skerry.efi " SKERRY_VERSION);
    boot_info_load_base(&boot.info, boot.placed.base);
    boot_info_module(&boot.info, boot.config.data, boot.config.size, boot.config.name);
    for (unsigned i = 0; i < boot.count; i++)
        boot_info_module(&boot.info, boot.files[i].data, boot.files[i].size, boot.files[i].name);
    boot_info_system_table(&boot.info, firmware.table);
    put_framebuffer();
    return true;
}

/* Who stands before the screen reads the line; a key ends the wait. */
static void let_read(void)
{
    EFI_INPUT_KEY key;

    for (unsigned i = 0; i < SECONDS_TO_READ * 10; i++) {
        if (firmware.table->ConIn &&
            !EFI_ERROR(firmware.table->ConIn->ReadKeyStroke(firmware.table->ConIn, &key)))
            return;
        firmware.boot->Stall(100000);
    }
}

/* Comes back only while the firmware has the machine: false. */
static bool start(void)
{
    if (!load_all() || !describe())
        return false;
    files_close();
    measure_show();
    say("starting Skerry " SKERRY_VERSION ", %u files", boot.count + 2);
    leave_firmware(&boot.info, &boot.placed);
    return false;
}

/* A survey that is asked for from outside needs no file, so that it can be made before anything is put on a
 * machine. */
static bool obey_options(void)
{
    const struct boot_file none = {.size = 0};
    unsigned seconds;

    if (!options_of(&none, true, boot.cmdline))
        return false;
    if (survey_wanted(boot.cmdline, &seconds))
        return survey(seconds);
    measure_begin();
    if (!files_find() || !load_options())
        return false;
    return survey_wanted(boot.cmdline, &seconds) ? survey(seconds) : start();
}

EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *table)
{
    bool done;

    firmware_begin(image, table);
    memset(&boot, 0, sizeof(boot));
    done = obey_options();
    files_close();
    memory_give_back();
    if (done)
        return EFI_SUCCESS;
    say("nothing was started; the firmware goes on");
    let_read();
    return EFI_LOAD_ERROR;
}

void assertion_failed(unsigned line, const char *condition)
{
    say("line %u: assertion failed: %s", line, condition);
    firmware.boot->Exit(firmware.image, EFI_ABORTED, 0, NULL);
    __builtin_unreachable();
}
