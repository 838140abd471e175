/* A farm in worlds full of trouble (tests/farm/sim.h). First everything may fail; then all is well
 * again, and every job ends, or says what it waits for.
 *
 * HONE_SEEDS is the number of worlds (20), HONE_SEED the first (1), HONE_HOURS the simulated hours
 * of trouble in each (2). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/farm/sim_world.h"

static uint64_t number(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);
    return text && *text ? strtoull(text, NULL, 10) : otherwise;
}

/* Faults stop; keys come back, and a person opens what was put aside. */
static void heal(sim *s)
{
    s->healing = true;
    s->loss = s->twice = s->late = 0;
    s->disk_full_until = 0;
    s->crash_in = -1;
    for (int i = 0; i < WORKERS; i++) {
        sim_worker *w = &s->w[i];
        w->cut_in_until = w->cut_out_until = w->paused_until = w->hot_until = 0;
        w->lies = w->forges = false;
        w->fingerprint++; /* whatever it was, it was repaired */
        sim_worker_die(s, i, false, SEC);
        saying *x = sim_speak(s, USERS - 1, HONE_FARM_VERB_KEY_ADD);
        snprintf(x->name, sizeof x->name, "%s", w->name);
        x->say.roles = w->roles;
        x = sim_speak(s, USERS - 1, HONE_FARM_VERB_OPEN);
        snprintf(x->name, sizeof x->name, "%s", w->name);
    }
    for (uint32_t i = 0; i < s->store.jobs.n; i++) {
        sim_speak(s, USERS - 1, HONE_FARM_VERB_RESUME)->say.job = s->store.jobs.v[i].id;
    }
}

static void judge(sim *s)
{
    for (uint32_t i = 0; i < s->acked.n; i++) {
        const char *rule = check_acked(s, &s->acked.v[i]);
        if (rule)
            sim_wrong(s, rule);
    }
    for (uint32_t i = 0; i < s->jobs.n; i++)
        if (!check_has_job(&s->store, s->jobs.v[i]))
            sim_wrong(s, "a job that was promised is lost");
    for (uint32_t i = 0; i < s->store.jobs.n; i++) {
        const hone_farm_job_row *j = &s->store.jobs.v[i];
        bool live = hone_farm_job_is_live(j->state);
        int64_t end = live ? s->store.clock : j->changed_at;
        s->t->jobs++;
        s->t->job_hours += (double)(end - j->created_at) / HOUR;
        s->t->done += j->state == HONE_FARM_JOB_DONE;
        s->t->failed += j->state == HONE_FARM_JOB_FAILED;
        s->t->cancelled += j->state == HONE_FARM_JOB_CANCELLED;
        s->t->expired += j->state == HONE_FARM_JOB_EXPIRED;
        s->t->alive += live;
        if (live && j->state != HONE_FARM_JOB_PAUSED) { /* who pauses a job last has it paused */
            print_error("job %" PRIu64 " (%s) is %s: %s\n", j->id, j->filter,
                        hone_farm_job_state_name(j->state),
                        s->farm ? hone_farm_reason_text(hone_farm_job_wait(s->farm, j->id)) : "");
            sim_wrong(s, "a job does not end although all is well");
        }
    }
    store_replay(&s->store);
    store_usage(&s->store);
    if (s->store.wrong)
        sim_wrong(s, s->store.rule);
}

static uint64_t live(uint64_t seed, int hours, tally *t)
{
    sim s;
    sim_init(&s, seed, t);
    sim_at(&s, 20 * SEC, TROUBLE, 0, 0, NULL);
    for (int h = 0; h < hours && !s.bad; h++)
        for (int k = 0; k < 12 && !s.bad; k++) {
            int64_t n = 2 + sim_below(&s, 9);
            while (n-- > 0)
                sim_submit(&s);
            sim_run(&s, s.now + HOUR / 12);
        }
    if (!s.bad)
        heal(&s);
    for (int k = 0; k < 48 && !s.bad; k++) { /* all queue times of before are shorter */
        sim_run(&s, s.now + HOUR / 12);
        if (k > 2 && !sim_any_live(&s))
            break;
    }
    if (!s.bad)
        judge(&s);
    t->worlds++;
    t->hours += (double)s.now / HOUR;
    uint64_t trace = s.trace;
    sim_fini(&s);
    return trace;
}

static void print_table(const tally *t)
{
    static const char *const faults[] = {
#define X(name, text) text,
        FAULTS(X)
#undef X
    };
    static const char *const rows[] = {
#define X(name, text) text,
        ROWS(X)
#undef X
    };
    uint64_t all = 0;
    for (int i = 0; i < FAULT_COUNT; i++) {
        all += t->faults[i];
        print_message("  fault %10" PRIu64 "  %s\n", t->faults[i], faults[i]);
    }
    for (int i = 0; i < ROW_COUNT; i++)
        print_message("  row   %10" PRIu64 "  %s\n", t->rows[i], rows[i]);
    print_message("%" PRIu64 " worlds, %.0f hours, %.0f job-hours, %" PRIu64 " steps, %" PRIu64
                  " faults, %" PRIu64 " restarts; %" PRIu64 " jobs: %" PRIu64 " done, %" PRIu64
                  " failed, %" PRIu64 " cancelled, %" PRIu64 " expired, %" PRIu64
                  " paused; %" PRIu64 " results durable, %" PRIu64 " acknowledged, %" PRIu64
                  " good candidates taken for poison; rules broken: %" PRIu64 "\n",
                  t->worlds, t->hours, t->job_hours, t->steps, all, t->restarts, t->jobs, t->done,
                  t->failed, t->cancelled, t->expired, t->alive, t->results, t->acked,
                  t->poisoned_innocent, t->wrong);
}

/* Worlds that have found something: a build kept as a result, leases that a restart forgot, an old
 * hello taken for what is held now. */
static const uint64_t found[] = {15, 145, 216, 265, 84};

static void nothing_is_lost_doubled_or_anothers(void **state)
{
    (void)state;
    static tally t;
    uint64_t first = number("HONE_SEED", 1), n = number("HONE_SEEDS", 20);
    int hours = (int)number("HONE_HOURS", 2);
    for (unsigned k = 0; k < HONE_LEN(found); k++)
        live(found[k], hours, &t);
    for (uint64_t seed = first; seed < first + n; seed++)
        live(seed, hours, &t);
    print_table(&t);
    assert_int_equal(t.wrong, 0);
    assert_true(t.acked > 0 && t.done > 0);
    for (int i = 0; i < ROW_COUNT && n >= 1000; i++)
        assert_true(t.rows[i] >= 100);
}

static void one_seed_is_one_course(void **state)
{
    (void)state;
    static tally t;
    for (uint64_t seed = 1; seed < 4; seed++)
        assert_true(live(seed, 1, &t) == live(seed, 1, &t));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_seed_is_one_course),
        cmocka_unit_test(nothing_is_lost_doubled_or_anothers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
