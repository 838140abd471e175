/* hone report: what it says of a log, that texts of a log stay texts, how large a page gets, and,
 * in a real browser, what is to be seen of it (report_browser.py). HONE_SHOTS=FOLDER keeps the page
 * and pictures of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cli/cli.h"
#include "cli/report/task.h"
#include "codegen/codegen.h"
#include "space/space.h"

#include "tests/cli/folder.h"

#define CHECK(call)                                \
    do {                                           \
        hone_error e_ = {0}, *err = &e_;           \
        if ((call) != HONE_OK)                     \
            fail_msg("%s: %s", #call, e_.message); \
    } while (0)

static hone_db *make(const char *name)
{
    hone_db *db;
    char *path = hone_xasprintf("%s/%s", folder, name);
    CHECK(hone_db_open(path, HONE_DB_WRITE | HONE_DB_CREATE, &db, err));
    free(path);
    return db;
}

static int64_t a_workload(hone_db *db, uint64_t hash, const char *name, const char *program,
                          const char *sizes, int64_t ops)
{
    int64_t id;
    const hone_db_workload w = {.hash = hash,
                                .name = name,
                                .class = name,
                                .program = program,
                                .sizes = sizes,
                                .flops = ops};
    CHECK(hone_db_workload_put(db, &w, &id, err));
    return id;
}

static int64_t a_target(hone_db *db, const char *text, int32_t threads)
{
    int64_t id;
    CHECK(hone_db_target_put(db, &(hone_db_target){.text = text, .threads = threads, .class = "c"},
                             &id, err));
    return id;
}

static void put(hone_db *db, hone_db_record r)
{
    r.llvm_version = "LLVM 19.1.7";
    r.trace = r.trace ? r.trace : "[[],[]]";
    CHECK(hone_db_record_put(db, &r, NULL, 0, NULL, NULL, err));
}

static json_t *data_of(hone_db *db)
{
    json_t *j;
    CHECK(cli_report_data(db, 1000, &j, err));
    return j;
}

static json_t *at(const json_t *j, const char *key, size_t k)
{
    return json_array_get(json_object_get(j, key), k);
}

static const char *text(const json_t *j, const char *key)
{
    return json_string_value(json_object_get(j, key));
}

static double number(const json_t *j, const char *key)
{
    return json_number_value(json_object_get(j, key));
}

static void is(const json_t *j, const char *want)
{
    char *got = json_dumps(j, JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(6));
    assert_string_equal(got, want);
    free(got);
}

/* ---- what is said ------------------------------------------------------------------------------
 */

static void adds_up(void **state)
{
    (void)state;
    enum { S = 1000000000 };
    hone_db *db = make("small.db");
    int64_t w = a_workload(db, 1, "mm", "no program", "{\"N\":8,\"M\":4}", 7000);
    int64_t none = a_workload(db, 2, "bad", "no program", "{}", 1),
            t = a_target(db, "no target", 2);
    int64_t session;
    CHECK(hone_db_session_save(db,
                               &(hone_db_session){.workload_id = w,
                                                  .target_id = t,
                                                  .state = "{\"strategy\":\"random\"}",
                                                  .ended_ms = 1,
                                                  .best_hash = 14},
                               &session, err));
    const hone_db_record one = {.workload_id = w, .target_id = t, .session_id = session};
    static const struct {
        hone_status status;
        const char *reason;
        int64_t ns, build_s, run_s;
    } trials[] = {{HONE_REJECT_CRASH, "signal 11", 0, 1, 0},
                  {HONE_OK, "", 300, 1, 2},
                  {HONE_OK, "", 400, 1, 2},
                  {HONE_OK, "", 200, 0, 1},
                  {HONE_OK, "", 201, 0, 1}, /* the session's winner, though not the least */
                  {HONE_REJECT_CRASH, "signal 6", 0, 1, 0},
                  {HONE_REJECT_CRASH, "signal 6", 0, 1, 0},
                  {HONE_REJECT_BUILD, "no", 0, 1, 0}};
    for (uint64_t k = 0; k < HONE_LEN(trials); k++) {
        hone_db_record r = one;
        r.trace_hash = 10 + k;
        r.status = trials[k].status;
        r.reason = trials[k].reason;
        r.time_ns = trials[k].ns;
        r.build_ns = trials[k].build_s * S;
        r.run_ns = trials[k].run_s * S;
        r.device = "board";
        r.env = "cpu=x";
        put(db, r);
    }
    put(db, (hone_db_record){.workload_id = none,
                             .target_id = t,
                             .trace_hash = 1,
                             .status = HONE_REJECT_WRONG_RESULT,
                             .reason = "off"});
    json_t *j = data_of(db), *k = at(j, "kernels", 0), *r = at(k, "rejected", 0);
    assert_string_equal(text(j, "file"), "small.db");
    assert_int_equal(number(j, "made_ms"), 1000);
    is(json_object_get(j, "devices"), "[{\"name\":\"board\",\"env\":\"cpu=x\"}]");
    char *versions =
        hone_xasprintf("[\"hone " HONE_VERSION ", space %d, LLVM 19.1.7\"]", HONE_SPACE_VERSION);
    is(json_object_get(j, "versions"), versions);
    free(versions);
    assert_string_equal(text(k, "name"), "mm");
    assert_string_equal(text(k, "sizes"), "N=8 M=4");
    assert_int_equal(number(k, "threads"), 2);
    assert_int_equal(number(k, "trials"), 8);
    assert_int_equal(number(k, "ok"), 4);
    assert_int_equal(number(k, "ops"), 7000);
    assert_int_equal(number(k, "build_s"), 6);
    assert_int_equal(number(k, "run_s"), 6);
    assert_int_equal(number(k, "best_ns"), 201);
    assert_string_equal(text(k, "trace_hash"), "000000000000000e");
    is(json_object_get(k, "strategies"), "[\"random\"]");
    is(json_object_get(k, "steps"), "[[2,4.0,300],[4,8.0,200],[8,12.0,200]]");
    is(json_object_get(k, "points"), "{\"unit\":1,\"trial\":[2,1,1,1],"
                                     "\"measured\":[300,400,200,201],\"draft\":[0,0,0,0]}");
    is(json_object_get(k, "pairs"), "null");
    assert_string_equal(text(r, "status"), "REJECT_CRASH");
    assert_int_equal(number(r, "n"), 3);
    assert_int_equal(number(r, "kinds"), 2);
    is(json_object_get(r, "reasons"),
       "[{\"text\":\"signal 6\",\"n\":2},{\"text\":\"signal 11\",\"n\":1}]");
    assert_string_equal(text(at(k, "rejected", 1), "status"), "REJECT_BUILD");
    assert_non_null(strstr(text(k, "no_schedule"), "The program cannot be read"));

    k = at(j, "kernels", 1); /* a kernel without a result is there too */
    assert_string_equal(text(k, "name"), "bad");
    assert_int_equal(number(k, "best_ns"), 0);
    assert_string_equal(text(k, "trace_hash"), "");
    is(json_object_get(k, "steps"), "[]");
    json_decref(j);
    hone_db_close(db);
}

static void says_that_there_is_nothing(void **state)
{
    (void)state;
    hone_db *db = make("empty.db");
    hone_error err = {0};
    json_t *j;
    assert_int_equal(cli_report_data(db, 1, &j, &err), HONE_E_NOTFOUND);
    assert_non_null(strstr(err.message, "has no result to report"));
    hone_db_close(db);
}

static void shares_what_there_is(void **state)
{
    (void)state;
    const uint64_t want[] = {5, 100, 40, 0};
    assert_int_equal(report_share(want, 4, 1000), 1000); /* more than any wants */
    assert_int_equal(report_share(want, 4, 65), 30);     /* 5 + 30 + 30 */
    assert_int_equal(report_share(want, 4, 105), 60);    /* 5 + 60 + 40 */
    assert_int_equal(report_share(want, 4, 2), 0);
    assert_int_equal(report_share(want, 0, 7), 7);
}

/* ---- a large log with bad names ----------------------------------------------------------------
 */

#define BAD "</script><script>hacked=1</script><img src=x onerror=hacked=2><!--<u>\xe2\x80\xa8&lt;"
#define SEEN "</script><script>hacked=1</script><img src=x onerror=hacked=2><!--<u>"

static const struct {
    const char *kernel;
    cli_sizes sizes;
} kernels[] = {
    {"matmul", {{{"M", 512}, {"N", 512}, {"K", 512}}, 3}},
    {"matmul", {{{"M", 777}, {"N", 333}, {"K", 555}}, 3}},
    {"softmax", {{{"M", 64}, {"N", 128}}, 2}},
    {"layernorm", {{{"M", 64}, {"N", 128}}, 2}},
    {"attention", {{{"B", 1}, {"H", 2}, {"L", 32}, {"D", 16}}, 4}},
    {"matmul_bf16", {{{"M", 64}, {"N", 64}, {"K", 64}}, 3}},
    {"gelu_tanh", {{{"M", 32}, {"N", 64}}, 2}},
    {"matmul_u8i8_bias_relu", {{{"M", 32}, {"N", 32}, {"K", 64}}, 3}},
};
#define TRACES 24

/* Real traces, the program as written first; each stands for several candidates. */
static void take_traces(const hone_program *p, const hone_target *t, char *ret[TRACES])
{
    hone_space *sp;
    CHECK(hone_space_new(p, &(hone_space_options){.target = t, .threads = 1}, &sp, err));
    hone_sched s = {0};
    hone_rng rng;
    hone_rng_seed(&rng, 7);
    ret[0] = hone_xstrdup("[[],[]]");
    for (int k = 1; k < TRACES;)
        if (hone_space_sample(sp, &rng, &s, NULL) == HONE_OK)
            ret[k++] = hone_trace_text(&s.trace);
    hone_sched_fini(&s);
    hone_space_free(sp);
}

/* The nth kernel of a log: each time 1e4 * n ns and more, and one of seventeen rejected. */
static void put_kernel(hone_db *db, const char *name, const cli_sizes *sizes, unsigned nth,
                       unsigned trials, const hone_target *t, int64_t target_id)
{
    cli_kernel k;
    char *traces[TRACES];
    CHECK(cli_kernel_load(name, sizes, &k, err));
    take_traces(&k.program, t, traces);
    hone_buf program = {0};
    hone_program_print(&k.program, &program);
    hone_program copy = {0};
    hone_program_copy(&copy, &k.program);
    int64_t w = a_workload(db, hone_program_hash(&k.program), nth == 3 ? BAD : name, program.s,
                           nth == 4 ? "{\"<u>\":1}" : k.sizes, hone_program_flops(&copy));
    hone_program_fini(&copy);
    hone_buf_free(&program);
    hone_rng rng;
    hone_rng_seed(&rng, nth);
    for (unsigned i = 0; i < trials; i++) {
        double slow = 1 + 2 * hone_rng_double(&rng) + 10.0 / (i + 1);
        hone_db_record r = {.workload_id = w,
                            .target_id = target_id,
                            .trace_hash = 1 + i,
                            .trace = traces[i % TRACES],
                            .time_ns = (int64_t)(1e4 * nth * (i ? slow : 40)),
                            .checked = "reference",
                            .build_ns = 20000000,
                            .run_ns = 90000000,
                            .device = nth == 5 ? BAD : "board",
                            .env = "<svg onload=hacked=3>"};
        if (i % 17 == 16) {
            r.status = i % 2 ? HONE_REJECT_BUILD : HONE_REJECT_RUN_TIMEOUT;
            r.time_ns = 0;
            r.reason = i % 34 == 16 ? BAD : "<iframe src=http://127.0.0.1/>\xff";
        }
        put(db, r);
    }
    for (int q = 0; q < TRACES; q++)
        free(traces[q]);
    cli_kernel_free(&k);
}

static json_t *large_log(const char *name, unsigned n_kernels)
{
    hone_target t;
    CHECK(hone_target_native(&t, err));
    snprintf(t.cpu, sizeof t.cpu, "<u>cpu</u>");
    char *target = hone_target_text(&t);
    hone_db *db = make(name);
    CHECK(hone_db_begin(db, err));
    int64_t target_id = a_target(db, target, 1);
    for (unsigned k = 0; k < n_kernels; k++) {
        cli_sizes more = {{{"M", 16 + k}, {"N", 32}, {"K", 48}}, 3};
        bool own = n_kernels == HONE_LEN(kernels);
        put_kernel(db, own ? kernels[k].kernel : "matmul", own ? &kernels[k].sizes : &more, k + 1,
                   2000 / n_kernels, &t, target_id);
    }
    CHECK(hone_db_commit(db, err));
    free(target);
    json_t *j = data_of(db);
    hone_db_close(db);
    return j;
}

static unsigned count(const char *page, const char *what)
{
    unsigned n = 0;
    for (const char *s = page; (s = strstr(s, what)); s++)
        n++;
    return n;
}

/* Of a network with many kernels less of each is shown, but something of all. */
static void many_kernels_are_a_small_page(void **state)
{
    (void)state;
    enum { N = 50 };
    json_t *j = large_log("many.db", N);
    for (unsigned k = 0; k < N; k++) {
        const json_t *kernel = at(j, "kernels", k);
        assert_true(json_array_size(json_object_get(kernel, "steps")) >= 3);
        assert_true(json_array_size(json_object_get(json_object_get(kernel, "points"), "trial")) >=
                    8);
        assert_true(strncmp(text(kernel, "schedule"), "program ", 8) == 0);
        assert_true(number(kernel, "cut") > 0);
    }
    size_t n;
    free(cli_report_page(j, &n));
    json_decref(j);
    print_message("%zu bytes\n", n);
    assert_true(n < 150000);
}

static void a_large_log_is_a_small_page(void **state)
{
    (void)state;
    json_t *j = large_log("<u>\xff.db", HONE_LEN(kernels));
    size_t points = 0, n;
    for (unsigned k = 0; k < HONE_LEN(kernels); k++) {
        const json_t *kernel = at(j, "kernels", k), *p = json_object_get(kernel, "points");
        points += json_array_size(json_object_get(p, "measured"));
        assert_int_equal(json_array_size(json_object_get(p, "draft")),
                         json_array_size(json_object_get(p, "trial")));
        assert_true(number(kernel, "bytes") > 0);
        assert_int_equal(number(kernel, "written_ns"), 400000 * (k + 1));
        assert_true(json_is_number(json_object_get(kernel, "pairs")));
        assert_true(strncmp(text(kernel, "schedule"), "program ", 8) == 0);
    }
    assert_in_range(points, 1500, 1600);
    assert_int_equal(number(at(j, "kernels", 0), "bytes"), 3 * 512 * 512 * 4);
    char *page = cli_report_page(j, &n);
    json_decref(j);
    print_message("%zu bytes\n", n);
    assert_true(n < 150000);
    assert_int_equal(strlen(page), n);
    assert_int_equal(count(page, "</script"), 3);
    assert_int_equal(count(page, "<!--"), 0);
    assert_int_equal(count(page, "@\n"), 0); /* every part is in */
    const char *data = strstr(page, "application/json");
    for (const char *s = data; s < strstr(data, "</script"); s++)
        assert_true(*s > 0 && *s != '&'); /* ASCII */

    char *path = hone_xasprintf("%s/report.html", folder);
    CHECK(hone_file_write(path, page, n, err));
    const char *shots = getenv("HONE_SHOTS");
    char *command =
        hone_xasprintf("%s%s%sHONE_REPORT_TEXT='%s' python3 %s/tests/cli/report_browser.py %s %s",
                       shots ? "cp " : "", shots ? path : "", shots ? " \"$HONE_SHOTS\" && " : "",
                       SEEN, HONE_SOURCE_DIR, path, shots ? "\"$HONE_SHOTS\"" : "");
    assert_int_equal(system(command), 0);
    free(command);
    free(path);
    free(page);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(adds_up),
        cmocka_unit_test(says_that_there_is_nothing),
        cmocka_unit_test(shares_what_there_is),
        cmocka_unit_test(many_kernels_are_a_small_page),
        cmocka_unit_test(a_large_log_is_a_small_page),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
