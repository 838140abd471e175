/* What `--json` prints is JSON, line by line, with the members that scripts rely on. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/base.h"
#include "tuner/strategy.h"

#include <sys/wait.h>

#include "tests/cli/folder.h"

#define HONE HONE_BINARY_DIR "/hone "
#define SMALL " -D M=64 -D N=48 -D K=32 --threads 1 "
#define MAX_LINES 64

typedef struct answer {
    json_t *lines[MAX_LINES];
    unsigned n;
    int code;
} answer;

/* Runs a command in the folder; every line of its standard output must parse. */
static answer ask(const char *fmt, ...)
{
    char args[1024], command[2048], line[1 << 16];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(args, sizeof args, fmt, ap);
    va_end(ap);
    snprintf(command, sizeof command, "cd %s && %s%s </dev/null", folder, HONE, args);
    answer a = {0};
    FILE *f = popen(command, "r");
    assert_non_null(f);
    while (fgets(line, sizeof line, f)) {
        json_error_t why;
        assert_in_range(a.n, 0, MAX_LINES - 1);
        a.lines[a.n] = json_loads(line, JSON_REJECT_DUPLICATES, &why);
        if (!a.lines[a.n])
            fail_msg("%s: not JSON: %s: %s", args, why.text, line);
        a.n++;
    }
    int status = pclose(f);
    assert_true(WIFEXITED(status));
    a.code = WEXITSTATUS(status);
    return a;
}

static void forget(answer *a)
{
    for (unsigned k = 0; k < a->n; k++)
        json_decref(a->lines[k]);
}

static json_int_t integer(const json_t *j, const char *name)
{
    const json_t *v = json_object_get(j, name);
    if (!json_is_integer(v))
        fail_msg("\"%s\" is no whole number", name);
    return json_integer_value(v);
}

static double number(const json_t *j, const char *name)
{
    const json_t *v = json_object_get(j, name);
    if (!json_is_number(v))
        fail_msg("\"%s\" is no number", name);
    return json_number_value(v);
}

static const char *text(const json_t *j, const char *name)
{
    const json_t *v = json_object_get(j, name);
    if (!json_is_string(v))
        fail_msg("\"%s\" is no text", name);
    return json_string_value(v);
}

/* The lines of a `tune`: trials 1..n, then the summary, which must agree with them. */
static void check_tune(const answer *a, unsigned trials)
{
    assert_int_equal(a->n, trials + 1);
    const json_t *sum = a->lines[a->n - 1];
    json_int_t ok = 0, best = 0;
    for (unsigned k = 0; k < trials; k++) {
        const json_t *t = a->lines[k];
        assert_int_equal(integer(t, "trial"), k + 1);
        const char *status = text(t, "status");
        if (strcmp(status, "OK") == 0) {
            json_int_t ns = integer(t, "time_ns");
            assert_true(ns > 0);
            best = best == 0 || ns < best ? ns : best;
            assert_null(json_object_get(t, "reason"));
            assert_true(number(t, "max_error") >= 0);
            ok++;
        } else {
            assert_true(hone_status_is_reject(hone_status_parse(status)));
            assert_true(*text(t, "reason"));
            assert_null(json_object_get(t, "time_ns"));
        }
    }
    assert_true(json_is_true(json_object_get(sum, "summary")));
    assert_int_equal(integer(sum, "trials"), trials);
    assert_int_equal(integer(sum, "ok"), ok);
    assert_int_equal(integer(sum, "rejected"), trials - ok);
    json_int_t by = 0;
    const char *name;
    json_t *v;
    json_object_foreach(json_object_get(sum, "rejected_by"), name, v)
    {
        assert_true(hone_status_is_reject(hone_status_parse(name)));
        by += json_integer_value(v);
    }
    assert_int_equal(by, trials - ok);
    assert_true(integer(sum, "best_ns") > 0);
    /* GFLOP/s is operations per nanosecond: the product of matrices has 2 M N K */
    double gflops = 2.0 * 64 * 48 * 32 / (double)integer(sum, "best_ns");
    assert_true(number(sum, "gflops") > 0.99 * gflops && number(sum, "gflops") < 1.01 * gflops);
    double wall = number(sum, "wall_s");
    assert_true(wall > 0);
    assert_in_range((int)(number(sum, "search_s") * 1000), 0, (int)(wall * 1000));
    assert_true(number(sum, "build_s") > 0);
    assert_true(number(sum, "run_s") > 0);
    assert_true(number(sum, "max_error") >= 0 && number(sum, "max_error") <= 2);
    assert_true(json_is_false(json_object_get(sum, "interrupted")));
    assert_null(json_object_get(sum, "error"));
    const json_t *search = json_object_get(sum, "search");
    assert_non_null(hone_strategy_find(text(search, "strategy")));
    assert_true(integer(search, "proposed") >= trials);
    assert_true(integer(search, "replayed") >= integer(search, "proposed"));
    assert_true(integer(search, "illegal") < integer(search, "replayed"));
    assert_true(number(search, "replay_s") > 0 && number(search, "replay_s") < wall);
}

static void test_tune(void **state)
{
    (void)state;
    answer a = ask("tune matmul" SMALL "--trials 6 --json");
    assert_int_equal(a.code, 0);
    check_tune(&a, 6);
    const json_t *first = NULL, *sum = a.lines[6]; /* in the order of finishing */
    for (unsigned k = 0; k < 6; k++)
        if (strcmp(text(a.lines[k], "why"), "default") == 0)
            first = a.lines[k];
    assert_non_null(first);
    assert_string_equal(text(first, "status"), "OK");
    /* on the clock of the best, which is not that of the moment when it was measured */
    assert_true(integer(sum, "default_ns") > 0);
    assert_int_equal(integer(sum, "known"), 0);
    assert_string_equal(text(json_object_get(sum, "search"), "strategy"), "evolution");
    forget(&a);

    /* the same again: goes on, with what is known, by whatever strategy */
    a = ask("tune matmul" SMALL "--trials 3 --strategy random --json");
    assert_int_equal(a.code, 0);
    check_tune(&a, 3);
    assert_int_equal(integer(a.lines[3], "known"), 6);
    assert_string_equal(text(json_object_get(a.lines[3], "search"), "strategy"), "random");
    forget(&a);
}

static void test_query(void **state)
{
    (void)state;
    answer a = ask("query matmul" SMALL "--json");
    assert_int_equal(a.code, 0);
    assert_int_equal(a.n, 1);
    const json_t *j = a.lines[0];
    assert_string_equal(text(j, "rung"), "exact");
    assert_true(integer(j, "time_ns") > 0);
    assert_true(number(j, "gflops") > 0);
    assert_int_equal(integer(j, "threads"), 1);
    assert_int_equal(strlen(text(j, "workload")), 16);
    assert_int_equal(strlen(text(j, "trace_hash")), 16);
    assert_true(json_is_array(json_object_get(j, "trace")) ||
                json_is_object(json_object_get(j, "trace")));
    assert_int_equal(integer(json_object_get(j, "sizes"), "K"), 32);
    assert_string_equal(text(json_object_get(j, "target"), "kind"), "llvm");
    assert_string_equal(text(json_object_get(j, "checked"), "against"), "reference");
    assert_true(number(json_object_get(j, "checked"), "max_error") <=
                number(json_object_get(j, "checked"), "tolerance"));
    assert_string_equal(text(j, "hone"), HONE_VERSION);
    assert_true(strstr(text(j, "llvm"), "LLVM") != NULL);
    forget(&a);

    /* a size that nobody has tuned */
    a = ask("query matmul -D M=65 -D N=48 -D K=32 --threads 1 --json");
    assert_int_equal(a.code, 0);
    assert_int_equal(a.n, 1);
    /* which rung depends on what was measured (docs/LOOKUP.md, the guard) */
    const char *rung = text(a.lines[0], "rung");
    bool nearest = strcmp(rung, "nearest") == 0;
    assert_true(nearest || strcmp(rung, "model") == 0 || strcmp(rung, "default") == 0);
    assert_true(strlen(text(a.lines[0], "reason")) > 0);
    assert_true(number(a.lines[0], "expected_share") > 0);
    assert_true(number(a.lines[0], "expected_share") <= 1);
    if (nearest)
        assert_int_equal(
            integer(json_object_get(json_object_get(a.lines[0], "from"), "sizes"), "M"), 64);
    assert_null(json_object_get(a.lines[0], "time_ns"));
    assert_null(json_object_get(a.lines[0], "ladder"));
    forget(&a);

    /* a failure prints no half answer */
    a = ask("query matmul -D M=65 -D N=48 -D K=32 --json --require exact 2>/dev/null");
    assert_int_equal(a.code, 3);
    assert_int_equal(a.n, 0);
    forget(&a);
}

static void test_library(void **state)
{
    (void)state;
    answer a = ask("query matmul" SMALL "--emit library -o lib --name f --json");
    assert_int_equal(a.code, 0);
    assert_int_equal(a.n, 1);
    char path[256];
    snprintf(path, sizeof path, "%s/lib/f.json", folder);
    json_t *file = json_load_file(path, JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(file);
    assert_true(json_equal(file, a.lines[0])); /* the file is the answer */
    json_decref(file);
    forget(&a);
    a = ask("query matmul" SMALL "--emit trace");
    assert_int_equal(a.n, 1);
    forget(&a);
}

static void test_db(void **state)
{
    (void)state;
    answer a = ask("db stats hone.db --json");
    assert_int_equal(a.code, 0);
    assert_int_equal(a.n, 1);
    assert_int_equal(integer(a.lines[0], "records"), 9);
    assert_int_equal(integer(a.lines[0], "workloads"), 1);
    assert_int_equal(integer(a.lines[0], "sessions"), 2);
    forget(&a);
    a = ask("db check hone.db --json");
    assert_int_equal(a.code, 0);
    assert_int_equal(a.n, 1);
    assert_true(json_is_true(json_object_get(a.lines[0], "ok")));
    forget(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tune), /* makes the database that the others ask */
        cmocka_unit_test(test_query),
        cmocka_unit_test(test_library),
        cmocka_unit_test(test_db),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
