/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Threads that make a kernel interrupt its other CPUs and wait for its own locks: each maps, touches and
 * unmaps memory of the process that they share, which has to vanish from the TLBs of all, and then takes the
 * lock of one futex again and again, as a wait for a value that it does not have. load SECONDS THREADS.
 */
#include <linux/futex.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PAGES 8
#define LOCKS 300 /* a turn */

static atomic_int word, over; /* word stays 0 */
static atomic_ulong turns;

static void take_lock(void)
{
    syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, 1, NULL, NULL, 0);
}

static void *work(void *unused)
{
    (void)unused;
    while (!over) {
        char *page = mmap(NULL, PAGES * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

        for (int i = 0; i < PAGES; i++)
            page[i * 4096] = 1;
        munmap(page, PAGES * 4096);
        for (int i = 0; i < LOCKS; i++)
            take_lock();
        atomic_fetch_add(&turns, 1);
    }
    return NULL;
}

int main(int count, char **words)
{
    int threads = count > 2 ? atoi(words[2]) : 4;
    pthread_t all[64];

    for (int i = 0; i < threads && i < 64; i++)
        pthread_create(&all[i], NULL, work, NULL);
    sleep(count > 1 ? (unsigned)atoi(words[1]) : 1);
    over = 1;
    for (int i = 0; i < threads && i < 64; i++)
        pthread_join(all[i], NULL);
    printf("load: %lu turns of %d threads\n", (unsigned long)turns, threads);
    return 0;
}
