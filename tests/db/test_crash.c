/* Nothing acknowledged is ever lost: the process is killed at any moment, the disk fills up, a
 * commit fails. The program runs itself again for faults that are armed by the environment. */
#include "scratch.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/wait.h>

enum { GROUP = 8 };

static bool exists(hone_db *db, uint64_t trace_hash)
{
    return is_stored(db, 1, 1, trace_hash);
}

static hone_status try_put(hone_db *db, uint64_t trace_hash, hone_error *err)
{
    hone_db_record r = a_record(1, 1, trace_hash, 100);
    hone_db_sample s[] = {{100, 120}, {101, 121}};
    return hone_db_record_put(db, &r, s, 2, NULL, NULL, err);
}

/* ---- killed -------------------------------------------------------------------------------- */

/* Stores records `from`, from + 1, ... for ever, every other lot as a group, and reports each
 * acknowledged number on fd. */
static void write_for_ever(const char *path, uint64_t from, int fd)
{
    hone_db *db = open_rw(path);
    for (uint64_t i = from;; i += GROUP) {
        bool group = i / GROUP % 2;
        if (group)
            CHECK(hone_db_begin(db, err));
        for (uint64_t k = i; k < i + GROUP; k++) {
            CHECK(try_put(db, k, err));
            if (!group && write(fd, &k, sizeof k) != sizeof k)
                _exit(1);
        }
        if (group)
            CHECK(hone_db_commit(db, err));
        for (uint64_t k = i; group && k < i + GROUP; k++)
            if (write(fd, &k, sizeof k) != sizeof k)
                _exit(1);
    }
}

static void killed_at_random(void **state)
{
    (void)state;
    hone_db *db = open_rw(at("kill.db"));
    a_workload(db, 1, "c");
    a_target(db, "x", 1);
    hone_db_close(db);
    hone_rng g;
    hone_rng_seed(&g, 7);
    uint64_t next = 0;
    HONE_VEC(uint64_t) acked = {0};
    for (int round = 0; round < 25; round++) {
        int fds[2];
        assert_int_equal(pipe(fds), 0);
        pid_t pid = fork_child();
        if (pid == 0)
            write_for_ever(at("kill.db"), next, fds[1]);
        close(fds[1]);
        uint64_t k, want = 1 + hone_rng_below(&g, 40), n = 0;
        for (; n < want && read(fds[0], &k, sizeof k) == sizeof k; n++)
            hone_vec_push(&acked, k);
        usleep((useconds_t)hone_rng_below(&g, 1500));
        kill(pid, SIGKILL);
        while (read(fds[0], &k, sizeof k) == sizeof k)
            hone_vec_push(&acked, k);
        close(fds[0]);
        int status;
        waitpid(pid, &status, 0);
        assert_true(WIFSIGNALED(status));

        /* First a reader, then the next writer: both see every acknowledged record. */
        db = round % 2 ? open_r(at("kill.db")) : open_rw(at("kill.db"));
        for (uint32_t i = 0; i < acked.n; i++)
            assert_true(exists(db, acked.v[i]));
        uint64_t stored = (uint64_t)count(db, "records");
        assert_true(stored >= acked.n); /* committed, but killed before it could say so */
        assert_int_equal(count(db, "samples"), 2 * stored);
        is_sound(db);
        /* A lot that was a group is there as a whole or not at all. */
        uint64_t last = acked.v[acked.n - 1] / GROUP * GROUP;
        for (uint64_t i = last; i <= last + GROUP; i += GROUP) {
            int there = 0;
            for (uint64_t m = i; m < i + GROUP; m++)
                there += exists(db, m);
            assert_true(i / GROUP % 2 == 0 || there == 0 || there == GROUP);
        }
        hone_db_close(db);
        next = last + 2 * GROUP; /* fresh numbers; an even or odd lot, as it comes */
    }
    hone_vec_free(&acked);
}

/* ---- faults -------------------------------------------------------------------------------- */

static char *self;

/* Runs `self MODE path` with HONE_FAULT=fault and gives its wait status. */
static int run_self(const char *mode, const char *path, const char *fault)
{
    pid_t pid = fork_child();
    if (pid == 0) {
        setenv("HONE_FAULT", fault, 1);
        execl("/proc/self/exe", self, mode, path, (char *)NULL);
        _exit(99);
    }
    int status;
    waitpid(pid, &status, 0);
    return status;
}

/* A model whose bytes are this number. */
static hone_status try_put_model(hone_db *db, uint64_t k, hone_error *err)
{
    return hone_db_model_put(db, &(hone_db_model){.class = "c", .bytes = {&k, sizeof k}}, NULL,
                             err);
}

/* The child's part: puts 1, 2, 3 ... until something fails or 5 are stored; exit code: 10 times the
 * failure's kind plus the number acknowledged. Commits 1 and 2 are the workload and the target. */
static int child(const char *mode, const char *path)
{
    hone_db *db;
    hone_error e = {0};
    int64_t id;
    if (hone_db_open(path, HONE_DB_WRITE | HONE_DB_CREATE, &db, NULL) != HONE_OK)
        return 200;
    hone_db_workload w = {.hash = 1, .program = "p"};
    hone_db_target t = {.text = "x", .threads = 1};
    if (hone_db_workload_put(db, &w, &id, NULL) != HONE_OK ||
        hone_db_target_put(db, &t, &id, NULL) != HONE_OK)
        return 201;
    int acked = 0;
    hone_status s = HONE_OK;
    bool models = strcmp(mode, "models") == 0;
    for (uint64_t i = 1; i <= 5 && s == HONE_OK; i++) {
        s = models ? try_put_model(db, i, &e) : try_put(db, i, &e);
        acked += s == HONE_OK;
    }
    if (s != HONE_OK && strcmp(mode, "retry") == 0) { /* after a full disk: go on */
        s = try_put(db, (uint64_t)acked + 1, &e);
        acked += s == HONE_OK;
    }
    if (s == HONE_E_IO && try_put(db, 99, NULL) != HONE_E_IO) /* a failed sync is final */
        return 202;
    hone_db_close(db);
    return acked + (s == HONE_OK ? 0 : s == HONE_E_FULL ? 10 : s == HONE_E_IO ? 20 : 30);
}

static void expect_after(const char *path, int records)
{
    hone_db *db = open_rw(path);
    assert_int_equal(count(db, "records"), records);
    is_sound(db);
    hone_db_close(db);
}

static bool note_number(void *ctx, const hone_db_model *m)
{
    uint64_t k = 0;
    assert_int_equal(m->bytes.n, sizeof k);
    memcpy(&k, m->bytes.v, sizeof k);
    *(uint64_t *)ctx = *(uint64_t *)ctx * 10 + k;
    return true;
}

/* Those that are left, the latest first. */
static void expect_models(const char *path, uint64_t want)
{
    hone_db *db = open_rw(path);
    uint64_t got = 0;
    CHECK(hone_db_each_model(db, note_number, &got, err));
    assert_int_equal(got, want);
    is_sound(db);
    hone_db_close(db);
}

/* A fourth model takes the place of the first: both or nothing. */
static void a_model_is_there_whole(void **state)
{
    (void)state;
    assert_true(WIFSIGNALED(run_self("models", at("m1.db"), "db.die_before_commit:6")));
    expect_models(at("m1.db"), 321);
    assert_true(WIFSIGNALED(run_self("models", at("m2.db"), "db.die_after_commit:6")));
    expect_models(at("m2.db"), 432);
    assert_int_equal(WEXITSTATUS(run_self("models", at("m3.db"), "db.full:6")), 10 + 3);
    expect_models(at("m3.db"), 321);
}

static void faults(void **state)
{
    (void)state;
    /* Killed before the third record's commit: two are there. After it: three. */
    int status = run_self("put", at("die.db"), "db.die_before_commit:5");
    assert_true(WIFSIGNALED(status));
    expect_after(at("die.db"), 2);
    status = run_self("put", at("die2.db"), "db.die_after_commit:5");
    assert_true(WIFSIGNALED(status));
    expect_after(at("die2.db"), 3);
    /* The disk is full for one commit: the put says so, the next one works. */
    assert_int_equal(WEXITSTATUS(run_self("put", at("full1.db"), "db.full:4")), 10 + 1);
    expect_after(at("full1.db"), 1);
    assert_int_equal(WEXITSTATUS(run_self("retry", at("full2.db"), "db.full:4")), 2);
    expect_after(at("full2.db"), 2);
    /* The disk fails: nothing is written any more, what was acknowledged is there. */
    assert_int_equal(WEXITSTATUS(run_self("put", at("io.db"), "db.commit:6")), 20 + 3);
    expect_after(at("io.db"), 3);
    assert_int_equal(WEXITSTATUS(run_self("retry", at("io2.db"), "db.commit:6")), 20 + 3);
}

/* ---- disk full, really --------------------------------------------------------------------- */

/* In a child. Puts until the disk is full, in groups if asked; then checks that all that was
 * acknowledged is there, in this handle and after reopening. make_room() is called before it goes
 * on. */
static void fill(const char *path, bool groups, void (*make_room)(void))
{
    hone_db *db = open_rw(path);
    a_workload(db, 1, "c");
    a_target(db, "x", 1);
    uint64_t acked = 0;
    hone_status s = HONE_OK;
    hone_error e = {0};
    while (s == HONE_OK && acked < 1000000) {
        if (groups)
            s = hone_db_begin(db, &e);
        uint64_t i = acked;
        for (; s == HONE_OK && i < acked + (groups ? 50 : 1); i++)
            s = try_put(db, i, &e);
        if (groups && s == HONE_OK)
            s = hone_db_commit(db, &e);
        else if (groups)
            hone_db_rollback(db);
        if (s == HONE_OK)
            acked = i;
    }
    if (s != HONE_E_FULL)
        fprintf(stderr, "%s: %s\n", hone_status_name(s), e.message);
    HONE_ASSERT(s == HONE_E_FULL && strstr(e.message, "acknowledged so far is safe"));
    HONE_ASSERT(acked >= 50);
    for (uint64_t i = 0; i < acked; i++)
        HONE_ASSERT(exists(db, i));
    hone_db_close(db);

    db = open_r(path); /* while it is still full */
    HONE_ASSERT((uint64_t)count(db, "records") == acked);
    hone_db_close(db);

    make_room();
    db = open_rw(path);
    HONE_ASSERT((uint64_t)count(db, "records") == acked);
    CHECK(try_put(db, acked, err));
    is_sound(db);
    hone_db_close(db);
}

static void lift_limit(void)
{
    struct rlimit no = {RLIM_INFINITY, RLIM_INFINITY};
    getrlimit(RLIMIT_FSIZE, &no);
    no.rlim_cur = no.rlim_max;
    setrlimit(RLIMIT_FSIZE, &no);
}

static void grow_tmpfs(void)
{
    HONE_ASSERT(mount("tmpfs", at("tiny"), "tmpfs", MS_REMOUNT, "size=8m") == 0);
}

/* Runs one filling in a child, which may be limited or have a mount of its own. */
static int fill_in_child(bool tmpfs, bool groups)
{
    pid_t pid = fork_child();
    if (pid == 0) {
        if (tmpfs) {
            if (unshare(CLONE_NEWNS) != 0 ||
                mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
                mount("tmpfs", at("tiny"), "tmpfs", 0, "size=2m") != 0)
                _exit(77);
            fill(at("tiny/full.db"), groups, grow_tmpfs);
        } else {
            signal(SIGXFSZ, SIG_IGN);
            struct rlimit l;
            getrlimit(RLIMIT_FSIZE, &l);
            l.rlim_cur = 2 << 20;
            setrlimit(RLIMIT_FSIZE, &l);
            fill(groups ? at("limit1.db") : at("limit0.db"), groups, lift_limit);
        }
        _exit(0);
    }
    int status;
    waitpid(pid, &status, 0);
    return status;
}

static void file_size_limit(void **state)
{
    (void)state;
    assert_int_equal(fill_in_child(false, false), 0);
    assert_int_equal(fill_in_child(false, true), 0);
}

static void full_file_system(void **state)
{
    (void)state;
    assert_int_equal(mkdir(at("tiny"), 0777), 0);
    int status = fill_in_child(true, false);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) == 77)
        skip(); /* not allowed to mount here */
    assert_int_equal(status, 0);
    assert_int_equal(fill_in_child(true, true), 0);
}

int main(int argc, char **argv)
{
    self = argv[0];
    if (argc == 3)
        return child(argv[1], argv[2]);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(killed_at_random),       cmocka_unit_test(faults),
        cmocka_unit_test(a_model_is_there_whole), cmocka_unit_test(file_size_limit),
        cmocka_unit_test(full_file_system),
    };
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
