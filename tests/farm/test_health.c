/* Health of devices: a slow-down of a twentieth is found within 64 measurements, a steady device is
 * let alone for months, heat cools, what is slower for good goes on as that, wrong results are
 * suspect, half of a class is not put aside, nor is who is alone; what was put aside comes back. */
#include "tests/farm/box.h"

#define NOISE 0.01 /* of a canary, in ln */

static hone_rng rng;

static double gauss(void)
{
    double u = 1 - hone_rng_double(&rng), v = hone_rng_double(&rng);
    return sqrt(-2 * log(u)) * cos(2 * M_PI * v);
}

/* Days are jumped over in these tests. */
static void patient(box *b)
{
    box_init(b);
    b->l.stall_ms = 24 * 3600 * 1000;
    b->l.torpid_ms = b->l.lost_ms = b->l.lease_ms = INT64_C(400) * 24 * 3600 * 1000;
    box_start(b);
    b->now += 3600 * SEC;
    hone_rng_seed(&rng, 1);
}

static worker *device(const box *b, const char *name)
{
    return hone_farm__worker(b->f, name);
}

/* Answers every canary that is offered; `slow` is how much slower the device is. */
static unsigned canaries(box *b, const char *name, double slow)
{
    hone_farm_effect e;
    unsigned n = 0;
    for (; n < 200 && box_offer(b, name, &e); n++) {
        double ns[HONE_FARM_CANARIES];
        assert_true(box_is_canary(&e));
        for (int k = 0; k < HONE_FARM_CANARIES; k++)
            ns[k] = 1e6 * (k + 1) * slow * exp(NOISE * gauss());
        box_canary(b, name, e.lease.fence, ns, true);
    }
    return n;
}

static void join(box *b, const char *name, const char *attrs)
{
    hone_farm_event k = {.kind = HONE_FARM_SAY, .who = "root"};
    k.say.verb = HONE_FARM_VERB_KEY_ADD;
    k.say.name = name;
    k.say.key = name;
    k.say.roles = HONE_FARM_DEVICE;
    box_step(b, &k);
    box_hello_with(b, name, HONE_FARM_DEVICE, attrs, 1, 1, NULL, 0);
    canaries(b, name, 1);
    assert_int_equal(device(b, name)->row.health, HONE_FARM_HEALTH_GOOD);
}

static void wait(box *b, int64_t ns)
{
    b->now += ns;
    box_step(b, &(hone_farm_event){.kind = HONE_FARM_TICK});
}

static void a_slow_down_of_a_twentieth_is_found(void **state)
{
    (void)state;
    box b;
    unsigned found = 0, trials = 400;
    patient(&b);
    for (unsigned t = 0; t < trials; t++) {
        char name[16], attrs[32];
        snprintf(name, sizeof name, "d%u", t);
        snprintf(attrs, sizeof attrs, "class=c%u", t);
        join(&b, name, attrs);
        uint64_t id = box_submit(&b, "ann", attrs, HONE_FARM_BATCH);
        box_tick(&b, 20 * MS);
        for (uint64_t k = 1; k <= 64 && device(&b, name)->row.epoch == 1; k++) {
            hone_farm_effect e;
            box_want(&b, id, k, box_key(t + 1, k));
            assert_true(box_offer(&b, name, &e) && !box_is_canary(&e));
            box_say_of(&b, name, HONE_FARM_ACCEPT, e.lease.fence, 0);
            b.now += 200 * MS;
            box_result(&b, name, &e, HONE_OK);
            canaries(&b, name, 1.05);
        }
        found += device(&b, name)->row.epoch == 2; /* alone: it goes on with a new baseline */
        assert_int_equal(device(&b, name)->row.health, HONE_FARM_HEALTH_GOOD);
        hone_farm_event e = {.kind = HONE_FARM_JOB_ENDED, .ended = {id, HONE_OK}};
        box_step(&b, &e);
    }
    print_message("%u of %u found\n", found, trials);
    assert_true(found >= 0.99 * trials);
    box_free(&b);
}

static void a_steady_device_is_let_alone(void **state)
{
    (void)state;
    box b;
    unsigned out = 0, n = 0, months = 12;
    patient(&b);
    b.f->l.canary_idle_ms = 60000; /* as often as when it is busy */
    for (unsigned m = 0; m < months; m++) {
        char name[16], attrs[32];
        snprintf(name, sizeof name, "d%u", m);
        snprintf(attrs, sizeof attrs, "class=c%u", m);
        join(&b, name, attrs);
        for (int minute = 0; minute < 30 * 24 * 60; minute++) {
            wait(&b, 60 * SEC);
            uint64_t epoch = device(&b, name)->row.epoch;
            n += canaries(&b, name, 1);
            if (device(&b, name)->row.epoch != epoch ||
                device(&b, name)->row.health != HONE_FARM_HEALTH_GOOD) {
                out++;
                while (device(&b, name)->row.health != HONE_FARM_HEALTH_GOOD) {
                    wait(&b, 60 * SEC);
                    canaries(&b, name, 1);
                }
            }
        }
        hone_farm_say s = {.verb = HONE_FARM_VERB_RETIRE, .name = name};
        box_say(&b, "root", &s); /* done with it */
    }
    print_message("%u canaries in %u device-months: out of service %u times\n", n, months, out);
    assert_true(out <= months);
    box_free(&b);
}

static void heat_is_cooled(void **state)
{
    (void)state;
    box b;
    patient(&b);
    join(&b, "d", "class=c");
    wait(&b, 600 * SEC);
    hone_farm_effect e;
    const double disturbed[] = {1.2e6, 2e6, 3e6};
    assert_true(box_offer(&b, "d", &e) && box_is_canary(&e));
    box_canary(&b, "d", e.lease.fence, disturbed, true); /* one says nothing */
    assert_int_equal(canaries(&b, "d", 1), 6);
    assert_int_equal(device(&b, "d")->row.health, HONE_FARM_HEALTH_GOOD);
    wait(&b, 600 * SEC);
    assert_int_equal(canaries(&b, "d", 1.15), 2);
    for (int k = 0; k < 3; k++) { /* longer each time, up to two minutes */
        assert_int_equal(device(&b, "d")->row.health, HONE_FARM_HEALTH_COOLING);
        wait(&b, (30 << k) * SEC - SEC);
        assert_int_equal(device(&b, "d")->row.health, HONE_FARM_HEALTH_COOLING);
        wait(&b, 2 * SEC);
        assert_int_equal(device(&b, "d")->row.health, HONE_FARM_HEALTH_PROBING);
        if (k < 2)
            assert_int_equal(canaries(&b, "d", 1.2), 2);
    }
    while (device(&b, "d")->row.health != HONE_FARM_HEALTH_GOOD) {
        wait(&b, 60 * SEC);
        assert_true(canaries(&b, "d", 1) > 0);
    }
    box_free(&b);
}

/* Minutes until it takes units again; `open`: somebody opens it each minute. */
static int minutes_out(box *b, const char *name, double slow, bool open)
{
    int n = 0;
    wait(b, 600 * SEC);
    canaries(b, name, slow);
    for (; device(b, name)->row.health != HONE_FARM_HEALTH_GOOD && n < 60; n++) {
        hone_farm_say s = {.verb = HONE_FARM_VERB_OPEN, .name = name};
        if (open)
            box_say(b, "root", &s);
        canaries(b, name, slow);
        for (int k = 0; k < 6; k++) {
            wait(b, 10 * SEC);
            canaries(b, name, slow);
        }
    }
    return n;
}

/* On a machine that is shared, or whose fan has died: it is another device, and goes on as that. */
static void what_is_slower_for_good_goes_on(void **state)
{
    (void)state;
    for (int open = 0; open < 2; open++) {
        box b;
        patient(&b);
        join(&b, "alone", "class=a");
        join(&b, "one", "class=c");
        join(&b, "two", "class=c");
        join(&b, "three", "class=c");
        int hot = minutes_out(&b, "alone", 1.3, open);
        assert_true(open ? hot <= 4 : hot >= 4 && hot <= 8);
        int off = minutes_out(&b, "one", 1.06, open);
        assert_true(open ? off <= 4 : off >= 4 && off <= 8);
        assert_true(b.notices >= 2);
        assert_int_equal(device(&b, "alone")->row.epoch, 2);
        assert_int_equal(device(&b, "one")->row.epoch, 2);
        assert_int_equal(device(&b, "one")->row.quarantines, 1);
        assert_int_equal(device(&b, "one")->row.why, HONE_FARM_BECAUSE_LEVEL);
        assert_true(fabs(hone_farm_baseline_drift(&device(&b, "one")->row.baseline) - 0.06) < 0.02);
        assert_true(fabs(hone_farm_baseline_drift(&device(&b, "alone")->row.baseline) - 0.3) <
                    0.02);
        box_free(&b);
    }
}

static void a_wrong_golden_result_makes_results_suspect(void **state)
{
    (void)state;
    box b;
    hone_farm_effect e;
    patient(&b);
    join(&b, "d", "class=c");
    uint64_t id = box_submit(&b, "ann", "", HONE_FARM_BATCH);
    box_tick(&b, 20 * MS);
    box_want(&b, id, 1, box_key(1, 1));
    assert_true(box_offer(&b, "d", &e));
    box_result(&b, "d", &e, HONE_OK);
    box_tick(&b, 20 * MS);
    assert_false(store_result(&b.store, &e.lease.unit)->suspect);
    wait(&b, 600 * SEC);
    hone_farm_effect c;
    const double ns[] = {1e6, 2e6, 3e6};
    assert_true(box_offer(&b, "d", &c) && box_is_canary(&c));
    const double untimed[HONE_FARM_CANARIES] = {0}; /* so says the service: none of a wrong one */
    box_canary(&b, "d", c.lease.fence, untimed, false);
    box_tick(&b, 20 * MS);
    assert_int_equal(device(&b, "d")->row.health, HONE_FARM_HEALTH_QUARANTINED);
    assert_true(store_result(&b.store, &e.lease.unit)->suspect);
    box_want(&b, id, 2, box_key(1, 2));
    assert_false(box_offer(&b, "d", &e)); /* nothing for it, and the user sees why */
    assert_int_equal(hone_farm_job_wait(b.f, id), HONE_FARM_BECAUSE_UNHEALTHY);
    uint32_t given = b.gives.n;
    box_want(&b, id, 3, box_key(1, 1)); /* nor is it given what is suspect */
    assert_int_equal(b.gives.n, given);
    assert_null(store_result(&b.store, &(hone_farm_key){{1, 1}}));
    /* The way back: its time, and three clean canaries. */
    wait(&b, 301 * SEC);
    for (int k = 0; k < 3; k++) {
        assert_int_equal(device(&b, "d")->row.health, HONE_FARM_HEALTH_QUARANTINED);
        wait(&b, k ? 11 * SEC : 0);
        assert_true(box_offer(&b, "d", &c) && box_is_canary(&c));
        box_canary(&b, "d", c.lease.fence, ns, true);
    }
    assert_int_equal(device(&b, "d")->row.health, HONE_FARM_HEALTH_GOOD);
    box_tick(&b, 20 * MS);
    assert_true(box_offer(&b, "d", &e)); /* what waited is done */
    assert_int_equal(e.lease.tag, 2);
    box_result(&b, "d", &e, HONE_OK);
    box_tick(&b, 20 * MS);
    assert_true(box_offer(&b, "d", &e));
    assert_int_equal(e.lease.tag, 3);
    box_result(&b, "d", &e, HONE_OK);
    box_tick(&b, 20 * MS);
    assert_false(store_result(&b.store, &e.lease.unit)->suspect);
    box_free(&b);
}

static void no_more_than_half_of_a_class_is_put_aside(void **state)
{
    (void)state;
    box b;
    char name[16];
    unsigned good = 0, quarantined = 0;
    patient(&b);
    for (int d = 0; d < 6; d++) {
        snprintf(name, sizeof name, "d%d", d);
        join(&b, name, "class=c");
    }
    wait(&b, 600 * SEC); /* a new kernel on all of them, say */
    for (int round = 0; round < 40; round++)
        for (int d = 0; d < 6; d++) {
            snprintf(name, sizeof name, "d%d", d);
            canaries(&b, name, 1.06);
        }
    for (int d = 0; d < 6; d++) {
        snprintf(name, sizeof name, "d%d", d);
        good += device(&b, name)->row.health == HONE_FARM_HEALTH_GOOD;
        quarantined += device(&b, name)->row.health == HONE_FARM_HEALTH_QUARANTINED;
    }
    assert_true(quarantined <= 3);
    assert_true(good >= 3); /* with a baseline of now, and a new epoch */
    assert_int_equal(device(&b, "d5")->row.epoch, 2);
    assert_true(b.notices > 0);
    box_free(&b);
}

static void three_quarantines_in_a_day_retire(void **state)
{
    (void)state;
    box b;
    hone_farm_effect e;
    const double ns[] = {1e6, 2e6, 3e6};
    patient(&b);
    join(&b, "d", "class=c");
    for (int k = 0; k < 3; k++) {
        while (!box_offer(&b, "d", &e))
            wait(&b, 60 * SEC);
        box_canary(&b, "d", e.lease.fence, ns, false);
    }
    assert_int_equal(device(&b, "d")->row.health, HONE_FARM_HEALTH_RETIRED);
    wait(&b, 3600 * SEC);
    assert_false(box_offer(&b, "d", &e));
    hone_farm_say s = {.verb = HONE_FARM_VERB_OPEN, .name = "d"};
    assert_int_equal(box_say(&b, "root", &s)->reply.status, HONE_OK);
    wait(&b, SEC);
    canaries(&b, "d", 1);
    assert_int_equal(device(&b, "d")->row.health, HONE_FARM_HEALTH_GOOD);
    box_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_slow_down_of_a_twentieth_is_found),
        cmocka_unit_test(a_steady_device_is_let_alone),
        cmocka_unit_test(heat_is_cooled),
        cmocka_unit_test(what_is_slower_for_good_goes_on),
        cmocka_unit_test(a_wrong_golden_result_makes_results_suspect),
        cmocka_unit_test(no_more_than_half_of_a_class_is_put_aside),
        cmocka_unit_test(three_quarantines_in_a_day_retire),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
