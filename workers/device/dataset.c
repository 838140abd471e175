/* Data sets, and their cache.
 *
 * Data sets of the same arguments have their turn in the same guarded pages, each at one end of
 * them: the first touch of a page costs a new process more than a kernel needs for it. What inputs
 * hold is kept aside, and expected outputs are; neither exists in children at all. */
#include "workers/device/internal.h"

#include <sys/mman.h>

static size_t round_up(size_t n, size_t to)
{
    return (n + to - 1) / to * to;
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

static size_t arg_bytes(const hone_arg *a)
{
    return (size_t)a->count * hone_device__elem_size(a->elem);
}

hone_device__side hone_device__side_of(hone_device__kind kind)
{
    return kind % 2 ? HONE_DEVICE__AT_START : HONE_DEVICE__AT_END;
}

/* ---- pages --------------------------------------------------------------------------------- */

static uint64_t pages_key(const hone_manifest *m)
{
    uint64_t key = m->n_args;
    for (uint32_t i = 0; i < m->n_args; i++) {
        key = hone_hash_mix(key, (uint64_t)m->args[i].elem << 8 | m->args[i].is_output);
        key = hone_hash_mix(key, (uint64_t)m->args[i].count);
    }
    return key;
}

static void leave_pages(hone_device__pages *p)
{
    if (!p || --p->users > 0)
        return;
    for (uint32_t i = 0; i < p->n_args; i++)
        hone_device__buffer_free(&p->args[i]);
    free(p);
}

/* Those that a data set of the same arguments has, or new ones. */
static hone_status join_pages(const hone_device__cache *c, const hone_manifest *m,
                              hone_device__pages **ret, hone_error *err)
{
    uint64_t key = pages_key(m);
    for (size_t i = 0; i < HONE_DEVICE__DATASETS; i++) {
        hone_device__pages *p = c->sets[i] ? c->sets[i]->pages : NULL;
        if (p && p->key == key && p->n_args == m->n_args) {
            p->users++;
            *ret = p;
            return HONE_OK;
        }
    }
    hone_device__pages *p = hone_xcalloc(1, sizeof *p);
    *p = (hone_device__pages){.key = key, .job = c->job, .users = 1, .n_args = m->n_args};
    hone_status s = HONE_OK;
    for (uint32_t i = 0; i < m->n_args && s == HONE_OK; i++)
        s = hone_device__buffer_new(arg_bytes(&m->args[i]), !m->args[i].is_output, &p->args[i],
                                    err);
    if (s == HONE_OK)
        *ret = p;
    else
        leave_pages(p);
    return s;
}

/* Each job has other pages, if they are not too many to matter, or to have twice. Which ones a
 * kernel works on moves what fits a cache just so by some percent. Were they a session's for good,
 * it would find what is fast on these, and no number of processes would show it. */
#define MOST_RENEWED ((size_t)64 << 20)
static hone_status renew_pages(hone_device__pages *p, uint64_t job, uint64_t most_bytes,
                               hone_error *err)
{
    size_t bytes = 0;
    for (uint32_t i = 0; i < p->n_args; i++)
        bytes += p->args[i].body_bytes;
    if (p->job == job || bytes > MOST_RENEWED || bytes > most_bytes)
        return HONE_OK;
    p->job = job;
    p->holds = NULL;
    for (uint32_t i = 0; i < p->n_args; i++)
        HONE_TRY(hone_device__buffer_renew(&p->args[i], err));
    return HONE_OK;
}

void hone_device__dataset_turn(hone_device__dataset *d)
{
    if (!d->pages || d->pages->holds == d)
        return;
    const uint8_t *from = d->inputs;
    for (uint32_t i = 0; i < d->n_args; i++) {
        const hone_device__buffer *b = &d->args[i];
        if (!b->writer)
            continue;
        size_t before = (size_t)(b->data - b->body), end = before + b->bytes;
        memset(b->writer, HONE_DEVICE__CANARY, before);
        memcpy(b->writer + before, from, b->bytes);
        memset(b->writer + end, HONE_DEVICE__CANARY, b->body_bytes - end);
        from += round_up(b->bytes, 64);
    }
    d->pages->holds = d;
}

/* ---- contents ------------------------------------------------------------------------------ */

/* The set in a slot, if there is one. */
static void drop(hone_device__dataset **slot)
{
    hone_device__dataset *d = *slot;
    if (!d)
        return;
    if (d->pages && d->pages->holds == d)
        d->pages->holds = NULL;
    leave_pages(d->pages);
    if (d->inputs)
        munmap(d->inputs, d->inputs_bytes);
    if (d->expected_map)
        munmap(d->expected_map, d->expected_bytes);
    free(d);
    *slot = NULL;
}

/* A map that forks leave out. */
static hone_status map_hidden(size_t bytes, const char *what, void **ret, hone_error *err)
{
    void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED)
        return hone_fail_errno(err, HONE_E_NOMEM, "cannot get %zu bytes for %s", bytes, what);
    *ret = p;
    if (madvise(p, bytes, MADV_DONTFORK) != 0)
        return hone_fail_errno(err, HONE_E_SANDBOX, "cannot hide %s", what);
    return HONE_OK;
}

static size_t input_bytes(const hone_manifest *m)
{
    size_t bytes = 64;
    for (uint32_t i = 0; i < m->n_args; i++)
        if (!m->args[i].is_output)
            bytes += round_up(arg_bytes(&m->args[i]), 64);
    return bytes;
}

static hone_status make_inputs(hone_device__dataset *d, const hone_manifest *m, uint64_t seed,
                               hone_error *err)
{
    d->inputs_bytes = input_bytes(m);
    hone_status s = map_hidden(d->inputs_bytes, "inputs", &d->inputs, err);
    uint8_t *at = d->inputs;
    for (uint32_t i = 0; i < m->n_args && s == HONE_OK; i++) {
        if (m->args[i].is_output)
            continue;
        hone_device__fill(d->kind, &m->args[i], at, hone_hash_mix(seed, i));
        at += round_up(arg_bytes(&m->args[i]), 64);
    }
    return s;
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
    hone_status s = map_hidden(d->expected_bytes, "expected outputs", &d->expected_map, err);
    if (s != HONE_OK)
        return s;
    uint8_t *at = d->expected_map;
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

/* In one end of the pages. */
static hone_status make(hone_device__cache *c, hone_device__dataset *d,
                        const hone_device__data_id *id, hone_error *err)
{
    const hone_manifest *m = id->kernel;
    hone_status s = join_pages(c, m, &d->pages, err);
    if (s != HONE_OK)
        return s;
    for (uint32_t i = 0; i < m->n_args; i++) {
        d->args[i] = d->pages->args[i];
        hone_device__buffer_place(&d->args[i], hone_device__side_of(d->kind));
    }
    return make_inputs(d, m, id->seed, err);
}

/* ---- cache --------------------------------------------------------------------------------- */

/* Frees the oldest sets of other jobs until a slot is free and all together stay below `most`. */
static hone_device__dataset **make_room(hone_device__cache *c, uint64_t bytes, uint64_t most)
{
    for (;;) {
        hone_device__dataset **free_slot = NULL, **oldest = NULL;
        uint64_t total = bytes;
        for (size_t i = 0; i < HONE_DEVICE__DATASETS; i++) {
            hone_device__dataset **d = &c->sets[i];
            total += *d ? (*d)->bytes : 0;
            if (!*d)
                free_slot = d;
            else if ((*d)->used != c->job && (!oldest || (*d)->used < (*oldest)->used))
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
    uint64_t key = hone_hash_mix(hone_hash_mix(id->seed, pages_key(m)), (uint64_t)id->kind);
    for (uint32_t i = 0; i < m->n_args; i++) {
        key = hone_hash_bytes(key, &m->args[i].lo, sizeof m->args[i].lo);
        key = hone_hash_bytes(key, &m->args[i].hi, sizeof m->args[i].hi);
    }
    for (uint32_t i = 0; i < o->n_args; i++) /* the room for what it says */
        key = hone_hash_mix(key, (uint64_t)o->args[i].count << 8 | o->args[i].elem);
    return key;
}

/* The slot of this set; NULL: there is none. */
static hone_device__dataset *const *find(const hone_device__cache *c,
                                         const hone_device__data_id *id)
{
    uint64_t key = key_of(id);
    for (size_t i = 0; i < HONE_DEVICE__DATASETS; i++) {
        const hone_device__dataset *d = c->sets[i];
        if (d && d->n_args == id->kernel->n_args && d->key == key)
            return &c->sets[i];
    }
    return NULL;
}

/* Is in this slot one that is another job's, and not `self`? */
static bool is_other(const hone_device__cache *c, size_t i, hone_device__dataset *const *self)
{
    return c->sets[i] && c->sets[i]->used != c->job && &c->sets[i] != self;
}

void hone_device__cache_begin(hone_device__cache *c)
{
    c->job++;
}

bool hone_device__cache_has(const hone_device__cache *c, const hone_device__data_id *id)
{
    return find(c, id) != NULL;
}

/* The sets that have their turns in these pages. */
static void drop_all_in(hone_device__cache *c, const hone_device__pages *p)
{
    for (size_t i = 0; i < HONE_DEVICE__DATASETS; i++)
        if (c->sets[i] && c->sets[i]->pages == p)
            drop(&c->sets[i]);
}

uint64_t hone_device__cache_others(const hone_device__cache *c, const hone_device__data_id *id)
{
    hone_device__dataset *const *self = find(c, id);
    uint64_t sum = 0;
    for (size_t i = 0; i < HONE_DEVICE__DATASETS; i++)
        sum += is_other(c, i, self) ? c->sets[i]->bytes : 0;
    return sum;
}

void hone_device__cache_drop_others(hone_device__cache *c, const hone_device__data_id *id)
{
    hone_device__dataset *const *self = find(c, id);
    for (size_t i = 0; i < HONE_DEVICE__DATASETS; i++)
        if (is_other(c, i, self))
            drop(&c->sets[i]);
}

hone_status hone_device__cache_get(hone_device__cache *c, const hone_device__data_id *id,
                                   uint64_t most_bytes, hone_device__dataset **ret, hone_error *err)
{
    hone_device__layout l;
    hone_status s = hone_device__layout_of(id->kernel, id->oracle, &l, err);
    if (s != HONE_OK)
        return s;
    hone_device__dataset *const *there = find(c, id);
    if (there) {
        (*there)->used = c->job;
        *ret = *there;
        s = renew_pages((*there)->pages, c->job, most_bytes, err);
        if (s != HONE_OK)
            drop_all_in(c, (*there)->pages);
        return s;
    }
    uint64_t bytes = expected_bytes(id->oracle, id->kernel, &l) + input_bytes(id->kernel);
    for (uint32_t i = 0; i < id->kernel->n_args; i++) /* of the pages, its share */
        bytes += arg_bytes(&id->kernel->args[i]) / HONE_DEVICE__KINDS;
    hone_device__dataset **slot = make_room(c, bytes, most_bytes);
    hone_device__dataset *d = *slot = hone_xmalloc(sizeof *d);
    *d = (hone_device__dataset){.key = key_of(id),
                                .used = c->job,
                                .bytes = bytes,
                                .kind = id->kind,
                                .n_args = id->kernel->n_args};
    s = make_expected(d, id->kernel, id->oracle, &l, err);
    if (s == HONE_OK)
        s = make(c, d, id, err);
    if (s != HONE_OK) {
        drop(slot);
        return s;
    }
    *ret = d;
    return HONE_OK;
}
