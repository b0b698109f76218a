/* SPDX-License-Identifier: BSD-2-Clause */
#include "boot/efi/measure.h"

#include "arch/x86/string.h"
#include "boot/efi/firmware.h"
#include "core/base/format.h"

#define EV_IPL      13
#define HEADER_SIZE 14
#define NAME_ROOM   160
#define DIGEST_SIZE 32 /* SHA-256 */

#define TCG2_GUID                                          \
    {                                                      \
        0x607f766c, 0x7455, 0x42be,                        \
        {                                                  \
            0x93, 0x0b, 0xe4, 0xd7, 0x6d, 0xb2, 0x72, 0x0f \
        }                                                  \
    }

struct tcg2_event {
    uint32_t size; /* of all of it */
    uint32_t header_size;
    uint16_t header_version;
    uint32_t pcr, type;
    char event[NAME_ROOM];
} PACKED;

_Static_assert(offsetof(struct tcg2_event, event) == 4 + HEADER_SIZE, "section 6.6.3");

struct tcg2_capability {
    uint8_t size;
    uint8_t versions[4];
    uint8_t before_flag[11]; /* padding, hash algorithms, event logs */
    uint8_t present;
    uint8_t rest[47];
};

_Static_assert(offsetof(struct tcg2_capability, present) == 16, "section 6.4.4");

/* In the order of section 6.2; GNU-EFI's headers lack it. */
struct tcg2 {
    EFI_STATUS(EFIAPI *get_capability)(struct tcg2 *self, struct tcg2_capability *out);
    EFI_STATUS(EFIAPI *get_event_log)
    (struct tcg2 *self, uint32_t format, uint64_t *first, uint64_t *last, uint8_t *cut);
    EFI_STATUS(EFIAPI *hash_log_extend_event)
    (struct tcg2 *self, uint64_t flags, uint64_t data, uint64_t size, struct tcg2_event *event);
    EFI_STATUS(EFIAPI *submit_command)
    (struct tcg2 *self, uint32_t in_size, const uint8_t *in, uint32_t out_size, uint8_t *out);
};

static struct tcg2 *tpm;

void measure_begin(void)
{
    struct tcg2_capability capability = {.size = sizeof(capability)};
    EFI_GUID guid = TCG2_GUID;

    tpm = protocol_anywhere(guid);
    if (tpm && (EFI_ERROR(tpm->get_capability(tpm, &capability)) || !capability.present))
        tpm = NULL;
}

bool measure(unsigned pcr, const void *data, uint64_t size, const char *name)
{
    struct tcg2_event event = {.header_size = HEADER_SIZE, .header_version = 1, .pcr = pcr, .type = EV_IPL};
    size_t length = strnlen(name, NAME_ROOM - 1);
    EFI_STATUS status;

    if (!tpm)
        return true;
    memcpy(event.event, name, length);
    event.size = (uint32_t)(offsetof(struct tcg2_event, event) + length + 1);
    status = tpm->hash_log_extend_event(tpm, 0, (uint64_t)data, size, &event);
    if (EFI_ERROR(status) && status != EFI_VOLUME_FULL) /* the log alone is full */
        return fail("%s: the TPM does not take its measurement: error %llx", name,
                    (unsigned long long)status);
    return true;
}

/* TPM 2.0 library specification, part 3, TPM2_PCR_Read: both of the SHA-256 bank. */
static bool read_pcrs(uint8_t digests[2][DIGEST_SIZE])
{
    static const uint8_t command[] = {0x80, 1, 0, 0, 0, 20, 0, 0, 1, 0x7e, 0, 0, 0, 1, 0, 0x0b, 3, 0, 3, 0};
    enum { COUNT = 24, FIRST = 28, EACH = 2 + DIGEST_SIZE, SIZE = FIRST + 2 * EACH };
    uint8_t answer[256] = {0};

    _Static_assert(PCR_CONFIGURATION == 8 && PCR_FILES == 9, "the command's bits");
    if (EFI_ERROR(tpm->submit_command(tpm, sizeof(command), command, sizeof(answer), answer)) ||
        answer[COUNT + 3] != 2)
        return false;
    for (unsigned i = 0; i < 2; i++)
        memcpy(digests[i], answer + FIRST + i * EACH + 2, DIGEST_SIZE);
    return true;
}

static void put_digest(char *to, const uint8_t digest[DIGEST_SIZE])
{
    for (unsigned i = 0; i < DIGEST_SIZE; i++)
        format(to + 2 * i, 3, "%02x", digest[i]);
}

void measure_show(void)
{
    uint8_t digests[2][DIGEST_SIZE];
    char text[2 * DIGEST_SIZE + 1];

    if (!tpm)
        return;
    if (!read_pcrs(digests)) {
        say("measured, but the TPM has no SHA-256 bank to show");
        return;
    }
    for (unsigned i = 0; i < 2; i++) {
        put_digest(text, digests[i]);
        say("measured: PCR %u sha256 %s", i ? PCR_FILES : PCR_CONFIGURATION, text);
    }
}
