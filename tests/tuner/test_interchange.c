/* Logs in the formats of others and back: what hone wrote comes back as it was; files made by hand
 * after the formats' descriptions are read as far as they fit; nothing imported is an answer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "ir/builtin.h"
#include "space/space.h"
#include "tuner/interchange/interchange.h"

#include <sys/stat.h>
#include <unistd.h>

#define CHECK(call)                                                                    \
    do {                                                                               \
        hone_error check_e = {0};                                                      \
        hone_error *err = &check_e;                                                    \
        hone_status check_s = (call);                                                  \
        if (check_s != HONE_OK)                                                        \
            fail_msg("%s: %s: %s", #call, hone_status_name(check_s), check_e.message); \
    } while (0)

static char folder[32];

static int make_folder(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/hone-test-XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    char command[64];
    snprintf(command, sizeof command, "rm -rf %s", folder);
    return system(command);
}

/* A path in the folder, borrowed until the next few calls. */
static const char *at(const char *name)
{
    static char paths[16][256];
    static unsigned next;
    char *p = paths[next++ % 16];
    snprintf(p, sizeof paths[0], "%s/%s", folder, name);
    return p;
}

static char *text_of(const char *name)
{
    char *text = NULL;
    size_t n = 0;
    CHECK(hone_file_read(at(name), 1 << 26, &text, &n, err));
    return text;
}

static void write_text(const char *name, const char *text)
{
    CHECK(hone_file_write(at(name), text, strlen(text), err));
}

static hone_db *open_log(const char *name)
{
    hone_db *db = NULL;
    CHECK(hone_db_open(at(name), HONE_DB_WRITE | HONE_DB_CREATE, &db, err));
    return db;
}

static hone_program kernel(const char *name, const hone_size *sizes, unsigned n)
{
    hone_program p;
    size_t bytes;
    const char *text = hone_builtin_text(&bytes);
    CHECK(hone_workload_parse("built-in", text, bytes, name, sizes, n, &p, err));
    return p;
}

static hone_program product(int64_t n)
{
    const hone_size sizes[] = {{"M", n}, {"N", n}, {"K", n}};
    return kernel("matmul", sizes, 3);
}

/* ---- a log ----------------------------------------------------------------------------------- */

#define CANDIDATES 12
static const char host[] =
    "{\"kind\":\"llvm\",\"mattr\":\"+avx2,+fma\",\"mcpu\":\"haswell\","
    "\"mtriple\":\"x86_64-pc-linux-gnu\",\"num-cores\":4,\"vector-bytes\":32,\"vector-registers\":"
    "16,"
    "\"fma-latency\":4,\"fma-per-cycle\":2,\"cache-line-bytes\":64,\"l1-bytes\":32768,"
    "\"l2-bytes\":262144,\"l3-bytes\":8388608}";

/* Random candidates of a kernel, every third of them rejected. Backwards: stored in another order.
 */
static void fill(hone_db *db, const hone_program *p, uint64_t seed, bool backwards)
{
    hone_target target;
    hone_space *sp;
    hone_buf text = {0};
    int64_t w = 0, t = 0;
    CHECK(hone_target_parse(host, &target, err));
    const hone_space_options o = {.target = &target, .threads = 2};
    CHECK(hone_space_new(p, &o, &sp, err));
    hone_program_print(p, &text);
    const hone_db_workload workload = {.hash = hone_program_hash(p),
                                       .name = hone_sym_text(p, p->name),
                                       .class = hone_sym_text(p, p->name),
                                       .program = text.s,
                                       .sizes = "{\"M\":8}",
                                       .flops = 7,
                                       .created_ms = 1};
    CHECK(hone_db_workload_put(db, &workload, &w, err));
    CHECK(hone_db_target_put(
        db, &(hone_db_target){.text = host, .threads = 2, .class = "x86_64/avx2", .created_ms = 1},
        &t, err));
    for (unsigned k = 0; k < CANDIDATES; k++) {
        unsigned number = backwards ? CANDIDATES - 1 - k : k;
        hone_sched s = {0};
        hone_rng rng;
        hone_rng_seed(&rng, seed + number);
        hone_status st = hone_space_sample(sp, &rng, &s, NULL);
        if (st == HONE_OK) {
            char *trace = hone_trace_text(&s.trace);
            bool good = number % 3 != 2;
            const hone_db_sample samples[] = {{1000.0 / 3 + number, 0}, {999.1 + number, 500.7}};
            const hone_db_record r = {.workload_id = w,
                                      .target_id = t,
                                      .trace_hash = hone_trace_hash(&s.trace),
                                      .trace = trace,
                                      .status = good ? HONE_OK : HONE_REJECT_CRASH,
                                      .reason = good ? "" : "it said \"no\", twice,\nand crashed",
                                      .time_ns = good ? 1000 + number : 0,
                                      .compare_ns = good ? 900 + number : 0,
                                      .log_ratio = 0.1 * number,
                                      .max_error = 1.0 / 3,
                                      .tolerance = 1,
                                      .checked = "reference",
                                      .data_seed = 99,
                                      .build_ns = 5,
                                      .run_ns = 6,
                                      .device = "here",
                                      .env = "{\"a\":1}",
                                      .created_ms = 1795957228461,
                                      .llvm_version = "19.1.7",
                                      .incumbent_hash = 3,
                                      .incumbent_ns = 4};
            CHECK(hone_db_record_put(db, &r, samples, good ? 2 : 0, NULL, NULL, err));
            free(trace);
        }
        hone_sched_fini(&s);
    }
    hone_buf_free(&text);
    hone_space_free(sp);
}

static void make_log(const char *name, bool backwards)
{
    const hone_size rows[] = {{"M", 16}, {"N", 32}};
    hone_program p[] = {product(32), kernel("softmax", rows, 2)};
    hone_db *db = open_log(name);
    for (unsigned k = 0; k < 2; k++)
        fill(db, &p[backwards ? 1 - k : k], 1, backwards);
    hone_db_close(db);
    hone_program_fini(&p[0]);
    hone_program_fini(&p[1]);
}

static int64_t number(const json_t *j, const char *key)
{
    return json_integer_value(json_object_get(j, key));
}

static int64_t export(const char *log, const char *format, const char *to, const char *tvm)
{
    hone_db *db = NULL;
    json_t *j = NULL;
    const hone_exchange_options o = {.tvm = tvm};
    CHECK(hone_db_open(at(log), HONE_DB_READ, &db, err));
    CHECK(hone_log_export(db, format, at(to), &o, &j, err));
    int64_t n = number(j, "written");
    json_decref(j);
    hone_db_close(db);
    return n;
}

/* What is told of the one file. */
static json_t *import_with(const char *log, const char *format, const char *from,
                           const hone_program *p)
{
    hone_db *db = open_log(log);
    json_t *j = NULL;
    const char *const paths[] = {at(from)};
    const hone_exchange_options o = {.kernel = p, .sizes = "{\"M\":128}"};
    CHECK(hone_log_import(db, format, paths, 1, &o, &j, err));
    hone_db_close(db);
    json_t *one = json_incref(json_array_get(json_object_get(j, "inputs"), 0));
    json_decref(j);
    return one;
}

static void import(const char *log, const char *format, const char *from, int64_t added,
                   int64_t duplicate)
{
    json_t *j = import_with(log, format, from, NULL);
    assert_int_equal(number(j, "added"), added);
    assert_int_equal(number(j, "duplicate"), duplicate);
    json_decref(j);
}

/* Nothing is taken, the message has `says`, and the log is as it was. */
static void refuse(const char *log, const char *format, const char *from, hone_status status,
                   const char *says)
{
    export(log, "csv", "before.csv", NULL);
    hone_db *db = open_log(log);
    json_t *j = NULL;
    hone_error e = {0};
    const char *const paths[] = {at(from)};
    const hone_exchange_options o = {0};
    hone_status st = hone_log_import(db, format, paths, 1, &o, &j, &e);
    if (st != status || !strstr(e.message, says) || strchr(e.message, '\n'))
        fail_msg("%s: %s: %s", from, hone_status_name(st), e.message);
    hone_db_close(db);
    export(log, "csv", "after.csv", NULL);
    char *before = text_of("before.csv"), *after = text_of("after.csv");
    assert_string_equal(before, after);
    free(before);
    free(after);
}

static void same_text(const char *a, const char *b)
{
    char *x = text_of(a), *y = text_of(b);
    assert_string_equal(x, y);
    free(x);
    free(y);
}

/* ---- csv ------------------------------------------------------------------------------------- */

static void a_table_does_not_depend_on_order(void **state)
{
    (void)state;
    make_log("log", false);
    make_log("log2", true);
    int64_t n = export("log", "csv", "a.csv", NULL);
    assert_true(n > CANDIDATES);
    export("log2", "csv", "b.csv", NULL);
    same_text("a.csv", "b.csv");
    char *text = text_of("a.csv");
    int64_t lines = 0;
    for (const char *c = text; (c = strstr(c, "\r\n")); c += 2)
        lines++;
    assert_int_equal(lines, n + 1);
    assert_non_null(strstr(text, ",REJECT_CRASH,\"it said \"\"no\"\", twice,\nand crashed\",0,0,"));
    assert_non_null(strstr(text, ",0.33333333333333331,1,reference,"));
    free(text);
}

/* ---- T4 -------------------------------------------------------------------------------------- */

static void what_hone_wrote_as_t4_comes_back(void **state)
{
    (void)state;
    make_log("log", false);
    int64_t n = export("log", "t4", "all.json", NULL);
    export("log", "csv", "a.csv", NULL);
    import("back", "t4", "all.json", n, 0);
    export("back", "csv", "b.csv", NULL);
    same_text("a.csv", "b.csv");
    import("back", "t4", "all.json", 0, n);
    export("back", "t4", "again.json", NULL);
    same_text("all.json", "again.json");
}

/* What the schema asks for is there, in its words. */
static void t4_has_what_the_schema_asks_for(void **state)
{
    (void)state;
    make_log("log", false);
    export("log", "t4", "all.json", NULL);
    char *text = text_of("all.json");
    json_t *all = json_loads(text, 0, NULL), *r;
    size_t k;
    unsigned good = 0, bad = 0;
    assert_string_equal(json_string_value(json_object_get(all, "schema_version")), "1.0.0");
    assert_string_equal(
        json_string_value(json_object_get(json_object_get(all, "metadata"), "timeunit")),
        "milliseconds");
    json_array_foreach(json_object_get(all, "results"), k, r)
    {
        const json_t *times = json_object_get(r, "times");
        const json_t *first = json_array_get(json_object_get(r, "measurements"), 0);
        const char *why = json_string_value(json_object_get(r, "invalidity"));
        assert_true(json_is_object(json_object_get(r, "configuration")));
        assert_true(json_is_number(json_object_get(times, "compilation")));
        assert_true(json_is_array(json_object_get(times, "runtimes")));
        bool ok = strcmp(why, "correct") == 0;
        assert_true(ok || strcmp(why, "runtime") == 0);
        assert_int_equal(json_integer_value(json_object_get(r, "correctness")), ok);
        if (ok)
            assert_string_equal(json_string_value(json_object_get(first, "name")), "time");
        good += ok;
        bad += !ok;
    }
    assert_true(good > 0 && bad > 0);
    json_decref(all);
    free(text);
}

/* As Kernel Tuner writes it: no schema_version, "miliseconds", compilation. */
#define FOREIGN                                                                                   \
    "{\"timestamp\":\"2023-11-14 10:00:00\",\"configuration\":{\"block_size_x\":32,"              \
    "\"tile_size_x\":2},\"times\":{\"compilation\":551.1,\"benchmark\":12.5,\"framework\":0.4,"   \
    "\"search_algorithm\":0,\"validation\":0,\"runtimes\":[1.5,1.6]},\"invalidity\":\"correct\"," \
    "\"correctness\":1,\"measurements\":[{\"name\":\"time\",\"value\":1.55,\"unit\":\"\"}],"      \
    "\"objectives\":[\"time\"]}"

static void results_of_others_are_left_out(void **state)
{
    (void)state;
    make_log("log", false);
    write_text("foreign.json", "{\"metadata\":{\"timeunit\":\"miliseconds\"},\"results\":[" FOREIGN
                               "," FOREIGN "]}");
    refuse("log", "t4", "foreign.json", HONE_E_INPUT, "another tuner's kernel");
    write_text("list.json", "[" FOREIGN "]");
    refuse("log", "t4", "list.json", HONE_E_INPUT, "another tuner's kernel");
    write_text("text.json", "hello");
    refuse("log", "t4", "text.json", HONE_E_INPUT, "is not a T4 file");
    write_text("other.json", "{\"results\":3}");
    refuse("log", "t4", "other.json", HONE_E_INPUT, "it has no list \"results\"");
    refuse("log", "t4", "none.json", HONE_E_NOTFOUND, "none.json");
    /* the rest of a file is taken */
    int64_t n = export("log", "t4", "all.json", NULL);
    char *text = text_of("all.json");
    json_t *all = json_loads(text, 0, NULL), *results = json_object_get(all, "results");
    json_array_append_new(results, json_loads(FOREIGN, 0, NULL));
    json_array_append_new(results, json_loads("{}", 0, NULL));
    json_object_set_new(json_object_get(json_array_get(results, 0), "hone"), "time_ns",
                        json_integer(1));
    char *edited = hone_json_text(all);
    write_text("edited.json", edited);
    json_t *j = import_with("back", "t4", "edited.json", NULL);
    assert_int_equal(number(j, "added"), n - 1);
    const json_t *out = json_object_get(j, "left_out");
    assert_int_equal(number(out, "it was edited since hone wrote it"), 1);
    assert_int_equal(number(out, "its configuration is no trace of hone's"), 1);
    assert_int_equal(number(out, "not a result of T4"), 1);
    json_decref(j);
    json_decref(all);
    free(edited);
    free(text);
}

/* ---- TVM ------------------------------------------------------------------------------------- */

typedef struct programs {
    HONE_VEC(uint64_t) of_log;      /* hashes of what its good records become */
    HONE_VEC(uint64_t) of_imported; /* of what its imported ones become */
} programs;

static bool add_program(void *ctx, const hone_db_workload *w, const hone_db_target *t,
                        const hone_db_record *r)
{
    programs *x = ctx;
    hone_program base;
    hone_trace trace = {0};
    hone_sched s = {0};
    if (r->status != HONE_OK)
        return true;
    CHECK(hone_program_parse(w->program, strlen(w->program), &base, err));
    CHECK(hone_trace_parse(r->trace, strlen(r->trace), &trace, err));
    CHECK(hone_trace_replay(&trace, &base, &s, NULL, false, err));
    if (strcmp(t->class, HONE_DB_IMPORTED) == 0)
        hone_vec_push(&x->of_imported, hone_program_hash(&s.prog));
    else
        hone_vec_push(&x->of_log, hone_program_hash(&s.prog));
    hone_sched_fini(&s);
    hone_trace_free(&trace);
    hone_program_fini(&base);
    return true;
}

/* Every imported record becomes a program that one of the log's becomes. */
static void same_programs(const char *log, const char *imported)
{
    programs x = {0};
    for (unsigned k = 0; k < 2; k++) {
        hone_db *db = open_log(k ? imported : log);
        CHECK(hone_db_each_by_content(db, add_program, &x, err));
        hone_db_close(db);
    }
    assert_true(x.of_imported.n > 0);
    for (uint32_t k = 0; k < x.of_imported.n; k++) {
        bool found = false;
        for (uint32_t q = 0; q < x.of_log.n; q++)
            found |= x.of_log.v[q] == x.of_imported.v[k];
        assert_true(found);
    }
    hone_vec_free(&x.of_log);
    hone_vec_free(&x.of_imported);
}

static void what_hone_wrote_for_tvm_comes_back(void **state)
{
    (void)state;
    static const struct {
        const char *release, *has, *has_not;
        size_t split_attrs;
    } releases[] = {{"0.16", "\"GetBlock\"", "\"GetSBlock\"", 1},
                    {"0.20", "\"GetBlock\"", "\"GetSBlock\"", 2},
                    {"0.25", "\"GetSBlock\"", "\"GetBlock\"", 2}};
    make_log("log", false);
    for (unsigned k = 0; k < HONE_LEN(releases); k++) {
        int64_t n = export("log", "tvm", "tvm", releases[k].release);
        assert_true(n > 0);
        char *text = text_of("tvm/database_tuning_record.json");
        assert_non_null(strstr(text, releases[k].has));
        assert_null(strstr(text, releases[k].has_not));
        assert_null(strstr(text, "SampleImperfectTile"));
        for (const char *c = text; (c = strstr(c, "[\"Split\",")); c++) {
            json_t *split = json_loads(c, JSON_DISABLE_EOF_CHECK, NULL);
            assert_int_equal(json_array_size(json_array_get(split, 2)), releases[k].split_attrs);
            json_decref(split);
        }
        free(text);
        json_t *j = import_with("back", "tvm", "tvm", NULL);
        /* the same records again, whatever release they were written for */
        assert_int_equal(number(j, "added") + number(j, "duplicate"), n);
        assert_int_equal(number(j, "duplicate"), k == 0 ? 0 : n);
        json_decref(j);
        same_programs("log", "back");
    }
}

/* By hand: a product of 128 on four cores, first as before 0.17, then as from 0.24 on. */
#define TRACE(find, attrs, sample)                                                                \
    "[[[\"" find "\",[],[\"update\",\"main\"],[\"b0\"]],"                                         \
    "[\"GetLoops\",[\"b0\"],[],[\"l1\",\"l2\",\"l3\"]],"                                          \
    "[\"" sample "\",[\"l1\"],[4,64],[\"v4\",\"v5\",\"v6\",\"v7\"]],"                             \
    "[\"Split\",[\"l1\",\"v4\",\"v5\",\"v6\",\"v7\"]," attrs ",[\"l8\",\"l9\",\"l10\",\"l11\"]]," \
    "[\"EnterPostproc\",[],[],[]],"                                                               \
    "[\"Parallel\",[\"l8\"],[],[]]],"                                                             \
    "[[2,[2,4,8,2]]]]"
#define TARGET "{\"kind\":\"llvm\",\"keys\":[\"cpu\"],\"mcpu\":\"znver4\",\"num-cores\":4}"
#define ARGS(m)                                                                             \
    "[[\"TENSOR\",\"float32\",[" m ",128]],[\"TENSOR\",\"float32\",[128,128]],[\"TENSOR\"," \
    "\"float32\",[" m ",128]]]"
#define RECORD(trace, seconds, args) "[0,[" trace "," seconds "," TARGET "," args "]]\n"
#define OLD TRACE("GetBlock", "[1]", "SamplePerfectTile")
#define NEW TRACE("GetSBlock", "[1,0]", "SamplePerfectTile")

static void write_tvm(const char *workloads, const char *records)
{
    mkdir(at("tvm"), 0777);
    write_text("tvm/database_workload.json", workloads);
    write_text("tvm/database_tuning_record.json", records);
}

static void a_database_of_tvm_is_read_as_far_as_it_fits(void **state)
{
    (void)state;
    static const struct {
        const char *line, *why, *place; /* NULL: it is taken */
    } lines[] = {
        {RECORD(OLD, "[0.001,0.003]", ARGS("128")), NULL, NULL},
        {RECORD(NEW, "[0.002]", ARGS("128")), NULL, NULL}, /* the same trace */
        {RECORD(OLD, "null", ARGS("128")), "it has no valid time", "no valid time"},
        {RECORD(OLD, "[null]", ARGS("128")), "it has no valid time", "no valid time"},
        {RECORD(OLD, "[1e10]", ARGS("128")), "it has no valid time", "no valid time"},
        {RECORD(OLD, "[0.001]", ARGS("64")), "its workload is none that is known here",
         "name its kernel"},
        {RECORD(OLD, "[0.001]", "null"), "its workload is none that is known here",
         "arguments null"},
        {"[7"
         ","
         "[" OLD ",[0.1]," TARGET "," ARGS("128") "]]\n",
         "its workload is none that is known here", "workload 7"},
        {RECORD(TRACE("GetBlock", "[1]", "SampleWhatever"), "[0.001]", ARGS("128")),
         "its trace cannot be carried out", "instruction 2 is 'SampleWhatever'"},
        {RECORD(TRACE("GetBlock", "[1,0,0]", "SamplePerfectTile"), "[0.001]", ARGS("128")),
         "its trace cannot be carried out", "Split"},
        {"not JSON\n", "not a record", "not ["},
        {"[0,[1,2]]\n", "not a record", "not ["},
    };
    hone_buf records = {0};
    for (unsigned k = 0; k < HONE_LEN(lines); k++)
        hone_buf_puts(&records, lines[k].line);
    write_tvm("[\"1234567890123456789\",\"eyJyb290IjowfQ==\"]\n", records.s);
    hone_buf_free(&records);
    hone_program p = product(128);
    json_t *j = import_with("log", "tvm", "tvm", &p);
    assert_int_equal(number(j, "added"), 1);
    assert_int_equal(number(j, "duplicate"), 1);
    const json_t *places = json_object_get(j, "places");
    unsigned at_place = 0;
    for (unsigned k = 0; k < HONE_LEN(lines); k++) {
        char line[16];
        if (!lines[k].why)
            continue;
        assert_true(number(json_object_get(j, "left_out"), lines[k].why) > 0);
        const char *said = json_string_value(json_array_get(places, at_place++));
        snprintf(line, sizeof line, ":%u: ", k + 1);
        if (!said || !strstr(said, line) || !strstr(said, lines[k].place))
            fail_msg("line %u: %s", k + 1, said ? said : "nothing");
    }
    assert_int_equal(json_array_size(places), at_place);
    json_decref(j);

    /* Now the log has the kernel: nothing need be said. */
    import("log", "tvm", "tvm", 0, 2);
    /* Its time is kept, but it answers nothing. */
    hone_db *db = open_log("log");
    hone_db_record r;
    assert_int_equal(hone_db_best(db, hone_program_hash(&p), host, 4, &r, NULL), HONE_E_NOTFOUND);
    CHECK(hone_db_record_get(db, 1, &r, err));
    assert_int_equal(r.time_ns, 2000000);
    assert_string_equal(r.checked, "");
    hone_db_record_free(&r);
    hone_db_target t;
    CHECK(hone_db_target_find(db,
                              "tvm {\"keys\":[\"cpu\"],\"kind\":\"llvm\",\"mcpu\":\"znver4\","
                              "\"num-cores\":4}",
                              4, &t, err));
    assert_string_equal(t.class, HONE_DB_IMPORTED);
    hone_db_target_free(&t);
    hone_db_close(db);
    hone_program_fini(&p);
}

static void what_is_no_database_of_tvm_is_refused(void **state)
{
    (void)state;
    make_log("log", false);
    refuse("log", "tvm", "none", HONE_E_NOTFOUND, "none/database_workload.json");
    write_tvm("[\"1\"]\n", "");
    refuse("log", "tvm", "tvm", HONE_E_INPUT, "line 1, is not [\"hash\", \"module\"]");
    write_tvm("[\"1\",\"e30=\"]\nbroken", "");
    refuse("log", "tvm", "tvm", HONE_E_INPUT, "line 2, is not");
    write_tvm("[\"1\",\"e30=\"]\n", RECORD(OLD, "[0.001]", ARGS("128")));
    refuse("log", "tvm", "tvm", HONE_E_INPUT, "name its kernel with --workload");
    unlink(at("tvm/database_tuning_record.json"));
    refuse("log", "tvm", "tvm", HONE_E_NOTFOUND, "database_tuning_record.json");
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, make_folder, remove_folder)
    const struct CMUnitTest tests[] = {
        TEST(a_table_does_not_depend_on_order),
        TEST(what_hone_wrote_as_t4_comes_back),
        TEST(t4_has_what_the_schema_asks_for),
        TEST(results_of_others_are_left_out),
        TEST(what_hone_wrote_for_tvm_comes_back),
        TEST(a_database_of_tvm_is_read_as_far_as_it_fits),
        TEST(what_is_no_database_of_tvm_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
