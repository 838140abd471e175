/* Canaries: three kernels as they are written, one for arithmetic, one for the cache and one for
 * memory, whose times a device is known by, and whose results are compared as any candidate's are.
 * They are built once for each target, by any builder, and measured in the device's sandbox. */
#include "farm/service/internal.h"
#include "ir/builtin.h"

#define AGAIN_MS 5000
#define BUILD_MS 30000
#define REFERENCE_MS 20000 /* only the first time: the device keeps what it has computed */
#define CHECK_MS 5000
#define RUN_MS 3000
#define SAMPLES 5
#define SAMPLE_NS 2000000
#define MOST_TARGETS 64 /* with canaries, beside those of workers that are here */

static const struct {
    const char *kernel;
    hone_size sizes[3];
    unsigned n_sizes;
} kinds[HONE_FARM_CANARIES] = {
    {"matmul", {{"M", 96}, {"N", 96}, {"K", 96}}, 3},
    {"add_mul_relu", {{"M", 64}, {"N", 512}}, 2},    /* 128 KiB each */
    {"add_mul_relu", {{"M", 1024}, {"N", 1024}}, 2}, /* 4 MiB each */
};

static char *text_of(unsigned kind)
{
    size_t n;
    hone_program p = {0};
    hone_error err = {0};
    const char *text = hone_builtin_text(&n);
    hone_status st = hone_workload_parse("built-in", text, n, kinds[kind].kernel, kinds[kind].sizes,
                                         kinds[kind].n_sizes, &p, &err);
    HONE_ASSERT(st == HONE_OK); /* they come with this program */
    hone_buf b = {0};
    hone_program_print(&p, &b);
    hone_program_fini(&p);
    return hone_buf_take(&b);
}

static hone_artifact *slot(canary *c, unsigned i)
{
    return i < HONE_FARM_CANARIES ? &c->kernel[i] : &c->reference[i - HONE_FARM_CANARIES];
}

static void build(service *s, canary *c)
{
    for (unsigned i = 0; i < 2 * HONE_FARM_CANARIES; i++) {
        if (slot(c, i)->bytes || c->building[i])
            continue;
        char *text = text_of(i % HONE_FARM_CANARIES);
        c->building[i] = hone_pool_new_id(s->pool);
        hone_pool_build(s->pool, &(hone_build_job){.id = c->building[i],
                                                   .workload = text,
                                                   .target = c->target,
                                                   .threads = 1,
                                                   .reference = i >= HONE_FARM_CANARIES,
                                                   .deadline_ms = BUILD_MS});
        free(text);
    }
}

static void canary_free(canary *c)
{
    for (unsigned i = 0; i < 2 * HONE_FARM_CANARIES; i++)
        hone_artifact_free(slot(c, i));
    free(c->target);
    free(c);
}

static bool is_here(const service *s, const char *target)
{
    for (uint32_t i = 0; i < s->workers.n; i++)
        if (strcmp(s->workers.v[i]->target, target) == 0)
            return true;
    return false;
}

/* Those of targets that nobody has any more: one that is of another target each time it comes
 * fills no memory. */
static void make_room(service *s)
{
    for (uint32_t k = 0; k < s->canaries.n && s->canaries.n >= MOST_TARGETS;) {
        canary *c = s->canaries.v[k];
        if (is_here(s, c->target)) {
            k++;
            continue;
        }
        for (unsigned i = 0; i < HONE_LEN(c->building); i++)
            if (c->building[i])
                hone_pool_cancel(s->pool, c->building[i]);
        s->canaries.n--;
        memmove(&s->canaries.v[k], &s->canaries.v[k + 1],
                (s->canaries.n - k) * sizeof *s->canaries.v);
        canary_free(c);
    }
}

canary *hone_service__canary(service *s, const worker *w, int64_t now)
{
    canary *c = NULL;
    for (uint32_t i = 0; i < s->canaries.n && !c; i++)
        c = strcmp(s->canaries.v[i]->target, w->target) == 0 ? s->canaries.v[i] : NULL;
    if (!c) {
        if (!*w->target)
            return NULL;
        make_room(s);
        c = hone_xcalloc(1, sizeof *c);
        c->target = hone_xstrdup(w->target);
        hone_vec_push(&s->canaries, c);
        hone_log(HONE_LOG_INFO, "worker %s joins when its canaries are built", w->name);
    }
    if (!c->ready && now >= c->again_ns)
        build(s, c);
    return c->ready ? c : NULL;
}

bool hone_service__canary_built(service *s, hone_pool_event *e)
{
    for (uint32_t k = 0; k < s->canaries.n; k++) {
        canary *c = s->canaries.v[k];
        bool ready = true, mine = false;
        for (unsigned i = 0; i < 2 * HONE_FARM_CANARIES; i++) {
            if (c->building[i] == e->id) {
                mine = true;
                c->building[i] = 0;
                if (e->status == HONE_OK) {
                    *slot(c, i) = e->artifact;
                    e->artifact = (hone_artifact){0};
                } else {
                    c->again_ns = hone_clock_ns() + AGAIN_MS * HONE_SERVICE__MS;
                    hone_log(HONE_LOG_WARN, "a canary cannot be built: %s", e->error.message);
                }
            }
            ready = ready && slot(c, i)->bytes;
        }
        c->ready = ready;
        if (mine)
            return true;
    }
    return false;
}

static void send(service *s, const canary *c, const worker *w, attempt *a)
{
    hone_service__attempt_sent(s, a, hone_pool_new_id(s->pool));
    hone_pool_measure(s->pool, &(hone_measure_job){.id = a->id,
                                                   .target = c->target,
                                                   .candidate = &c->kernel[a->step],
                                                   .reference = &c->reference[a->step],
                                                   .threads = 1,
                                                   .data_seed = 1,
                                                   .tolerance = HONE_TOLERANCE,
                                                   .reference_ms = REFERENCE_MS,
                                                   .check_ms = CHECK_MS,
                                                   .run_ms = RUN_MS,
                                                   .min_samples = SAMPLES,
                                                   .max_samples = SAMPLES,
                                                   .sample_ns = SAMPLE_NS,
                                                   .peer = w->peer});
}

static void tell(service *s, attempt *a, hone_status st, bool golden)
{
    event *e = hone_service__post(s, HONE_FARM_CANARY_RESULT, a->who);
    e->e.session = a->session;
    e->e.canary.fence = a->fence;
    e->e.canary.status = st;
    e->e.canary.golden = golden;
    memcpy(e->e.canary.ns, a->ns, sizeof a->ns);
    hone_service__attempt_drop(s, a);
}

void hone_service__canary_send(service *s, const worker *w, attempt *a)
{
    const canary *c = hone_service__canary(s, w, hone_clock_ns());
    if (c)
        send(s, c, w, a);
    else
        tell(s, a, HONE_E_BUSY, true);
}

void hone_service__canary_measured(service *s, attempt *a, const hone_pool_event *e)
{
    const worker *w = hone_service__worker(s, a->who);
    if (hone_status_is_reject(e->status)) { /* the program as written, computed wrong */
        hone_log(HONE_LOG_WARN, "canary of %s: %s", a->who, e->error.message);
        tell(s, a, HONE_OK, false);
        return;
    }
    if (e->status != HONE_OK)
        hone_log(HONE_LOG_WARN, "canary %s of %s: %s", kinds[a->step].kernel, a->who,
                 e->error.message);
    if (e->status != HONE_OK || !w) {
        tell(s, a, e->status != HONE_OK ? e->status : HONE_E_PEER, true);
        return;
    }
    a->ns[a->step++] = (double)e->result.time_ns;
    if (a->step == HONE_FARM_CANARIES)
        tell(s, a, HONE_OK, true);
    else
        hone_service__canary_send(s, w, a);
}

uint32_t hone_service__canary_builds(const service *s)
{
    uint32_t n = 0;
    for (uint32_t k = 0; k < s->canaries.n; k++)
        for (unsigned i = 0; i < HONE_LEN(s->canaries.v[k]->building); i++)
            n += s->canaries.v[k]->building[i] != 0;
    return n;
}

void hone_service__canaries_free(service *s)
{
    for (uint32_t k = 0; k < s->canaries.n; k++)
        canary_free(s->canaries.v[k]);
    hone_vec_free(&s->canaries);
}
