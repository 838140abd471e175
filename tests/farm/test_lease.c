/* Leases and units: what is tried where, how long, and what of it is believed. */
#include "tests/farm/box.h"

static void two(box *b, uint64_t *ret_id)
{
    box_init(b);
    box_start(b);
    box_device(b, "a", "class=c");
    box_device(b, "b", "class=c");
    *ret_id = box_submit(b, "ann", "", HONE_FARM_BATCH);
    box_tick(b, 20 * MS);
}

static const hone_farm_effect *given(const box *b)
{
    assert_true(b->gives.n > 0);
    return &b->gives.v[b->gives.n - 1];
}

/* Both are heard of while time passes. */
static void pass(box *b, int64_t ns, bool with_a)
{
    for (int64_t t = 0; t < ns; t += SEC) {
        if (with_a)
            box_say_of(b, "a", HONE_FARM_TRAFFIC, 0, 0);
        box_say_of(b, "b", HONE_FARM_TRAFFIC, 0, 0);
        box_tick(b, SEC);
    }
}

static const char *offered_to(box *b, hone_farm_effect *ret)
{
    return box_offer(b, "a", ret) ? "a" : box_offer(b, "b", ret) ? "b" : NULL;
}

static void nothing_is_acknowledged_before_it_is_durable(void **state)
{
    (void)state;
    box b;
    uint64_t id;
    hone_farm_effect e;
    two(&b, &id);
    box_want(&b, id, 1, box_key(1, 1));
    const char *who = offered_to(&b, &e);
    uint64_t acks = b.acks;
    box_tick(&b, 20 * MS);
    b.commits_hold = true;
    box_result(&b, who, &e, HONE_OK);
    box_result(&b, who, &e, HONE_OK); /* said again */
    box_tick(&b, 100 * MS);
    assert_int_equal(b.acks, acks);
    assert_int_equal(b.gives.n, 0);
    b.commits_hold = false;
    store_apply(&b.store, b.last[HONE_FARM_COMMIT].commit.rows, b.last[HONE_FARM_COMMIT].commit.n);
    box_committed(&b, b.batch);
    assert_int_equal(b.acks, acks + 2);
    assert_int_equal(b.gives.n, 1);
    box_free(&b);
}

/* Else a restart would not know it, and what the device brings would be nobody's. */
static void nothing_is_offered_before_its_lease_is_durable(void **state)
{
    (void)state;
    box b;
    uint64_t id;
    hone_farm_effect e;
    two(&b, &id);
    b.commits_hold = true;
    box_want(&b, id, 1, box_key(1, 1));
    box_tick(&b, 5 * SEC); /* nor is it taken for not accepted */
    assert_null(offered_to(&b, &e));
    b.commits_hold = false;
    store_apply(&b.store, b.last[HONE_FARM_COMMIT].commit.rows, b.last[HONE_FARM_COMMIT].commit.n);
    box_committed(&b, b.batch);
    const char *who = offered_to(&b, &e);
    assert_non_null(who);
    assert_true(store_has_lease(&b.store, who, e.lease.fence));
    box_free(&b);
}

static void a_full_disk_stops_acks_and_grants_and_loses_nothing(void **state)
{
    (void)state;
    box b;
    uint64_t id;
    hone_farm_effect e;
    two(&b, &id);
    box_want(&b, id, 1, box_key(1, 1));
    const char *who = offered_to(&b, &e);
    box_tick(&b, 20 * MS);
    b.commits_hold = true;
    box_result(&b, who, &e, HONE_OK);
    box_tick(&b, 10 * MS);
    hone_farm_event full = {.kind = HONE_FARM_COMMIT_FAILED, .commit = {b.batch, HONE_E_FULL}};
    uint64_t acks = b.acks;
    box_step(&b, &full);
    box_want(&b, id, 2, box_key(1, 2));
    assert_null(offered_to(&b, &e));
    assert_int_equal(hone_farm_job_wait(b.f, id), HONE_FARM_BECAUSE_STORAGE);
    b.commits_hold = false; /* tried again after a second */
    box_tick(&b, 2 * SEC);
    assert_int_equal(b.acks, acks + 1);
    assert_int_equal(given(&b)->give.status, HONE_OK);
    assert_non_null(offered_to(&b, &e));
    box_free(&b);
}

/* A device says results of leases that there never were, as fast as it can. */
static void a_flood_of_stale_results_fills_no_log(void **state)
{
    (void)state;
    box b;
    uint64_t id, events;
    two(&b, &id);
    box_tick(&b, 2 * SEC);
    events = b.store.n_events;
    for (uint64_t k = 0; k < 1000; k++) {
        hone_farm_effect e = {0};
        e.lease.fence = 1000000 + k;
        e.lease.unit = box_key(9, k);
        e.lease.epoch = 1;
        box_result(&b, "a", &e, HONE_OK);
    }
    assert_int_equal(b.last[HONE_FARM_ACK].ack.verdict, HONE_FARM_STALE);
    box_tick(&b, 20 * MS);
    assert_true(b.store.n_events > events);
    assert_true(b.store.n_events - events <= 2 * REFUSALS);
    box_free(&b);
}

/* Nor does one that is of another class each time it comes. */
static void classes_are_bounded(void **state)
{
    (void)state;
    box b;
    char attrs[32];
    box_init(&b);
    box_start(&b);
    unsigned first = hone_farm__class_get(b.f, "class=first");
    for (unsigned k = 0; k < 2 * CLASSES; k++) {
        snprintf(attrs, sizeof attrs, "class=x%u", k);
        assert_true(hone_farm__class_get(b.f, attrs) < CLASSES);
    }
    assert_int_equal(b.f->classes.n, CLASSES);
    assert_int_equal(hone_farm__class_get(b.f, "class=first"), first);
    box_free(&b);
}

static void two_users_share_one_measurement(void **state)
{
    (void)state;
    box b;
    uint64_t id;
    hone_farm_effect e;
    two(&b, &id);
    uint64_t other = box_submit(&b, "bob", "", HONE_FARM_BATCH);
    box_tick(&b, 20 * MS);
    box_want(&b, id, 1, box_key(1, 1));
    box_want(&b, other, 9, box_key(1, 1));
    const char *who = offered_to(&b, &e);
    box_say_of(&b, who, HONE_FARM_ACCEPT, e.lease.fence, 0);
    assert_null(offered_to(&b, &e) ? "more than one" : NULL);
    b.now += 500 * MS;
    box_offer(&b, who, &e);
    e.lease.fence = 0;
    const worker *w = hone_farm__worker(b.f, who);
    for (ring *r = w->leases.next; r != &w->leases; r = r->next)
        e.lease.fence = OF(r, lease, in_worker)->fence;
    e.lease.epoch = w->row.epoch;
    e.lease.unit = box_key(1, 1);
    box_result(&b, who, &e, HONE_OK);
    box_tick(&b, 20 * MS);
    assert_int_equal(b.gives.n, 2);
    assert_int_equal(hone_farm__user(b.f, "ann")->row.spent_ns, 250 * MS);
    assert_int_equal(hone_farm__user(b.f, "bob")->row.spent_ns, 250 * MS);
    box_want(&b, other, 10, box_key(1, 1)); /* and later it is there */
    assert_int_equal(b.gives.n, 3);
    box_free(&b);
}

static void a_lost_device_is_waited_for_and_its_late_result_counts(void **state)
{
    (void)state;
    box b;
    uint64_t id;
    hone_farm_effect e, again;
    two(&b, &id);
    box_want(&b, id, 1, box_key(1, 1));
    const char *who = offered_to(&b, &e);
    assert_string_equal(who, "a");
    box_say_of(&b, "a", HONE_FARM_ACCEPT, e.lease.fence, 0);
    pass(&b, 19 * SEC, false); /* torpid: nothing happens */
    assert_false(box_offer(&b, "b", &again));
    pass(&b, 13 * SEC, false); /* its lease is over, and the other one has it */
    assert_true(box_offer(&b, "b", &again));
    hone_farm_held held = {e.lease.fence, e.lease.unit, HONE_FARM_PHASE_ENDING, 0};
    box_hello_with(&b, "a", HONE_FARM_DEVICE, "class=c", 1, 2, &held, 1);
    box_result(&b, "a", &e, HONE_OK);
    box_tick(&b, 20 * MS);
    assert_int_equal(given(&b)->give.fence, e.lease.fence);
    box_result(&b, "b", &again, HONE_OK); /* too late, and once is enough */
    box_tick(&b, 20 * MS);
    assert_int_equal(b.gives.n, 1);
    assert_int_equal(b.last[HONE_FARM_ACK].ack.verdict, HONE_FARM_STALE);
    box_free(&b);
}

static void what_a_worker_had_that_leaves_is_free_at_once(void **state)
{
    (void)state;
    box b;
    uint64_t id;
    hone_farm_effect e;
    two(&b, &id);
    box_want(&b, id, 1, box_key(1, 1));
    assert_string_equal(offered_to(&b, &e), "a");
    box_say_of(&b, "a", HONE_FARM_ACCEPT, e.lease.fence, 0);
    int64_t score = hone_farm__worker(b.f, "a")->row.score;
    box_say_of(&b, "a", HONE_FARM_GOODBYE, 0, 0);
    box_tick(&b, 20 * MS);
    assert_true(box_offer(&b, "b", &e));
    assert_int_equal(hone_farm__worker(b.f, "a")->link, HONE_FARM_LINK_OFFLINE);
    assert_int_equal(hone_farm__worker(b.f, "a")->row.score, score); /* no fault of its own */
    box_result(&b, "b", &e, HONE_OK);
    box_tick(&b, 20 * MS);
    assert_int_equal(given(&b)->give.status, HONE_OK);
    box_free(&b);
}

static void a_device_is_not_free_before_it_says_so(void **state)
{
    (void)state;
    box b;
    uint64_t id;
    hone_farm_effect e, next;
    two(&b, &id);
    hone_farm_say s = {.verb = HONE_FARM_VERB_DRAIN, .name = "b"};
    box_say(&b, "root", &s);
    box_want(&b, id, 1, box_key(1, 1));
    assert_true(box_offer(&b, "a", &e));
    box_say_of(&b, "a", HONE_FARM_ACCEPT, e.lease.fence, 0);
    box_want(&b, id, 2, box_key(1, 2));
    hone_farm_event un = {.kind = HONE_FARM_UNWANT, .want = {.job = id, .tag = 1}};
    box_step(&b, &un);
    pass(&b, 5 * SEC, true);
    assert_false(box_offer(&b, "a", &next)); /* told to end, and has not answered */
    box_say_of(&b, "a", HONE_FARM_REVOKED_OK, e.lease.fence, 0);
    box_tick(&b, 20 * MS);
    assert_true(box_offer(&b, "a", &next));
    assert_true(next.lease.fence > e.lease.fence);
    box_free(&b);
}

static void a_failure_is_tried_elsewhere_and_given_up_after_three(void **state)
{
    (void)state;
    box b;
    uint64_t id;
    hone_farm_effect e;
    two(&b, &id);
    box_device(&b, "c", "class=c");
    const char *names[] = {"a", "b", "c"};
    box_want(&b, id, 1, box_key(1, 1));
    bool used[3] = {false};
    for (int k = 0; k < 3; k++) {
        int at = -1;
        for (int i = 0; i < 3 && at < 0; i++)
            at = box_offer(&b, names[i], &e) ? i : -1;
        assert_true(at >= 0 && !used[at]);
        used[at] = true;
        assert_int_equal(b.gives.n, 0);
        box_result(&b, names[at], &e, HONE_E_SANDBOX);
        box_tick(&b, 20 * MS);
    }
    assert_int_equal(given(&b)->give.status, HONE_E_SANDBOX);
    assert_int_equal(given(&b)->give.reason, HONE_FARM_BECAUSE_ATTEMPTS);
    assert_null(store_result(&b.store, &e.lease.unit)); /* no verdict */
    box_free(&b);
}

static void what_takes_down_two_workers_is_poison(void **state)
{
    (void)state;
    box b;
    uint64_t id;
    hone_farm_effect e;
    two(&b, &id);
    box_want(&b, id, 1, box_key(1, 1));
    for (uint64_t k = 0; k < 2; k++) {
        const char *who = offered_to(&b, &e);
        assert_non_null(who);
        box_say_of(&b, who, HONE_FARM_ACCEPT, e.lease.fence, 0);
        box_say_of(&b, who, HONE_FARM_PROGRESS, e.lease.fence, HONE_FARM_PHASE_CHECKING);
        box_hello_with(&b, who, HONE_FARM_DEVICE, "class=c", 50 + k, 1, NULL, 0);
    }
    box_tick(&b, 20 * MS);
    assert_int_equal(given(&b)->give.reason, HONE_FARM_BECAUSE_POISON);
    assert_int_equal(given(&b)->give.status, HONE_E_PEER);
    box_want(&b, id, 2, box_key(1, 1)); /* never again, also after a restart */
    assert_int_equal(b.gives.n, 2);
    hone_farm_free(b.f);
    box_start(&b);
    box_want(&b, id, 3, box_key(1, 1));
    assert_int_equal(given(&b)->give.reason, HONE_FARM_BECAUSE_POISON);
    box_free(&b);
}

static void a_restart_adopts_what_runs(void **state)
{
    (void)state;
    box b;
    uint64_t id;
    hone_farm_effect e, x;
    two(&b, &id);
    box_want(&b, id, 1, box_key(1, 1));
    const char *who = offered_to(&b, &e);
    box_tick(&b, 20 * MS);
    hone_farm_free(b.f);
    box_start(&b);
    hone_farm_held held = {e.lease.fence, e.lease.unit, HONE_FARM_PHASE_TIMING, 0};
    box_hello_with(&b, who, HONE_FARM_DEVICE, "class=c", 1, 2, &held, 1);
    box_hello_with(&b, strcmp(who, "a") ? "a" : "b", HONE_FARM_DEVICE, "class=c", 1, 2, NULL, 0);
    box_want(&b, id, 1, box_key(1, 1));
    while (offered_to(&b, &x))
        assert_true(box_is_canary(&x)); /* it is not given to another one */
    box_result(&b, who, &e, HONE_OK);
    box_tick(&b, 20 * MS);
    assert_int_equal(given(&b)->give.fence, e.lease.fence);
    box_free(&b);
}

/* What its session wants again before the worker is back is not begun again: the result is there.
 */
static void a_restart_waits_for_a_result(void **state)
{
    (void)state;
    box b;
    uint64_t id;
    hone_farm_effect e, x;
    two(&b, &id);
    box_want(&b, id, 1, box_key(1, 1));
    const char *who = offered_to(&b, &e);
    box_tick(&b, 20 * MS);
    hone_farm_free(b.f);
    box_start(&b);
    box_want(&b, id, 1, box_key(1, 1));
    assert_int_equal(b.gives.n, 0); /* it is open */
    hone_farm_held held = {e.lease.fence, e.lease.unit, HONE_FARM_PHASE_ENDING, 0};
    box_hello_with(&b, who, HONE_FARM_DEVICE, "class=c", 1, 2, &held, 1);
    box_hello_with(&b, strcmp(who, "a") ? "a" : "b", HONE_FARM_DEVICE, "class=c", 1, 2, NULL, 0);
    while (offered_to(&b, &x))
        assert_true(box_is_canary(&x));
    box_result(&b, who, &e, HONE_OK);
    box_tick(&b, 20 * MS);
    assert_int_equal(b.last[HONE_FARM_ACK].ack.verdict, HONE_FARM_TAKEN);
    assert_int_equal(given(&b)->give.fence, e.lease.fence);
    box_result(&b, who, &e, HONE_OK); /* said again, as its answer was lost */
    box_tick(&b, 20 * MS);
    assert_int_equal(b.last[HONE_FARM_ACK].ack.verdict, HONE_FARM_DUPLICATE);
    box_free(&b);
}

/* One that says it has a result and does not send it is waited for as long as a silent one. */
static void a_result_that_does_not_come(void **state)
{
    (void)state;
    box b;
    uint64_t id;
    hone_farm_effect e;
    two(&b, &id);
    box_want(&b, id, 1, box_key(1, 1));
    const char *who = offered_to(&b, &e);
    box_tick(&b, 20 * MS);
    hone_farm_free(b.f);
    box_start(&b);
    box_want(&b, id, 1, box_key(1, 1));
    hone_farm_held held = {e.lease.fence, e.lease.unit, HONE_FARM_PHASE_ENDING, 0};
    box_hello_with(&b, who, HONE_FARM_DEVICE, "class=c", 1, 2, &held, 1);
    assert_non_null(hone_farm__unit(b.f, &e.lease.unit)->lease);
    pass(&b, 40 * SEC, true);
    assert_null(hone_farm__unit(b.f, &e.lease.unit)->lease); /* open for whoever is free */
    hone_farm_stats s;
    hone_farm_get_stats(b.f, &s);
    assert_int_equal(s.expired, 1);
    box_free(&b);
}

/* After a restart nobody knows how long what runs may take but the worker that runs it. */
static void what_is_adopted_has_the_time_it_was_given(void **state)
{
    (void)state;
    for (int said = 0; said < 2; said++) {
        box b;
        uint64_t id;
        hone_farm_effect e;
        two(&b, &id);
        box_want(&b, id, 1, box_key(1, 1));
        const char *who = offered_to(&b, &e);
        box_tick(&b, 20 * MS);
        hone_farm_free(b.f);
        box_start(&b);
        box_want(&b, id, 1, box_key(1, 1));
        hone_farm_held held = {e.lease.fence, e.lease.unit, HONE_FARM_PHASE_CHECKING,
                               said ? 100000 : 0};
        box_hello_with(&b, who, HONE_FARM_DEVICE, "class=c", 1, 2, &held, 1);
        pass(&b, 60 * SEC, true);
        hone_farm_stats s;
        hone_farm_get_stats(b.f, &s);
        assert_int_equal(s.expired, !said);
        box_free(&b);
    }
}

static void anothers_fence_and_another_epoch_are_stale(void **state)
{
    (void)state;
    box b;
    uint64_t id;
    hone_farm_effect e, f;
    two(&b, &id);
    box_want(&b, id, 1, box_key(1, 1));
    const char *who = offered_to(&b, &e);
    const char *other = strcmp(who, "a") ? "a" : "b";
    box_result(&b, other, &e, HONE_OK); /* a result of a lease that it has not */
    assert_int_equal(b.last[HONE_FARM_ACK].ack.verdict, HONE_FARM_STALE);
    f = e;
    f.lease.unit = box_key(7, 7); /* its own lease, another unit */
    box_result(&b, who, &f, HONE_OK);
    assert_int_equal(b.last[HONE_FARM_ACK].ack.verdict, HONE_FARM_STALE);
    hone_farm_event r = {.kind = HONE_FARM_RESULT, .who = who, .session = box_session(&b, who)};
    r.result.fence = e.lease.fence;
    r.result.unit = e.lease.unit;
    r.result.epoch = 99;
    box_step(&b, &r);
    assert_int_equal(b.last[HONE_FARM_ACK].ack.verdict, HONE_FARM_STALE);
    assert_int_equal(b.gives.n, 0);
    box_tick(&b, 20 * MS);
    assert_non_null(offered_to(&b, &f)); /* it is done again */
    box_free(&b);
}

static void own_lag_expires_nothing(void **state)
{
    (void)state;
    box b;
    uint64_t id;
    hone_farm_effect e;
    two(&b, &id);
    box_want(&b, id, 1, box_key(1, 1));
    const char *who = offered_to(&b, &e);
    box_say_of(&b, who, HONE_FARM_ACCEPT, e.lease.fence, 0);
    b.now += 3600 * SEC; /* the coordinator was away, and steps late */
    box_step(&b, &(hone_farm_event){.kind = HONE_FARM_TICK});
    assert_int_equal(hone_farm__worker(b.f, who)->link, HONE_FARM_LINK_ONLINE);
    hone_farm_stats s;
    hone_farm_get_stats(b.f, &s);
    assert_int_equal(s.expired, 0);
    assert_true(s.stalled_ns > 3000 * SEC);
    b.now -= 7200 * SEC; /* a clock that goes back is no time */
    box_step(&b, &(hone_farm_event){.kind = HONE_FARM_TICK});
    box_result(&b, who, &e, HONE_OK);
    box_tick(&b, 7300 * SEC);
    assert_int_equal(given(&b)->give.status, HONE_OK);
    box_free(&b);
}

static void a_second_machine_with_a_key_is_refused(void **state)
{
    (void)state;
    box b;
    uint64_t id;
    two(&b, &id);
    hone_farm_event h = {.kind = HONE_FARM_HELLO, .who = "a"};
    h.hello = (hone_farm_hello){.machine = 99,
                                .process = 99,
                                .count = 1,
                                .roles = HONE_FARM_DEVICE,
                                .slots = 1,
                                .attrs = "class=c"};
    box_say_of(&b, "a", HONE_FARM_TRAFFIC, 0, 0);
    box_step(&b, &h);
    assert_int_equal(b.last[HONE_FARM_REFUSE].refuse.reason, HONE_FARM_BECAUSE_TWICE);
    pass(&b, 8 * SEC, false); /* the first is silent: the second may have its place */
    box_step(&b, &h);
    assert_int_equal(hone_farm__worker(b.f, "a")->machine, 99);
    box_free(&b);
}

static void a_build_that_nobody_wants_any_more_is_nothing(void **state)
{
    (void)state;
    box b;
    uint64_t id;
    hone_farm_effect e;
    two(&b, &id);
    box_hello_with(&b, "b", HONE_FARM_BUILDER, "class=c", 1, 2, NULL, 0);
    hone_farm_event w = {.kind = HONE_FARM_WANT};
    w.want =
        (hone_farm_want){.job = id, .tag = 1, .unit = box_key(1, 1), .role = HONE_FARM_BUILDER};
    box_step(&b, &w);
    assert_true(box_offer(&b, "b", &e));
    hone_farm_event un = {.kind = HONE_FARM_UNWANT, .want = {.job = id, .tag = 1}};
    box_step(&b, &un);
    box_result(&b, "b", &e, HONE_OK);
    box_tick(&b, 20 * MS);
    assert_null(store_result(&b.store, &e.lease.unit));
    assert_int_equal(b.gives.n, 0);
    box_step(&b, &w); /* and wanted again it is built again, and given at once */
    assert_true(box_offer(&b, "b", &e));
    box_result(&b, "b", &e, HONE_OK);
    assert_int_equal(given(&b)->give.status, HONE_OK);
    box_free(&b);
}

static void a_restart_forgets_no_lease(void **state)
{
    (void)state;
    box b;
    uint64_t id;
    hone_farm_effect e;
    two(&b, &id);
    hone_farm_say s = {.verb = HONE_FARM_VERB_RETIRE, .name = "b"};
    box_say(&b, "root", &s);
    for (uint64_t k = 1; k <= 80; k++) { /* as many as a worker is remembered by, and more */
        box_want(&b, id, k, box_key(1, k));
        assert_true(box_offer(&b, "a", &e));
        hone_farm_event un = {.kind = HONE_FARM_UNWANT, .want = {.job = id, .tag = k}};
        box_step(&b, &un);
        box_say_of(&b, "a", HONE_FARM_REVOKED_OK, e.lease.fence, 0);
    }
    box_want(&b, id, 99, box_key(2, 1)); /* one that runs, beside those */
    box_tick(&b, 20 * MS);
    assert_int_equal(b.store.leases.n, GHOSTS + 1);
    hone_farm_free(b.f);
    box_start(&b); /* which compares it with its rows */
    box_free(&b);
}

/* Units that took down a worker, and that nobody wants any more, are not remembered for ever: the
 * oldest go, here and in the log. */
static void strikes_are_bounded(void **state)
{
    (void)state;
    box b;
    box_init(&b);
    b.l.kept_strikes = 3;
    box_start(&b);
    box_device(&b, "a", "class=c");
    uint64_t id = box_submit(&b, "ann", "", HONE_FARM_BATCH);
    hone_farm_effect e;
    box_tick(&b, 20 * MS);
    for (uint64_t k = 1; k <= 8; k++) {
        box_want(&b, id, k, box_key(9, k));
        bool got = false;
        for (int turn = 0; turn < 400 && !got; turn++) { /* after canaries, and their time */
            static const double clean[] = {1e6, 2e6, 3e6};
            while (box_offer(&b, "a", &e) && box_is_canary(&e))
                box_canary(&b, "a", e.lease.fence, clean, true);
            got = e.who && !box_is_canary(&e) && e.lease.unit.v[1] == k;
            if (e.who && !box_is_canary(&e) &&
                !got) /* of the one before, which it was told to end */
                box_say_of(&b, "a", HONE_FARM_REVOKED_OK, e.lease.fence, 0);
            box_say_of(&b, "a", HONE_FARM_TRAFFIC, 0, 0);
            box_tick(&b, SEC);
        }
        assert_true(got);
        box_say_of(&b, "a", HONE_FARM_ACCEPT, e.lease.fence, 0);
        box_say_of(&b, "a", HONE_FARM_PROGRESS, e.lease.fence, HONE_FARM_PHASE_TIMING);
        box_hello_with(&b, "a", HONE_FARM_DEVICE, "class=c", 1 + k, 1, NULL, 0); /* it died of it */
        hone_farm_event un = {.kind = HONE_FARM_UNWANT};
        un.want.job = id;
        un.want.tag = k;
        box_step(&b, &un);
        assert_int_equal(b.f->n_strikes, k < 3 ? k : 3);
    }
    box_tick(&b, SEC);
    assert_int_equal(b.store.strikes.n, 3);
    for (uint32_t k = 0; k < 3; k++)
        assert_true(b.store.strikes.v[k].unit.v[1] > 5);
    box_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_acknowledged_before_it_is_durable),
        cmocka_unit_test(nothing_is_offered_before_its_lease_is_durable),
        cmocka_unit_test(a_full_disk_stops_acks_and_grants_and_loses_nothing),
        cmocka_unit_test(a_flood_of_stale_results_fills_no_log),
        cmocka_unit_test(classes_are_bounded),
        cmocka_unit_test(two_users_share_one_measurement),
        cmocka_unit_test(a_lost_device_is_waited_for_and_its_late_result_counts),
        cmocka_unit_test(what_a_worker_had_that_leaves_is_free_at_once),
        cmocka_unit_test(a_device_is_not_free_before_it_says_so),
        cmocka_unit_test(a_failure_is_tried_elsewhere_and_given_up_after_three),
        cmocka_unit_test(what_takes_down_two_workers_is_poison),
        cmocka_unit_test(a_restart_adopts_what_runs),
        cmocka_unit_test(a_restart_waits_for_a_result),
        cmocka_unit_test(a_result_that_does_not_come),
        cmocka_unit_test(what_is_adopted_has_the_time_it_was_given),
        cmocka_unit_test(anothers_fence_and_another_epoch_are_stale),
        cmocka_unit_test(own_lag_expires_nothing),
        cmocka_unit_test(a_second_machine_with_a_key_is_refused),
        cmocka_unit_test(a_build_that_nobody_wants_any_more_is_nothing),
        cmocka_unit_test(a_restart_forgets_no_lease),
        cmocka_unit_test(strikes_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
