/* SPDX-License-Identifier: BSD-2-Clause */
/* ELF program headers, both classes through one table of field places. */
#include "boot/guest/elf.h"

#include "arch/x86/string.h"

#define LIMIT (4 * GIB)

enum { CLASS_32 = 1, CLASS_64 = 2, LITTLE_ENDIAN = 1, TYPE_EXEC = 2, PT_LOAD = 1, PT_NOTE = 4 };

/* Places of the fields, and the size of an address or offset. */
struct elf_class {
    uint8_t word;
    uint8_t header_size, entry, phoff, phentsize, phnum;
    uint8_t program_size, offset, vaddr, paddr, filesz, memsz;
    uint16_t machine;
};

static const struct elf_class classes[] = {
    [CLASS_32] = {4, 52, 24, 28, 42, 44, 32, 4, 8, 12, 16, 20, 3},
    [CLASS_64] = {8, 64, 24, 32, 54, 56, 56, 8, 16, 24, 32, 40, 62},
};

_Static_assert(ARRAY_SIZE(classes) == CLASS_64 + 1, "both, by what the file says");

struct program {
    struct elf_segment segment;
    uint64_t vaddr;
};

bool elf_recognise(const void *data, size_t size)
{
    return size >= 4 && memcmp(data, "\177ELF", 4) == 0;
}

static const struct elf_class *check_elf_header(const uint8_t *d, size_t size, const char **why)
{
    const struct elf_class *class;

    *why = "no ELF file for x86, expected a 32-bit or 64-bit little-endian one";
    if (size < 52 || !elf_recognise(d, size) || (d[4] != CLASS_32 && d[4] != CLASS_64) ||
        d[5] != LITTLE_ENDIAN)
        return NULL;
    class = &classes[d[4]];
    if (size < class->header_size || load_le(d + 18, 2) != class->machine)
        return NULL;
    *why = "an ELF file of another type, expected a linked executable (ET_EXEC)";
    return load_le(d + 16, 2) == TYPE_EXEC ? class : NULL;
}

/* A program header: NULL unless it lies within the file. */
static const uint8_t *program_header(const uint8_t *d, size_t size, const struct elf_class *class, unsigned i)
{
    uint64_t at = load_le(d + class->phoff, class->word), step = load_le(d + class->phentsize, 2);

    if (step < class->program_size || at > size || i * step > size - at)
        return NULL;
    at += i * step;
    return at <= size - class->program_size ? d + at : NULL;
}

static struct program read_program(const uint8_t *h, const struct elf_class *class)
{
    return (struct program){
        .segment = {.offset = load_le(h + class->offset, class->word),
                    .file_size = load_le(h + class->filesz, class->word),
                    .address = load_le(h + class->paddr, class->word),
                    .size = load_le(h + class->memsz, class->word)},
        .vaddr = load_le(h + class->vaddr, class->word),
    };
}

static const char *check_elf_segment(const struct elf_segment *s, size_t size)
{
    if (s->offset > size || s->file_size > size - s->offset)
        return "an ELF segment ends behind the file";
    if (s->file_size > s->size)
        return "an ELF segment is larger in the file than in memory";
    if (s->address >= LIMIT || s->size > LIMIT - s->address)
        return "an ELF segment lies above 4 GiB, expected physical addresses below it";
    return NULL;
}

/* An entry point is virtual in most files, and physical in some that run elsewhere than they are loaded. */
static void find_entry(struct elf_image *out, const struct program *p, uint64_t entry, bool *is_virtual)
{
    const struct elf_segment *s = &p->segment;

    if (!*is_virtual && entry >= p->vaddr && entry - p->vaddr < s->size) {
        out->entry = s->address + (entry - p->vaddr);
        *is_virtual = true;
    }
    if (!*is_virtual && entry >= s->address && entry - s->address < s->size)
        out->entry = entry;
}

static const char *add_program(struct elf_image *out, const struct program *p, size_t size)
{
    const char *wrong = check_elf_segment(&p->segment, size);

    if (wrong == NULL && out->count == ELF_MAX_SEGMENTS)
        wrong = "more than 32 ELF segments to load";
    if (wrong == NULL)
        out->segments[out->count++] = p->segment;
    return wrong;
}

bool elf_parse(const void *data, size_t size, struct elf_image *out, const char **why)
{
    const uint8_t *d = data;
    const struct elf_class *class = check_elf_header(d, size, why);
    bool is_virtual = false;

    memset(out, 0, sizeof(*out));
    out->entry = UINT64_MAX;
    if (class == NULL)
        return false;
    *why = NULL;
    for (unsigned i = 0; *why == NULL && i < load_le(d + class->phnum, 2); i++) {
        const uint8_t *h = program_header(d, size, class, i);
        struct program p;

        if (h == NULL) {
            *why = "the ELF program headers lie outside the file";
            break;
        }
        p = read_program(h, class);
        if (load_le(h, 4) != PT_LOAD || p.segment.size == 0)
            continue;
        find_entry(out, &p, load_le(d + class->entry, class->word), &is_virtual);
        *why = add_program(out, &p, size);
    }
    if (*why == NULL && out->entry == UINT64_MAX)
        *why = "the ELF entry point lies in no segment";
    return *why == NULL;
}

/* --- notes --- */

#define NOTE_HEADER 12 /* lengths of owner and contents, and the type: 4 bytes each */

struct note_search {
    const uint8_t *file;
    const char *owner;
    uint32_t type;
    unsigned left; /* notes to look at */
    uint64_t *value;
};

/* A number of n bytes at this place, if it lies before end. */
static bool read_number(const uint8_t *file, uint64_t at, uint64_t end, unsigned n, uint64_t *value)
{
    if (end < n || at > end - n)
        return false;
    *value = load_le(file + at, n);
    return true;
}

static bool has_owner(const struct note_search *s, uint64_t at, uint64_t end, uint64_t size)
{
    size_t length = strlen(s->owner) + 1;

    return size == length && end >= NOTE_HEADER + length && at <= end - NOTE_HEADER - length &&
           memcmp(s->file + at + NOTE_HEADER, s->owner, length) == 0;
}

/* In a segment that ends there, at the end of the file at the latest; each note and each part of it are
 * padded to a multiple of 4.
 */
static bool find_in_notes(struct note_search *s, uint64_t at, uint64_t end)
{
    while (end >= NOTE_HEADER && at <= end - NOTE_HEADER && s->left > 0) {
        uint64_t owner_size = load_le(s->file + at, 4), size = load_le(s->file + at + 4, 4);
        uint64_t contents = at + NOTE_HEADER + ALIGN_UP(owner_size, 4);

        s->left--;
        if (load_le(s->file + at + 8, 4) == s->type && has_owner(s, at, end, owner_size) &&
            ((size == 4 && read_number(s->file, contents, end, 4, s->value)) ||
             (size == 8 && read_number(s->file, contents, end, 8, s->value))))
            return true;
        at = contents + ALIGN_UP(size, 4);
    }
    return false;
}

bool elf_find_note(const void *data, size_t size, const char *owner, uint32_t type, uint64_t *value)
{
    struct note_search search = {data, owner, type, ELF_MAX_NOTES, value};
    const char *why;
    const struct elf_class *class = check_elf_header(data, size, &why);

    for (unsigned i = 0; class != NULL && search.left > 0 && i < load_le(search.file + class->phnum, 2);
         i++) {
        const uint8_t *h = program_header(data, size, class, i);
        struct elf_segment s;

        if (h == NULL)
            return false;
        s = read_program(h, class).segment;
        if (load_le(h, 4) == PT_NOTE &&
            find_in_notes(&search, s.offset, MIN(s.offset + MIN(s.file_size, size), size)))
            return true;
    }
    return false;
}
