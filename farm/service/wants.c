/* What a sitting's sessions want, made ready for the loop: texts and artifacts that are its own,
 * and the name of the unit. */
#include "farm/service/sitting.h"

/* ---- artifacts --------------------------------------------------------------------------------
 */

blob *hone_service__blob_new(hone_artifact *a)
{
    blob *b = hone_xmalloc(sizeof *b);
    b->artifact = *a;
    atomic_init(&b->refs, 1);
    *a = (hone_artifact){0};
    return b;
}

blob *hone_service__blob_hold(blob *b)
{
    if (b)
        atomic_fetch_add(&b->refs, 1);
    return b;
}

void hone_service__blob_drop(blob *b)
{
    if (!b || atomic_fetch_sub(&b->refs, 1) != 1)
        return;
    hone_artifact_free(&b->artifact);
    free(b);
}

static bool is_same(const hone_artifact *a, const hone_artifact *b)
{
    return a->hash == b->hash && a->n == b->n && a->manifest.n_args == b->manifest.n_args &&
           a->manifest.flops == b->manifest.flops &&
           memcmp(a->manifest.args, b->manifest.args,
                  a->manifest.n_args * sizeof *a->manifest.args) == 0 &&
           memcmp(a->bytes, b->bytes, a->n) == 0;
}

static held *keep(sitting *j, blob *b)
{
    held *oldest = &j->held[0];
    for (unsigned k = 1; k < HELD; k++)
        if (j->held[k].used < oldest->used)
            oldest = &j->held[k];
    hone_service__blob_drop(oldest->blob);
    *oldest = (held){b, hone_service__key_of_artifact(&b->artifact), ++j->turn};
    return oldest;
}

/* All measurements have one reference, mostly one incumbent, and a candidate that was given here.
 */
static const held *find_held(sitting *j, const hone_artifact *a)
{
    for (unsigned k = 0; k < HELD; k++)
        if (j->held[k].blob && is_same(&j->held[k].blob->artifact, a)) {
            j->held[k].used = ++j->turn;
            return &j->held[k];
        }
    hone_artifact copy;
    hone_artifact_copy(&copy, a);
    return keep(j, hone_service__blob_new(&copy));
}

void hone_service__remember(sitting *j, blob *b)
{
    keep(j, b);
}

/* ---- wants ------------------------------------------------------------------------------------
 */

static char *copy_text(const char *s)
{
    return s ? hone_xstrdup(s) : NULL;
}

static void take_build(want *w, const hone_build_job *b)
{
    w->is_build = true;
    w->build = *b;
    w->build.workload = copy_text(b->workload);
    w->build.trace = copy_text(b->trace);
    w->build.target = b->target ? hone_text_hold(b->target) : NULL;
    w->build.intrins = copy_text(b->intrins);
    w->unit = hone_service__key_of_build(b);
}

static void take_measure(sitting *j, want *w, const hone_measure_job *m)
{
    const hone_artifact *from[3] = {m->candidate, m->reference, m->incumbent};
    const hone_artifact **to[3] = {&w->measure.candidate, &w->measure.reference,
                                   &w->measure.incumbent};
    hone_farm_key contents[3] = {0};
    w->measure = *m;
    w->measure.target = m->target ? hone_text_hold(m->target) : NULL;
    w->measure.library = NULL; /* jobs of a service have none */
    for (int i = 0; i < 3; i++) {
        const held *h = from[i] ? find_held(j, from[i]) : NULL;
        w->blobs[i] = h ? hone_service__blob_hold(h->blob) : NULL;
        *to[i] = h ? &h->blob->artifact : NULL;
        if (h)
            contents[i] = h->content;
    }
    w->unit = hone_service__key_of_measure(m, contents);
}

void hone_service__want_free(want *w)
{
    free((char *)(uintptr_t)w->build.workload);
    free((char *)(uintptr_t)w->build.trace);
    hone_text_drop(w->build.target);
    free((char *)(uintptr_t)w->build.intrins);
    hone_text_drop(w->measure.target);
    for (int i = 0; i < 3; i++)
        hone_service__blob_drop(w->blobs[i]);
    free(w);
}

void hone_service__ask(sitting *j, unsigned k, const hone_session_action *a)
{
    want *w = hone_xcalloc(1, sizeof *w);
    asked x = {.k = k};
    if (a->kind == HONE_SESSION_BUILD)
        take_build(w, &a->build);
    else
        take_measure(j, w, &a->measure);
    w->letter.kind = SAID_WANT;
    w->sitting = j->number;
    w->life = j->life;
    w->tag = x.tag = w->is_build ? a->build.id : a->measure.id;
    hone_vec_push(&j->asked, x);
    hone_service__mail_put(j->at->o->inbox, &w->letter);
}

bool hone_service__take_asked(sitting *j, uint64_t tag, asked *ret)
{
    for (uint32_t i = 0; i < j->asked.n; i++)
        if (j->asked.v[i].tag == tag) {
            *ret = j->asked.v[i];
            j->asked.v[i] = j->asked.v[--j->asked.n];
            return true;
        }
    return false;
}

void hone_service__forget(sitting *j)
{
    for (uint32_t i = 0; i < j->asked.n; i++)
        hone_service__say(j, SAID_UNWANT, j->asked.v[i].tag, NULL);
    hone_vec_free(&j->asked);
    for (unsigned k = 0; k < HELD; k++)
        hone_service__blob_drop(j->held[k].blob);
    memset(j->held, 0, sizeof j->held);
}
