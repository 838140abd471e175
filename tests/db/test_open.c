/* Opening: what is a hone database, who may write it, and what readers leave alone. */
#include "scratch.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/mount.h>
#include <sys/wait.h>

static void raw(const char *path, const char *sql)
{
    sqlite3 *q;
    char *why = NULL;
    assert_int_equal(sqlite3_open(path, &q), SQLITE_OK);
    if (sqlite3_exec(q, sql, NULL, NULL, &why) != SQLITE_OK)
        fail_msg("%s: %s", sql, why);
    sqlite3_close(q);
}

static void expect(const char *path, unsigned flags, hone_status want, const char *in_message)
{
    hone_db *db = NULL;
    hone_error e = {0};
    hone_status s = hone_db_open(path, flags, &db, &e);
    if (s != want)
        fail_msg("%s: %s (%s), expected %s", path, hone_status_name(s), e.message,
                 hone_status_name(want));
    assert_int_equal(e.status, want);
    if (!strstr(e.message, in_message) || !strstr(e.message, path))
        fail_msg("message: %s", e.message);
    /* and without an error record */
    assert_int_equal(hone_db_open(path, flags, &db, NULL), want);
}

static void make(const char *path, int records)
{
    hone_db *db = open_rw(path);
    int64_t w = a_workload(db, 1, "c"), t = a_target(db, "x", 1);
    CHECK(hone_db_begin(db, err));
    for (int i = 0; i < records; i++)
        put(db, a_record(w, t, (uint64_t)i + 1, 100 + i));
    CHECK(hone_db_commit(db, err));
    hone_db_close(db);
}

/* ---- what it is ---------------------------------------------------------------------------- */

static void missing_empty_and_foreign_files(void **state)
{
    (void)state;
    const unsigned R = HONE_DB_READ, W = HONE_DB_WRITE, WC = HONE_DB_WRITE | HONE_DB_CREATE;
    expect(at("none.db"), R, HONE_E_NOTFOUND, "there is no database");
    expect(at("none.db"), W, HONE_E_NOTFOUND, "there is no database");
    expect(at("no/folder.db"), WC, HONE_E_NOTFOUND, "its folder");
    assert_int_equal(mkdir(at("folder"), 0777), 0);
    expect(at("folder"), R, HONE_E_FOREIGN, "is a folder");
    expect(at("folder"), WC, HONE_E_FOREIGN, "is a folder");

    CHECK(hone_file_write(at("short"), "hello", 5, err));
    expect(at("short"), R, HONE_E_FOREIGN, "not a hone database");
    char junk[5000];
    memset(junk, 'x', sizeof junk);
    CHECK(hone_file_write(at("junk"), junk, sizeof junk, err));
    expect(at("junk"), WC, HONE_E_FOREIGN, "not a hone database");

    raw(at("mail.db"), "CREATE TABLE mail(x); INSERT INTO mail VALUES(1);");
    char *before, *after;
    size_t n_before, n_after;
    CHECK(hone_file_read(at("mail.db"), 1 << 20, &before, &n_before, err));
    expect(at("mail.db"), R, HONE_E_FOREIGN, "another program");
    expect(at("mail.db"), WC, HONE_E_FOREIGN, "another program");
    CHECK(hone_file_read(at("mail.db"), 1 << 20, &after, &n_after, err));
    assert_true(n_before == n_after && memcmp(before, after, n_before) == 0);
    assert_int_not_equal(access(at("mail.db.lock"), F_OK), 0);
    free(before);
    free(after);

    CHECK(hone_file_write(at("empty.db"), "", 0, err));
    expect(at("empty.db"), R, HONE_E_NOTFOUND, "empty");
    make(at("empty.db"), 1);
    hone_db *db = open_r(at("empty.db"));
    assert_int_equal(count(db, "records"), 1);
    assert_string_equal(hone_db_path(db), at("empty.db"));
    hone_db_close(db);
}

static void newer_schema(void **state)
{
    (void)state;
    make(at("newer.db"), 1);
    raw(at("newer.db"), "PRAGMA user_version = 99");
    expect(at("newer.db"), HONE_DB_READ, HONE_E_VERSION, "upgrade hone");
    expect(at("newer.db"), HONE_DB_WRITE, HONE_E_VERSION, "upgrade hone");
    char back[64];
    snprintf(back, sizeof back, "PRAGMA user_version = %d", HONE_DB_SCHEMA);
    raw(at("newer.db"), back);
    hone_db_close(open_rw(at("newer.db")));
}

static void truncated_file(void **state)
{
    (void)state;
    make(at("cut.db"), 2000);
    struct stat sb;
    assert_int_equal(stat(at("cut.db"), &sb), 0);
    assert_int_equal(truncate(at("cut.db"), sb.st_size / 2 / 4096 * 4096), 0);
    expect(at("cut.db"), HONE_DB_READ, HONE_E_CORRUPT, "hone db salvage");
    expect(at("cut.db"), HONE_DB_WRITE, HONE_E_CORRUPT, "hone db salvage");
    assert_int_equal(truncate(at("cut.db"), 60), 0);
    expect(at("cut.db"), HONE_DB_READ, HONE_E_FOREIGN, "not a hone database");
}

static void damaged_page(void **state)
{
    (void)state;
    make(at("hole.db"), 2000);
    char junk[8192];
    memset(junk, 0x5a, sizeof junk);
    int fd = open(at("hole.db"), O_WRONLY);
    assert_int_equal(pwrite(fd, junk, sizeof junk, 40 * 4096), sizeof junk);
    close(fd);
    expect(at("hole.db"), HONE_DB_READ | HONE_DB_VERIFY, HONE_E_CORRUPT, "hone db salvage");
    hone_db *db = open_r(at("hole.db"));
    json_t *j = NULL;
    hone_error e = {0};
    assert_int_equal(hone_db_check(db, &j, &e), HONE_E_CORRUPT);
    assert_non_null(strstr(e.message, at("hole.db")));
    assert_true(json_array_size(json_object_get(j, "problems")) > 0);
    json_decref(j);
    hone_db_close(db);
}

static void a_table_is_gone(void **state)
{
    (void)state;
    make(at("gone.db"), 1);
    raw(at("gone.db"), "DROP TABLE sample; DROP TABLE record;");
    hone_db *db = open_r(at("gone.db"));
    hone_db_record r;
    hone_error e = {0};
    assert_int_equal(hone_db_best(db, 1, "x", 1, &r, &e), HONE_E_CORRUPT);
    assert_non_null(strstr(e.message, "no such table"));
    hone_db_close(db);
}

/* ---- who writes ---------------------------------------------------------------------------- */

/* Forks a process that opens path for writing, tells so on a pipe, and works until it is killed. */
static pid_t start_writer(const char *path, bool put_records)
{
    int tell[2];
    assert_int_equal(pipe(tell), 0);
    pid_t pid = fork_child();
    if (pid == 0) {
        hone_db *db = open_rw(path);
        if (put_records) {
            int64_t w = a_workload(db, 1, "c"), t = a_target(db, "x", 1);
            for (uint64_t i = 0; i < 50; i++)
                put(db, a_record(w, t, 1000 + i, 100));
        }
        if (write(tell[1], "!", 1) != 1)
            _exit(1);
        for (;;)
            pause();
    }
    char c;
    close(tell[1]);
    assert_int_equal(read(tell[0], &c, 1), 1);
    close(tell[0]);
    return pid;
}

static void stop(pid_t pid)
{
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
}

static void one_writer_many_readers(void **state)
{
    (void)state;
    make(at("one.db"), 3);
    pid_t pid = start_writer(at("one.db"), true);
    char who[32];
    snprintf(who, sizeof who, "process %ld", (long)pid);
    expect(at("one.db"), HONE_DB_WRITE, HONE_E_BUSY, who);
    hone_db *a = open_r(at("one.db")), *b = open_r(at("one.db"));
    assert_int_equal(count(a, "records"), 53);
    assert_int_equal(count(b, "records"), 53);
    hone_db_close(a);
    assert_int_equal(symlink(at("one.db"), at("alias.db")), 0);
    hone_db *db = NULL;
    hone_error e = {0};
    assert_int_equal(hone_db_open(at("alias.db"), HONE_DB_WRITE, &db, &e), HONE_E_BUSY);
    stop(pid);
    /* The lock died with its holder; what it was told is stored, is there. */
    db = open_rw(at("alias.db"));
    assert_int_equal(count(db, "records"), 53);
    is_sound(db);
    hone_db_close(b);
    hone_db_close(db);
}

static void not_twice_in_one_process(void **state)
{
    (void)state;
    make(at("self.db"), 1);
    hone_db *db = open_rw(at("self.db"));
    expect(at("self.db"), HONE_DB_WRITE, HONE_E_BUSY, "this very process");
    /* The refused attempt must not have dropped the lock. */
    pid_t pid = fork_child();
    if (pid == 0) {
        hone_db *other;
        _exit(hone_db_open(at("self.db"), HONE_DB_WRITE, &other, NULL) == HONE_E_BUSY ? 0 : 1);
    }
    int status;
    waitpid(pid, &status, 0);
    assert_int_equal(status, 0);
    hone_db_close(db);
    hone_db_close(open_rw(at("self.db")));
}

static void children_do_not_keep_the_lock(void **state)
{
    (void)state;
    make(at("child.db"), 1);
    hone_db *db = open_rw(at("child.db"));
    pid_t sleeper = fork_child();
    if (sleeper == 0)
        for (;;)
            pause();
    hone_db_close(db);
    pid_t pid = start_writer(at("child.db"), false); /* fails its CHECK if it cannot */
    stop(pid);
    stop(sleeper);
}

/* SQLite's own locks are POSIX locks too: looking at the file before opening it must not drop those
 * of a handle that is open in this process. Another process tries what they forbid. */
static void a_reader_does_not_drop_the_writers_locks(void **state)
{
    (void)state;
    make(at("posix.db"), 1);
    hone_db *db = open_rw(at("posix.db"));
    assert_int_equal(count(db, "records"), 1);
    hone_db_close(open_r(at("posix.db")));
    pid_t pid = fork_child();
    if (pid == 0) {
        sqlite3 *q;
        if (sqlite3_open(at("posix.db"), &q) != SQLITE_OK)
            _exit(1);
        _exit(sqlite3_exec(q, "PRAGMA journal_mode = DELETE", NULL, NULL, NULL) == SQLITE_BUSY ? 0
                                                                                               : 2);
    }
    int status;
    waitpid(pid, &status, 0);
    assert_int_equal(status, 0);
    hone_db_close(db);
}

/* ---- readers ------------------------------------------------------------------------------- */

static void readers_do_not_checkpoint(void **state)
{
    (void)state;
    make(at("wal.db"), 3);
    stop(start_writer(at("wal.db"), true)); /* leaves a WAL behind */
    struct stat file, wal, file2, wal2;
    assert_int_equal(stat(at("wal.db"), &file), 0);
    assert_int_equal(stat(at("wal.db-wal"), &wal), 0);
    assert_true(wal.st_size > 0);
    unlink(at("wal.db-shm")); /* as after a copy of file and WAL to another place */
    hone_db *db = open_r(at("wal.db"));
    assert_int_equal(count(db, "records"), 53);
    hone_db_close(db);
    assert_int_equal(stat(at("wal.db"), &file2), 0);
    assert_int_equal(stat(at("wal.db-wal"), &wal2), 0);
    assert_true(file.st_size == file2.st_size && wal.st_size == wal2.st_size);
    assert_true(file.st_mtim.tv_nsec == file2.st_mtim.tv_nsec);
    assert_true(wal.st_mtim.tv_nsec == wal2.st_mtim.tv_nsec);
    /* The writer does, when it closes. */
    hone_db_close(open_rw(at("wal.db")));
    assert_true(stat(at("wal.db-wal"), &wal2) != 0 || wal2.st_size == 0);
}

static void the_writer_checkpoints_as_it_goes(void **state)
{
    (void)state;
    hone_db *db = open_rw(at("ckpt.db"));
    int64_t w = a_workload(db, 1, "c"), t = a_target(db, "x", 1);
    char *trace = hone_xmalloc(100003);
    memset(trace, 'x', 100002);
    memcpy(trace, "[\"", 2);
    memcpy(trace + 100000, "\"]", 2);
    trace[100002] = '\0';
    struct stat sb;
    for (uint64_t i = 0; i < 200; i++) { /* 20 MB */
        hone_db_record r = a_record(w, t, i, 100);
        r.trace = trace;
        put(db, r);
        assert_int_equal(stat(at("ckpt.db-wal"), &sb), 0);
        assert_true(sb.st_size < 6 << 20);
    }
    free(trace);
    hone_db_close(db);
}

static void readers_see_commits_only(void **state)
{
    (void)state;
    make(at("seen.db"), 1);
    hone_db *w = open_rw(at("seen.db")), *r = open_r(at("seen.db"));
    CHECK(hone_db_begin(w, err));
    put(w, a_record(1, 1, 77, 5));
    assert_int_equal(count(r, "records"), 1);
    CHECK(hone_db_commit(w, err));
    assert_int_equal(count(r, "records"), 2);
    hone_db_close(w); /* with a reader open */
    assert_int_equal(count(r, "records"), 2);
    hone_db_close(r);
}

static void read_only_medium(void **state)
{
    (void)state;
    make(at("disc.db"), 3);
    char *bytes;
    size_t n;
    CHECK(hone_file_read(at("disc.db"), 1 << 24, &bytes, &n, err));
    assert_int_equal(mkdir(at("disc"), 0777), 0);
    pid_t pid = fork_child();
    if (pid == 0) {
        if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
            mount("tmpfs", at("disc"), "tmpfs", 0, "size=4m") != 0)
            _exit(77);
        CHECK(hone_file_write(at("disc/x y?.db"), bytes, n, err));
        if (mount("tmpfs", at("disc"), "tmpfs", MS_REMOUNT | MS_RDONLY, NULL) != 0)
            _exit(77);
        hone_db *db = open_r(at("disc/x y?.db"));
        HONE_ASSERT(count(db, "records") == 3);
        hone_db_close(db);
        hone_status s = hone_db_open(at("disc/x y?.db"), HONE_DB_WRITE, &db, NULL);
        HONE_ASSERT(s == HONE_E_DENIED);
        _exit(0);
    }
    int status;
    waitpid(pid, &status, 0);
    free(bytes);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) == 77)
        skip(); /* not allowed to mount here */
    assert_int_equal(status, 0);
}

enum { NOBODY = 65534 };

/* In a child that may read the folder and not write to it. */
static void as_a_stranger(const char *path, void (*look)(const char *path))
{
    pid_t pid = fork_child();
    if (pid == 0) {
        if (geteuid() == 0)
            HONE_ASSERT(setgid(NOBODY) == 0 && setuid(NOBODY) == 0);
        HONE_ASSERT(access(scratch, W_OK) != 0);
        look(path);
        _exit(0);
    }
    int status;
    waitpid(pid, &status, 0);
    assert_int_equal(status, 0);
}

static void sees_53(const char *path)
{
    hone_db *db = open_r(path);
    HONE_ASSERT(count(db, "records") == 53);
    is_sound(db);
    hone_db_close(db);
}

static void is_told_why(const char *path)
{
    hone_db *db = NULL;
    hone_error e = {0};
    HONE_ASSERT(hone_db_open(path, HONE_DB_READ, &db, &e) == HONE_E_DENIED);
    HONE_ASSERT(strstr(e.message, "the folder is not writable"));
}

static void readers_of_a_folder_of_others(void **state)
{
    (void)state;
    umask(022);
    make(at("left.db"), 3);
    pid_t pid = start_writer(at("left.db"), true);
    assert_int_equal(chmod(scratch, 0555), 0);
    as_a_stranger(at("left.db"), sees_53); /* while it is written */
    stop(pid);
    as_a_stranger(at("left.db"), sees_53); /* its writer was killed */
    assert_int_equal(chmod(scratch, 0755), 0);
    unlink(at("left.db-shm"));
    assert_int_equal(chmod(scratch, 0555), 0);
    as_a_stranger(at("left.db"), is_told_why);
    assert_int_equal(chmod(scratch, 0755), 0);
    hone_db_close(open_r(at("left.db"))); /* what the message advises */
    assert_int_equal(chmod(scratch, 0555), 0);
    as_a_stranger(at("left.db"), sees_53);
    assert_int_equal(chmod(scratch, 0755), 0);
    hone_db_close(open_rw(at("left.db")));
    assert_int_equal(chmod(scratch, 0555), 0);
    as_a_stranger(at("left.db"), sees_53); /* at rest */
    assert_int_equal(chmod(scratch, 0755), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(missing_empty_and_foreign_files),
        cmocka_unit_test(newer_schema),
        cmocka_unit_test(truncated_file),
        cmocka_unit_test(damaged_page),
        cmocka_unit_test(a_table_is_gone),
        cmocka_unit_test(one_writer_many_readers),
        cmocka_unit_test(not_twice_in_one_process),
        cmocka_unit_test(children_do_not_keep_the_lock),
        cmocka_unit_test(a_reader_does_not_drop_the_writers_locks),
        cmocka_unit_test(readers_do_not_checkpoint),
        cmocka_unit_test(the_writer_checkpoints_as_it_goes),
        cmocka_unit_test(readers_see_commits_only),
        cmocka_unit_test(read_only_medium),
        cmocka_unit_test(readers_of_a_folder_of_others),
    };
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
