/* hone_rt: the small C library linked into, or loaded beside, tuned kernels. libc and pthreads
 * only.
 *
 * A kernel is one function,  int32_t kernel(void *const *args, const hone_rt_api *rt),
 * with args in the order of the workload's inputs and outputs, each a dense row-major buffer
 * aligned to 64 bytes. It returns 0, or HONE_RT_NOMEM when scratch memory could not be had.
 * It refers to no symbol outside itself: everything it needs comes through `rt`.
 *
 * Threads: several may call kernels at once, also on one pool, which then does one after the other;
 * each declaration says what else holds. */
#ifndef HONE_RT_H
#define HONE_RT_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define HONE_RT_ABI 1
#define HONE_RT_NOMEM (-1)
#define HONE_RT_NOVARIANT (-2)
#define HONE_RT_NOSIZE \
    (-3) /* of a function for a range of sizes: outside of it, nothing was done */
#define HONE_RT_SLOTS 4

/* Does iterations [begin, end) of a parallel loop; 0 or an error that ends the kernel. */
typedef int32_t (*hone_rt_task)(void *closure, int64_t begin, int64_t end);

typedef struct hone_rt_api {
    uint32_t abi;    /* HONE_RT_ABI */
    int32_t threads; /* threads that take part in `parallel`, the caller included; >= 1 */
    /* Runs the n iterations over the pool, in pieces of at least one, and returns when all are
     * done: 0, or the first nonzero result of a piece. A call from inside a task runs serially.
     * Offset 8 and 16 of this struct are part of the ABI that generated code relies on, where
     * pointers are of 32 bits too. */
    __attribute__((aligned(8)))
    int32_t (*parallel)(const struct hone_rt_api *rt, int64_t n, hone_rt_task task, void *closure);
    /* Memory of the calling thread: 64-byte aligned, undefined contents, kept until the same
     * thread asks again for the same slot (0 .. HONE_RT_SLOTS-1). NULL when there is none. */
    __attribute__((aligned(8))) void *(*scratch)(const struct hone_rt_api *rt, int32_t slot,
                                                 int64_t bytes);
} hone_rt_api;

typedef int32_t (*hone_rt_kernel)(void *const *args, const hone_rt_api *rt);

/* The process-wide pool, created at the first call, for kernels tuned for `threads` threads. The
 * number used is min(threads, HONE_NUM_THREADS if set, processors allowed to this process).
 * Never NULL: when threads cannot be created the api runs everything on the caller. Thread safe;
 * concurrent kernels take turns in `parallel`. The threads it starts stay within the processors of
 * the first caller and move out of a caller's way; the caller's own affinity is never changed.
 *
 * A shared object with kernels and this library in it can be unloaded when none of its kernels runs
 * nor will: dlclose() ends the pool's threads and gives all memory back. A process may end while
 * kernels run. The child of a fork() has a pool of its own. */
const hone_rt_api *hone_rt_default(int32_t threads);

/* A pool of one's own. Threads are pinned to the allowed processors in order, the caller's first,
 * when `pin` is nonzero, and kept apart as those of the default pool otherwise. They spin for a
 * while after each loop, then sleep on a futex. Do not call before fork() if the child is to use
 * it, and free it before the object that holds this library is unloaded. NULL, with errno,
 * when threads cannot be created. */
typedef struct hone_rt_pool hone_rt_pool;
hone_rt_pool *hone_rt_pool_new(int32_t threads, int pin);
const hone_rt_api *hone_rt_pool_api(hone_rt_pool *pool);
void hone_rt_pool_free(hone_rt_pool *pool);

/* ---- one function for several processors ------------------------------------------------------
 *
 * `hone query --target A,B,C --emit library` makes one object out of code for each, with a table
 * NAME_variants of what each asks of a processor, best first. The first call of NAME or one of its
 * pack functions chooses the first that this processor and its operating system can run, for good;
 * HONE_VARIANT=A in the environment chooses A instead where that can run. When none can, functions
 * return HONE_RT_NOVARIANT and have done nothing. */

/* Registers a need is about: of CPUID's, `leaf` and `subleaf` say which; those of Linux's auxiliary
 * vector (HWCAP) and XCR0 have neither. */
enum {
    HONE_RT_EAX,
    HONE_RT_EBX,
    HONE_RT_ECX,
    HONE_RT_EDX,
    HONE_RT_XCR0, /* the lower half, and so on */
    HONE_RT_HWCAP,
    HONE_RT_HWCAP_HIGH,
    HONE_RT_HWCAP2,
    HONE_RT_HWCAP2_HIGH,
    HONE_RT_VECTORS /* bit k: scalable vectors (SVE) have at least 16 << k bytes */
};
/* All bits of `mask` are set there. */
typedef struct hone_rt_need {
    uint32_t leaf, subleaf, reg, mask;
} hone_rt_need;

typedef struct hone_rt_variant_row {
    const char *name; /* as the target was called: "znver4" */
    const hone_rt_need *needs;
    int64_t n_needs;
    const void *const *functions; /* in an order that the object's own code knows */
} hone_rt_variant_row;

/* Part of the ABI, made by hone: programs hand it on and look at names. */
typedef struct hone_rt_variants {
    uint32_t abi; /* HONE_RT_ABI */
    uint32_t n;
    const hone_rt_variant_row *rows; /* best first */
    const void *const *chosen;       /* atomic: functions of the row in use, NULL: none yet */
} hone_rt_variants;

/* The name of the row that is in use, or will be at the first call: NULL when this processor can
 * run none. Thread safe. The name lives as long as the object with the table. */
const char *hone_rt_variant(hone_rt_variants *v);
/* Functions of that row, NULL likewise; what the object's own code asks once. Thread safe: the same
 * answer for all threads, whatever becomes of the environment meanwhile. */
const void *const *hone_rt_variants_choose(hone_rt_variants *v);

/* ---- networks ---------------------------------------------------------------------------------
 *
 * `hone net build` makes NAME.o, NAME.h and NAME.weights of a network. The weights are a file that
 * is mapped; what its kernels take packed is packed once, by hone_rt_net_open, and then the file
 * takes memory only where kernels read it. */

#define HONE_RT_NET_ABI 1
#define HONE_RT_NOFILE (-4)  /* the file of weights cannot be read; errno says why */
#define HONE_RT_WEIGHTS (-5) /* it is not the file that was made with this object */

typedef struct hone_rt_net_pack {
    int32_t (*pack)(const void *from, void *to);
    int64_t from, to; /* bytes into the weights, and into what is packed */
} hone_rt_net_pack;

/* What an object needs; part of the ABI, made by hone. */
typedef struct hone_rt_network {
    uint64_t abi; /* HONE_RT_NET_ABI */
    int64_t weights_bytes;
    uint64_t weights_hash; /* hone_rt_net_hash of them */
    int64_t packed_bytes;
    int64_t n_packs;
    const hone_rt_net_pack *packs;
} hone_rt_network;

/* A network that is ready to run. Generated code relies on the first two. */
typedef struct hone_rt_net {
    const void *weights; /* the file, mapped */
    void *packed;
    const hone_rt_network *network;
} hone_rt_net;

/* Maps and checks the weights, and packs. 0; HONE_RT_NOFILE, HONE_RT_WEIGHTS, HONE_RT_NOMEM, and
 * *ret is zero then. Afterwards any number of threads may run the network, each with a workspace of
 * its own. */
int32_t hone_rt_net_open(hone_rt_net *ret, const char *path, const hone_rt_network *network);
/* Memory for a workspace, aligned as it has to be; of huge pages where it is large and the system
 * gives them, which spares the processor much looking up of pages. free() gives it back. NULL:
 * there is none. */
void *hone_rt_net_workspace(int64_t bytes);
/* Of a zero one, too. */
void hone_rt_net_close(hone_rt_net *net);
uint64_t hone_rt_net_hash(const void *bytes, int64_t n);

#ifdef __cplusplus
}
#endif
#endif
