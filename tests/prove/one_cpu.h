/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Atomic operations where no other CPU changes anything meanwhile: exact, where Eva without this takes them
 * for functions that do anything with all of the object that they are given a part of. To be included first.
 */
#pragma once

#include "tests/prove/prove.h"

#define __atomic_load_n(p, order)         (*(p))
#define __atomic_store_n(p, value, order) ((void)(*(p) = (value)))
#define __atomic_exchange_n(p, value, order)    \
    ({                                          \
        __typeof__(*(p)) before_change_ = *(p); \
                                                \
        *(p) = (value);                         \
        before_change_;                         \
    })
#define __atomic_fetch_add(p, value, order)                  \
    ({                                                       \
        __typeof__(*(p)) before_change_ = *(p);              \
                                                             \
        *(p) = (__typeof__(*(p)))(before_change_ + (value)); \
        before_change_;                                      \
    })
#define __atomic_fetch_or(p, value, order)                   \
    ({                                                       \
        __typeof__(*(p)) before_change_ = *(p);              \
                                                             \
        *(p) = (__typeof__(*(p)))(before_change_ | (value)); \
        before_change_;                                      \
    })
