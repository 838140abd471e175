/* hone model where a shell cannot bring it about: models of other versions, and a signal in the
 * midst of its work. */
#include "tests/tuner/small_log.h"

#include "cli/cli.h"

#include <fcntl.h>
#include <signal.h>

static small_log l;

/* Its exit code; what it prints is in FOLDER/out and FOLDER/err. */
static int model(char *verb, char *file)
{
    char *argv[] = {verb, "--db", l.path, file}, *name[2];
    int was[2];
    fflush(NULL);
    for (int fd = 1; fd <= 2; fd++) {
        name[fd - 1] = hone_xasprintf("%s/%s", l.folder, fd == 1 ? "out" : "err");
        was[fd - 1] = dup(fd);
        int to = open(name[fd - 1], O_WRONLY | O_CREAT | O_TRUNC, 0600);
        assert_true(to >= 0 && dup2(to, fd) == fd);
        close(to);
    }
    int code = cli_model.run(file ? 4 : 3, argv, &cli_model);
    fflush(NULL);
    for (int fd = 1; fd <= 2; fd++) {
        assert_int_equal(dup2(was[fd - 1], fd), fd);
        close(was[fd - 1]);
        free(name[fd - 1]);
    }
    return code;
}

static void says(const char *file, const char *want)
{
    char *text = NULL, *path = hone_xasprintf("%s/%s", l.folder, file);
    size_t n;
    SMALL_CHECK(hone_file_read(path, 1 << 20, &text, &n, err));
    if (!strstr(text, want))
        fail_msg("'%s' is not in: %s", want, text);
    if (strcmp(file, "err") == 0)
        assert_true(strchr(text, '\n') == text + n - 1);
    free(text);
    free(path);
}

static int64_t models(void)
{
    hone_db *db;
    json_t *j = NULL;
    SMALL_CHECK(hone_db_open(l.path, HONE_DB_READ, &db, err));
    SMALL_CHECK(hone_db_stats(db, &j, err));
    int64_t n = json_integer_value(json_object_get(j, "models"));
    json_decref(j);
    hone_db_close(db);
    return n;
}

static int setup(void **state)
{
    (void)state;
    small_log_open(&l);
    small_log_fill(&l);
    hone_db_close(l.db);
    l.db = NULL;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    small_log_close(&l);
    return 0;
}

/* The model of the architecture of the log, as it would be of another version of the space. */
static void of_another_version(hone_db_model *ret)
{
    hone_db *db;
    json_t *about = NULL;
    SMALL_CHECK(hone_db_open(l.path, HONE_DB_READ, &db, err));
    SMALL_CHECK(hone_db_model_latest(db, "x86_64", 0, ret, err));
    hone_db_close(db);
    SMALL_CHECK(hone_json_parse(ret->about, strlen(ret->about), &about, err));
    json_object_set_new(about, "space_version", json_integer(HONE_SPACE_VERSION + 1));
    free((void *)ret->about);
    ret->about = hone_json_text(about);
    json_decref(about);
}

static void other_versions_are_told_as_such(void **state)
{
    (void)state;
    hone_db_model m;
    hone_buf b = {0};
    hone_db *db;
    char *path = hone_xasprintf("%s/other.model", l.folder);
    assert_int_equal(model("train", NULL), 0);
    says("out", "any number of threads: 6 kernels, 336 results");
    assert_int_equal(models(), 2); /* of two classes */
    of_another_version(&m);
    hone_prior_pack(&m, &b);
    SMALL_CHECK(hone_file_write(path, b.s, b.n, err));
    assert_int_equal(model("import", path), 2);
    says("err", "other.model' was trained on results of version");
    says("err", "train it again");
    assert_int_equal(models(), 2);
    /* in a log that another hone left */
    SMALL_CHECK(hone_db_open(l.path, HONE_DB_WRITE, &db, err));
    SMALL_CHECK(hone_db_model_put(db, &m, NULL, err));
    hone_db_close(db);
    assert_int_equal(model("show", NULL), 0);
    says("out", "not used: 'model 3 of ");
    hone_db_model_free(&m);
    hone_buf_free(&b);
    free(path);
}

/* The last test: this process is asked to stop from then on. */
static void a_signal_ends_it(void **state)
{
    (void)state;
    int64_t before = models();
    cli_catch_signals();
    raise(SIGTERM);
    assert_int_equal(model("train", NULL), 1);
    says("err", "asked to stop");
    assert_int_equal(models(), before);
    assert_int_equal(model("show", NULL), 1);
    says("out", "model 1: ");
    says("err", "asked to stop");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(other_versions_are_told_as_such),
        cmocka_unit_test(a_signal_ends_it),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
