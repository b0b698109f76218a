/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include "core/vm/backend.h"

extern const struct backend svm_backend;
