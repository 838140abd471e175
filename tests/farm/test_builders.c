/* Builders that the farm starts: when it asks for more, and when it lets some go. */
#include "tests/farm/box.h"

#define NOT_SAID UINT32_MAX

/* What was said last, once. */
static uint32_t said(box *b)
{
    hone_farm_effect e = b->last[HONE_FARM_BUILDERS];
    b->last[HONE_FARM_BUILDERS] = (hone_farm_effect){0};
    return e.kind == HONE_FARM_BUILDERS ? e.builders : NOT_SAID;
}

static void want_builds(box *b, uint64_t id, uint64_t from, uint64_t n)
{
    for (uint64_t k = from; k < from + n; k++) {
        hone_farm_event e = {.kind = HONE_FARM_WANT};
        e.want =
            (hone_farm_want){.job = id, .tag = k, .unit = box_key(3, k), .role = HONE_FARM_BUILDER};
        box_step(b, &e);
    }
}

static void builder_joins(box *b, const char *who)
{
    hone_farm_say s = {.verb = HONE_FARM_VERB_KEY_ADD, .name = who, .key = who};
    s.roles = HONE_FARM_BUILDER;
    assert_int_equal(box_say(b, "root", &s)->reply.status, HONE_OK);
    box_hello_with(b, who, HONE_FARM_BUILDER, "", 1, 1, NULL, 0);
}

static void build_all(box *b, const char *who)
{
    hone_farm_effect e;
    while (box_offer(b, who, &e)) {
        box_say_of(b, who, HONE_FARM_ACCEPT, e.lease.fence, 0);
        box_result(b, who, &e, HONE_OK);
        box_tick(b, 10 * MS);
    }
}

/* A job that runs, in a farm that starts at most three builders and has none. */
static void begin(box *b, uint64_t *ret_id)
{
    box_init(b);
    b->l.builders_max = 3;
    box_start(b);
    box_device(b, "d", "");
    *ret_id = box_submit(b, "ann", "", HONE_FARM_BATCH);
    box_tick(b, 20 * MS);
    assert_int_equal(said(b), NOT_SAID);
}

static void a_long_queue_asks_for_more_and_no_work_lets_them_go(void **state)
{
    (void)state;
    box b;
    uint64_t id;
    begin(&b, &id);
    want_builds(&b, id, 1, 20);
    box_tick(&b, 4 * SEC);
    assert_int_equal(said(&b), NOT_SAID);
    box_tick(&b, 3 * SEC);
    assert_int_equal(said(&b), 2); /* one, and one more for each 16 */
    box_tick(&b, 5 * SEC);
    assert_int_equal(said(&b), 3);
    box_tick(&b, 60 * SEC);
    assert_int_equal(said(&b), NOT_SAID); /* no more than there may be */
    builder_joins(&b, "x");
    build_all(&b, "x");
    assert_int_equal(b.gives.n, 20);
    box_tick(&b, 58 * SEC);
    assert_int_equal(said(&b), NOT_SAID);
    box_tick(&b, 64 * SEC); /* a window in which there was nothing, from begin to end */
    assert_int_equal(said(&b), 0);
    box_tick(&b, 130 * SEC);
    assert_int_equal(said(&b), NOT_SAID);
    box_free(&b);
}

static void few_builds_need_few_builders(void **state)
{
    (void)state;
    box b;
    uint64_t id;
    begin(&b, &id);
    want_builds(&b, id, 1, 40);
    box_tick(&b, 7 * SEC);
    assert_int_equal(said(&b), 3);
    builder_joins(&b, "x");
    build_all(&b, "x");
    for (uint64_t k = 0; k < 130; k++) { /* each is over before a sweep sees it */
        want_builds(&b, id, 100 + k, 1);
        build_all(&b, "x");
        box_say_of(&b, "x", HONE_FARM_TRAFFIC, 0, 0);
        box_tick(&b, SEC);
    }
    assert_int_equal(said(&b), 1);
    box_free(&b);
}

static void what_the_driver_waits_for_counts(void **state)
{
    (void)state;
    box b;
    box_init(&b);
    b.l.builders_max = 3;
    box_start(&b);
    for (int64_t end = b.now + 7 * SEC; b.now < end; b.now += 100 * MS)
        box_step(&b, &(hone_farm_event){.kind = HONE_FARM_TICK, .builds = 6});
    assert_int_equal(said(&b), 1);
    box_free(&b);
}

static void after_a_restart_it_is_said_anew(void **state)
{
    (void)state;
    box b;
    uint64_t id;
    begin(&b, &id);
    want_builds(&b, id, 1, 4);
    box_tick(&b, 7 * SEC);
    assert_int_equal(said(&b), 1);

    hone_farm_free(b.f);
    box_start(&b);
    box_tick(&b, 62 * SEC);
    assert_int_equal(said(&b), 0); /* whoever was started before is not needed */

    hone_farm_free(b.f);
    box_start(&b);
    builder_joins(&b, "x");
    builder_joins(&b, "y");
    box_hello_with(&b, "d", HONE_FARM_DEVICE, "", 2, 1, NULL, 0);
    box_tick(&b, 20 * MS);
    want_builds(&b, id, 50, 8); /* four of them in hand */
    for (int k = 0; k < 7; k++) {
        box_say_of(&b, "x", HONE_FARM_TRAFFIC, 0, 0);
        box_say_of(&b, "y", HONE_FARM_TRAFFIC, 0, 0);
        box_tick(&b, SEC);
    }
    assert_int_equal(said(&b), 3); /* and not one: two are there */
    box_free(&b);
}

static void a_farm_that_starts_none_says_nothing(void **state)
{
    (void)state;
    box b;
    box_init(&b);
    box_start(&b);
    for (int64_t end = b.now + 200 * SEC; b.now < end; b.now += 500 * MS)
        box_step(&b, &(hone_farm_event){.kind = HONE_FARM_TICK, .builds = 6});
    assert_int_equal(said(&b), NOT_SAID);
    box_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_long_queue_asks_for_more_and_no_work_lets_them_go),
        cmocka_unit_test(few_builds_need_few_builders),
        cmocka_unit_test(what_the_driver_waits_for_counts),
        cmocka_unit_test(after_a_restart_it_is_said_anew),
        cmocka_unit_test(a_farm_that_starts_none_says_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
