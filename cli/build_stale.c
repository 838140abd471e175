/* hone build: is each entry as it was locked, and what takes the place of one that is not. */
#include "cli/build.h"
#include "cli/lookup.h"

/* What the ladder says without logs, of the program as it is now. */
static hone_status answer_now(build_variant *v, const cli_kernel *now, hone_error *err)
{
    const hone_lock_entry *e = v->e;
    hone_lookup_answer a = {0};
    const hone_program *p = now->title ? &now->program : &e->program;
    hone_status st = hone_lookup(&(hone_lookup_question){.program = p,
                                                         .sizes = e->sizes,
                                                         .title = e->kernel,
                                                         .target = &e->target,
                                                         .threads = e->threads,
                                                         .lowest = HONE_RUNG_default,
                                                         .accept = cli_accept_code},
                                 &a, err);
    if (st == HONE_OK) {
        hone_lock_entry_make(&(hone_lock_of){.function = e->function,
                                             .kernel = e->kernel,
                                             .sizes = e->sizes,
                                             .llvm_version = hone_codegen_version(),
                                             .program = p,
                                             .target = &e->target,
                                             .threads = e->threads},
                             &a, &v->now);
        v->e = &v->now;
    }
    hone_lookup_free(&a);
    return st;
}

static void set_stale(const build_plan *p, build_variant *v, const char *what)
{
    hone_buf b = {0};
    hone_buf_printf(&b, "%s:%d: %s: %.*s: run ", p->lock_path, v->e->line, v->e->function,
                    (int)strcspn(what, "\n"), what);
    cli_lock_put_command(v->e, p->lock_path, &b);
    v->why = hone_buf_take(&b);
    v->stale = true;
}

static void set_unreplayable(const build_plan *p, build_variant *v, const hone_error *why)
{
    const hone_lock_entry *e = v->e;
    char *by = e->space_version == HONE_SPACE_VERSION
                   ? hone_xstrdup("")
                   : hone_xasprintf(" (it is of space version %d, this hone has %d)",
                                    e->space_version, HONE_SPACE_VERSION);
    char *what = hone_xasprintf("its schedule cannot be replayed%s: %.*s", by,
                                (int)strcspn(why->message, "\n"), why->message);
    set_stale(p, v, what);
    free(what);
    free(by);
}

static hone_status replay(build_variant *v, hone_error *err)
{
    return hone_lock_replay(v->e, &v->set, &v->sched, &v->as_written, err);
}

static hone_status replace(build_variant *v, const cli_kernel *now, hone_error *err)
{
    HONE_TRY(answer_now(v, now, err));
    hone_sched_fini(&v->sched);
    hone_intrin_set_free(v->set);
    v->sched = (hone_sched){0};
    v->set = NULL;
    return HONE_OK;
}

/* Compares with the kernel's file, and where `with_schedule` looks whether the schedule holds. */
static hone_status check(const build_plan *p, build_variant *v, bool with_schedule, hone_error *err)
{
    bool there;
    cli_kernel now;
    hone_error why = {0};
    HONE_TRY(cli_lock_kernel_now(v->e, p->lock_path, &there, &now, err));
    bool differs = there && hone_program_hash(&now.program) != hone_program_hash(&v->e->program);
    if (!v->stale && differs)
        set_stale(p, v, "its kernel's file has changed since it was locked");
    else if (!v->stale && with_schedule && replay(v, &why) != HONE_OK)
        set_unreplayable(p, v, &why);
    hone_status st = HONE_OK;
    if (v->stale && !p->locked && v->e != &v->now)
        st = replace(v, &now, err);
    if (there)
        cli_kernel_free(&now);
    return st;
}

/* Variants of one function are of one kernel, for processors that one object may choose among. */
static hone_status check_together(const build_plan *p, const build_job *j, hone_error *err)
{
    cli_schedule all[HONE_CODEGEN_MAX_VARIANTS];
    for (unsigned k = 0; k < j->n; k++) {
        const hone_lock_entry *e = j->v[k].e, *first = j->v[0].e;
        all[k] = (cli_schedule){.program = &e->program, .target = &e->target};
        if (hone_program_hash(&e->program) != hone_program_hash(&first->program))
            return hone_fail(err, HONE_E_INPUT,
                             "%s: %s is one kernel for %s and another for %s: lock it for both, or "
                             "choose with --target",
                             p->lock_path, j->function, first->target.cpu, e->target.cpu);
    }
    return j->n > 1 ? cli_check_variants(all, j->n, err) : HONE_OK;
}

static hone_status prepare(const build_plan *p, build_job *j, hone_error *err)
{
    bool stale = false;
    HONE_TRY(hone_codegen_symbol_check(j->function, err));
    for (unsigned k = 0; k < j->n; k++)
        HONE_TRY(check(p, &j->v[k], false, err));
    cli_build_look(p, j);
    for (unsigned k = 0; k < j->n && !j->is_there; k++)
        HONE_TRY(check(p, &j->v[k], true, err));
    for (unsigned k = 0; k < j->n; k++)
        stale = stale || j->v[k].stale;
    if (stale && p->locked)
        return HONE_OK;
    HONE_TRY(check_together(p, j, err));
    cli_build_look(p, j); /* of what took the place of stale ones */
    for (unsigned k = 0; k < j->n && !j->is_there; k++)
        if (j->v[k].stale)
            HONE_TRY(replay(&j->v[k], err));
    return HONE_OK;
}

hone_status cli_build_prepare(build_plan *p, hone_error *err)
{
    unsigned n_stale = 0;
    for (uint32_t k = 0; k < p->jobs.n; k++) {
        build_job *j = p->jobs.v[k];
        HONE_TRY(prepare(p, j, err));
        for (unsigned i = 0; i < j->n; i++) {
            const build_variant *v = &j->v[i];
            n_stale += v->stale;
            if (v->stale && p->locked)
                hone_log(HONE_LOG_ERROR, "%s", v->why);
            else if (v->stale)
                hone_log(HONE_LOG_WARN, "%s; built by rung %s meanwhile", v->why,
                         hone_rung_name(v->e->rung));
        }
    }
    return n_stale && p->locked ? HONE_E_STALE : HONE_OK;
}
