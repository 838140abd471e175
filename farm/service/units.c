/* Units: what sessions want; and payloads, what came of it. */
#include "farm/service/internal.h"

#include <math.h>

#define KEEP_PAYLOADS 512
#define KEEP_BYTES ((size_t)64 << 20)

static bool same(const hone_farm_key *a, const hone_farm_key *b)
{
    return memcmp(a, b, sizeof *a) == 0;
}

/* ---- wants ---------------------------------------------------------------------------------- */

static void post_want(service *s, const want *w)
{
    event *e = hone_service__post(s, HONE_FARM_WANT, NULL);
    const hone_measure_job *m = &w->measure;
    e->e.want = (hone_farm_want){.job = w->job->id, .tag = w->tag, .unit = w->unit};
    e->e.want.role = w->is_build ? HONE_FARM_BUILDER : HONE_FARM_DEVICE;
    for (int i = 0; i < 3; i++)
        e->e.want.bytes += w->blobs[i] ? (int64_t)w->blobs[i]->artifact.n : 0;
    /* Of builds, and by workers of an older hone, phases are not told: all of it is "checking". The
     * second check comes after the timing. */
    e->e.want.run_ms = w->is_build ? 0 : 60000 + m->run_ms + m->check_ms;
    e->e.want.check_ms = 60000 + (w->is_build ? w->build.deadline_ms
                                              : m->reference_ms + 2 * m->check_ms + m->run_ms);
}

/* ---- measuring again
 * --------------------------------------------------------------------------- */

/* What a session measures again is another unit, or it would be given the same times again. That is
 * known of the latest gifts, twice as many as the farm keeps results: what is older it measures
 * anew. */
static gift *find_gift(const service *s, uint64_t hash)
{
    uint32_t at = 0;
    gift *g;
    while ((g = hone_map_next(&s->gift_by_hash, hash, &at)))
        if (g->hash == hash)
            return g;
    return NULL;
}

static void drop_gift(service *s, gift *g)
{
    if (g->hash)
        hone_map_remove(&s->gift_by_hash, g->hash, g);
    *g = (gift){0};
}

static void note_gift(service *s, uint64_t hash)
{
    gift *old = find_gift(s, hash);
    gift x = {hash, old ? old->n + 1 : 1};
    if (old)
        drop_gift(s, old);
    if (!s->gifts) {
        s->most_gifts = 2 * (uint32_t)s->o->limits.kept_results;
        s->gifts = hone_xcalloc(s->most_gifts, sizeof *s->gifts);
    }
    gift *g = &s->gifts[s->gift_turn++ % s->most_gifts];
    drop_gift(s, g);
    *g = x;
    hone_map_add(&s->gift_by_hash, hash, g);
}

static void name_unit(const service *s, want *w)
{
    if (w->is_build)
        return;
    w->gift = hone_hash_mix(hone_hash_mix(w->sitting, w->life),
                            hone_hash_mix(w->unit.v[0], w->unit.v[1])) |
              1;
    const gift *g = find_gift(s, w->gift);
    if (g)
        w->unit = hone_service__key_of_repetition(w->unit, g->n);
}

/* ---- wanting --------------------------------------------------------------------------------
 */

void hone_service__want(service *s, want *w)
{
    job *j = hone_service__job_in(s, w->sitting);
    if (!j) {
        hone_service__want_free(w);
        return;
    }
    w->job = j;
    w->at = j->wants.n;
    name_unit(s, w);
    hone_vec_push(&j->wants, w);
    hone_map_add(&s->want_by_tag, w->tag, w);
    post_want(s, w);
}

want *hone_service__find_want(const service *s, uint64_t id, uint64_t tag)
{
    uint32_t at = 0;
    want *w;
    while ((w = hone_map_next(&s->want_by_tag, tag, &at)))
        if (w->tag == tag && w->job->id == id)
            return w;
    return NULL;
}

void hone_service__want_drop(service *s, want *w)
{
    job *j = w->job;
    j->wants.v[w->at] = j->wants.v[--j->wants.n];
    j->wants.v[w->at]->at = w->at;
    hone_map_remove(&s->want_by_tag, w->tag, w);
    hone_service__want_free(w);
}

void hone_service__unwant(service *s, job *j, uint64_t tag)
{
    want *w = hone_service__find_want(s, j->id, tag);
    if (!w)
        return;
    event *e = hone_service__post(s, HONE_FARM_UNWANT, NULL);
    e->e.want.job = j->id;
    e->e.want.tag = tag;
    hone_service__want_drop(s, w);
}

/* ---- payloads ------------------------------------------------------------------------------- */

static void payload_drop(service *s, payload *p)
{
    s->payloads.v[p->at] = s->payloads.v[--s->payloads.n];
    s->payloads.v[p->at]->at = p->at;
    hone_map_remove(&s->payload_by_handle, p->handle, p);
    hone_map_remove(&s->payload_by_unit, p->unit.v[0], p);
    s->payload_bytes -= p->artifact ? p->artifact->artifact.n : 0;
    hone_service__blob_drop(p->artifact);
    free(p);
}

static int by_use(const void *a, const void *b)
{
    const payload *x = *(payload *const *)a, *y = *(payload *const *)b;
    return (x->used > y->used) - (x->used < y->used);
}

/* Those used longest ago go, many at once; what waits for the farm's word stays. */
static void shrink(service *s)
{
    uint32_t n = 0;
    if (s->payloads.n - s->n_waiting <= KEEP_PAYLOADS + KEEP_PAYLOADS / 2 &&
        s->payload_bytes <= KEEP_BYTES + KEEP_BYTES / 2)
        return;
    payload **idle = hone_xcalloc(s->payloads.n, sizeof(payload *));
    for (uint32_t i = 0; i < s->payloads.n; i++)
        if (!s->payloads.v[i]->waits)
            idle[n++] = s->payloads.v[i];
    qsort(idle, n, sizeof(payload *), by_use);
    for (uint32_t i = 0; i < n && (n - i > KEEP_PAYLOADS || s->payload_bytes > KEEP_BYTES); i++)
        payload_drop(s, idle[i]);
    free(idle);
}

payload *hone_service__payload_add(service *s, hone_farm_key unit, hone_pool_event *e)
{
    payload *p = hone_xcalloc(1, sizeof *p);
    *p = (payload){.handle = ++s->handle,
                   .came_ns = hone_clock_ns(),
                   .at = s->payloads.n,
                   .unit = unit,
                   .built = e->kind == HONE_POOL_BUILT,
                   .waits = true,
                   .status = e->status,
                   .error = e->error,
                   .artifact = e->artifact.bytes ? hone_service__blob_new(&e->artifact) : NULL,
                   .result = e->result,
                   .spent_ns = e->spent_ns,
                   .used = ++s->turn};
    snprintf(p->device, sizeof p->device, "%s", e->device);
    s->payload_bytes += p->artifact ? p->artifact->artifact.n : 0;
    hone_vec_push(&s->payloads, p);
    hone_map_add(&s->payload_by_handle, p->handle, p);
    hone_map_add(&s->payload_by_unit, unit.v[0], p);
    s->n_waiting++;
    shrink(s);
    return p;
}

payload *hone_service__payload(const service *s, uint64_t handle)
{
    uint32_t at = 0;
    payload *p;
    while (handle && (p = hone_map_next(&s->payload_by_handle, handle, &at)))
        if (p->handle == handle)
            return p;
    return NULL;
}

void hone_service__payload_done(service *s, uint64_t handle)
{
    payload *p = hone_service__payload(s, handle);
    if (!p || !p->waits)
        return;
    p->waits = false;
    s->n_waiting--;
    if (!p->built)
        s->durable_s[s->n_durable++ % HONE_LEN(s->durable_s)] =
            (double)(hone_clock_ns() - p->came_ns) / 1e9;
    shrink(s);
}

static payload *payload_of(const service *s, const hone_farm_key *unit)
{
    uint32_t at = 0;
    payload *p;
    while ((p = hone_map_next(&s->payload_by_unit, unit->v[0], &at)))
        if (same(&p->unit, unit) && (p->status == HONE_OK || hone_status_is_reject(p->status)))
            return p;
    return NULL;
}

/* ---- payloads as JSON ----------------------------------------------------------------------- */

static double number_of(const json_t *j)
{
    const char *text = json_string_value(j);
    return text ? (text[0] == '-' ? -INFINITY : INFINITY) : json_number_value(j);
}

static void print_list(hone_buf *b, const char *name, const double *v, int32_t n)
{
    hone_buf_printf(b, ",\"%s\":[", name);
    for (int32_t i = 0; i < n; i++) {
        if (i)
            hone_buf_add(b, ",", 1);
        hone_store_print_real(b, v[i]);
    }
    hone_buf_add(b, "]", 1);
}

static void print_int(hone_buf *b, const char *name, int64_t x)
{
    hone_buf_printf(b, ",\"%s\":", name);
    hone_store_print_int(b, x);
}

static void print_real(hone_buf *b, const char *name, double x)
{
    hone_buf_printf(b, ",\"%s\":", name);
    hone_store_print_real(b, x);
}

static void print_text(hone_buf *b, const char *name, const char *text)
{
    hone_buf_printf(b, ",\"%s\":", name);
    hone_store_print_text(b, text);
}

void hone_service__payload_print(const void *what, hone_buf *ret)
{
    const payload *p = what;
    const hone_measure_result *m = &p->result;
    hone_buf_puts(ret, "{\"why\":");
    hone_store_print_text(ret, p->error.message);
    print_int(ret, "time_ns", m->time_ns);
    print_real(ret, "log_ratio", m->log_ratio);
    print_list(ret, "sample_ns", m->sample_ns, m->n_samples);
    print_list(ret, "incumbent_ns", m->incumbent_ns, m->n_samples);
    print_real(ret, "max_error", m->max_error);
    print_int(ret, "check_ns", m->check_ns);
    print_int(ret, "run_ns", m->run_ns);
    print_text(ret, "env", m->env);
    print_int(ret, "spent_ns", p->spent_ns);
    print_text(ret, "device", p->device);
    hone_buf_puts(ret, "}");
}

static void copy_string(char *ret, size_t n, const json_t *j)
{
    const char *s = json_string_value(j);
    snprintf(ret, n, "%s", s ? s : "");
}

/* What was stored; false: it is not there, or makes no sense. */
static bool load(service *s, const hone_farm_effect *x, payload *ret)
{
    json_t *j;
    hone_measure_result *m = &ret->result;
    *ret = (payload){.unit = x->give.unit, .status = x->give.status};
    if (hone_store_payload(hone_service__log(s), x->give.unit, x->give.place, &j, NULL) != HONE_OK)
        return false;
    const json_t *samples = json_object_get(j, "sample_ns"),
                 *turns = json_object_get(j, "incumbent_ns");
    size_t n = json_array_size(samples);
    bool good = n <= HONE_MAX_SAMPLES && json_array_size(turns) == n;
    for (size_t i = 0; good && i < n; i++) {
        m->sample_ns[i] = json_number_value(json_array_get(samples, i));
        m->incumbent_ns[i] = json_number_value(json_array_get(turns, i));
    }
    m->n_samples = (int32_t)n;
    m->time_ns = json_integer_value(json_object_get(j, "time_ns"));
    m->log_ratio = number_of(json_object_get(j, "log_ratio"));
    m->max_error = number_of(json_object_get(j, "max_error"));
    m->check_ns = json_integer_value(json_object_get(j, "check_ns"));
    m->run_ns = json_integer_value(json_object_get(j, "run_ns"));
    ret->spent_ns = json_integer_value(json_object_get(j, "spent_ns"));
    copy_string(m->env, sizeof m->env, json_object_get(j, "env"));
    copy_string(ret->device, sizeof ret->device, json_object_get(j, "device"));
    copy_string(ret->error.message, sizeof ret->error.message, json_object_get(j, "why"));
    ret->error.status = ret->status;
    json_decref(j);
    return good && (ret->status != HONE_OK || (n > 0 && m->time_ns > 0));
}

/* ---- giving --------------------------------------------------------------------------------- */

static void send(const want *w, const payload *p, const hone_farm_effect *x)
{
    given *g = hone_xcalloc(1, sizeof *g);
    g->tag = w->tag;
    g->is_build = w->is_build;
    g->status = x->give.status;
    g->fence = w->is_build ? 0 : x->give.fence;
    g->suspect = x->give.suspect;
    if (p) {
        g->error = p->error;
        g->result = p->result;
        g->spent_ns = p->spent_ns;
        snprintf(g->device, sizeof g->device, "%s", p->device);
        g->artifact = hone_service__blob_hold(p->artifact);
    } else {
        hone_fail(&g->error, x->give.status, "%s", hone_farm_reason_text(x->give.reason));
    }
    hone_service__sitting_give(w->job->sitting, g);
}

void hone_service__give(service *s, const hone_farm_effect *x)
{
    want *w = hone_service__find_want(s, x->give.job, x->give.tag);
    payload *p = hone_service__payload(s, x->give.handle), stored;
    if (!w)
        return;
    bool settled = x->give.reason == HONE_FARM_BECAUSE_SETTLED;
    if (settled && !p)
        p = payload_of(s, &w->unit);
    if (settled && !p && !w->is_build && load(s, x, &stored))
        p = &stored;
    if (settled && !p) { /* once more, then: a build that is not kept */
        event *e = hone_service__post(s, HONE_FARM_FORGET, NULL);
        e->e.forget = w->unit;
        post_want(s, w);
        return;
    }
    if (p)
        p->used = ++s->turn;
    if (settled && w->gift)
        note_gift(s, w->gift);
    send(w, p, x);
    hone_service__want_drop(s, w);
}

void hone_service__units_free(service *s)
{
    while (s->payloads.n > 0)
        payload_drop(s, s->payloads.v[0]);
    hone_vec_free(&s->payloads);
    free(s->gifts);
    hone_map_free(&s->gift_by_hash);
    hone_map_free(&s->want_by_tag);
    hone_map_free(&s->payload_by_handle);
    hone_map_free(&s->payload_by_unit);
}
