/* Shares of a farm: by weight over any minute of backlog, nothing saved up by idling, interactive
 * first inside of a user, background and reserved devices, jobs in turn; nobody starves. */
#include "tests/farm/box.h"

#define MOST 8

typedef struct load {
    box *b;
    uint64_t id[MOST], tag; /* jobs, all with work without end */
    const char *who[MOST];
    unsigned n;
    int64_t lasts[MOST];   /* of a unit of that job */
    int64_t done_ns[MOST]; /* device time of each job */
    int64_t waited[MOST], last[MOST];
} load;

static void more(load *x, unsigned k)
{
    x->tag++;
    box_want(x->b, x->id[k], x->tag, box_key(100 + k, x->tag));
}

static void want_four(load *x)
{
    for (unsigned k = 0; k < x->n; k++)
        for (int i = 0; i < 4; i++)
            more(x, k);
}

/* Devices d0.. work for so long; each answers what it was offered when its time is over. */
static void work(load *x, unsigned devices, int64_t ns)
{
    box *b = x->b;
    hone_farm_effect now[MOST] = {0};
    int64_t ends[MOST] = {0}, until = b->now + ns, alive = 0;
    static const double clean[] = {1e6, 2e6, 3e6};
    char name[MOST][16];
    for (unsigned d = 0; d < devices; d++)
        snprintf(name[d], sizeof name[d], "d%u", d);
    while (b->now < until) {
        for (unsigned d = 0; d < devices; d++) {
            hone_farm_effect e;
            if (ends[d] && b->now >= ends[d]) {
                unsigned k = 0;
                while (k < x->n && x->id[k] != now[d].lease.job)
                    k++;
                ends[d] = 0;
                box_result(b, name[d], &now[d], HONE_OK);
                x->done_ns[k] += x->lasts[k];
                more(x, k);
            }
            while (!ends[d] && box_offer(b, name[d], &e)) {
                if (box_is_canary(&e)) {
                    box_canary(b, name[d], e.lease.fence, clean, true);
                    continue;
                }
                unsigned k = 0;
                while (k < x->n && x->id[k] != e.lease.job)
                    k++;
                assert_true(k < x->n);
                box_say_of(b, name[d], HONE_FARM_ACCEPT, e.lease.fence, 0);
                if (b->now - x->last[k] > x->waited[k])
                    x->waited[k] = b->now - x->last[k];
                x->last[k] = b->now;
                now[d] = e;
                ends[d] = b->now + x->lasts[k];
            }
        }
        if (b->now - alive > SEC)
            for (unsigned d = 0; d < devices; d++)
                box_say_of(b, name[d], HONE_FARM_TRAFFIC, 0, 0);
        alive = b->now - alive > SEC ? b->now : alive;
        box_tick(b, 10 * MS);
    }
    for (unsigned d = 0; d < devices; d++) /* what is not done is done */
        if (ends[d])
            box_result(b, name[d], &now[d], HONE_OK);
}

static void begin(load *x, box *b, unsigned devices)
{
    box_init(b);
    box_start(b);
    *x = (load){.b = b};
    char name[16];
    for (unsigned d = 0; d < devices; d++) {
        snprintf(name, sizeof name, "d%u", d);
        box_device(b, name, "class=c,arch=a");
    }
}

static void add(load *x, const char *who, hone_farm_class c, int64_t lasts)
{
    unsigned k = x->n++;
    x->id[k] = box_submit(x->b, who, "", c);
    x->who[k] = who;
    x->lasts[k] = lasts;
    x->last[k] = x->b->now;
    box_tick(x->b, 20 * MS);
    assert_int_equal(box_state(x->b, x->id[k]), HONE_FARM_JOB_RUNNING);
}

static void weigh(box *b, const char *who, int64_t weight)
{
    hone_farm_say s = {.verb = HONE_FARM_VERB_KEY_ADD, .name = who, .key = who, .weight = weight};
    s.roles = HONE_FARM_USER;
    assert_int_equal(box_say(b, "root", &s)->reply.status, HONE_OK);
}

static void equal_users_get_equal_shares_in_each_minute(void **state)
{
    (void)state;
    box b;
    load x;
    begin(&x, &b, 3);
    weigh(&b, "cy", 1);
    add(&x, "ann", HONE_FARM_BATCH, 120 * MS);
    add(&x, "bob", HONE_FARM_BATCH, 350 * MS); /* longer units are not more of them */
    add(&x, "cy", HONE_FARM_BATCH, 200 * MS);
    want_four(&x);
    for (int minute = 0; minute < 4; minute++) {
        double sum = 0, squares = 0;
        memset(x.done_ns, 0, sizeof x.done_ns);
        work(&x, 3, 60 * SEC);
        want_four(&x);
        for (unsigned k = 0; k < 3; k++) {
            sum += (double)x.done_ns[k];
            squares += (double)x.done_ns[k] * (double)x.done_ns[k];
        }
        for (unsigned k = 0; k < 3; k++) {
            double share = (double)x.done_ns[k] / sum;
            if (share < 1.0 / 3 - 0.05 || share > 1.0 / 3 + 0.05)
                fail_msg("minute %d: user %u has a share of %.3f", minute, k, share);
        }
        assert_true(sum * sum / (3 * squares) >= 0.98); /* Jain's index */
        assert_true(sum > 3 * 60e9 * 0.9);              /* and the devices are busy */
    }
    for (unsigned k = 0; k < 3; k++) /* users x quantum + the longest unit */
        assert_true(x.waited[k] < 3 * b.l.quantum_ms * MS + 2 * SEC);
    box_free(&b);
}

static void weights_are_shares(void **state)
{
    (void)state;
    box b;
    load x;
    begin(&x, &b, 2);
    weigh(&b, "bob", 3);
    add(&x, "ann", HONE_FARM_BATCH, 200 * MS);
    add(&x, "bob", HONE_FARM_BATCH, 200 * MS);
    want_four(&x);
    work(&x, 2, 60 * SEC);
    double share = (double)x.done_ns[1] / (double)(x.done_ns[0] + x.done_ns[1]);
    if (share < 0.70 || share > 0.80)
        fail_msg("three parts of four are %.3f", share);
    box_free(&b);
}

static void idling_saves_nothing_up(void **state)
{
    (void)state;
    box b;
    load x;
    begin(&x, &b, 1);
    add(&x, "ann", HONE_FARM_BATCH, 200 * MS);
    want_four(&x);
    work(&x, 1, 60 * SEC); /* bob was not there */
    add(&x, "bob", HONE_FARM_BATCH, 200 * MS);
    memset(x.done_ns, 0, sizeof x.done_ns);
    want_four(&x);
    work(&x, 1, 60 * SEC);
    double share = (double)x.done_ns[1] / (double)(x.done_ns[0] + x.done_ns[1]);
    if (share < 0.45 || share > 0.55)
        fail_msg("who comes late has %.3f", share);
    box_free(&b);
}

static void background_is_what_nobody_wants(void **state)
{
    (void)state;
    box b;
    load x;
    begin(&x, &b, 1);
    add(&x, "ann", HONE_FARM_BACKGROUND, 200 * MS);
    add(&x, "bob", HONE_FARM_BATCH, 200 * MS);
    want_four(&x);
    work(&x, 1, 10 * SEC);
    assert_true(x.done_ns[0] <= 3 * SEC); /* the quantum it may have begun */
    assert_true(x.done_ns[1] >= 6 * SEC);
    box_free(&b);
}

static void interactive_comes_first_inside_of_a_user(void **state)
{
    (void)state;
    box b;
    load x;
    begin(&x, &b, 1);
    add(&x, "ann", HONE_FARM_BATCH, 200 * MS);
    add(&x, "ann", HONE_FARM_INTERACTIVE, 200 * MS);
    add(&x, "bob", HONE_FARM_BATCH, 200 * MS);
    want_four(&x);
    work(&x, 1, 60 * SEC);
    double bobs = (double)x.done_ns[2] / (double)(x.done_ns[0] + x.done_ns[1] + x.done_ns[2]);
    assert_true(x.done_ns[1] > 10 * x.done_ns[0]);
    if (bobs < 0.45 || bobs > 0.55) /* which is nothing to others */
        fail_msg("the other user has %.3f", bobs);
    box_free(&b);
}

static void jobs_of_a_user_take_turns(void **state)
{
    (void)state;
    box b;
    load x;
    begin(&x, &b, 1);
    for (int k = 0; k < 4; k++)
        add(&x, "ann", HONE_FARM_BATCH, 200 * MS);
    want_four(&x);
    work(&x, 1, 60 * SEC);
    for (int k = 0; k < 4; k++)
        if (x.done_ns[k] < 11 * SEC || x.done_ns[k] > 19 * SEC)
            fail_msg("job %d has %.1f s of 60", k, (double)x.done_ns[k] / 1e9);
    box_free(&b);
}

static void a_reserved_device_is_its_holders(void **state)
{
    (void)state;
    box b;
    load x;
    begin(&x, &b, 2);
    add(&x, "ann", HONE_FARM_BATCH, 200 * MS);
    add(&x, "bob", HONE_FARM_BATCH, 200 * MS);
    hone_farm_say s = {.verb = HONE_FARM_VERB_RESERVE, .name = "d0", .for_ms = 30000};
    assert_int_equal(box_say(&b, "ann", &s)->reply.status, HONE_OK);
    s.name = "d1"; /* a quarter of two is one */
    assert_int_equal(box_say(&b, "bob", &s)->reply.reason, HONE_FARM_BECAUSE_CLASS_RESERVED);
    want_four(&x);
    work(&x, 2, 28 * SEC);
    assert_true(x.done_ns[0] > 26 * SEC); /* d0 alone, and what fairness gives it of d1: nothing */
    assert_true(x.done_ns[1] > 24 * SEC);
    assert_int_equal(hone_farm__worker(b.f, "d0")->row.admin, HONE_FARM_ADMIN_RESERVED);
    want_four(&x);
    work(&x, 2, 10 * SEC);
    assert_int_equal(hone_farm__worker(b.f, "d0")->row.admin, HONE_FARM_ADMIN_OPEN);
    box_free(&b);
}

static void over_the_days_quota_is_background(void **state)
{
    (void)state;
    box b;
    load x;
    begin(&x, &b, 1);
    hone_farm_say s = {.verb = HONE_FARM_VERB_KEY_ADD, .name = "ann", .key = "ann", .day_ms = 5000};
    s.roles = HONE_FARM_USER;
    box_say(&b, "root", &s);
    add(&x, "ann", HONE_FARM_BATCH, 200 * MS);
    add(&x, "bob", HONE_FARM_BATCH, 200 * MS);
    want_four(&x);
    work(&x, 1, 60 * SEC);
    assert_true(x.done_ns[0] >= 4 * SEC && x.done_ns[0] <= 8 * SEC);
    box_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_users_get_equal_shares_in_each_minute),
        cmocka_unit_test(weights_are_shares),
        cmocka_unit_test(idling_saves_nothing_up),
        cmocka_unit_test(background_is_what_nobody_wants),
        cmocka_unit_test(interactive_comes_first_inside_of_a_user),
        cmocka_unit_test(jobs_of_a_user_take_turns),
        cmocka_unit_test(a_reserved_device_is_its_holders),
        cmocka_unit_test(over_the_days_quota_is_background),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
