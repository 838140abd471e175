/* Knowledge of other sizes: which kernels of a log are near, and what a session makes of their
 * best. */
#include "tests/tuner/fake_pool.h"

/* ---- distance -------------------------------------------------------------------------------- */

static void distance_is_the_sum_of_ratios(void **state)
{
    (void)state;
    static const struct {
        const char *a, *b;
        double want;
    } cases[] = {
        {"{\"M\":64,\"N\":64}", "{\"N\":64,\"M\":64}", 0},
        {"{\"M\":64,\"N\":64}", "{\"M\":128,\"N\":32}", 2 * M_LN2},
        {"{\"pad\":0}", "{\"pad\":1}", M_LN2},
        {"{\"M\":64,\"N\":64}", "{\"M\":64,\"K\":64}", NAN},
        {"{\"M\":64,\"N\":64}", "{\"M\":64}", NAN},
        {"{\"M\":64}", "{\"M\":\"large\"}", NAN},
        {"{}", "{}", NAN},
        {"nothing", "[1]", NAN},
    };
    for (unsigned k = 0; k < HONE_LEN(cases); k++)
        for (int turn = 0; turn < 2; turn++) {
            const char *a = turn ? cases[k].b : cases[k].a, *b = turn ? cases[k].a : cases[k].b;
            double got = hone_tuner__sizes_apart(a, b);
            if (isnan(cases[k].want) ? !isnan(got) : !(fabs(got - cases[k].want) < 1e-12))
                fail_msg("%s and %s: %g", a, b, got);
        }
}

static double programs_apart(const char *a, const int64_t x[3], const char *b, const int64_t y[3])
{
    const hone_size of_x[] = {{"M", x[0]}, {"N", x[1]}, {"K", x[2]}},
                    of_y[] = {{"M", y[0]}, {"N", y[1]}, {"K", y[2]}};
    hone_program p = simulated_kernel(a, of_x, 3), q = simulated_kernel(b, of_y, 3);
    double ret = hone_tuner__programs_apart(&p, &q);
    hone_program_fini(&p);
    hone_program_fini(&q);
    return ret;
}

static void or_that_of_loops(void **state)
{
    (void)state;
    const int64_t x[] = {64, 64, 64}, y[] = {64, 128, 16};
    assert_true(programs_apart("matmul", x, "matmul", x) <= 0);
    assert_true(fabs(programs_apart("matmul", x, "matmul", y) - 3 * M_LN2) < 1e-12);
    assert_true(isinf(programs_apart("matmul", x, "matmul_bias_relu", x)));
    assert_true(isinf(programs_apart("matmul_bias_relu", x, "matmul", x)));
}

static void the_nearest_come_first(void **state)
{
    (void)state;
    const neighbour v[] = {{.far = 3},        {.far = 1, .elsewhere = true},
                           {.far = HUGE_VAL}, {.far = 1},
                           {.far = 0.5},      {.far = 1},
                           {.far = 2}};
    const uint32_t want[] = {4, 3, 5, 1, 6, 0};
    for (uint32_t most = 0; most <= 7; most++) {
        uint32_t got[8] = {99, 99, 99, 99, 99, 99, 99, 99};
        uint32_t n = hone_tuner__nearest(v, HONE_LEN(v), got, most);
        assert_int_equal(n, most < 6 ? most : 6);
        assert_memory_equal(got, want, n * sizeof *got);
        assert_int_equal(got[n], 99);
    }
}

/* ---- sessions -------------------------------------------------------------------------------- */

/* A matmul of this size is tuned; its best trace. */
static char *tune_for(fake_pool *f, int64_t size, int32_t threads, uint64_t trials)
{
    fake_user *u = fake_start(
        f, 0, &(fake_want){.size = size, .trials = trials, .threads = threads, .alone = true});
    fake_work(f);
    assert_int_equal(u->r->status, HONE_OK);
    assert_int_equal(u->near, 0);
    char *best = hone_xstrdup(u->r->best_trace);
    fake_end(f, 0);
    return best;
}

static char *tune(fake_pool *f, int64_t size, int32_t threads)
{
    return tune_for(f, size, threads, 12);
}

static bool is_hash(void *ctx, const hone_db_record *r)
{
    uint64_t *hash = ctx;
    bool same = r->trace_hash == *hash;
    if (same)
        *hash = 0;
    return !same;
}

static bool note_session(void *ctx, const hone_db_record *r)
{
    *(int64_t *)ctx = r->session_id;
    return true;
}

/* What the last session of the log noted of its candidates. */
static json_t *notes_of(hone_db *db)
{
    hone_db_session s;
    json_t *j;
    int64_t id = 0;
    hone_error err = {0};
    assert_int_equal(hone_db_each_record(db, NULL, note_session, &id, &err), HONE_OK);
    assert_int_equal(hone_db_session_load(db, id, &s, &err), HONE_OK);
    assert_int_equal(hone_json_parse(s.state, strlen(s.state), &j, &err), HONE_OK);
    hone_db_session_free(&s);
    return j;
}

/* So that lookups at other sizes know how the default does. */
static void the_default_is_measured(void **state)
{
    (void)state;
    const hone_size sizes[] = {{"M", 64}, {"N", 64}, {"K", 64}};
    hone_space *sp = simulated_space("matmul", sizes, 3, 1);
    hone_sched s = {0};
    hone_error err = {0};
    bool found;
    assert_int_equal(hone_space_default(sp, &s, &found, &err), HONE_OK);
    assert_true(found);
    uint64_t hash = hone_trace_hash(&s.trace);
    fake_pool f;
    fake_open(&f);
    fake_user *u = fake_start(&f, 0, &(fake_want){.size = 64, .trials = 3, .threads = 1});
    fake_work(&f);
    assert_int_equal(hone_db_each_record(u->db, NULL, is_hash, &hash, &err), HONE_OK);
    assert_int_equal(hash, 0);
    json_t *noted = notes_of(u->db);
    char hex[17];
    hone_hash_format(hone_trace_hash(&s.trace), hex);
    assert_string_equal(json_string_value(json_array_get(json_object_get(noted, "default"), 0)),
                        hex);
    assert_null(json_object_get(noted, "near"));
    json_decref(noted);
    fake_end(&f, 0);
    fake_close(&f);
    hone_sched_fini(&s);
    hone_space_free(sp);
}

/* Whether a trace is what becomes of another one at this size, by the way that the draft prefers.
 */
static bool is_made_of(const char *trace, const char *of, int64_t size)
{
    const hone_size sizes[] = {{"M", size}, {"N", size}, {"K", size}};
    hone_space *sp = simulated_space("matmul", sizes, 3, 1);
    hone_sched s = {0};
    hone_trace t = {0};
    hone_features features = {0};
    double least = HUGE_VAL;
    bool ret = false;
    assert_int_equal(hone_trace_parse(of, strlen(of), &t, NULL), HONE_OK);
    for (unsigned way = 0; way < 2; way++) {
        if (hone_space_adapt(sp, &t, (hone_adapt_way)way, &s, NULL) != HONE_OK)
            continue;
        hone_features_extract(&s.prog, &sp->target, 1, NULL, &features);
        if (features.draft_ns < least) {
            char *text = hone_trace_text(&s.trace);
            ret = strcmp(text, trace) == 0;
            free(text);
            least = features.draft_ns;
        }
    }
    hone_features_free(&features);
    hone_trace_free(&t);
    hone_sched_fini(&s);
    hone_space_free(sp);
    return ret;
}

/* What is built of candidates, in turn. */
typedef struct built {
    char *trace[32];
    unsigned n;
} built;

static void note_build(void *ctx, fake_pool *f, const fake_job *j, hone_pool_event *e)
{
    built *b = ctx;
    (void)f, (void)e;
    if (j->role == HONE_ROLE_BUILD && j->candidate[0] && b->n < 32)
        b->trace[b->n++] = hone_xstrdup(j->candidate);
}

/* A session at 96 with what the log has. */
static fake_user *begin(fake_pool *f, built *b, const fake_want *w)
{
    f->hook = note_build;
    f->ctx = b;
    *b = (built){.n = 0};
    fake_want want = *w;
    want.size = want.size ? want.size : 96;
    want.trials = want.trials ? want.trials : 10;
    fake_user *u = fake_start(f, 0, &want);
    fake_work(f);
    assert_int_equal(u->r->status, HONE_OK);
    return u;
}

static void end(fake_pool *f, built *b)
{
    for (unsigned k = 0; k < b->n; k++)
        free(b->trace[k]);
    f->hook = NULL;
    fake_end(f, 0);
}

static void another_size_is_asked_first(void **state)
{
    (void)state;
    fake_pool f;
    built b;
    fake_open(&f);
    char *best = tune(&f, 64, 0);
    fake_user *u = begin(&f, &b, &(fake_want){0});
    assert_int_equal(u->near, 1);
    assert_int_equal(u->r->trials, 10);
    assert_true(hone_tuner__is_as_written(b.trace[0]));
    assert_true(is_made_of(b.trace[1], best, 96));
    json_t *noted = notes_of(u->db);
    hone_trace t = {0};
    char hex[17];
    assert_int_equal(hone_trace_parse(b.trace[1], strlen(b.trace[1]), &t, NULL), HONE_OK);
    hone_hash_format(hone_trace_hash(&t), hex);
    assert_string_equal(json_string_value(json_array_get(json_object_get(noted, "near"), 0)), hex);
    hone_trace_free(&t);
    json_decref(noted);
    end(&f, &b);
    free(best);
    fake_close(&f);
}

/* The best of the two nearest in turn; of the others nothing. */
static void the_best_of_several(void **state)
{
    (void)state;
    static const int64_t sizes[] = {48, 64, 80, 128, 160}; /* as from 96: 5th, 3rd, 1st, 2nd, 4th */
    static const unsigned order[] = {2, 3};
    fake_pool f;
    built b;
    char *best[5];
    fake_open(&f);
    for (unsigned k = 0; k < 5; k++)
        best[k] = tune(&f, sizes[k], 0);
    fake_user *u = begin(&f, &b, &(fake_want){.trials = 12});
    assert_int_equal(u->near, 2);
    for (unsigned k = 0; k < 2; k++)
        assert_true(is_made_of(b.trace[1 + k], best[order[k]], 96));
    for (unsigned k = 0; k < b.n; k++)
        assert_false(is_made_of(b.trace[k], best[0], 96));
    end(&f, &b);
    for (unsigned k = 0; k < 5; k++)
        free(best[k]);
    fake_close(&f);
}

/* What the kernel itself has in the log, here the program as written alone, is none of the two. */
static void it_is_not_its_own_neighbour(void **state)
{
    (void)state;
    static const int64_t sizes[] = {96, 64, 80, 160, 128}; /* the last is the second nearest */
    fake_pool f;
    built b;
    char *best = NULL;
    fake_open(&f);
    for (unsigned k = 0; k < HONE_LEN(sizes); k++) {
        free(best);
        best = tune_for(&f, sizes[k], 0, k == 0 ? 1 : 12);
    }
    begin(&f, &b, &(fake_want){0});
    bool seen = false;
    for (unsigned k = 0; k < b.n; k++)
        seen |= is_made_of(b.trace[k], best, 96);
    assert_true(seen);
    end(&f, &b);
    free(best);
    fake_close(&f);
}

/* On its own, with another number of threads, or where all is tried anyhow: nothing is taken. */
static void nothing_is_taken(void **state)
{
    (void)state;
    fake_pool f;
    built b;
    fake_open(&f);
    free(tune(&f, 64, 2));
    assert_int_equal(begin(&f, &b, &(fake_want){0})->near, 0);
    end(&f, &b);
    fake_close(&f);
    fake_open(&f);
    free(tune(&f, 4, 0));
    const hone_strategy *all = hone_strategy_find("exhaustive");
    assert_int_equal(begin(&f, &b, &(fake_want){.size = 5, .strategy = all})->near, 0);
    end(&f, &b);
    assert_int_equal(begin(&f, &b, &(fake_want){.size = 6, .alone = true})->near, 0);
    end(&f, &b);
    assert_true(begin(&f, &b, &(fake_want){.size = 7})->near > 0);
    end(&f, &b);
    fake_close(&f);
}

/* What was measured here is not asked for again, when the session goes on. */
static void it_is_taken_once(void **state)
{
    (void)state;
    fake_pool f;
    built b;
    fake_open(&f);
    free(tune(&f, 64, 0));
    assert_true(begin(&f, &b, &(fake_want){0})->near > 0);
    end(&f, &b);
    assert_int_equal(begin(&f, &b, &(fake_want){0})->near, 0);
    end(&f, &b);
    fake_close(&f);
}

/* As an import leaves it: this trace for a product of 96, of a target that none of hone's is. */
static void put_imported(const char *path, const char *trace)
{
    const hone_size sizes[] = {{"M", 96}, {"N", 96}, {"K", 96}};
    hone_space *sp = simulated_space("matmul", sizes, 3, 1);
    hone_db *db;
    int64_t w, t;
    hone_buf text = {0};
    hone_program_print(&sp->base, &text);
    const hone_db_workload workload = {.hash = hone_program_hash(&sp->base),
                                       .name = "matmul",
                                       .class = "matmul",
                                       .program = text.s};
    const hone_db_target target = {.text = "tvm {}", .threads = 1, .class = HONE_DB_IMPORTED};
    hone_db_record r = {.trace = trace, .trace_hash = 5, .time_ns = 1};
    assert_int_equal(hone_db_open(path, HONE_DB_WRITE | HONE_DB_CREATE, &db, NULL), HONE_OK);
    assert_int_equal(hone_db_workload_put(db, &workload, &w, NULL), HONE_OK);
    assert_int_equal(hone_db_target_put(db, &target, &t, NULL), HONE_OK);
    r.workload_id = w;
    r.target_id = t;
    assert_int_equal(hone_db_record_put(db, &r, NULL, 0, NULL, NULL, NULL), HONE_OK);
    hone_db_close(db);
    hone_buf_free(&text);
    hone_space_free(sp);
}

/* What others say of this kernel is tried right after the program as written, and is no result: it
 * is measured like all else, and its time of 1 ns stands in nobody's way. */
static void what_others_say_is_tried(void **state)
{
    (void)state;
    fake_pool f;
    built b;
    fake_open(&f);
    char *best = tune(&f, 96, 0);
    char *path = hone_xasprintf("%s/other.db", f.folder);
    put_imported(path, best);
    fake_user *u = begin(&f, &b, &(fake_want){.db = "other.db"});
    assert_int_equal(u->imported, 1);
    assert_int_equal(u->near, 0);
    assert_string_equal(b.trace[1], best);
    assert_true(u->r->best_ns > 1);
    end(&f, &b);
    assert_int_equal(begin(&f, &b, &(fake_want){.db = "other.db"})->imported, 0); /* known now */
    end(&f, &b);
    free(path);
    free(best);
    fake_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(distance_is_the_sum_of_ratios),
        cmocka_unit_test(or_that_of_loops),
        cmocka_unit_test(the_nearest_come_first),
        cmocka_unit_test(the_default_is_measured),
        cmocka_unit_test(another_size_is_asked_first),
        cmocka_unit_test(the_best_of_several),
        cmocka_unit_test(it_is_not_its_own_neighbour),
        cmocka_unit_test(nothing_is_taken),
        cmocka_unit_test(it_is_taken_once),
        cmocka_unit_test(what_others_say_is_tried),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
