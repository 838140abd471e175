/* Replays tests/property/corpus/ (each file a bug that random pairs or the fuzzer found, made
 * small; the comment says which), or the files named on the command line. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>

#include "tests/property/harness.h"

static unsigned ran, failed;

typedef struct job {
    pair_env env;
    pair_case c;
} job;

static bool run_job(void *ctx, pair_report *r)
{
    job *j = ctx;
    return pair_case_run(&j->env, &j->c, r);
}

/* HONE_SHRINK=seconds: the smaller case goes to FILE.small. */
static void shrink(const char *path, job *j, const pair_report *r)
{
    const char *seconds = getenv("HONE_SHRINK");
    char *small = hone_xasprintf("%s.small", path), kind[sizeof r->kind];
    if (seconds) {
        snprintf(kind, sizeof kind, "%s", r->kind);
        pair_shrink(&j->env, &j->c, kind, (unsigned)strtoul(seconds, NULL, 10));
        char *text = pair_case_text(&j->c);
        if (hone_file_write(small, text, strlen(text), NULL) != HONE_OK)
            print_error("%s cannot be written\n", small);
        fprintf(stderr, "%s", text);
        free(text);
    }
    free(small);
}

static void replay(const char *path, job *j, pair_report *r)
{
    char *text;
    size_t n;
    hone_error err = {0};
    if (hone_file_read(path, 1 << 20, &text, &n, &err) != HONE_OK)
        fail_msg("%s", err.message);
    if (!pair_case_parse(text, n, &j->c))
        fail_msg("%s: no line --- between workload and trace", path);
    ran++;
    if (!pair_isolated(run_job, j, r, 60, false)) {
        print_error("%s: %s: %s\n", path, r->kind, r->detail);
        failed++;
        shrink(path, j, r);
    }
    pair_case_free(&j->c);
    free(text);
}

static char **named;

static void every_case_holds(void **state)
{
    (void)state;
    job j = {0};
    pair_report *r = pair_report_new();
    assert_true(pair_env_init(&j.env, true));
    for (char **n = named; *n; n++)
        replay(*n, &j, r);
    const char *folder = HONE_SOURCE_DIR "/tests/property/corpus";
    DIR *d = *named ? NULL : opendir(folder);
    for (struct dirent *e; d && (e = readdir(d));) {
        if (e->d_name[0] == '.')
            continue;
        char *path = hone_xasprintf("%s/%s", folder, e->d_name);
        replay(path, &j, r);
        free(path);
    }
    if (d)
        closedir(d);
    printf("%u cases replayed\n", ran);
    assert_int_equal(failed, 0);
    assert_true(ran > 0);
    pair_env_fini(&j.env);
    pair_report_free(r);
}

int main(int argc, char **argv)
{
    (void)argc;
    named = argv + 1;
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_case_holds)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
