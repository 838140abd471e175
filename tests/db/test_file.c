/* One file under several names, and a file that is taken away while it is written. */
#include "scratch.h"

#include <sched.h>
#include <sys/mount.h>
#include <sys/wait.h>

static void make(const char *path, int64_t records)
{
    hone_db *db = open_rw(path);
    int64_t w = a_workload(db, 1, "c"), t = a_target(db, "x", 1);
    for (int64_t i = 0; i < records; i++)
        put(db, a_record(w, t, (uint64_t)i + 1, 100 + i));
    hone_db_close(db);
}

static void refused(const char *path, hone_status want, const char *in_message)
{
    hone_db *db = NULL;
    hone_error e = {0};
    hone_status s = hone_db_open(path, HONE_DB_WRITE | HONE_DB_CREATE, &db, &e);
    if (s != want || !strstr(e.message, in_message))
        fail_msg("%s: %s, %s", path, hone_status_name(s), e.message);
}

/* ---- names --------------------------------------------------------------------------------- */

static void hard_links_are_refused_for_writing(void **state)
{
    (void)state;
    make(at("one.db"), 3);
    assert_int_equal(link(at("one.db"), at("two.db")), 0);
    refused(at("one.db"), HONE_E_INPUT, "has 2 names (hard links)");
    refused(at("two.db"), HONE_E_INPUT, "remove the others");
    assert_int_not_equal(access(at("two.db.lock"), F_OK), 0);
    hone_db *db = open_r(at("two.db"));
    assert_int_equal(count(db, "records"), 3);
    hone_db_close(db);
    assert_int_equal(unlink(at("one.db")), 0);
    make(at("two.db"), 4);
}

static void a_link_to_nothing_yet_is_that_file(void **state)
{
    (void)state;
    assert_int_equal(symlink("real.db", at("near.db")), 0);
    assert_int_equal(symlink(at("near.db"), at("far.db")), 0);
    hone_db *db = open_rw(at("far.db"));
    assert_string_equal(hone_db_path(db), at("real.db"));
    refused(at("real.db"), HONE_E_BUSY, "this very process");
    refused(at("near.db"), HONE_E_BUSY, "this very process");
    assert_int_equal(access(at("real.db.lock"), F_OK), 0);
    hone_db_close(db);
    assert_int_equal(symlink("loop.db", at("loop.db")), 0);
    refused(at("loop.db"), HONE_E_IO, "cannot open");
    assert_int_equal(symlink("no/such/folder.db", at("astray.db")), 0);
    refused(at("astray.db"), HONE_E_NOTFOUND, "its folder");
}

static void a_mounted_file_is_refused_for_writing(void **state)
{
    (void)state;
    make(at("whole.db"), 3);
    make(at("point.db"), 1);
    pid_t pid = fork_child();
    if (pid == 0) {
        hone_db *db;
        hone_error e = {0};
        if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
            mount(at("whole.db"), at("point.db"), NULL, MS_BIND, NULL) != 0)
            _exit(77);
        HONE_ASSERT(hone_db_open(at("point.db"), HONE_DB_WRITE, &db, &e) == HONE_E_INPUT);
        HONE_ASSERT(strstr(e.message, "mount its folder"));
        hone_db_close(open_rw(at("whole.db")));
        _exit(0);
    }
    int status;
    waitpid(pid, &status, 0);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
        skip(); /* not allowed to mount here */
    assert_int_equal(status, 0);
}

/* ---- taken away ---------------------------------------------------------------------------- */

/* The next result is not acknowledged, and why; nor are those after it. */
static void not_acknowledged(hone_db *db, const char *in_message)
{
    hone_db_record r = a_record(1, 1, 99, 100);
    hone_error e = {0};
    for (int i = 0; i < 2; i++) {
        r.trace_hash++;
        hone_status s = hone_db_record_put(db, &r, NULL, 0, NULL, NULL, &e);
        if (s != HONE_E_IO || !strstr(e.message, in_message))
            fail_msg("%s: %s", hone_status_name(s), e.message);
    }
    assert_int_equal(hone_db_begin(db, NULL), HONE_E_IO);
}

static void a_removed_file_is_noticed(void **state)
{
    (void)state;
    make(at("removed.db"), 3);
    hone_db *db = open_rw(at("removed.db"));
    put(db, a_record(1, 1, 50, 100));
    unlink(at("removed.db"));
    not_acknowledged(db, "was removed while hone wrote to it");
    hone_db_close(db);
    /* before the first put, too; and the write-ahead log belongs to the file */
    make(at("removed.db"), 3);
    db = open_rw(at("removed.db"));
    unlink(at("removed.db"));
    not_acknowledged(db, "was removed while hone wrote to it");
    hone_db_close(db);
    make(at("removed.db"), 3);
    db = open_rw(at("removed.db"));
    unlink(at("removed.db-wal"));
    not_acknowledged(db, "removed.db-wal' was removed");
    hone_db_close(db);
}

static void a_replaced_file_is_noticed_and_left_alone(void **state)
{
    (void)state;
    char *before, *after;
    size_t n_before, n_after;
    make(at("replaced.db"), 3);
    make(at("other.db"), 5);
    CHECK(hone_file_read(at("other.db"), 1 << 20, &before, &n_before, err));
    hone_db *db = open_rw(at("replaced.db"));
    put(db, a_record(1, 1, 50, 100));
    assert_int_equal(rename(at("other.db"), at("replaced.db")), 0);
    not_acknowledged(db, "was replaced while hone wrote to it");
    hone_db_close(db);
    CHECK(hone_file_read(at("replaced.db"), 1 << 20, &after, &n_after, err));
    assert_true(n_before == n_after && memcmp(before, after, n_before) == 0);
    free(before);
    free(after);
}

static void a_shortened_file_is_noticed(void **state)
{
    (void)state;
    make(at("short.db"), 100);
    hone_db *db = open_rw(at("short.db"));
    put(db, a_record(1, 1, 500, 100));
    struct stat sb;
    assert_int_equal(stat(at("short.db"), &sb), 0);
    assert_int_equal(truncate(at("short.db"), sb.st_size - 1), 0); /* more, and SQLite sees it */
    not_acknowledged(db, "was cut short while hone wrote to it");
    hone_db_close(db);
}

static void a_group_is_not_acknowledged_either(void **state)
{
    (void)state;
    make(at("group.db"), 3);
    hone_db *db = open_rw(at("group.db"));
    hone_error e = {0};
    CHECK(hone_db_begin(db, err));
    put(db, a_record(1, 1, 50, 100));
    unlink(at("group.db"));
    put(db, a_record(1, 1, 51, 100));
    assert_int_equal(hone_db_commit(db, &e), HONE_E_IO);
    assert_non_null(strstr(e.message, "was removed"));
    hone_db_close(db);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hard_links_are_refused_for_writing),
        cmocka_unit_test(a_link_to_nothing_yet_is_that_file),
        cmocka_unit_test(a_mounted_file_is_refused_for_writing),
        cmocka_unit_test(a_removed_file_is_noticed),
        cmocka_unit_test(a_replaced_file_is_noticed_and_left_alone),
        cmocka_unit_test(a_shortened_file_is_noticed),
        cmocka_unit_test(a_group_is_not_acknowledged_either),
    };
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
