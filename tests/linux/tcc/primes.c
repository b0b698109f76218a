/* SPDX-License-Identifier: BSD-2-Clause */
/* Something to compile, and to compute. */
#include <tcclib.h>

#define LIMIT 200000

static char composite[LIMIT];

int main(void)
{
    int count = 0, last = 0;

    for (int i = 2; i < LIMIT; i++) {
        if (composite[i])
            continue;
        count++;
        last = i;
        for (int k = 2 * i; k < LIMIT; k += i)
            composite[k] = 1;
    }
    printf("%d primes, the last one %d\n", count, last);
    return 0;
}
