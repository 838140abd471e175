/* Guarded buffers, and the data sets made of them.
 *
 * Everything a child touches exists before the fork, at the same address in both processes. Inputs
 * are private read-only maps of a file that has no writer left: a child that makes its map writable
 * (seccomp cannot tell addresses) writes a copy of its own. Outputs are shared, so that the nursery
 * compares what the kernel wrote. Expected outputs do not exist in children at all. */
#include "workers/device/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

/* Inaccessible on both sides: far enough for most overruns by a row, and costs no memory. */
#define GUARD ((size_t)1 << 20)

static size_t round_up(size_t n, size_t to)
{
    return (n + to - 1) / to * to;
}

/* ---- buffers ------------------------------------------------------------------------------- */

/* Addresses for the buffer, and a file with its memory. fallocate rather than MAP_POPULATE: it says
 * so when there is not enough, where a map would raise SIGBUS at some later access. */
static hone_status reserve(size_t bytes, hone_device__side side, hone_device__buffer *ret,
                           int *ret_fd, hone_error *err)
{
    hone_device__buffer b = {.bytes = bytes};
    size_t rounded = round_up(bytes ? bytes : 1, 64);
    b.body_bytes = round_up(rounded, (size_t)sysconf(_SC_PAGESIZE));
    b.map_bytes = b.body_bytes + 2 * GUARD;
    int fd = memfd_create("hone-data", MFD_CLOEXEC);
    if (fd < 0 || ftruncate(fd, (off_t)b.body_bytes) != 0 ||
        fallocate(fd, 0, 0, (off_t)b.body_bytes) != 0 ||
        (b.map = mmap(NULL, b.map_bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1,
                      0)) == MAP_FAILED) {
        int e = errno; /* ENOSPC here is no disk that is full */
        hone_status s = hone_fail(err, e == EFBIG ? HONE_E_LIMIT : HONE_E_NOMEM,
                                  "cannot get %zu bytes for the data of a kernel: %s%s",
                                  b.body_bytes, strerror(e), e == EFBIG ? " (ulimit -f)" : "");
        if (fd >= 0)
            close(fd);
        return s;
    }
    b.body = b.map + GUARD;
    b.data = side == HONE_DEVICE__AT_START ? b.body : b.body + b.body_bytes - rounded;
    *ret = b;
    *ret_fd = fd;
    return HONE_OK;
}

static hone_status map_body(hone_device__buffer *b, int fd, int protection, int flags,
                            hone_error *err)
{
    void *p = mmap(b->body, b->body_bytes, protection, flags | MAP_FIXED | MAP_POPULATE, fd, 0);
    hone_status s = HONE_OK;
    if (p == MAP_FAILED) {
        s = hone_fail_errno(err, HONE_E_NOMEM, "cannot map %zu bytes", b->body_bytes);
        hone_device__buffer_free(b);
    }
    close(fd);
    return s;
}

hone_status hone_device__buffer_new(size_t bytes, hone_device__side side, hone_device__buffer *ret,
                                    hone_error *err)
{
    int fd;
    hone_status s = reserve(bytes, side, ret, &fd, err);
    return s == HONE_OK ? map_body(ret, fd, PROT_READ | PROT_WRITE, MAP_SHARED, err) : s;
}

hone_status hone_device__buffer_new_input(hone_device__kind kind, const hone_arg *a, uint64_t seed,
                                          hone_device__side side, hone_device__buffer *ret,
                                          hone_error *err)
{
    int fd;
    hone_status s =
        reserve((size_t)a->count * hone_device__elem_size(a->elem), side, ret, &fd, err);
    if (s != HONE_OK)
        return s;
    uint8_t *p = mmap(NULL, ret->body_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (p == MAP_FAILED) {
        s = hone_fail_errno(err, HONE_E_NOMEM, "cannot map %zu bytes", ret->body_bytes);
        hone_device__buffer_free(ret);
        close(fd);
        return s;
    }
    hone_device__fill(kind, a, p + (ret->data - ret->body), seed);
    munmap(p, ret->body_bytes);
    return map_body(ret, fd, PROT_READ, MAP_PRIVATE, err);
}

void hone_device__buffer_free(hone_device__buffer *b)
{
    if (b->map)
        munmap(b->map, b->map_bytes);
    *b = (hone_device__buffer){0};
}

static uint8_t *data_end(const hone_device__buffer *b)
{
    return b->data + b->bytes;
}

void hone_device__buffer_set_canary(hone_device__buffer *b)
{
    memset(b->body, HONE_DEVICE__CANARY, (size_t)(b->data - b->body));
    memset(data_end(b), HONE_DEVICE__CANARY, (size_t)(b->body + b->body_bytes - data_end(b)));
}

bool hone_device__buffer_overrun(const hone_device__buffer *b, int64_t *ret)
{
    for (const uint8_t *p = data_end(b); p < b->body + b->body_bytes; p++) {
        if (*p != HONE_DEVICE__CANARY) {
            *ret = p - b->data;
            return true;
        }
    }
    for (const uint8_t *p = b->data; p > b->body; p--) {
        if (p[-1] != HONE_DEVICE__CANARY) {
            *ret = p - 1 - b->data;
            return true;
        }
    }
    return false;
}

/* ---- data sets ----------------------------------------------------------------------------- */

bool hone_device__same_args(const hone_manifest *a, const hone_manifest *b)
{
    if (a->n_args != b->n_args)
        return false;
    for (uint32_t i = 0; i < a->n_args; i++)
        if (a->args[i].elem != b->args[i].elem || !a->args[i].is_output != !b->args[i].is_output ||
            a->args[i].count != b->args[i].count)
            return false;
    return true;
}

static void drop(hone_device__dataset *d)
{
    for (uint32_t i = 0; i < d->n_args; i++)
        hone_device__buffer_free(&d->args[i]);
    if (d->expected_map)
        munmap(d->expected_map, d->expected_bytes);
    *d = (hone_device__dataset){0};
}

static size_t arg_bytes(const hone_arg *a)
{
    return (size_t)a->count * hone_device__elem_size(a->elem);
}

/* Bytes of what the oracle says, each part on a cache line of its own. */
static size_t expected_bytes(const hone_manifest *oracle, const hone_manifest *kernel,
                             const hone_device__layout *l)
{
    size_t bytes = 64;
    for (uint32_t i = 0; i < kernel->n_args; i++) {
        if (!kernel->args[i].is_output)
            continue;
        bytes += round_up(arg_bytes(&oracle->args[l->args[i].value]), 64);
        if (l->args[i].error >= 0)
            bytes += round_up(arg_bytes(&oracle->args[l->args[i].error]), 64);
    }
    return bytes;
}

/* Room for what the oracle says, in one map that forks leave out. */
static hone_status make_expected(hone_device__dataset *d, const hone_manifest *kernel,
                                 const hone_manifest *oracle, const hone_device__layout *l,
                                 hone_error *err)
{
    d->expected_bytes = expected_bytes(oracle, kernel, l);
    void *p =
        mmap(NULL, d->expected_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED)
        return hone_fail_errno(err, HONE_E_NOMEM, "cannot get %zu bytes for expected outputs",
                               d->expected_bytes);
    d->expected_map = p;
    if (madvise(p, d->expected_bytes, MADV_DONTFORK) != 0)
        return hone_fail_errno(err, HONE_E_SANDBOX, "cannot hide the expected outputs");
    uint8_t *at = p;
    for (uint32_t i = 0; i < kernel->n_args; i++) {
        if (!kernel->args[i].is_output)
            continue;
        const hone_arg *value = &oracle->args[l->args[i].value];
        d->expected[i] = (hone_device__expected){.elem = value->elem, .value = at};
        at += round_up(arg_bytes(value), 64);
        if (l->args[i].error < 0)
            continue;
        d->expected[i].error = (double *)(void *)at;
        at += round_up(arg_bytes(&oracle->args[l->args[i].error]), 64);
    }
    return HONE_OK;
}

static hone_status make(hone_device__dataset *d, const hone_manifest *m, uint64_t seed,
                        hone_error *err)
{
    hone_status s = HONE_OK;
    for (uint32_t i = 0; i < m->n_args && s == HONE_OK; i++) {
        const hone_arg *a = &m->args[i];
        if (a->is_output)
            s = hone_device__buffer_new(arg_bytes(a), d->side, &d->args[i], err);
        else
            s = hone_device__buffer_new_input(d->kind, a, hone_hash_mix(seed, i), d->side,
                                              &d->args[i], err);
    }
    return s;
}

/* Frees the oldest sets of other jobs until a slot is free and all together stay below `most`. */
static hone_device__dataset *make_room(hone_device__cache *c, uint64_t bytes, uint64_t most)
{
    for (;;) {
        hone_device__dataset *free_slot = NULL, *oldest = NULL;
        uint64_t total = bytes;
        for (size_t i = 0; i < HONE_DEVICE__DATASETS; i++) {
            hone_device__dataset *d = &c->sets[i];
            total += d->bytes;
            if (d->n_args == 0)
                free_slot = d;
            else if (d->used != c->job && (!oldest || d->used < oldest->used))
                oldest = d;
        }
        if (free_slot && (total <= most || !oldest))
            return free_slot;
        drop(oldest);
    }
}

static uint64_t key_of(const hone_device__data_id *id)
{
    const hone_manifest *m = id->kernel, *o = id->oracle;
    uint64_t key = hone_hash_mix(hone_hash_mix(id->seed, m->n_args), (uint64_t)id->kind);
    for (uint32_t i = 0; i < m->n_args; i++) {
        key = hone_hash_mix(key, (uint64_t)m->args[i].elem << 8 | m->args[i].is_output);
        key = hone_hash_mix(key, (uint64_t)m->args[i].count);
        key = hone_hash_bytes(key, &m->args[i].lo, sizeof m->args[i].lo);
        key = hone_hash_bytes(key, &m->args[i].hi, sizeof m->args[i].hi);
    }
    for (uint32_t i = 0; i < o->n_args; i++) /* the room for what it says */
        key = hone_hash_mix(key, (uint64_t)o->args[i].count << 8 | o->args[i].elem);
    return key;
}

static bool is_set(const hone_device__dataset *d, const hone_device__data_id *id)
{
    return d->n_args == id->kernel->n_args && d->key == key_of(id);
}

void hone_device__cache_begin(hone_device__cache *c)
{
    c->job++;
}

bool hone_device__cache_has(const hone_device__cache *c, const hone_device__data_id *id)
{
    for (size_t i = 0; i < HONE_DEVICE__DATASETS; i++)
        if (is_set(&c->sets[i], id))
            return true;
    return false;
}

uint64_t hone_device__cache_others(const hone_device__cache *c, const hone_device__data_id *id)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < HONE_DEVICE__DATASETS; i++)
        sum += is_set(&c->sets[i], id) || c->sets[i].used == c->job ? 0 : c->sets[i].bytes;
    return sum;
}

void hone_device__cache_drop_others(hone_device__cache *c, const hone_device__data_id *id)
{
    for (size_t i = 0; i < HONE_DEVICE__DATASETS; i++)
        if (!is_set(&c->sets[i], id) && c->sets[i].used != c->job)
            drop(&c->sets[i]);
}

hone_status hone_device__cache_get(hone_device__cache *c, const hone_device__data_id *id,
                                   uint64_t most_bytes, hone_device__dataset **ret, hone_error *err)
{
    hone_device__layout l;
    hone_status s = hone_device__layout_of(id->kernel, id->oracle, &l, err);
    if (s != HONE_OK)
        return s;
    for (size_t i = 0; i < HONE_DEVICE__DATASETS; i++) {
        if (is_set(&c->sets[i], id)) {
            c->sets[i].used = c->job;
            *ret = &c->sets[i];
            return HONE_OK;
        }
    }
    uint64_t bytes = expected_bytes(id->oracle, id->kernel, &l);
    for (uint32_t i = 0; i < id->kernel->n_args; i++)
        bytes += arg_bytes(&id->kernel->args[i]);
    hone_device__dataset *d = make_room(c, bytes, most_bytes);
    *d = (hone_device__dataset){.key = key_of(id),
                                .used = c->job,
                                .bytes = bytes,
                                .kind = id->kind,
                                .side = id->kind % 2 ? HONE_DEVICE__AT_START : HONE_DEVICE__AT_END,
                                .n_args = id->kernel->n_args};
    s = make_expected(d, id->kernel, id->oracle, &l, err);
    if (s == HONE_OK)
        s = make(d, id->kernel, id->seed, err);
    if (s != HONE_OK) {
        drop(d);
        return s;
    }
    *ret = d;
    return HONE_OK;
}
