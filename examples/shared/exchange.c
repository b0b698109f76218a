/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * exchange first|second TABLE BOARD: two programs in two VMs with memory in common; TABLE and BOARD are the
 * folders of an ivshmem device each in /sys/bus/pci/devices. The first one leaves 1 MiB on the table, the
 * second one takes its checksum, answers with the complement, and writes to the board, which it must not.
 */
#include <fcntl.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define WORDS (1u << 17) /* of 8 bytes: 1 MiB */
#define SIZE  (2u << 20) /* of either memory, as skerry.cfg says */
#define WAITS 60000      /* ms */

enum { POSITION = 2, DOORBELL = 3 }; /* registers of BAR 0, by 32-bit words */

struct table {
    _Atomic uint32_t turn; /* whose words these are: 1 the first one's, 2 the second one's, 3 taken */
    uint64_t sum;
    uint64_t words[WORDS];
};

_Static_assert(sizeof(struct table) <= SIZE, "fits");

static const char *role;

static void fail(const char *what)
{
    printf("%s: FAIL: %s\n", role, what);
    exit(1);
}

static void *map_bar(const char *device, unsigned bar, size_t size)
{
    char path[256];
    void *at;
    int file;

    snprintf(path, sizeof(path), "%s/resource%u", device, bar);
    file = open(path, O_RDWR);
    at = file < 0 ? MAP_FAILED : mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (at == MAP_FAILED)
        fail(path);
    return at;
}

static uint64_t sum_of(const struct table *t)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < WORDS; i++)
        sum = (sum ^ t->words[i]) * UINT64_C(0x100000001b3);
    return sum;
}

static void hand_over(struct table *t, uint32_t turn)
{
    t->sum = sum_of(t);
    atomic_store(&t->turn, turn);
}

static void wait_for_turn(struct table *t, uint32_t turn)
{
    for (unsigned i = 0; i < WAITS; i++) {
        if (atomic_load(&t->turn) == turn)
            return;
        usleep(1000);
    }
    fail("nobody answers");
}

static void check_sum(const struct table *t)
{
    if (sum_of(t) != t->sum)
        fail("the checksum is another one");
    printf("%s: 1 MiB came, checksum %016llx: ok\n", role, (unsigned long long)t->sum);
}

static void be_first(struct table *t, volatile uint32_t *board)
{
    uint64_t x = (uint64_t)time(NULL) << 20 | 1;

    for (unsigned i = 0; i < WORDS; i++)
        t->words[i] = x = x * UINT64_C(6364136223846793005) + 1442695040888963407;
    board[5] = 4711;
    hand_over(t, 1);
    wait_for_turn(t, 2);
    check_sum(t);
    if (t->words[WORDS - 1] != ~x)
        fail("that is no answer");
    if (board[5] != 4711 || board[6] != 0)
        fail("somebody wrote on the board");
    printf("%s: the board is as it was: ok\n", role);
    atomic_store(&t->turn, 3);
}

static void be_second(struct table *t, volatile uint32_t *board)
{
    wait_for_turn(t, 1);
    check_sum(t);
    for (unsigned i = 0; i < WORDS; i++)
        t->words[i] = ~t->words[i];
    board[5] = 0;
    board[6] = 1;
    if (board[5] != 4711 || board[6] != 0)
        fail("the board can be written to");
    printf("%s: the board is read-only: ok\n", role);
    hand_over(t, 2);
    wait_for_turn(t, 3);
}

int main(int argc, char **argv)
{
    volatile uint32_t *registers, *board;
    struct table *t;
    bool first;

    if (argc != 4)
        return 2;
    setvbuf(stdout, NULL, _IOLBF, 0);
    role = argv[1];
    first = !strcmp(role, "first");
    registers = map_bar(argv[2], 0, 4096);
    t = map_bar(argv[2], 2, SIZE);
    board = map_bar(argv[3], 2, SIZE);
    if (registers[POSITION] != !first)
        fail("this is somebody else's number");
    (first ? be_first : be_second)(t, board);
    registers[DOORBELL] = (uint32_t)first << 16; /* nobody listens here: it stays pending there */
    return 0;
}
