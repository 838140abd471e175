/* Jobs, as the loop has them: what was asked for, the device that is waited for, and the sitting in
 * which its session is (farm/service/sitting.c). */
#include "farm/service/internal.h"
#include "ir/builtin.h"

#define TARGET "target" /* note of a job: the target it was opened for */

job *hone_service__job(const service *s, uint64_t id)
{
    for (uint32_t i = 0; i < s->jobs.n; i++)
        if (s->jobs.v[i]->id == id)
            return s->jobs.v[i];
    return NULL;
}

job *hone_service__job_in(const service *s, uint64_t number)
{
    for (uint32_t i = 0; i < s->jobs.n; i++)
        if (s->jobs.v[i]->sitting && s->jobs.v[i]->number == number)
            return s->jobs.v[i];
    return NULL;
}

static void job_free(job *j)
{
    while (j->wants.n > 0)
        hone_service__want_drop(j->s, j->wants.v[0]);
    hone_vec_free(&j->wants);
    free(j->text);
    free(j->filter);
    free(j->named);
    free(j->target);
    free(j);
}

/* ---- what was asked for --------------------------------------------------------------------- */

hone_status hone_service__parse_task(const hone_desk_task *t, hone_program *ret, hone_error *err)
{
    hone_size sizes[HONE_DESK_MAX_SIZES];
    size_t n = t->text ? strlen(t->text) : 0;
    const char *text = t->text ? t->text : hone_builtin_text(&n);
    for (unsigned i = 0; i < t->n_sizes; i++)
        sizes[i] = (hone_size){t->sizes[i].name, t->sizes[i].value};
    hone_status st = hone_workload_parse(t->text ? "kernel" : "built-in", text, n, t->name, sizes,
                                         t->n_sizes, ret, err);
    return st == HONE_E_NOTFOUND ? HONE_E_INPUT : st;
}

static bool is_device(const char *target)
{
    return strcmp(target, "device") == 0;
}

static hone_status named_target(const char *text, hone_target *ret, hone_error *err)
{
    return text[0] == '{' ? hone_target_parse(text, ret, err) : hone_target_named(text, ret, err);
}

hone_status hone_service__check(void *ctx, const hone_desk_spec *spec, hone_error *err)
{
    hone_target t;
    (void)ctx;
    for (unsigned i = 0; i < spec->n; i++) {
        hone_program p = {0};
        hone_status st = hone_service__parse_task(&spec->tasks[i], &p, err);
        hone_program_fini(&p);
        HONE_TRY(st);
    }
    if (spec->strategy && !hone_strategy_find(spec->strategy))
        return hone_fail(err, HONE_E_INPUT, "no strategy '%.60s'", spec->strategy);
    return is_device(spec->target) ? HONE_OK : named_target(spec->target, &t, err);
}

char *hone_service__named(const char *spec)
{
    hone_desk_spec x;
    hone_target t;
    char *ret = NULL;
    if (hone_desk_spec_parse(spec, strlen(spec), &x, NULL) != HONE_OK)
        return NULL;
    if (!is_device(x.target) && named_target(x.target, &t, NULL) == HONE_OK)
        ret = hone_target_text(&t);
    hone_desk_spec_free(&x);
    return ret;
}

char *hone_service__filter(const char *target, const char *terms)
{
    hone_target t;
    if (hone_target_parse(target, &t, NULL) != HONE_OK)
        return hone_xstrdup(terms ? terms : "");
    return hone_xasprintf("%s%sarch=%.*s", terms ? terms : "", terms && *terms ? "," : "",
                          (int)strcspn(t.triple, "-"), t.triple);
}

static void post_needs(service *s, uint64_t id, const char *target)
{
    event *e = hone_service__post(s, HONE_FARM_NEEDS, NULL);
    e->target = hone_text_hold(target);
    e->e.needs.job = id;
    e->e.needs.target = e->target;
}

void hone_service__needs(service *s, uint64_t id, const char *spec)
{
    char *target = NULL;
    if (hone_store_noted(hone_service__log(s), id, TARGET, &target, NULL) != HONE_OK)
        target = hone_service__named(spec);
    if (target)
        post_needs(s, id, target);
    free(target);
}

static hone_status load(job *j, hone_error *err)
{
    hone_desk_spec spec;
    HONE_TRY(hone_store_spec(hone_service__log(j->s), j->id, &j->text, err));
    HONE_TRY(hone_desk_spec_parse(j->text, strlen(j->text), &spec, err));
    j->filter = hone_desk_filter(&spec);
    j->named = hone_xstrdup(spec.target);
    hone_desk_spec_free(&spec);
    return HONE_OK;
}

/* ---- opening -------------------------------------------------------------------------------- */

/* Of the devices that match: the first one's; what its target cannot run on is no device of it.
 * HONE_E_NOTFOUND: none is here. */
static hone_status target_of_devices(const job *j, hone_target *ret, hone_error *err)
{
    const service *s = j->s;
    for (uint32_t i = 0; i < s->workers.n; i++) {
        const worker *w = s->workers.v[i];
        if ((w->roles & HONE_ROLE_RUN) && *w->target && hone_service__matches(j->filter, w))
            return hone_target_parse(w->target, ret, err);
    }
    return HONE_E_NOTFOUND;
}

/* Once it is known it stays, so that the job finds its own results again. */
static hone_status find_target(job *j, hone_target *ret, hone_error *err)
{
    char *text;
    hone_status st = hone_store_noted(hone_service__log(j->s), j->id, TARGET, &text, NULL);
    if (st == HONE_OK) {
        st = hone_target_parse(text, ret, err);
        free(text);
        return st;
    }
    HONE_TRY(is_device(j->named) ? target_of_devices(j, ret, err)
                                 : named_target(j->named, ret, err));
    text = hone_target_text(ret);
    hone_service__note(j->s, j->id, TARGET, text);
    free(text);
    return HONE_OK;
}

static void end(job *j)
{
    service *s = j->s;
    uint32_t i = 0;
    while (s->jobs.v[i] != j)
        i++;
    s->jobs.v[i] = s->jobs.v[--s->jobs.n];
    if (j->sitting)
        hone_service__sitting_end(j->sitting);
    job_free(j);
}

/* Of a job that has ended nothing is kept here. When it is resumed, it is opened again. */
static void over(job *j, hone_status st, const hone_error *err)
{
    if (st != HONE_OK) {
        hone_log(HONE_LOG_WARN, "job %" PRIu64 ": %s", j->id, err->message);
        json_t *line = json_pack("{s:o}", "notice", hone_json_string(err->message));
        hone_desk_tell(j->s->desk, j->id, line, hone_clock_wall_ms());
        json_decref(line);
    }
    hone_service__keep(j->s, j->id, false); /* before it is known to have ended */
    event *e = hone_service__post(j->s, HONE_FARM_JOB_ENDED, NULL);
    e->e.ended.job = j->id;
    e->e.ended.status = st;
    end(j);
}

/* Of the target that was asked last: jobs mostly have the same one. */
typedef struct ability {
    const char *target;
    uint32_t build, run;
} ability;

/* A session keeps candidate and trace of all that it has asked for, so it asks for no more than
 * there are devices, nor than it could be given: of those that other jobs of this target want, too,
 * twice its part, and never more than a user, or half of what a job, may have. */
#define LEAST_PART 8
static uint32_t part_of(const job *j, uint32_t devices)
{
    const service *s = j->s;
    const hone_farm_limits *l = &s->o->limits;
    uint32_t jobs = 0;
    for (uint32_t i = 0; i < s->jobs.n; i++)
        jobs += s->jobs.v[i]->sitting && s->jobs.v[i]->target_hash == j->target_hash;
    int64_t part = jobs ? 2 * (int64_t)devices / jobs : devices;
    part = part < LEAST_PART ? LEAST_PART : part;
    part = part > l->user_units ? l->user_units : part;
    part = part > l->job_units / 2 ? l->job_units / 2 : part;
    return part < devices ? (uint32_t)part : devices;
}

/* The farm waits for workers and gives turns. */
static void tell_able(const job *j, ability *a)
{
    if (!a->target || strcmp(a->target, j->target) != 0)
        *a = (ability){.target = j->target,
                       .build = hone_pool_able(j->s->pool, HONE_ROLE_BUILD, j->target),
                       .run = hone_pool_able(j->s->pool, HONE_ROLE_RUN, j->target)};
    hone_service__sitting_able(j->sitting, a->build, part_of(j, a->run));
}

/* A job that is not opened yet: is its device here now? */
static void try_open(job *j)
{
    hone_error err = {0};
    if (j->stopping) {
        over(j, HONE_OK, &err);
        return;
    }
    sitting_setup setup = {.number = j->s->handle + 1, .job = j->id};
    hone_status st = j->text ? HONE_OK : load(j, &err);
    if (st == HONE_OK) {
        st = find_target(j, &setup.target, &err);
        if (st == HONE_E_NOTFOUND)
            return;
    }
    if (st != HONE_OK) {
        over(j, st, &err);
        return;
    }
    setup.spec = j->text;
    j->number = ++j->s->handle;
    j->target = hone_target_text(&setup.target);
    j->target_hash = hone_hash_bytes(0, j->target, strlen(j->target));
    post_needs(j->s, j->id, j->target);
    j->sitting = hone_service__sit(j->s->crew, &setup);
    tell_able(j, &(ability){0});
}

void hone_service__tend_jobs(service *s)
{
    ability last = {0};
    for (uint32_t i = 0; i < s->jobs.n;) {
        job *j = s->jobs.v[i];
        if (j->sitting)
            tell_able(j, &last);
        else
            try_open(j); /* which may end it */
        i += i < s->jobs.n && s->jobs.v[i] == j;
    }
}

/* ---- what its session says ------------------------------------------------------------------ */

static char *take_text(said_letter *l)
{
    char *text = l->text;
    l->text = NULL;
    return text;
}

void hone_service__job_said(service *s, said_letter *l)
{
    job *j = hone_service__job_in(s, l->sitting);
    if (j && l->letter.kind == SAID_UNWANT)
        hone_service__unwant(s, j, l->tag);
    else if (j && l->letter.kind == SAID_LINE)
        hone_desk_tell(s->desk, j->id, l->line, hone_clock_wall_ms());
    else if (j && l->letter.kind == SAID_TRIAL)
        hone_desk_tell_trial(s->desk, j->id, take_text(l), l->best, l->compare_ns,
                             hone_clock_wall_ms());
    else if (j)
        over(j, l->status, l->error);
    json_decref(l->line);
    free(l->text);
    free(l->error);
    free(l);
}

/* ---- what the farm says --------------------------------------------------------------------- */

void hone_service__job_start(service *s, uint64_t id)
{
    job *j = hone_service__job(s, id);
    if (j) {
        j->stopping = j->stopping && j->sitting;
        return;
    }
    j = hone_xcalloc(1, sizeof *j);
    j->s = s;
    j->id = id;
    hone_vec_push(&s->jobs, j);
}

void hone_service__job_stop(service *s, uint64_t id)
{
    hone_service__job_start(s, id); /* after a restart there may be none yet */
    job *j = hone_service__job(s, id);
    j->stopping = true;
    if (j->sitting)
        hone_service__sitting_stop(j->sitting);
}

void hone_service__job_end(service *s, uint64_t id)
{
    job *j = hone_service__job(s, id);
    if (j)
        end(j);
}

void hone_service__jobs_free(service *s)
{
    for (uint32_t i = 0; i < s->jobs.n; i++)
        job_free(s->jobs.v[i]);
    hone_vec_free(&s->jobs);
}
