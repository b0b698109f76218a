/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Puts the module into the emulator before its main() runs, or leaves it alone.
 *
 * Calls inside the program are direct, so nothing can be put before them by symbol: the calls themselves are
 * redirected, each through a jump that is mapped near enough. All is checked before anything is changed.
 */
#define _GNU_SOURCE
#include <elf.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "vmhost.h"

#define THUNK_SIZE 16
#define PAGE       0x1000ull
#define REACH      0x7f000000ull

uint64_t program_base;

struct program {
    uint64_t base, end;
    char build_id[41];
};

static void read_notes(struct program *program, const char *at, uint64_t size)
{
    const char *end = at + size;

    while (at + sizeof(ElfW(Nhdr)) <= end) {
        const ElfW(Nhdr) *note = (const void *)at;
        const char *name = at + sizeof(*note);
        const unsigned char *data = (const void *)(name + ((note->n_namesz + 3) & ~3u));

        if (note->n_type == NT_GNU_BUILD_ID && note->n_namesz == 4 && !memcmp(name, "GNU", 4) &&
            note->n_descsz == 20)
            for (unsigned i = 0; i < 20; i++)
                snprintf(program->build_id + 2 * i, 3, "%02x", data[i]);
        at = (const char *)data + ((note->n_descsz + 3) & ~3u);
    }
}

/* The first object is the program itself. */
static int read_program(struct dl_phdr_info *info, size_t size, void *argument)
{
    struct program *program = argument;

    (void)size;
    program->base = info->dlpi_addr;
    for (unsigned i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *p = &info->dlpi_phdr[i];

        if (p->p_type == PT_NOTE)
            read_notes(program, (const char *)(info->dlpi_addr + p->p_vaddr), p->p_memsz);
        if (p->p_type == PT_LOAD && p->p_vaddr + p->p_memsz > program->end)
            program->end = p->p_vaddr + p->p_memsz;
    }
    return 1;
}

static const void *place(uint32_t at)
{
    return (const void *)(program_base + at);
}

static bool bytes_fit(char *why, size_t size)
{
    uint32_t bad = 0;

    for (size_t i = 0; i < redirection_count; i++)
        if (memcmp(place(redirections[i].at), redirections[i].was, 5) != 0)
            bad = redirections[i].at;
    for (size_t i = 0; i < patch_count; i++)
        if (memcmp(place(patches[i].at), patches[i].was, patches[i].size) != 0)
            bad = patches[i].at;
    if (bad)
        snprintf(why, size, "unknown bytes at %x", bad);
    return !bad;
}

/* A page for the jumps that the program can reach. */
static uint8_t *map_near(const struct program *program)
{
    for (uint64_t away = 0x10000; away < REACH; away += 0x100000) {
        uint64_t at = (program->base + program->end + away) & ~(PAGE - 1);
        void *page = mmap((void *)at, PAGE, PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);

        if (page == (void *)at)
            return page;
        if (page != MAP_FAILED)
            munmap(page, PAGE);
    }
    return NULL;
}

static bool protect(uint32_t at, uint32_t size, int how)
{
    uint64_t start = (program_base + at) & ~(PAGE - 1), end = program_base + at + size;

    return mprotect((void *)start, end - start, how) == 0;
}

static bool replace(uint32_t at, const void *bytes, uint32_t size)
{
    if (!protect(at, size, PROT_READ | PROT_WRITE))
        return false;
    memcpy((void *)(program_base + at), bytes, size);
    return protect(at, size, PROT_READ | PROT_EXEC);
}

static bool redirect(const struct redirection *r, uint8_t *thunk)
{
    static const uint8_t jump[6] = {0xff, 0x25}; /* jmp *(%rip): to the eight bytes behind it */
    int32_t distance = (int32_t)((uint64_t)thunk - (program_base + r->at + 5));
    uint8_t bytes[5] = {r->was[0]};

    memcpy(thunk, jump, sizeof(jump));
    memcpy(thunk + sizeof(jump), &r->function, sizeof(r->function));
    memcpy(bytes + 1, &distance, 4);
    return replace(r->at, bytes, 5);
}

static bool attach(const struct program *program)
{
    uint8_t *thunks = map_near(program);
    bool good = thunks != NULL;

    for (size_t i = 0; good && i < redirection_count; i++)
        good = redirect(&redirections[i], thunks + i * THUNK_SIZE);
    for (size_t i = 0; good && i < patch_count; i++)
        good = replace(patches[i].at, patches[i].becomes, patches[i].size);
    return good && mprotect(thunks, PAGE, PROT_READ | PROT_EXEC) == 0;
}

__attribute__((constructor)) static void start(void)
{
    const char *words = getenv("SKERRY_VMHOST"), *bad;
    struct program program = {0};
    char why[160] = "";

    dl_iterate_phdr(read_program, &program);
    program_base = program.base;
    bad = knobs_read(words ? words : "");
    if (strcmp(program.build_id, BUILD_ID) != 0)
        snprintf(why, sizeof(why), "build id '%s', expected " BUILD_ID, program.build_id);
    else if (bad)
        snprintf(why, sizeof(why), "unknown word '%.*s' in SKERRY_VMHOST", (int)strcspn(bad, ","), bad);
    else if (bytes_fit(why, sizeof(why)) && !attach(&program)) {
        /* Half attached: nothing that ran on would mean anything. */
        fprintf(stderr, "skerry-vmhost: no memory near the program\n");
        _exit(1);
    }
    if (*why)
        fprintf(stderr, "skerry-vmhost: not attached: %s\n", why);
    else if (getenv("SKERRY_VMHOST_VERBOSE"))
        fprintf(stderr, "skerry-vmhost: attached\n");
}
