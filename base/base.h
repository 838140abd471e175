/* base: what every room stands on. Status table and error record, growable arrays, text buffer,
 * rng, hash, log, clock, file and JSON glue, fault injection. Uses libc and jansson only.
 *
 * Memory: an allocation that fails ends the process with one line on stderr and exit code 1
 * (docs/RATIONALE.md, "Out of memory"). Everything acknowledged is durable in the database by then.
 *
 * Threads: what is handed in (arrays, texts, generators, error records) belongs to one thread at a
 * time; log, clocks and fault injection may be used by all at once. */
#ifndef HONE_BASE_H
#define HONE_BASE_H

#include <inttypes.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HONE_PRINTF(f, a) __attribute__((format(printf, f, a)))
#define HONE_NODISCARD __attribute__((warn_unused_result))
#define HONE_LEN(a) (sizeof(a) / sizeof((a)[0]))

/* ---- status ------------------------------------------------------------------------------- */

typedef enum hone_status {
#define HONE_STATUS(name, kind, code, text) HONE_##name,
#include "base/status.def"
#undef HONE_STATUS
    HONE_STATUS_COUNT
} hone_status;

/* "REJECT_SPLIT" for HONE_REJECT_SPLIT; "?" outside the table. Static storage. */
const char *hone_status_name(hone_status s);
/* The table's sentence. Static storage. */
const char *hone_status_text(hone_status s);
/* The status named so, or HONE_STATUS_COUNT. */
hone_status hone_status_parse(const char *name);
/* True for the HONE_REJECT_* family: an outcome to be counted and stored, not a failure. */
bool hone_status_is_reject(hone_status s);
/* Exit code of a command ended by this status: 0 good, 1 failed, 2 bad input, 3 not found,
 * 4 a lock file is out of date. */
int hone_status_exit_code(hone_status s);

/* ---- error record -------------------------------------------------------------------------- */

/* Caller-owned. Every function that can fail takes one last, and NULL means "format nothing". */
typedef struct hone_error {
    hone_status status;
    int sys;            /* errno, or 0 */
    int line, column;   /* 1-based position in the input at fault, or 0 */
    char where[160];    /* file, endpoint or object at fault; "" if none */
    char message[1024]; /* one or more lines, no trailing newline */
} hone_error;

/* Fills *err (if any) and returns s, so `return hone_fail(err, HONE_E_IO, "...")` reads well. */
hone_status hone_fail(hone_error *err, hone_status s, const char *fmt, ...) HONE_PRINTF(3, 4);
/* As hone_fail, with errno's text appended and ENOSPC/EDQUOT mapped to HONE_E_FULL. */
hone_status hone_fail_errno(hone_error *err, hone_status s, const char *fmt, ...) HONE_PRINTF(3, 4);
void hone_error_clear(hone_error *err);

/* Passes on any status that is not HONE_OK. */
#define HONE_TRY(call)               \
    do {                             \
        hone_status try_s_ = (call); \
        if (try_s_ != HONE_OK)       \
            return try_s_;           \
    } while (0)

/* A bug: prints and aborts, in every build. */
#define HONE_ASSERT(c) ((c) ? (void)0 : hone_bug(__FILE__, __LINE__, #c))
_Noreturn void hone_bug(const char *file, int line, const char *what);

/* ---- memory and growable arrays ------------------------------------------------------------ */

void *hone_xmalloc(size_t n);
void *hone_xcalloc(size_t n, size_t size);
void *hone_xrealloc(void *p, size_t n);
/* What was freed goes back to the system, as far as it can: after work that took much and ended, in
 * a process that rests or does other work. Takes milliseconds. */
void hone_mem_give_back(void);
/* Bytes of memory that the machine has: what wants more cannot be had, though Linux may promise it.
 */
double hone_mem_all(void);
char *hone_xstrdup(const char *s);
char *hone_xasprintf(const char *fmt, ...) HONE_PRINTF(1, 2);

/* A growable array: `HONE_VEC(int64_t) xs = {0};`. Pointers into it die on append. In the stress
 * preset (HONE_STRESS) each append moves the array, so that a stale pointer is caught by ASan. */
#define HONE_VEC(T)      \
    struct {             \
        T *v;            \
        uint32_t n, cap; \
    }
/* Makes room for `extra` more. */
#define hone_vec_reserve(x, extra) \
    ((x)->v = hone_vec_grow((x)->v, &(x)->cap, (x)->n, (uint32_t)(extra), sizeof *(x)->v))
/* Appends by value. */
#define hone_vec_push(x, ...) (hone_vec_reserve(x, 1), (x)->v[(x)->n++] = (__VA_ARGS__))
#define hone_vec_free(x) (free((x)->v), (x)->v = NULL, (x)->n = (x)->cap = 0)
/* dst becomes a copy of src, reusing dst's memory. Same element type. */
#define hone_vec_copy(dst, src)                                          \
    ((dst)->n = 0, hone_vec_reserve(dst, (src)->n), (dst)->n = (src)->n, \
     (src)->n ? (void)memcpy((dst)->v, (src)->v, (src)->n * sizeof *(src)->v) : (void)0)
void *hone_vec_grow(void *v, uint32_t *cap, uint32_t n, uint32_t extra, size_t size);

/* ---- pointers by hash ----------------------------------------------------------------------- */

/* Several pointers may have one hash, so look at what comes back. Zeroed: empty. Slots whose p is
 * not NULL are what is in it, in no order. */
typedef struct hone_map {
    struct hone_map_slot {
        uint64_t hash;
        void *p;
    } * v;
    uint32_t cap, n, used; /* used: with those that were removed */
} hone_map;
void hone_map_add(hone_map *m, uint64_t hash, void *p);
/* Nothing when it is not there. */
void hone_map_remove(hone_map *m, uint64_t hash, const void *p);
/* The next of this hash, NULL: no more; *at is 0 before the first. */
void *hone_map_next(const hone_map *m, uint64_t hash, uint32_t *at);
void hone_map_free(hone_map *m);

/* ---- text buffer --------------------------------------------------------------------------- */

/* Always NUL-terminated once anything was added; `s` may be NULL before. */
typedef struct hone_buf {
    char *s;
    size_t n, cap;
} hone_buf;
void hone_buf_add(hone_buf *b, const void *bytes, size_t n);
void hone_buf_puts(hone_buf *b, const char *s);
void hone_buf_printf(hone_buf *b, const char *fmt, ...) HONE_PRINTF(2, 3);
void hone_buf_reset(hone_buf *b);
void hone_buf_free(hone_buf *b);
/* A place in a frame, "@name@\n", and the text that takes it. */
typedef struct hone_frame_part {
    const char *name, *text;
} hone_frame_part;
/* Adds the frame with its n parts put in; they stand in it in this order. One that does not is a
 * bug. */
void hone_buf_frame(hone_buf *b, const char *frame, const hone_frame_part *parts, unsigned n);
/* The text (never NULL), now the caller's to free; the buffer is empty again. */
char *hone_buf_take(hone_buf *b);

/* The text as others can take it, caller frees: bytes that are not UTF-8 (RFC 3629), and control
 * characters, become \xHH, characters that are not seen or turn the direction of others \uHHHH or
 * \UHHHHHHHH. Names and paths may hold any. */
char *hone_text_clean(const char *s);
/* One copy of a text for all that hold it, until each has dropped it (NULL: nothing): for long ones
 * that are many times the same, as targets. Any thread. */
const char *hone_text_hold(const char *text);
void hone_text_drop(const char *text);
/* Bytes of the UTF-8 sequence that begins at s, or 0. */
size_t hone_utf8_length(const char *s);
/* How many of the first bytes of UTF-8, at most `most`, leave no part of a character. */
int hone_utf8_cut(const char *s, size_t most);
#define HONE_UTF8_CUT(s, most) hone_utf8_cut(s, most), s /* for %.*s */
/* The same of such a character, beyond ASCII, and which one it is; 0: what begins there is none. */
size_t hone_utf8_unseen(const char *s, uint32_t *ret);

/* ---- numbers -------------------------------------------------------------------------------- */

/* Division that rounds down, and what it leaves, by d > 0. */
static inline int64_t hone_floor_div(int64_t a, int64_t d)
{
    return a / d - (a % d < 0);
}
static inline int64_t hone_floor_mod(int64_t a, int64_t d)
{
    int64_t m = a % d;
    return m < 0 ? m + d : m;
}
/* The greatest common divisor of their magnitudes, which are below 2^63; that of 0 and a is a's. */
int64_t hone_gcd(int64_t a, int64_t b);
/* Ascending; none is NaN. */
void hone_sort(double *v, uint32_t n);
/* Sorts v; of an even number the mean of the middle two, of none 0. */
double hone_median(double *v, uint32_t n);

#define HONE_PAIRS_MOST 64
/* The value that a quarter of v is not above; 1 <= n <= HONE_PAIRS_MOST. */
double hone_lower_quartile(const double *v, uint32_t n);
/* Of a and b timed in turns, a[k] just before or after b[k], all > 0: ln(a/b) as the median of the
 * pairs that the machine disturbed least, and an interval that holds it, as wide as so many
 * standard errors of a sign test make it (of whatever distribution: order statistics; Conover,
 * Practical Nonparametric Statistics, 3.2). Of few pairs it is all they span; of none, everything.
 * Where that of 8 pairs or more is wider than 0.2, pairs do not tell: ln of the ratio of lower
 * quartiles. n <= HONE_PAIRS_MOST. Allocates nothing: it is called between samples. */
typedef struct hone_paired {
    double ratio, low, high; /* low <= ratio <= high */
} hone_paired;
hone_paired hone_pairs_compare(const double *a, const double *b, uint32_t n, double errors);

/* ---- random numbers ------------------------------------------------------------------------ */

/* xoshiro256** (Blackman and Vigna, 2018), seeded by splitmix64. The state is plain data. */
typedef struct hone_rng {
    uint64_t s[4];
} hone_rng;
void hone_rng_seed(hone_rng *r, uint64_t seed);
uint64_t hone_rng_u64(hone_rng *r);
/* Uniform in [0, n), n >= 1, without modulo bias. */
uint64_t hone_rng_below(hone_rng *r, uint64_t n);
/* Uniform in [0, 1). */
double hone_rng_double(hone_rng *r);

/* ---- hash ---------------------------------------------------------------------------------- */

/* 64-bit, not cryptographic, the same on every machine and in every release: it names rows. */
uint64_t hone_hash_bytes(uint64_t seed, const void *p, size_t n);
uint64_t hone_hash_mix(uint64_t h, uint64_t x);
/* 16 lower-case hex digits and NUL. */
void hone_hash_format(uint64_t h, char ret[17]);
bool hone_hash_parse(const char *s, uint64_t *ret);

/* ---- log, clock ---------------------------------------------------------------------------- */

typedef enum hone_log_level {
    HONE_LOG_ERROR,
    HONE_LOG_WARN,
    HONE_LOG_INFO,
    HONE_LOG_DEBUG,
} hone_log_level;
/* To stderr, one line, "hone: " first. Default level WARN. */
void hone_log(hone_log_level level, const char *fmt, ...) HONE_PRINTF(2, 3);
/* What stands there instead of "hone": a static text, before anything is logged. */
void hone_log_set_name(const char *program);
void hone_log_set_level(hone_log_level level);
/* Called before and after each line, to clear and redraw a progress line. May be NULL. */
void hone_log_set_hook(void (*hook)(bool before));

/* CLOCK_MONOTONIC in nanoseconds. */
int64_t hone_clock_ns(void);
/* Wall clock, milliseconds since 1970. For records shown to people, never for durations. */
int64_t hone_clock_wall_ms(void);

/* ---- files, JSON --------------------------------------------------------------------------- */

/* Whole file, NUL-terminated, caller frees. Refuses more than `max` bytes (HONE_E_LIMIT).
 * HONE_E_NOTFOUND, HONE_E_IO; HONE_E_INPUT: it is a folder. */
hone_status hone_file_read(const char *path, size_t max, char **ret, size_t *ret_n,
                           hone_error *err) HONE_NODISCARD;
/* A regular file, or a new one, is written to a temporary name in its folder, synced and renamed:
 * never a half file, and nothing left behind by a failure or a signal. Links are followed, and the
 * mode is kept. Anything else at the path, such as a device, a FIFO or /dev/stdout, is opened and
 * written to. HONE_E_IO, HONE_E_FULL. */
hone_status hone_file_write(const char *path, const void *bytes, size_t n,
                            hone_error *err) HONE_NODISCARD;
/* Several as one set, n <= HONE_FILE_SET, none of them a device or the like: after a failure the
 * old set is there, or there was none. At no moment is the last file there without the others of
 * its set. HONE_E_IO, HONE_E_FULL. */
#define HONE_FILE_SET 4
typedef struct hone_file {
    const char *path;
    const void *bytes;
    size_t n;
} hone_file;
hone_status hone_file_write_set(const hone_file *files, unsigned n, hone_error *err) HONE_NODISCARD;
/* A new file of mode 0600; refuses to replace one, or what a link points to (HONE_E_INPUT). */
hone_status hone_file_write_secret(const char *path, const void *bytes, size_t n,
                                   hone_error *err) HONE_NODISCARD;
/* All of it to an open descriptor, however often it takes; false with errno: not all. */
bool hone_write_all(int fd, const void *bytes, size_t n) HONE_NODISCARD;
/* mkdir -p. HONE_E_IO; HONE_E_INPUT: an empty name, or a part of it is no folder. */
hone_status hone_dir_make(const char *path, hone_error *err) HONE_NODISCARD;

/* All n bytes over a stream socket, without SIGPIPE; false when the other side is gone. */
bool hone_send_all(int fd, const void *bytes, size_t n);
bool hone_receive_all(int fd, void *bytes, size_t n);

/* Rejects duplicate keys, depth over jansson's limit and trailing text. HONE_E_INPUT with line
 * and column. The caller decrefs. */
hone_status hone_json_parse(const char *text, size_t n, json_t **ret,
                            hone_error *err) HONE_NODISCARD;
/* The text as a JSON string; one that is not UTF-8 as hone_text_clean makes it. */
json_t *hone_json_string(const char *text);
/* Compact, keys sorted. Caller frees. */
char *hone_json_text(const json_t *j);
/* The same as people may look at it: in strings, characters as hone_utf8_unseen finds are escaped.
 */
char *hone_json_shown(const json_t *j);

/* ---- this machine -------------------------------------------------------------------------- */

/* What stands behind ':' and blanks in the first line of a small file that begins with `key`, or
 * the whole first line when key is NULL; as much of it as fits. False: no such line, and ret is "".
 */
bool hone_file_line(const char *path, const char *key, char *ret, size_t n);
/* The processor, as people call it; where nobody does, the architecture and the part's number. */
void hone_host_processor(char *ret, size_t n);

/* ---- fault injection ----------------------------------------------------------------------- */

/* True when the named site should fail now. Sites are armed by the environment variable HONE_FAULT,
 * a list "site,site:nth,site/n": every time, the nth time only (from 1), each nth time. Counted in
 * each process. Costs one load when unset. Any thread. */
bool hone_fault(const char *site);

/* ---- limits that rooms share --------------------------------------------------------------- */

/* What one room makes or takes, all others take. Texts are counted with the 0 that ends them. */
#define HONE_MAX_TRACE_BYTES (4 << 20)     /* of a trace's text */
#define HONE_MAX_ARTIFACT_BYTES (24 << 20) /* of a built candidate */
#define HONE_MAX_ATTRS_BYTES 1536          /* of what a worker says of itself, with the NUL */
#define HONE_MAX_SAY_BYTES (256 << 10)     /* of a client's request to a service */
#define HONE_MAX_TELL_BYTES (16 << 20)     /* of the answer */
#define HONE_MAX_KERNEL_ARGS 32            /* of a kernel */
#define HONE_MAX_ARGS 128                  /* of an artifact: an oracle has more than its kernel */
#define HONE_MAX_THREADS 1024              /* of a kernel */

/* ---- version ------------------------------------------------------------------------------- */

#define HONE_VERSION "0.1.0"
/* Meaning of stored traces and of what is stored about them. Raised when an old trace would become
 * another program, or what was rejected or measured would fare otherwise. */
#define HONE_SPACE_VERSION 3

#endif
