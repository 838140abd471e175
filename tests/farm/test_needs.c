/* Devices are given no code that they cannot run: what a job's target needs is asked of what each
 * says it is, and who waits for that is told what is lacking. */
#include "tests/farm/box.h"

#include "targets/target.h"

#define ATTRS "class=c,arch=a"

/* The text of a processor's target; never freed until the test ends. */
static char *text_of(box *b, const char *name)
{
    hone_target t;
    hone_error err = {0};
    if (hone_target_named(name, &t, &err) != HONE_OK)
        fail_msg("%s", err.message);
    char *text = hone_target_text(&t);
    hone_vec_push(&b->names, text);
    return text;
}

static void device(box *b, const char *who, const char *processor)
{
    b->target = processor ? text_of(b, processor) : NULL;
    box_device(b, who, ATTRS);
}

static void begin(box *b)
{
    box_init(b);
    box_start(b);
}

static const hone_farm_effect *submit_for(box *b, const char *processor)
{
    hone_farm_say s = {.verb = HONE_FARM_VERB_SUBMIT, .request = {{7, ++b->requests}}};
    s.target = processor ? text_of(b, processor) : NULL;
    const hone_farm_effect *r = box_say(b, "ann", &s);
    assert_int_equal(r->reply.status, HONE_OK);
    box_tick(b, 20 * MS);
    return r;
}

static void needs(box *b, uint64_t id, const char *processor)
{
    hone_farm_event e = {.kind = HONE_FARM_NEEDS};
    e.needs.job = id;
    e.needs.target = text_of(b, processor);
    box_step(b, &e);
}

/* Units in the hands of who, all of them offered. */
static unsigned offered(box *b, const char *who)
{
    hone_farm_effect e;
    unsigned n = 0;
    while (box_offer(b, who, &e))
        n += !box_is_canary(&e);
    return n;
}

static void want_some(box *b, uint64_t id, unsigned n)
{
    for (unsigned k = 1; k <= n; k++)
        box_want(b, id, k, box_key(id, k));
}

/* Of each pair the first can run what is made for it, the second cannot, for want of `lacks`. */
static const struct {
    const char *able, *unable, *lacks;
} pairs[] = {
    {"znver4", "haswell", "avx512"},       {"x86-64-v3", "x86-64-v2", "avx"},
    {"neoverse-v1", "neoverse-n1", "sve"}, {"sifive-x280", "sifive-u74", "v"},
    {"neoverse-n1", "cortex-a72", "lse"},  {"haswell", "neoverse-n1", "x86_64"},
};

static void code_goes_where_it_runs(void **state)
{
    (void)state;
    for (unsigned k = 0; k < HONE_LEN(pairs); k++) {
        box b;
        hone_farm_fit fit;
        begin(&b);
        device(&b, "able", pairs[k].able);
        device(&b, "unable", pairs[k].unable);
        const hone_farm_effect *r = submit_for(&b, pairs[k].able);
        uint64_t id = r->reply.job;
        assert_int_equal(r->reply.matching, 1);
        want_some(&b, id, 3);
        assert_int_equal(offered(&b, "able"), 1);
        assert_int_equal(offered(&b, "unable"), 0);
        hone_farm_job_fit(b.f, id, &fit);
        assert_true(fit.known == 2 && fit.matching == 2 && fit.able == 1);
        assert_string_equal(fit.device, "unable");
        if (!strstr(fit.lacks, pairs[k].lacks))
            fail_msg("%s lacks %s, not %s", pairs[k].unable, fit.lacks, pairs[k].lacks);
        box_free(&b);
    }
}

static void who_waits_is_told_what_is_lacking(void **state)
{
    (void)state;
    box b;
    hone_farm_fit fit;
    begin(&b);
    device(&b, "old", "haswell");
    const hone_farm_effect *r = submit_for(&b, "znver4");
    uint64_t id = r->reply.job;
    assert_int_equal(r->reply.matching, 0);
    assert_int_equal(box_state(&b, id), HONE_FARM_JOB_QUEUED);
    assert_int_equal(hone_farm_job_wait(b.f, id), HONE_FARM_BECAUSE_LACKS);
    hone_farm_job_fit(b.f, id, &fit);
    assert_true(fit.matching == 1 && fit.able == 0 && fit.lacks[0]);
    device(&b, "new", "znver4");
    box_tick(&b, 20 * MS);
    assert_int_equal(box_state(&b, id), HONE_FARM_JOB_RUNNING);
    want_some(&b, id, 2);
    assert_int_equal(offered(&b, "new"), 1);
    assert_int_equal(offered(&b, "old"), 0);
    assert_true(hone_farm_job_suits(b.f, id, "x", "arch=a", b.target));
    assert_false(hone_farm_job_suits(b.f, id, "x", "arch=a", text_of(&b, "haswell")));
    assert_true(hone_farm_job_suits(b.f, id, "x", "", NULL)); /* nothing is known of it */
    assert_false(hone_farm_job_suits(b.f, 99, "x", "", NULL));
    hone_farm_job_fit(b.f, 99, &fit);
    assert_true(fit.known == 0 && !fit.lacks[0]);
    box_free(&b);
}

/* A job for whatever its devices are: its target is known when its session is opened. */
static void a_target_may_be_known_late(void **state)
{
    (void)state;
    box b;
    begin(&b);
    device(&b, "old", "haswell");
    uint64_t id = submit_for(&b, NULL)->reply.job;
    assert_int_equal(box_state(&b, id), HONE_FARM_JOB_RUNNING);
    needs(&b, id, "znver4");
    want_some(&b, id, 2);
    assert_int_equal(offered(&b, "old"), 0);
    assert_int_equal(hone_farm_job_wait(b.f, id), HONE_FARM_BECAUSE_LACKS);
    needs(&b, id, "x86-64-v2"); /* also when something waits already */
    box_tick(&b, 20 * MS);
    assert_int_equal(offered(&b, "old"), 1);
    needs(&b, 99, "znver4"); /* of no job */
    box_free(&b);
}

/* What devices are is decided anew when they come as something else, and what they were takes no
 * room for ever. */
static void a_device_may_become_another(void **state)
{
    (void)state;
    static const char *const all[] = {"haswell",   "znver1", "znver2",   "skylake",
                                      "broadwell", "znver3", "x86-64-v3"};
    box b;
    begin(&b);
    device(&b, "d", "x86-64");
    uint64_t id = submit_for(&b, "znver4")->reply.job;
    for (unsigned k = 0; k < HONE_LEN(all); k++) {
        b.target = text_of(&b, all[k]);
        box_hello_with(&b, "d", HONE_FARM_DEVICE, ATTRS, 1, 2 + k, NULL, 0);
        assert_int_equal(hone_farm_job_wait(b.f, id), HONE_FARM_BECAUSE_LACKS);
    }
    assert_true(b.f->machines.n <= 3);
    b.target = text_of(&b, "znver5");
    box_hello_with(&b, "d", HONE_FARM_DEVICE, ATTRS, 1, 20, NULL, 0);
    box_tick(&b, 20 * MS);
    assert_int_equal(box_state(&b, id), HONE_FARM_JOB_RUNNING);
    want_some(&b, id, 1);
    assert_int_equal(offered(&b, "d"), 1);
    box_free(&b);
}

/* What a device is, and what a job needs, is told again. */
static void a_restart_asks_again(void **state)
{
    (void)state;
    box b;
    begin(&b);
    device(&b, "old", "haswell");
    uint64_t id = submit_for(&b, "znver4")->reply.job;
    hone_farm_free(b.f);
    box_start(&b);
    assert_int_equal(hone_farm_job_wait(b.f, id), HONE_FARM_BECAUSE_OFFLINE); /* none has spoken */
    needs(&b, id, "znver4");
    b.target = text_of(&b, "haswell");
    box_hello_with(&b, "old", HONE_FARM_DEVICE, ATTRS, 2, 1, NULL, 0);
    box_tick(&b, 20 * MS);
    assert_int_equal(box_state(&b, id), HONE_FARM_JOB_QUEUED);
    assert_int_equal(hone_farm_job_wait(b.f, id), HONE_FARM_BECAUSE_LACKS);
    box_free(&b);
}

/* What is no target says nothing, and keeps nobody out. */
static void nonsense_is_nothing(void **state)
{
    (void)state;
    box b;
    begin(&b);
    b.target = "no target";
    box_device(&b, "d", ATTRS);
    uint64_t id = submit_for(&b, "znver4")->reply.job;
    want_some(&b, id, 1);
    assert_int_equal(offered(&b, "d"), 1);
    box_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(code_goes_where_it_runs),
        cmocka_unit_test(who_waits_is_told_what_is_lacking),
        cmocka_unit_test(a_target_may_be_known_late),
        cmocka_unit_test(a_device_may_become_another),
        cmocka_unit_test(a_restart_asks_again),
        cmocka_unit_test(nonsense_is_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
