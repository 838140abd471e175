/* The checks of the simulation can fail: each is shown a history that is wrong, and one that is
 * right. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/farm/sim_world.h"

static hone_farm_row job_row(uint64_t id, hone_farm_job_state state)
{
    hone_farm_row r = {.kind = HONE_FARM_ROW_JOB};
    r.job.id = id;
    r.job.state = state;
    r.job.request.v[0] = id;
    snprintf(r.job.user, sizeof r.job.user, "ann");
    return r;
}

static hone_farm_row event_row(uint64_t seq, const char *verb, const char *object, const char *from,
                               const char *to)
{
    hone_farm_row r = {.kind = HONE_FARM_ROW_EVENT, .event = {.seq = seq}};
    snprintf(r.event.verb, sizeof r.event.verb, "%s", verb);
    snprintf(r.event.object, sizeof r.event.object, "%s", object);
    snprintf(r.event.from, sizeof r.event.from, "%s", from);
    snprintf(r.event.to, sizeof r.event.to, "%s", to);
    return r;
}

static hone_farm_row worker_row(uint64_t fence_end)
{
    hone_farm_row r = {.kind = HONE_FARM_ROW_WORKER};
    snprintf(r.worker.name, sizeof r.worker.name, "w0");
    r.worker.attrs = "";
    r.worker.fence_end = fence_end;
    return r;
}

static hone_farm_row result_row(uint64_t unit_of, uint64_t fence)
{
    hone_farm_row r = {.kind = HONE_FARM_ROW_RESULT};
    r.result.unit = sim_key(1, (uint32_t)unit_of, false);
    r.result.fence = fence;
    snprintf(r.result.worker, sizeof r.result.worker, "w0");
    return r;
}

/* The rows in order: the last one breaks this rule, those before it none. */
static void breaks(const char *rule, const hone_farm_row *rows, uint32_t n)
{
    store s = {.quiet = true};
    for (uint32_t i = 0; i < n; i++) {
        if (s.wrong)
            fail_msg("%s: too early: %s", rule, s.rule);
        store_apply(&s, &rows[i], 1);
    }
    if (s.wrong != 1 || strcmp(s.rule, rule) != 0)
        fail_msg("%s is not found, but %s", rule, s.rule ? s.rule : "nothing");
    store_fini(&s);
}
#define BREAKS(rule, ...) \
    breaks(rule, (hone_farm_row[]){__VA_ARGS__}, HONE_LEN(((hone_farm_row[]){__VA_ARGS__})))

static void the_store_sees_what_is_wrong(void **state)
{
    (void)state;
    hone_farm_row twin = job_row(2, HONE_FARM_JOB_QUEUED),
                  lease_row = {.kind = HONE_FARM_ROW_LEASE},
                  gone = {.kind = HONE_FARM_ROW_FORGET_JOB, .forget_job = 1};
    twin.job.request.v[0] = 1;
    BREAKS("two jobs of one request", job_row(1, HONE_FARM_JOB_QUEUED), twin);
    BREAKS("a terminal state has changed", job_row(1, HONE_FARM_JOB_QUEUED),
           job_row(1, HONE_FARM_JOB_DONE), job_row(1, HONE_FARM_JOB_RUNNING));
    hone_farm_row spent = job_row(1, HONE_FARM_JOB_RUNNING);
    spent.job.spent_ns = 5;
    BREAKS("a job has lost something", spent, job_row(1, HONE_FARM_JOB_RUNNING));
    BREAKS("fences or epochs go back", worker_row(1025), worker_row(2049), worker_row(1025));
    BREAKS("a unit is settled twice", result_row(1, 5), result_row(2, 6), result_row(1, 7));
    BREAKS("a fence was given twice", lease_row, lease_row);
    BREAKS("the audit log has a gap", event_row(1, "x", "a", "", ""),
           event_row(3, "x", "a", "", ""));
    BREAKS("a transition does not begin where the last one ended",
           event_row(1, "health", "worker w0", "probing", "good"),
           event_row(2, "health", "worker w0", "probing", "cooling"));
    BREAKS("a live job is forgotten", job_row(1, HONE_FARM_JOB_QUEUED), gone);
    BREAKS("the clock goes back", (hone_farm_row){.kind = HONE_FARM_ROW_CLOCK, .clock = 5},
           (hone_farm_row){.kind = HONE_FARM_ROW_CLOCK, .clock = 4});
    BREAKS("a row of no table", (hone_farm_row){.kind = HONE_FARM_ROW_COUNT});
}

static void the_audit_log_is_compared_with_the_tables(void **state)
{
    (void)state;
    store s = {.quiet = true};
    hone_farm_row rows[] = {event_row(1, "submit", "job 1", "", "queued"),
                            job_row(1, HONE_FARM_JOB_QUEUED)};
    store_apply(&s, rows, 2);
    store_replay(&s);
    assert_int_equal(s.wrong, 0);
    rows[1].job.state = HONE_FARM_JOB_RUNNING; /* without a word */
    store_apply(&s, &rows[1], 1);
    store_replay(&s);
    assert_int_equal(s.wrong, 1);
    rows[1].job.spent_ns = 7; /* that no user has spent */
    store_apply(&s, &rows[1], 1);
    store_usage(&s);
    assert_int_equal(s.wrong, 2);
    store_fini(&s);
}

static void results_are_compared_with_the_truth(void **state)
{
    (void)state;
    sim s = {0};
    uint32_t good = 0, bad = 0;
    snprintf(s.w[0].name, HONE_FARM_NAME, "w0");
    while (sim_nature(&(hone_farm_key){{good, 0}}) != GOOD)
        good++;
    while (sim_nature(&(hone_farm_key){{bad, 0}}) != REJECTED)
        bad++;
    hone_farm_key k = {{good, 0}}, other = {{bad, 0}};
    hone_farm_result_row r = {.unit = k, .worker = "w0", .fence = 7};
    assert_string_equal(check_result(&s, &r), "a result that nobody has made");
    check_made(&s, 0, 7, &k, HONE_OK);
    assert_null(check_result(&s, &r));
    r.unit = other;
    assert_string_equal(check_result(&s, &r), "a result credited to another unit");
    r.unit = k;
    r.status = HONE_REJECT_CRASH;
    assert_string_equal(check_result(&s, &r), "a result with another outcome");
    check_made(&s, 0, 8, &k, HONE_REJECT_CRASH);
    r.fence = 8;
    assert_string_equal(check_result(&s, &r), "a good candidate is rejected");
    truth acked = {k, 7, 0, HONE_OK};
    assert_string_equal(check_acked(&s, &acked), "an acknowledged result is lost");
    hone_farm_row row = {.kind = HONE_FARM_ROW_RESULT, .result = {.unit = k, .worker = "w0"}};
    row.result.fence = 9;
    store_apply(&s.store, &row, 1);
    assert_string_equal(check_acked(&s, &acked), "an acknowledged result is another's");
    acked.fence = 9;
    assert_null(check_acked(&s, &acked));
    store_fini(&s.store);
    for (uint32_t i = 0; i < s.truths.n; i++)
        free(s.truths.v[i]);
    hone_vec_free(&s.truths);
    hone_map_free(&s.by_fence);
}

static void windows_that_overlap_are_seen(void **state)
{
    (void)state;
    sim_worker w = {0};
    assert_null(check_window(&w, 1, 10, 20));
    assert_null(check_window(&w, 2, 20, 30));
    assert_non_null(check_window(&w, 3, 29, 40));
}

/* A world, and what its farm's check says when something in the farm is broken on purpose. */
static void a_broken_farm_is_seen(void **state)
{
    (void)state;
    static tally t;
    sim s;
    sim_init(&s, 5, &t);
    for (int k = 0; k < 6; k++)
        sim_submit(&s);
    s.healing = true; /* no faults */
    s.loss = s.twice = s.late = 0;
    for (int k = 0; k < 600 && s.farm->stats.units_in_flight == 0; k++)
        sim_run(&s, s.now + SEC);
    assert_null(check_farm(s.farm));
    job *j = NULL;
    for (uint32_t i = 0; i < s.farm->jobs_by_id.cap && !j; i++) {
        j = s.farm->jobs_by_id.v[i].p;
        j = j && hone_farm_job_is_live(j->row.state) ? j : NULL;
    }
    assert_non_null(j);
    uint32_t pos = j->timer.pos;
    j->timer.pos = 0;
    assert_string_equal(check_farm(s.farm), "a live job without a deadline");
    j->timer.pos = pos;
    j->user->in_flight += 100;
    assert_string_equal(check_farm(s.farm), "a user has more than the quota");
    j->user->in_flight -= 100;
    lease *l = NULL;
    for (uint32_t i = 0; i < s.farm->workers.n && !l; i++)
        for (ring *r = s.farm->workers.v[i]->leases.next; r != &s.farm->workers.v[i]->leases && !l;
             r = r->next)
            l = OF(r, lease, in_worker)->state == LEASE_LIVE ? OF(r, lease, in_worker) : NULL;
    assert_non_null(l);
    pos = l->timer.pos;
    l->timer.pos = 0;
    assert_string_equal(check_farm(s.farm), "a lease without a deadline");
    l->timer.pos = pos;
    assert_null(check_farm(s.farm));

    /* Offers: whose lease is not durable, to a device in quarantine, of a fence of before, of a
     * unit that is settled. */
    sim_worker *w = &s.w[check_worker_of(&s, l->worker->row.name)];
    hone_farm_effect e = {.kind = HONE_FARM_OFFER, .who = w->name};
    e.lease.fence = w->best_fence + 1;
    e.lease.unit = sim_key(KERNELS, 0, false);
    e.lease.role = HONE_FARM_DEVICE;
    assert_string_equal(check_offer(&s, w, &e), "an offer of what a restart would not know of");
    hone_farm_row given = {.kind = HONE_FARM_ROW_LEASE, .lease = {.fence = e.lease.fence}};
    snprintf(given.lease.worker, sizeof given.lease.worker, "%s", w->name);
    store_apply(&s.store, &given, 1);
    assert_null(check_offer(&s, w, &e));
    hone_farm_health h = l->worker->row.health;
    l->worker->row.health = HONE_FARM_HEALTH_QUARANTINED;
    assert_string_equal(check_offer(&s, w, &e), "an offer to a device that is not healthy");
    l->worker->row.health = h;
    hone_farm_row row = {.kind = HONE_FARM_ROW_RESULT, .result = {.unit = e.lease.unit}};
    store_apply(&s.store, &row, 1);
    assert_string_equal(check_offer(&s, w, &e), "a unit that is settled is offered");
    e.lease.fence = 0;
    assert_string_equal(check_offer(&s, w, &e), "a fence that does not grow");
    sim_fini(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_store_sees_what_is_wrong),
        cmocka_unit_test(the_audit_log_is_compared_with_the_tables),
        cmocka_unit_test(results_are_compared_with_the_truth),
        cmocka_unit_test(windows_that_overlap_are_seen),
        cmocka_unit_test(a_broken_farm_is_seen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
