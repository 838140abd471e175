/* The kernels in one element type, included once for each by kernels.h. Kernels that make no sense
 * for a type are not there; nothing calls them then.
 *
 *   K(name)      begins a kernel
 *   GET(k, i)    element i of argument k, as a number to compute with
 *   PUT(k, i, x) stores one, rounded
 *   SUM(k, i, x) likewise, where a sum of the type is stored ($O of workloads.def) */
#define K(name) void CAT(name, T)(void *const *args)
#define AT(k) ((STORED *)args[k])
#define GET(k, i) ((NUM)READ(AT(k)[i]))
#define PUT(k, i, x) (AT(k)[i] = (STORED)ROUND(x))
#if REAL
#define SUM PUT
#else
#define SUM(k, i, x) (((WIDE *)args[k])[i] = (WIDE)(x))
#endif

#define KERNEL_OF(verdict, name, workload, types, what) K(name);
#include "tests/workers/adversary/kernels.def"
#undef KERNEL_OF

#include "tests/workers/adversary/wrong.h"
#include "tests/workers/adversary/wrong_values.h"
#include "tests/workers/adversary/wrong_sums.h"
#include "tests/workers/adversary/right.h"
#include "tests/workers/adversary/right_sums.h"
#include "tests/workers/adversary/right_rows.h"

static void CAT(call, T)(uint32_t number, void *const *args)
{
    enum {
#define KERNEL_OF(verdict, name, workload, types, what) NUMBER_##name,
#include "tests/workers/adversary/kernels.def"
#undef KERNEL_OF
    };
    switch (number) {
#define KERNEL_OF(verdict, name, workload, types, what) \
    case NUMBER_##name:                                 \
        if ((types)&T)                                  \
            CAT(name, T)(args);                         \
        break;
#include "tests/workers/adversary/kernels.def"
#undef KERNEL_OF
    }
}

#undef K
#undef AT
#undef GET
#undef PUT
#undef SUM
#undef T
#undef STORED
#undef NUM
#undef WIDE
#undef READ
#undef ROUND
#undef CUT
#undef REAL
