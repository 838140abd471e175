/* What people may say, what comes of it when it is said twice, and what is there after a restart.
 */
#include "tests/farm/box.h"

static void begin(box *b)
{
    box_init(b);
    box_start(b);
    box_device(b, "d", "class=c,arch=a,cores=4,label=kitchen,label=blue");
}

static hone_status say(box *b, const char *who, hone_farm_verb verb, uint64_t id, const char *name)
{
    hone_farm_say s = {.verb = verb, .job = id, .name = name, .key = name, .roles = HONE_FARM_USER};
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

static void what_is_not_yours_is_refused(void **state)
{
    (void)state;
    box b;
    begin(&b);
    uint64_t id = box_submit(&b, "ann", "", HONE_FARM_BATCH);
    assert_int_equal(say(&b, "bob", HONE_FARM_VERB_CANCEL, id, NULL), HONE_E_DENIED);
    assert_int_equal(say(&b, "bob", HONE_FARM_VERB_PAUSE, id, NULL), HONE_E_DENIED);
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
    } good[] = {{"", 1},         {"label=blue", 1},      {"label=blue,label=kitchen", 1},
                {"arch=a", 1},   {"arch=aa", 0},         {"label=kitchen,arch=b", 0},
                {"name=d", 1},   {"name=e", 0},          {"label=blu", 0},
                {"cores>=2", 1}, {"cores>=4", 1},        {"cores>=5", 0},
                {"core>=1", 0},  {"arch=a,cores>=64", 0}};
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
                       .key = "ann",
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

/* ---- keys */

static const hone_farm_effect *key_says(box *b, const char *who, hone_farm_verb verb,
                                        const char *name, const char *key, unsigned roles)
{
    hone_farm_say s = {.verb = verb, .name = name, .key = key, .roles = roles};
    return box_say(b, who, &s);
}

static const hone_farm_effect *file_says(box *b, hone_farm_verb verb, const char *name,
                                         const char *key)
{
    hone_farm_say s = {.verb = verb,
                       .name = name,
                       .key = key,
                       .roles = HONE_FARM_USER,
                       .because = HONE_FARM_BECAUSE_BY_FILE};
    return box_say(b, "root", &s);
}

#define ADD HONE_FARM_VERB_KEY_ADD
#define REVOKE HONE_FARM_VERB_KEY_REVOKE

static void a_key_is_one_name_and_a_name_one_key(void **state)
{
    (void)state;
    box b;
    begin(&b);
    assert_int_equal(key_says(&b, "root", ADD, "dora", "D", 1)->reply.status, HONE_OK);
    const hone_farm_effect *r = key_says(&b, "root", ADD, "dora2", "D", 9);
    assert_int_equal(r->reply.reason, HONE_FARM_BECAUSE_KEY_LISTED);
    assert_non_null(strstr(r->reply.text, "as dora"));
    r = key_says(&b, "root", ADD, "dora", "E", 1);
    assert_int_equal(r->reply.reason, HONE_FARM_BECAUSE_NAME_TAKEN);
    assert_non_null(strstr(r->reply.text, "named dora"));
    assert_string_equal(hone_farm__user(b.f, "dora")->row.key, "D");
    assert_int_equal(key_says(&b, "root", ADD, "dora", "D", 9)->reply.status, HONE_OK);
    assert_int_equal(hone_farm__user(b.f, "dora")->row.roles, 9);
    assert_int_equal(key_says(&b, "root", ADD, "hone", "H", 1)->reply.status, HONE_E_INPUT);
    /* whoever owns the process gives a key of the same name no roles */
    hone_farm_say owner = {.verb = ADD,
                           .name = "dora",
                           .key = "D",
                           .roles = HONE_FARM_USER | HONE_FARM_ADMIN,
                           .because = HONE_FARM_BECAUSE_BY_OWNER};
    assert_int_equal(box_say(&b, "root", &owner)->reply.status, HONE_OK);
    key_says(&b, "root", ADD, "dora", "D", HONE_FARM_USER);
    assert_int_equal(box_say(&b, "root", &owner)->reply.reason, HONE_FARM_BECAUSE_NAME_TAKEN);
    /* a log of before may have a key twice */
    snprintf(hone_farm__user(b.f, "ann")->row.key, HONE_FARM_KEY_TEXT, "D");
    assert_int_equal(key_says(&b, "root", REVOKE, "dora", NULL, 0)->reply.status, HONE_OK);
    assert_true(hone_farm__user(b.f, "ann")->row.revoked);
    /* who was revoked may have the name with a new key */
    assert_int_equal(key_says(&b, "root", ADD, "dora", "E", 1)->reply.status, HONE_OK);
    box_free(&b);
}

/* What a person says of a key holds against the file, also after a restart. */
static void a_person_wins_over_the_file(void **state)
{
    (void)state;
    box b;
    begin(&b);
    assert_int_equal(file_says(&b, ADD, "eve", "E")->reply.status, HONE_OK);
    assert_int_equal(file_says(&b, ADD, "eve", "E2")->reply.status, HONE_OK); /* a line changed */
    assert_int_equal(file_says(&b, REVOKE, "eve", "E")->reply.status, HONE_OK);
    assert_false(hone_farm__user(b.f, "eve")->row.revoked); /* it has another key by now */
    assert_int_equal(file_says(&b, REVOKE, "eve", "E2")->reply.status, HONE_OK);
    assert_true(hone_farm__user(b.f, "eve")->row.revoked);
    assert_int_equal(file_says(&b, ADD, "eve", "E2")->reply.status, HONE_OK); /* it is back */
    assert_int_equal(key_says(&b, "root", REVOKE, "eve", NULL, 0)->reply.status, HONE_OK);
    hone_farm_free(b.f);
    box_start(&b);
    const hone_farm_effect *r = file_says(&b, ADD, "eve", "E2");
    assert_int_equal(r->reply.reason, HONE_FARM_BECAUSE_KEPT_OUT);
    assert_non_null(strstr(r->reply.text, "eve was revoked"));
    r = file_says(&b, ADD, "eva", "E2"); /* nor under another name */
    assert_int_equal(r->reply.reason, HONE_FARM_BECAUSE_KEPT_OUT);
    assert_int_equal(key_says(&b, "root", ADD, "eve", "E2", 1)->reply.status, HONE_OK);
    assert_false(hone_farm__user(b.f, "eve")->row.revoked);
    box_free(&b);
}

static void the_last_admin_stays(void **state)
{
    (void)state;
    box b;
    begin(&b);
    const hone_farm_effect *r = key_says(&b, "root", REVOKE, "root", NULL, 0);
    assert_int_equal(r->reply.reason, HONE_FARM_BECAUSE_LAST_ADMIN);
    r = key_says(&b, "root", ADD, "root", "R", HONE_FARM_USER);
    assert_int_equal(r->reply.reason, HONE_FARM_BECAUSE_LAST_ADMIN);
    key_says(&b, "root", ADD, "amy", "A", HONE_FARM_ADMIN);
    assert_int_equal(key_says(&b, "amy", REVOKE, "root", NULL, 0)->reply.status, HONE_OK);
    assert_int_equal(key_says(&b, "amy", REVOKE, "amy", NULL, 0)->reply.status, HONE_E_INPUT);
    box_free(&b);
}

/* ---- refusals */

static void refused_as(box *b, const char *who, hone_farm_verb verb, uint64_t id, const char *name,
                       const char *text, const char *object)
{
    hone_farm_say s = {.verb = verb, .job = id, .name = name, .for_ms = 60000};
    const hone_farm_effect *r = box_say(b, who, &s);
    assert_int_not_equal(r->reply.status, HONE_OK);
    if (!strstr(r->reply.text, text))
        fail_msg("'%s' is not in '%s'", text, r->reply.text);
    const hone_farm_event_row *e = &b->store.event;
    assert_string_equal(e->object, object);
    assert_string_equal(e->actor, who);
    assert_string_equal(e->verb, hone_farm_verb_name(verb));
}

static void a_refusal_says_what_is_wrong_and_is_in_the_log(void **state)
{
    (void)state;
    box b;
    begin(&b);
    hone_farm_say builder = {
        .verb = ADD, .name = "b1", .key = "B", .roles = HONE_FARM_BUILDER, .weight = 1};
    box_say(&b, "root", &builder);
    box_hello_with(&b, "b1", HONE_FARM_BUILDER, "", 2, 1, NULL, 0);
    uint64_t id = box_submit(&b, "ann", "", HONE_FARM_BATCH);
    refused_as(&b, "ann", HONE_FARM_VERB_CANCEL, 99, NULL, "no job 99", "job 99");
    refused_as(&b, "bob", HONE_FARM_VERB_PAUSE, id, NULL, "somebody else's", "job 1");
    refused_as(&b, "ann", HONE_FARM_VERB_RESERVE, 0, "b1", "b1 is not a device", "worker b1");
    refused_as(&b, "ann", HONE_FARM_VERB_RESERVE, 0, "x", "no device or builder is named x",
               "worker x");
    hone_farm_say s = {.verb = HONE_FARM_VERB_RESERVE, .name = "d", .for_ms = 7201000};
    assert_string_equal(box_say(&b, "ann", &s)->reply.text,
                        "a reservation is for 1 to 7200 s, not for 7201");
    s.for_ms = 600000;
    assert_int_equal(box_say(&b, "ann", &s)->reply.status, HONE_OK);
    refused_as(&b, "bob", HONE_FARM_VERB_RESERVE, 0, "d", "d is reserved by ann, for 10 min more",
               "worker d");
    refused_as(&b, "bob", HONE_FARM_VERB_RELEASE, 0, "d", "d is reserved by ann", "worker d");
    session_ended(&b, id, HONE_OK);
    refused_as(&b, "ann", HONE_FARM_VERB_CANCEL, id, NULL, "job 1 is done", "job 1");
    box_free(&b);
}

/* Whoever says something while the disk is full has an answer at once, also the first one, by whom
 * it is noticed; and what was said before holds when there is room. */
static void a_full_disk_is_said_at_once(void **state)
{
    (void)state;
    box b;
    begin(&b);
    uint64_t id = box_submit(&b, "ann", "", HONE_FARM_BATCH);
    uint32_t replies = b.replies.n;
    b.commits_hold = true;
    hone_farm_event e = {.kind = HONE_FARM_SAY, .who = "ann"};
    e.say = (hone_farm_say){.verb = HONE_FARM_VERB_PAUSE, .job = id};
    box_step(&b, &e);
    box_tick(&b, 100 * MS);
    assert_int_equal(b.replies.n, replies);
    hone_farm_event full = {.kind = HONE_FARM_COMMIT_FAILED,
                            .commit = {b.last[HONE_FARM_COMMIT].commit.batch, HONE_E_FULL}};
    box_step(&b, &full);
    assert_int_equal(b.replies.n, replies + 1);
    assert_int_equal(b.last[HONE_FARM_REPLY].reply.status, HONE_E_FULL);
    e.say.verb = HONE_FARM_VERB_CANCEL;
    box_step(&b, &e);
    assert_int_equal(b.replies.n, replies + 2);
    assert_int_equal(b.last[HONE_FARM_REPLY].reply.reason, HONE_FARM_BECAUSE_STORAGE);
    b.commits_hold = false;
    box_tick(&b, 10 * SEC);
    assert_int_equal(box_state(&b, id), HONE_FARM_JOB_PAUSED);
    assert_int_equal(b.replies.n, replies + 2);
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
        cmocka_unit_test(what_is_not_yours_is_refused),
        cmocka_unit_test(a_job_goes_its_way),
        cmocka_unit_test(a_job_without_a_device_says_so_and_expires),
        cmocka_unit_test(filters),
        cmocka_unit_test(a_quota_is_a_quota),
        cmocka_unit_test(a_revoked_key_is_out_at_once),
        cmocka_unit_test(a_key_is_one_name_and_a_name_one_key),
        cmocka_unit_test(a_person_wins_over_the_file),
        cmocka_unit_test(the_last_admin_stays),
        cmocka_unit_test(a_refusal_says_what_is_wrong_and_is_in_the_log),
        cmocka_unit_test(a_full_disk_is_said_at_once),
        cmocka_unit_test(a_restart_goes_on),
        cmocka_unit_test(tables_that_do_not_fit_are_corrupt),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
