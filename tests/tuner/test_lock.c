/* Lock files as text: what is read comes out as it was, entries have one place, an answer survives
 * the way through a file, and whatever is not a lock is refused in one line with a place. */
#include "lookup_log.h"

#include "tuner/lock/lock.h"

#define TWO HONE_SOURCE_DIR "/tests/fuzz/corpus/lock/two" /* as hone wrote it */

static char *read_two(size_t *ret_n)
{
    char *text = NULL;
    hone_error err = {0};
    if (hone_file_read(TWO, 1 << 20, &text, ret_n, &err) != HONE_OK)
        fail_msg("%s", err.message);
    return text;
}

static void must_read(const char *text, size_t n, hone_lock *ret)
{
    hone_error err = {0};
    *ret = (hone_lock){0};
    if (hone_lock_parse("hone.lock", text, n, ret, &err) != HONE_OK)
        fail_msg("%s", err.message);
}

static char *printed(const hone_lock *l)
{
    hone_buf b = {0};
    hone_lock_print(l, &b);
    return hone_buf_take(&b);
}

/* The text with the first `from` replaced. */
static char *edited(const char *text, const char *from, const char *to)
{
    const char *at = strstr(text, from);
    assert_non_null(at);
    return hone_xasprintf("%.*s%s%s", (int)(at - text), text, to, at + strlen(from));
}

static void prints_as_it_was(void **state)
{
    (void)state;
    size_t n;
    char *text = read_two(&n);
    hone_lock l;
    must_read(text, n, &l);
    char *again = printed(&l);
    assert_string_equal(text, again);
    assert_int_equal(l.entries.n, 3);
    assert_string_equal(l.entries.v[0].function, "matmul");
    assert_string_equal(l.entries.v[1].function, "scale");
    assert_string_equal(l.entries.v[1].target.cpu, "cortex-a72");
    assert_string_equal(l.entries.v[2].target.cpu, "haswell");
    assert_string_equal(l.entries.v[2].kernel, "tiny.hone");
    free(again);
    free(text);
    hone_lock_free(&l);
}

/* What people did to an entry stays, down to its spaces; the order is the file's own. */
static void keeps_edits_and_sorts(void **state)
{
    (void)state;
    size_t n;
    char *text = read_two(&n), *other = edited(text, "\"threads\": 1,", "\"threads\":   1,");
    hone_lock l;
    must_read(other, strlen(other), &l);
    char *again = printed(&l);
    assert_string_equal(other, again);
    free(again);
    hone_lock_entry last = l.entries.v[2];
    l.entries.v[2] = l.entries.v[0];
    l.entries.v[0] = last;
    char *mixed = printed(&l);
    hone_lock sorted;
    must_read(mixed, strlen(mixed), &sorted);
    again = printed(&sorted);
    assert_string_equal(other, again);
    free(again);
    free(mixed);
    free(other);
    free(text);
    hone_lock_free(&sorted);
    hone_lock_free(&l);
}

/* ---- an answer, through a file ----------------------------------------------------------------
 */

static void answer_survives(void **state)
{
    (void)state;
    size_t n;
    char *text = read_two(&n);
    hone_lock l;
    must_read(text, n, &l);
    hone_target t = l.entries.v[0].target;
    hone_program p = product((mnk){64, 48, 32});
    hone_lookup_answer a;
    hone_error err = {0};
    hone_lookup_question q = {.program = &p,
                              .sizes = "{\"K\":32,\"M\":64,\"N\":48}",
                              .title = "matmul",
                              .target = &t,
                              .threads = 2,
                              .lowest = HONE_RUNG_default};
    assert_int_equal(hone_lookup(&q, &a, &err), HONE_OK);
    hone_lock_entry e;
    hone_lock_entry_make(&(hone_lock_of){.function = "matmul",
                                         .kernel = "matmul",
                                         .sizes = q.sizes,
                                         .llvm_version = "LLVM",
                                         .program = &p,
                                         .target = &t,
                                         .threads = 2},
                         &a, &e);
    char *other = hone_xstrdup(l.entries.v[1].text);
    hone_lock_put(&l, &e); /* in the place of that of one thread */
    assert_null(e.text);
    assert_int_equal(l.entries.n, 3);
    assert_string_equal(l.entries.v[1].text, other);
    char *file = printed(&l);
    hone_lock again;
    must_read(file, strlen(file), &again);
    assert_int_equal(again.entries.v[0].threads, 2);
    assert_int_equal(again.entries.v[0].rung, a.rung);
    assert_true(again.entries.v[0].share == a.share);
    assert_string_equal(again.entries.v[0].reason, a.reason);
    assert_int_equal(hone_program_hash(&again.entries.v[0].program), hone_program_hash(&p));
    hone_intrin_set *set;
    hone_sched s = {0};
    bool plain;
    assert_int_equal(hone_lock_replay(&again.entries.v[0], &set, &s, &plain, &err), HONE_OK);
    assert_false(plain);
    assert_int_equal(hone_program_hash(&s.prog), hone_program_hash(&a.sched.prog));
    hone_sched_fini(&s);
    hone_intrin_set_free(set);
    hone_lock_free(&again);
    hone_lock_free(&l);
    hone_lookup_free(&a);
    hone_program_fini(&p);
    free(file);
    free(other);
    free(text);
}

/* ---- what is refused --------------------------------------------------------------------------
 */

static void refuses(void **state)
{
    (void)state;
    static const struct {
        const char *from, *to;
        hone_status status;
        const char *says;
    } cases[] = {
        {"\"hone_lock\": 1", "\"hone_lock\": 7", HONE_E_VERSION, "newer hone: it has format 7"},
        {"\"hone_lock\": 1", "\"lock\": 1", HONE_E_FOREIGN, "not a lock file of hone"},
        {"\"hone_lock\": 1", "\"hone_lock\": 0", HONE_E_INPUT, "\"hone_lock\": 1"},
        {"\"functions\": [", "\"functions\": [ 5, ", HONE_E_INPUT, "function 1 is not an object"},
        {"    {", "<<<<<<< ours\n    {", HONE_E_INPUT, "hone.lock:4:"},
        {"\"threads\": 1", "\"threads\": \"1\"", HONE_E_INPUT, "hone.lock:4: matmul: \"threads\""},
        {"\"threads\": 1", "\"threads\": 0", HONE_E_INPUT, "a whole number from 1 to 1024"},
        {"\"threads\": 1", "\"thread\": 1", HONE_E_INPUT, "\"threads\" is missing"},
        {"\"threads\": 1", "\"threads\": 1, \"x\": 1", HONE_E_INPUT, "\"x\" is not a key"},
        {"\"threads\": 1", "\"threads\": 1, \"threads\": 1", HONE_E_INPUT, "duplicate"},
        {"\"function\": \"matmul\"", "\"function\": \"a b\"", HONE_E_INPUT, "C function"},
        {"\"function\": \"matmul\"", "\"function\": 4", HONE_E_INPUT, "must be a text"},
        {"\"rung\": \"", "\"rung\": \"x", HONE_E_INPUT, "no rung that this hone knows"},
        {"\"expected_share\": ", "\"expected_share\": 9", HONE_E_INPUT, "\"expected_share\""},
        {"\"M\": 4", "\"M\": 4.5", HONE_E_INPUT, "\"sizes\" must be a whole number"},
        {"\"mcpu\"", "\"cpu\"", HONE_E_INPUT, "\"target\" target: unknown member \"cpu\""},
        {"in 4 {", "in 5 {", HONE_E_INPUT, "\"program\""},
        {"\"workload\": \"", "\"workload\": \"0", HONE_E_INPUT, "16 hex digits"},
        {"* B[", "- B[", HONE_E_INPUT, "\"program\" is not that of \"workload\""},
        {"\"GetBlock\"", "\"GetClock\"", HONE_E_INPUT, "matmul: \"instructions\""},
        {"\"decisions\": [", "\"decisions\": [ 5, ", HONE_E_INPUT, "\"instructions\""},
    };
    size_t n;
    char *text = read_two(&n);
    for (unsigned k = 0; k < HONE_LEN(cases); k++) {
        char *bad = edited(text, cases[k].from, cases[k].to);
        hone_lock l = {0};
        hone_error err = {0};
        hone_status st = hone_lock_parse("hone.lock", bad, strlen(bad), &l, &err);
        if (st != cases[k].status || !strstr(err.message, cases[k].says) ||
            strchr(err.message, '\n') || l.entries.n)
            fail_msg("%s: %s: %s", cases[k].to, hone_status_name(st), err.message);
        free(bad);
    }
    for (size_t cut = 0; cut < n - 2; cut += 97) { /* anywhere */
        hone_lock l = {0};
        hone_error err = {0};
        assert_int_equal(hone_lock_parse("hone.lock", text, cut, &l, &err), HONE_E_INPUT);
        assert_non_null(strstr(err.message, "hone.lock:"));
    }
    free(text);
}

static void refuses_one_twice(void **state)
{
    (void)state;
    size_t n;
    char *text = read_two(&n);
    hone_lock l, none = {0};
    must_read(text, n, &l);
    char *twice = hone_xasprintf("{\"hone_lock\": 1, \"functions\": [\n%s,\n%s]}",
                                 l.entries.v[0].text, l.entries.v[0].text);
    hone_error err = {0};
    assert_int_equal(hone_lock_parse("hone.lock", twice, strlen(twice), &none, &err), HONE_E_INPUT);
    assert_non_null(strstr(err.message, "matmul is there twice for haswell, at line 2 too"));
    hone_lock_free(&l);
    free(twice);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(prints_as_it_was),  cmocka_unit_test(keeps_edits_and_sorts),
        cmocka_unit_test(answer_survives),   cmocka_unit_test(refuses),
        cmocka_unit_test(refuses_one_twice),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
