/* What people may say, what comes of it when it is said twice, and what is there after a restart.
 */
#include "tests/farm/box.h"

static void begin(box *b)
{
    box_init(b);
    box_start(b);
    box_device(b, "d", "class=c,arch=a,label=kitchen,label=blue");
}

static hone_status say(box *b, const char *who, hone_farm_verb verb, uint64_t id, const char *name)
{
    hone_farm_say s = {.verb = verb, .job = id, .name = name, .key = "k", .roles = HONE_FARM_USER};
    return box_say(b, who, &s)->reply.status;
}

static void one_request_is_one_job(void **state)
{
    (void)state;
    box b;
    begin(&b);
    hone_farm_say s = {.verb = HONE_FARM_VERB_SUBMIT, .request = {{1, 2}}};
    uint64_t first = box_say(&b, "ann", &s)->reply.job;
    assert_int_equal(box_say(&b, "ann", &s)->reply.job, first);
    assert_int_not_equal(box_say(&b, "bob", &s)->reply.job, first); /* his own */
    hone_farm_free(b.f);
    box_start(&b);
    assert_int_equal(box_say(&b, "ann", &s)->reply.job, first);
    assert_int_equal(b.store.jobs.n, 2);
    box_free(&b);
}

static void the_answer_comes_after_the_commit(void **state)
{
    (void)state;
    box b;
    begin(&b);
    uint32_t replies = b.replies.n;
    b.commits_hold = true;
    hone_farm_event e = {.kind = HONE_FARM_SAY, .who = "ann"};
    e.say = (hone_farm_say){.verb = HONE_FARM_VERB_SUBMIT, .request = {{1, 2}}};
    box_step(&b, &e);
    box_step(&b, &e);
    box_tick(&b, 100 * MS);
    assert_int_equal(b.replies.n, replies);
    b.commits_hold = false;
    store_apply(&b.store, b.last[HONE_FARM_COMMIT].commit.rows, b.last[HONE_FARM_COMMIT].commit.n);
    box_committed(&b, b.batch);
    assert_int_equal(b.replies.n, replies + 2);
    box_free(&b);
}

static void verbs_need_their_role(void **state)
{
    (void)state;
    static const unsigned roles[] = {
#define HONE_FARM_VERB(name, word, of, own) of,
#include "farm/verbs.def"
#undef HONE_FARM_VERB
    };
    static const struct {
        const char *name;
        unsigned role;
    } who[] = {{"ann", HONE_FARM_USER},
               {"d", HONE_FARM_DEVICE | HONE_FARM_BUILDER},
               {"root", HONE_FARM_ADMIN}};
    box b;
    begin(&b);
    for (int v = 0; v < HONE_FARM_VERB_COUNT; v++)
        for (unsigned k = 0; k < HONE_LEN(who); k++) {
            hone_status s = say(&b, who[k].name, (hone_farm_verb)v, 999, "nobody-knows");
            if (who[k].role & roles[v])
                assert_int_not_equal(s, HONE_E_DENIED);
            else
                assert_int_equal(s, HONE_E_DENIED);
        }
    assert_int_equal(say(&b, "stranger", HONE_FARM_VERB_SUBMIT, 0, ""), HONE_E_DENIED);
    assert_int_equal(say(&b, "ann", HONE_FARM_VERB_COUNT, 0, ""), HONE_E_DENIED);
    box_free(&b);
}

static void what_is_not_yours_is_not_there(void **state)
{
    (void)state;
    box b;
    begin(&b);
    uint64_t id = box_submit(&b, "ann", "", HONE_FARM_BATCH);
    assert_int_equal(say(&b, "bob", HONE_FARM_VERB_CANCEL, id, NULL), HONE_E_NOTFOUND);
    assert_int_equal(say(&b, "bob", HONE_FARM_VERB_PAUSE, id, NULL), HONE_E_NOTFOUND);
    assert_true(hone_farm_job_is_live(box_state(&b, id)));
    assert_int_equal(say(&b, "ann", HONE_FARM_VERB_PAUSE, id, NULL), HONE_OK);
    assert_int_equal(say(&b, "root", HONE_FARM_VERB_RESUME, id, NULL), HONE_OK);
    box_free(&b);
}

static void session_ended(box *b, uint64_t id, hone_status s)
{
    hone_farm_event e = {.kind = HONE_FARM_JOB_ENDED, .ended = {id, s}};
    box_step(b, &e);
    box_tick(b, 20 * MS);
}

static void a_job_goes_its_way(void **state)
{
    (void)state;
    box b;
    begin(&b);
    uint64_t id = box_submit(&b, "ann", "label=kitchen,arch=a", HONE_FARM_BATCH);
    box_tick(&b, 20 * MS);
    assert_int_equal(box_state(&b, id), HONE_FARM_JOB_RUNNING);
    assert_int_equal(b.last[HONE_FARM_START_JOB].job.job, id);
    assert_int_equal(hone_farm_job_wait(b.f, id), HONE_FARM_BECAUSE_SESSION);
    say(&b, "ann", HONE_FARM_VERB_PAUSE, id, NULL);
    assert_int_equal(b.last[HONE_FARM_STOP_JOB].job.job, id);
    assert_int_equal(hone_farm_job_wait(b.f, id), HONE_FARM_BECAUSE_PAUSED);
    say(&b, "ann", HONE_FARM_VERB_RESUME, id, NULL);
    assert_int_equal(box_state(&b, id), HONE_FARM_JOB_QUEUED); /* its last session is still there */
    session_ended(&b, id, HONE_OK);
    assert_int_equal(box_state(&b, id), HONE_FARM_JOB_RUNNING);
    say(&b, "ann", HONE_FARM_VERB_CANCEL, id, NULL);
    assert_int_equal(box_state(&b, id), HONE_FARM_JOB_FINISHING);
    for (int k = 0; k < 70; k++) { /* a session that does not end is ended */
        box_say_of(&b, "d", HONE_FARM_TRAFFIC, 0, 0);
        box_tick(&b, SEC);
    }
    assert_int_equal(box_state(&b, id), HONE_FARM_JOB_CANCELLED);
    assert_int_equal(b.last[HONE_FARM_END_JOB].job.job, id);
    assert_int_equal(hone_farm_job_wait(b.f, id), HONE_FARM_BECAUSE_ENDED);
    assert_int_equal(say(&b, "ann", HONE_FARM_VERB_RESUME, id, NULL), HONE_E_INPUT);
    assert_int_equal(say(&b, "ann", HONE_FARM_VERB_CANCEL, id, NULL), HONE_OK);
    store_replay(&b.store);
    box_free(&b);
}

static void a_job_without_a_device_says_so_and_expires(void **state)
{
    (void)state;
    box b;
    begin(&b);
    hone_farm_say s = {.verb = HONE_FARM_VERB_SUBMIT,
                       .request = {{1, 1}},
                       .filter = "label=nowhere",
                       .queue_ms = 60000};
    const hone_farm_effect *r = box_say(&b, "ann", &s);
    assert_int_equal(r->reply.matching, 0);
    uint64_t id = r->reply.job;
    assert_int_equal(hone_farm_job_wait(b.f, id), HONE_FARM_BECAUSE_NO_DEVICE);
    box_tick(&b, 61 * SEC);
    assert_int_equal(box_state(&b, id), HONE_FARM_JOB_EXPIRED);
    s.request.v[0] = 2;
    s.filter = "label=kitchen";
    id = box_say(&b, "ann", &s)->reply.job; /* the device was silent for a minute */
    assert_int_equal(hone_farm_job_wait(b.f, id), HONE_FARM_BECAUSE_OFFLINE);
    box_free(&b);
}

static void filters(void **state)
{
    (void)state;
    static const char *const bad[] = {"label", "=x", "label=", "a=b,", "a=b,,c=d", ",a=b", "a=\n"};
    static const struct {
        const char *text;
        uint32_t n;
    } good[] = {{"", 1},       {"label=blue", 1}, {"label=blue,label=kitchen", 1},
                {"arch=a", 1}, {"arch=aa", 0},    {"label=kitchen,arch=b", 0},
                {"name=d", 1}, {"name=e", 0},     {"label=blu", 0}};
    box b;
    begin(&b);
    hone_farm_say s = {.verb = HONE_FARM_VERB_SUBMIT};
    for (unsigned k = 0; k < HONE_LEN(bad); k++) {
        s.filter = bad[k];
        s.request.v[0]++;
        if (box_say(&b, "ann", &s)->reply.reason != HONE_FARM_BECAUSE_FILTER)
            fail_msg("taken: %s", bad[k]);
    }
    for (unsigned k = 0; k < HONE_LEN(good); k++) {
        s.filter = good[k].text;
        s.request.v[0]++;
        const hone_farm_effect *r = box_say(&b, "ann", &s);
        assert_int_equal(r->reply.status, HONE_OK);
        if (r->reply.matching != good[k].n)
            fail_msg("%s matches %u", good[k].text, r->reply.matching);
    }
    box_free(&b);
}

static void a_quota_is_a_quota(void **state)
{
    (void)state;
    box b;
    begin(&b);
    hone_farm_say s = {.verb = HONE_FARM_VERB_KEY_ADD,
                       .name = "ann",
                       .key = "k",
                       .roles = HONE_FARM_USER,
                       .max_jobs = 2};
    box_say(&b, "root", &s);
    uint64_t id = box_submit(&b, "ann", "", HONE_FARM_BATCH);
    box_submit(&b, "ann", "", HONE_FARM_BATCH);
    hone_farm_say more = {.verb = HONE_FARM_VERB_SUBMIT, .request = {{99, 99}}};
    assert_int_equal(box_say(&b, "ann", &more)->reply.reason, HONE_FARM_BECAUSE_QUOTA);
    session_ended(&b, id, HONE_OK);
    assert_int_equal(box_say(&b, "ann", &more)->reply.status, HONE_OK);
    box_free(&b);
}

static void a_revoked_key_is_out_at_once(void **state)
{
    (void)state;
    box b;
    begin(&b);
    uint64_t id = box_submit(&b, "ann", "", HONE_FARM_BATCH);
    box_tick(&b, 20 * MS);
    box_want(&b, id, 1, box_key(1, 1));
    assert_int_equal(say(&b, "root", HONE_FARM_VERB_KEY_REVOKE, 0, "d"), HONE_OK);
    assert_int_equal(b.last[HONE_FARM_REVOKE].lease.reason, HONE_FARM_BECAUSE_KEY_REVOKED);
    box_say_of(&b, "d", HONE_FARM_TRAFFIC, 0, 0);
    assert_int_equal(b.last[HONE_FARM_REFUSE].refuse.reason, HONE_FARM_BECAUSE_KEY_REVOKED);
    box_hello_with(&b, "d", HONE_FARM_DEVICE, "class=c", 5, 1, NULL, 0);
    assert_int_equal(hone_farm__worker(b.f, "d")->session, 0);
    assert_int_equal(say(&b, "root", HONE_FARM_VERB_KEY_REVOKE, 0, "ann"), HONE_OK);
    assert_int_equal(box_state(&b, id), HONE_FARM_JOB_FINISHING);
    assert_int_equal(say(&b, "ann", HONE_FARM_VERB_SUBMIT, 0, NULL), HONE_E_DENIED);
    box_free(&b);
}

static void a_restart_goes_on(void **state)
{
    (void)state;
    box b;
    begin(&b);
    uint64_t runs = box_submit(&b, "ann", "", HONE_FARM_BATCH);
    uint64_t paused = box_submit(&b, "bob", "", HONE_FARM_BATCH);
    uint64_t ends = box_submit(&b, "bob", "", HONE_FARM_BATCH);
    box_tick(&b, 20 * MS);
    say(&b, "bob", HONE_FARM_VERB_PAUSE, paused, NULL);
    say(&b, "bob", HONE_FARM_VERB_CANCEL, ends, NULL);
    hone_farm_free(b.f);
    memset(b.last, 0, sizeof b.last);
    box_start(&b);
    assert_int_equal(b.last[HONE_FARM_START_JOB].job.job, runs);
    assert_int_equal(box_state(&b, runs), HONE_FARM_JOB_RUNNING);
    assert_int_equal(box_state(&b, paused), HONE_FARM_JOB_PAUSED);
    assert_int_equal(box_state(&b, ends), HONE_FARM_JOB_CANCELLED);
    box_free(&b);
}

static void tables_that_do_not_fit_are_corrupt(void **state)
{
    (void)state;
    hone_farm_limits l;
    hone_error err;
    hone_farm_limits_init(&l);
    hone_farm *f = hone_farm_new(&l);
    hone_farm_row ann = {.kind = HONE_FARM_ROW_USER, .user = {.name = "ann"}};
    hone_farm_row job_row = {.kind = HONE_FARM_ROW_JOB, .job = {.id = 1, .user = "bob"}};
    hone_farm_row lease_row = {.kind = HONE_FARM_ROW_LEASE, .lease = {.worker = "w", .fence = 1}};
    assert_int_equal(hone_farm_restore(f, &ann, &err), HONE_OK);
    assert_int_equal(hone_farm_restore(f, &ann, &err), HONE_E_CORRUPT);
    assert_int_equal(hone_farm_restore(f, &job_row, &err), HONE_E_CORRUPT);
    assert_non_null(strstr(err.message, "job 1"));
    snprintf(job_row.job.user, HONE_FARM_NAME, "ann");
    job_row.job.state = HONE_FARM_JOB_COUNT;
    assert_int_equal(hone_farm_restore(f, &job_row, &err), HONE_E_CORRUPT);
    assert_int_equal(hone_farm_restore(f, &lease_row, &err), HONE_E_CORRUPT);
    hone_farm_free(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_request_is_one_job),
        cmocka_unit_test(the_answer_comes_after_the_commit),
        cmocka_unit_test(verbs_need_their_role),
        cmocka_unit_test(what_is_not_yours_is_not_there),
        cmocka_unit_test(a_job_goes_its_way),
        cmocka_unit_test(a_job_without_a_device_says_so_and_expires),
        cmocka_unit_test(filters),
        cmocka_unit_test(a_quota_is_a_quota),
        cmocka_unit_test(a_revoked_key_is_out_at_once),
        cmocka_unit_test(a_restart_goes_on),
        cmocka_unit_test(tables_that_do_not_fit_are_corrupt),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
