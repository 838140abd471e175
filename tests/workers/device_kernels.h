/* Compiles kernels from C text into artifacts, and runs them through a nursery. */
#ifndef HONE_TESTS_DEVICE_KERNELS_H
#define HONE_TESTS_DEVICE_KERNELS_H

#include "workers/device/internal.h"

#include <fcntl.h>
#include <math.h>
#include <unistd.h>

#define PLAIN "-nostdlib"

/* ThreadSanitizer's runtime makes system calls of its own in every process. */
#ifdef __SANITIZE_THREAD__
#define SANDBOX false
#else
#define SANDBOX true
#endif

/* The kernel's surroundings: its arguments by position and what it may use. */
static const char prologue[] =
    "#include \"runtime/hone_rt.h\"\n"
    "#define EXPORT __attribute__((visibility(\"default\")))\n"
    "#define KERNEL EXPORT int32_t hone_kernel(void *const *args, const hone_rt_api *rt)\n"
    "#define PACK EXPORT int32_t hone_pack(void *const *from, void *const *to, "
    "const hone_rt_api *rt)\n"
    "#define F32(i) ((float *)args[i])\n";

/* Fails the test when the compiler does. */
static inline void compile(const char *text, const char *flags, char **ret, size_t *ret_n)
{
    static int serial;
    char *base = hone_xasprintf("%s/device-%ld-%d", P_tmpdir, (long)getpid(), serial++);
    char *c = hone_xasprintf("%s.c", base), *so = hone_xasprintf("%s.so", base);
    hone_buf b = {0};
    hone_buf_puts(&b, prologue);
    hone_buf_puts(&b, text);
    assert_int_equal(hone_file_write(c, b.s, b.n, NULL), HONE_OK);
    char *command = hone_xasprintf(
        "cc -shared -fPIC -O1 -fvisibility=hidden -fno-stack-protector -Wl,--build-id=none "
        "-fno-tree-loop-distribute-patterns -I'%s' %s -o '%s' '%s'",
        HONE_SOURCE_DIR, flags, so, c);
    if (system(command) != 0)
        fail_msg("the compiler refused:\n%s", text);
    assert_int_equal(hone_file_read(so, 1 << 24, ret, ret_n, NULL), HONE_OK);
    unlink(c);
    unlink(so);
    free(command);
    free(c);
    free(so);
    free(base);
    hone_buf_free(&b);
}

/* The manifest's arguments are its own from here on, with room for one more. They stay until the
 * program ends. */
static inline void own_args(hone_manifest *m)
{
    static HONE_VEC(hone_arg *) all;
    hone_arg *args = hone_xcalloc(m->n_args + 1, sizeof *args);
    if (m->n_args)
        memcpy(args, m->args, m->n_args * sizeof *args);
    m->args = args;
    hone_vec_push(&all, args);
}

static inline void add_arg(hone_manifest *m, const char *name, hone_elem elem, bool output,
                           int64_t count)
{
    own_args(m);
    hone_arg *a = &m->args[m->n_args++];
    snprintf(a->name, sizeof a->name, "%s", name);
    a->elem = (uint8_t)elem;
    a->is_output = output;
    a->count = count;
}

static inline hone_artifact artifact(const hone_manifest *m, const char *text)
{
    hone_artifact a = {0};
    char *bytes;
    hone_manifest_copy(&a.manifest, m);
    compile(text, PLAIN, &bytes, &a.n);
    a.bytes = (uint8_t *)bytes;
    a.hash = hone_hash_bytes(0, a.bytes, a.n);
    return a;
}

static inline hone_measure_job plain_job(const hone_artifact *candidate,
                                         const hone_artifact *reference)
{
    return (hone_measure_job){.id = 1,
                              .candidate = candidate,
                              .reference = reference,
                              .threads = 1,
                              .data_seed = 7,
                              .tolerance = 1e-5,
                              .check_ms = 20000,
                              .run_ms = 20000,
                              .min_samples = 3,
                              .max_samples = 5,
                              .sample_ns = 20000};
}

static inline hone_status run_job(hone_nursery *n, const hone_measure_job *job,
                                  hone_measure_result *ret, hone_error *err)
{
    memset(ret, 0, sizeof *ret);
    hone_error_clear(err);
    hone_status s = hone_nursery_send(n, job, err);
    return s == HONE_OK ? hone_nursery_receive(n, ret, err) : s;
}

#define assert_status(got, want, err)                                                        \
    do {                                                                                     \
        hone_status got_ = (got);                                                            \
        if (got_ != (want))                                                                  \
            fail_msg("%s instead of %s: %s", hone_status_name(got_), hone_status_name(want), \
                     (err)->message);                                                        \
    } while (0)

#define assert_says(err, part)                                        \
    do {                                                              \
        if (!strstr((err)->message, (part)))                          \
            fail_msg("'%s' does not say '%s'", (err)->message, part); \
    } while (0)

#endif
