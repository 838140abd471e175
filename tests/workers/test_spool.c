/* Results that are kept until they are acknowledged: which of them, by a fake coordinator that
 * loses what is said; as files; and in a folder, with disks that fail and files that were damaged.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "workers/spool/spool.h"

#include <dirent.h>
#include <sys/stat.h>
#include <unistd.h>

#define OURS 7
#define OTHERS 8

/* `test_workers_spool corpus FOLDER` writes seeds for the fuzzer. */

static hone_workers__kept result(uint64_t realm, uint64_t fence)
{
    hone_wire m = {.type = HONE_WIRE_MEASURED};
    m.measured = (hone_wire_measured){.ticket = 3,
                                      .spent_ns = 5,
                                      .time_ns = 1000,
                                      .n_sample_ns = 1,
                                      .sample_ns = {1000},
                                      .n_incumbent_ns = 1,
                                      .env = "a test",
                                      .fence = fence,
                                      .epoch = 2,
                                      .unit_a = fence * 31,
                                      .unit_b = ~fence};
    hone_workers__kept k = {.realm = realm,
                            .fence = fence,
                            .unit_a = fence * 31,
                            .unit_b = ~fence,
                            .epoch = 2,
                            .lasting = true,
                            .ended_ms = (int64_t)(1000 + fence),
                            .since_ns = (int64_t)(1000 + fence)};
    assert_int_equal(hone_wire_encode(&m, &k.message, NULL), HONE_OK);
    return k;
}

/* Puts one in, and expects that nothing has to go for it. */
static void keep(hone_workers__spool *s, uint64_t realm, uint64_t fence)
{
    hone_workers__kept gone, k = result(realm, fence);
    assert_false(hone_workers__spool_put(s, &k, &gone));
    assert_null(k.message.s);
}

static bool forget(hone_workers__spool *s, uint64_t realm, uint64_t fence)
{
    hone_workers__kept k;
    bool there = hone_workers__spool_take(s, realm, fence, &k);
    if (there)
        hone_workers__kept_free(&k);
    return there;
}

/* ---- which are kept ------------------------------------------------------------------------- */

static void said_until_acknowledged(void **state)
{
    (void)state;
    hone_workers__spool s = {0};
    keep(&s, OURS, 1);
    keep(&s, OTHERS, 2);
    keep(&s, OURS, 3);
    int64_t now = 100;
    assert_int_equal(hone_workers__spool_due(&s, OURS, now)->fence, 1);
    assert_int_equal(hone_workers__spool_due(&s, OURS, now)->fence, 3);
    assert_null(hone_workers__spool_due(&s, OURS, now)); /* said, and not another's */
    now += HONE_WORKERS__SPOOL_AGAIN_NS - 1;
    assert_null(hone_workers__spool_due(&s, OURS, now));
    assert_true(forget(&s, OURS, 1));
    assert_false(forget(&s, OURS, 1)); /* acknowledged twice */
    assert_false(forget(&s, OURS, 2)); /* another's fence */
    now++;
    assert_int_equal(hone_workers__spool_due(&s, OURS, now)->fence, 3);
    assert_null(hone_workers__spool_due(&s, OURS, now));
    hone_workers__spool_unsaid(&s); /* the connection is another */
    assert_int_equal(hone_workers__spool_due(&s, OURS, now)->fence, 3);
    assert_int_equal(hone_workers__spool_due(&s, OTHERS, now)->fence, 2);
    hone_workers__spool_free(&s);
}

static void the_same_lease_is_kept_once(void **state)
{
    (void)state;
    hone_workers__spool s = {0};
    keep(&s, OURS, 1);
    keep(&s, OURS, 1);
    assert_int_equal(s.v.n, 1);
    hone_workers__spool_free(&s);
}

/* Full of ours: no more is taken on. Full of others': the oldest of them goes. */
static void full(void **state)
{
    (void)state;
    hone_workers__spool s = {0};
    hone_workers__kept gone, k;
    for (uint64_t i = 1; i <= HONE_WORKERS__SPOOL_MAX; i++) {
        assert_true(hone_workers__spool_has_room(&s, OURS));
        keep(&s, i == 3 || i == 5 ? OTHERS : OURS, i);
    }
    assert_true(hone_workers__spool_has_room(&s, OURS)); /* others make room */
    k = result(OURS, 100);
    assert_true(hone_workers__spool_put(&s, &k, &gone));
    assert_int_equal(gone.fence, 3);
    hone_workers__kept_free(&gone);
    k = result(OURS, 101);
    assert_true(hone_workers__spool_put(&s, &k, &gone));
    assert_int_equal(gone.fence, 5);
    hone_workers__kept_free(&gone);
    assert_false(hone_workers__spool_has_room(&s, OURS));
    assert_true(hone_workers__spool_has_room(&s, OTHERS));
    assert_true(forget(&s, OURS, 100));
    assert_true(hone_workers__spool_has_room(&s, OURS));
    assert_int_equal(s.v.n, HONE_WORKERS__SPOOL_MAX - 1);
    hone_workers__spool_free(&s);
}

static void what_nobody_will_ask_for_goes(void **state)
{
    (void)state;
    hone_workers__spool s = {0};
    hone_workers__kept k;
    keep(&s, OURS, 1);
    keep(&s, OTHERS, 2);
    keep(&s, OTHERS, 3);
    s.v.v[2].lasting = false; /* of a tune that has ended */
    assert_true(hone_workers__spool_outlived(&s, OURS, 0, &k));
    assert_int_equal(k.fence, 3);
    hone_workers__kept_free(&k);
    int64_t now = 1002 + HONE_WORKERS__SPOOL_AGE_NS;
    assert_false(hone_workers__spool_outlived(&s, OURS, now, &k));
    assert_true(hone_workers__spool_outlived(&s, OURS, now + 1, &k)); /* ours is older, and here */
    assert_int_equal(k.fence, 2);
    hone_workers__kept_free(&k);
    assert_false(hone_workers__spool_outlived(&s, OURS, now + 1, &k));
    hone_workers__spool_free(&s);
}

static void hello_names_the_latest(void **state)
{
    (void)state;
    hone_workers__spool s = {0};
    hone_wire_lease held[2];
    for (uint64_t i = 1; i <= 3; i++)
        keep(&s, OURS, i);
    assert_int_equal(hone_workers__spool_held(&s, held, 2), 2);
    assert_int_equal(held[0].fence, 3);
    assert_int_equal(held[1].fence, 2);
    assert_int_equal(held[1].realm, OURS);
    assert_int_equal(held[1].unit_a, 62);
    assert_int_equal(held[1].unit_b, ~UINT64_C(2));
    assert_int_equal(held[1].epoch, 2);
    assert_int_equal(held[1].phase, HONE_WIRE_ENDED);
    assert_int_equal(held[1].left_ms, 0);
    hone_workers__spool_free(&s);
}

/* A coordinator, and a disk, that are not to be relied on: it loses what it hears and what it
 * says, is away, and comes back as it was. Each result gets there, and none is in the spool for
 * longer than it must. */
static void a_coordinator_that_forgets(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 200; seed++) {
        hone_workers__spool s = {0};
        hone_rng rng;
        hone_rng_seed(&rng, seed);
        bool there = true, logged[64] = {false};
        uint64_t made = 0;
        int64_t now = 1;
        for (int turn = 0; turn < 2000; turn++) {
            now += (int64_t)hone_rng_below(&rng, HONE_WORKERS__SPOOL_AGAIN_NS / 2);
            if (made < HONE_LEN(logged) && hone_rng_below(&rng, 20) == 0)
                keep(&s, OURS, ++made);
            if (hone_rng_below(&rng, 30) == 0) { /* it goes, or it is welcomed again */
                there = !there;
                if (there)
                    hone_workers__spool_unsaid(&s);
            }
            hone_workers__kept *k = there ? hone_workers__spool_due(&s, OURS, now) : NULL;
            if (!k || hone_rng_below(&rng, 3) == 0) /* not heard */
                continue;
            uint64_t fence = k->fence;
            logged[fence - 1] = true;
            if (hone_rng_below(&rng, 3) != 0) /* else the answer is lost */
                assert_true(forget(&s, OURS, fence));
        }
        now += HONE_WORKERS__SPOOL_AGAIN_NS;
        for (hone_workers__kept *k; (k = hone_workers__spool_due(&s, OURS, now));) {
            logged[k->fence - 1] = true;
            assert_true(forget(&s, OURS, k->fence));
        }
        assert_int_equal(s.v.n, 0);
        for (uint64_t i = 0; i < made; i++)
            assert_true(logged[i]);
        hone_workers__spool_free(&s);
    }
}

/* ---- as a file ------------------------------------------------------------------------------ */

static void file_round_trip(void **state)
{
    (void)state;
    hone_workers__kept k = result(OURS, 5), back;
    hone_error err = {0};
    hone_buf b = {0};
    hone_workers__kept_write(&k, &b);
    assert_int_equal(hone_workers__kept_read(b.s, b.n, &back, &err), HONE_OK);
    assert_true(back.lasting && back.stored);
    assert_int_equal(back.realm, OURS);
    assert_int_equal(back.fence, 5);
    assert_int_equal(back.unit_a, k.unit_a);
    assert_int_equal(back.unit_b, k.unit_b);
    assert_int_equal(back.epoch, 2);
    assert_int_equal(back.ended_ms, 1005);
    assert_int_equal(back.message.n, k.message.n);
    assert_memory_equal(back.message.s, k.message.s, k.message.n);
    hone_workers__kept_free(&back);
    for (size_t i = 0; i < b.n; i++) { /* any byte, and any end */
        b.s[i] ^= 0x10;
        assert_int_equal(hone_workers__kept_read(b.s, b.n, &back, &err), HONE_E_CORRUPT);
        b.s[i] ^= 0x10;
        assert_int_equal(hone_workers__kept_read(b.s, i, &back, &err), HONE_E_CORRUPT);
    }
    hone_buf_free(&b);
    k.fence++; /* its head and its message are not of one lease */
    hone_workers__kept_write(&k, &b);
    assert_int_equal(hone_workers__kept_read(b.s, b.n, &back, &err), HONE_E_CORRUPT);
    assert_non_null(strstr(err.message, "no result of a lease"));
    hone_buf_free(&b);
    hone_workers__kept_free(&k);
}

/* ---- in a folder ---------------------------------------------------------------------------- */

static char root[64], *place;

static int setup(void **state)
{
    (void)state;
    snprintf(root, sizeof root, "/tmp/hone-spool-XXXXXX");
    if (!mkdtemp(root))
        return -1;
    place = hone_xasprintf("%s/a/b", root);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    char *command = hone_xasprintf("rm -rf %s", root);
    int rc = system(command);
    free(command);
    free(place);
    return rc;
}

/* Files of the folder that end so. */
static unsigned files(const char *ending)
{
    unsigned n = 0;
    DIR *d = opendir(place);
    assert_non_null(d);
    for (struct dirent *e; (e = readdir(d));) {
        size_t k = strlen(e->d_name), m = strlen(ending);
        n += k > m && strcmp(e->d_name + k - m, ending) == 0;
    }
    closedir(d);
    return n;
}

static void open_folder(hone_workers__folder *f, hone_workers__spool *s)
{
    hone_error err = {0};
    *s = (hone_workers__spool){0};
    if (hone_workers__folder_open(place, f, s, &err) != HONE_OK)
        fail_msg("%s", err.message);
}

static void store(hone_workers__folder *f, uint64_t fence, bool *ret_stored)
{
    hone_workers__kept k = result(OURS, fence);
    hone_workers__folder_store(f, &k);
    *ret_stored = k.stored;
    hone_workers__kept_free(&k);
}

/* The clock of the wall may have been set since, and may be set again: no other result looks older
 * or younger for that. */
static void a_file_says_its_age_once(void **state)
{
    (void)state;
    const int64_t week_ms = HONE_WORKERS__SPOOL_AGE_NS / 1000000, now_ms = hone_clock_wall_ms();
    const int64_t ended[] = {0,
                             now_ms - week_ms - 60000,
                             now_ms - week_ms + 3600000,
                             now_ms + 2 * week_ms,
                             INT64_MIN,
                             INT64_MAX};
    hone_workers__folder f;
    hone_workers__spool s;
    hone_workers__kept k;
    open_folder(&f, &s);
    for (uint64_t i = 0; i < HONE_LEN(ended); i++) {
        k = result(OTHERS, i + 1);
        k.ended_ms = ended[i];
        hone_workers__folder_store(&f, &k);
        hone_workers__kept_free(&k);
    }
    hone_workers__folder_close(&f);
    open_folder(&f, &s);
    assert_int_equal(s.v.n, HONE_LEN(ended));
    assert_false(hone_workers__spool_outlived(&s, OURS, 0, &k));
    uint64_t gone = 0;
    while (hone_workers__spool_outlived(&s, OURS, hone_clock_ns(), &k)) {
        gone |= UINT64_C(1) << k.fence;
        hone_workers__kept_free(&k);
    }
    assert_int_equal(gone, 1 << 2);
    hone_workers__folder_close(&f);
    hone_workers__spool_free(&s);
}

static void results_outlive_the_process(void **state)
{
    (void)state;
    hone_workers__folder f;
    hone_workers__spool s;
    hone_workers__kept k;
    bool stored;
    open_folder(&f, &s);
    assert_int_equal(s.v.n, 0);
    for (uint64_t i = 1; i <= 3; i++) {
        store(&f, i, &stored);
        assert_true(stored);
    }
    store(&f, 2, &stored); /* again */
    hone_workers__folder_close(&f);
    assert_int_equal(files(".result"), 3);
    open_folder(&f, &s);
    assert_int_equal(s.v.n, 3);
    for (uint32_t i = 0; i < 3; i++) /* in the order they ended */
        assert_int_equal(s.v.v[i].fence, i + 1);
    assert_true(hone_workers__spool_take(&s, OURS, 2, &k));
    hone_workers__folder_drop(&f, &k);
    hone_workers__folder_drop(&f, &k); /* gone already: nothing */
    hone_workers__kept_free(&k);
    hone_workers__folder_close(&f);
    hone_workers__spool_free(&s);
    open_folder(&f, &s);
    assert_int_equal(s.v.n, 2);
    hone_workers__folder_close(&f);
    hone_workers__spool_free(&s);
}

static void a_folder_is_one_workers(void **state)
{
    (void)state;
    hone_workers__folder f, g;
    hone_workers__spool s, t = {0};
    hone_error err = {0};
    open_folder(&f, &s);
    assert_int_equal(hone_workers__folder_open(place, &g, &t, &err), HONE_E_BUSY);
    assert_non_null(strstr(err.message, "another worker"));
    hone_workers__folder_close(&f);
    open_folder(&f, &s);
    hone_workers__folder_close(&f);
    char *file = hone_xasprintf("%s/file", root);
    assert_int_equal(hone_file_write(file, "x", 1, NULL), HONE_OK);
    assert_int_equal(hone_workers__folder_open(file, &g, &t, &err), HONE_E_INPUT);
    free(file);
}

static void write_file(const char *name, const void *bytes, size_t n)
{
    char *path = hone_xasprintf("%s/%s", place, name);
    assert_int_equal(hone_file_write(path, bytes, n, NULL), HONE_OK);
    free(path);
}

/* What cannot be read is out of the way, as it was; what is no result is not looked at. */
static void damaged_files_are_set_aside(void **state)
{
    (void)state;
    hone_workers__folder f;
    hone_workers__spool s;
    bool stored;
    open_folder(&f, &s);
    store(&f, 1, &stored);
    hone_workers__folder_close(&f);
    hone_workers__kept k = result(OURS, 9);
    hone_buf b = {0};
    hone_workers__kept_write(&k, &b);
    write_file("0000000000000007-0000000000000008.result", b.s, b.n); /* another's name */
    b.s[b.n / 2] ^= 1;
    write_file("0000000000000007-0000000000000009.result", b.s, b.n);
    write_file("empty.result", "", 0);
    write_file("notes.txt", "of a person", 11);
    write_file(".hone-0123456789abcdef.tmp", b.s, 30); /* of a write that was cut short */
    open_folder(&f, &s);
    assert_int_equal(s.v.n, 1);
    assert_int_equal(s.v.v[0].fence, 1);
    assert_int_equal(files(".result"), 1);
    assert_int_equal(files(".bad"), 3);
    assert_int_equal(files(".txt"), 1);
    assert_int_equal(files(".tmp"), 0);
    hone_workers__folder_close(&f);
    hone_workers__spool_free(&s);
    hone_workers__kept_free(&k);
    hone_buf_free(&b);
}

/* A disk that fails costs nothing but that the result is in memory only, and is told once. */
static void a_disk_that_fails(void **state)
{
    (void)state;
    hone_workers__folder f;
    hone_workers__spool s;
    bool stored;
    open_folder(&f, &s);
    assert_int_equal(chmod(place, 0500), 0);
    char *gone = hone_xasprintf("%s-gone", place);
    assert_int_equal(rename(place, gone), 0); /* also for a user who may write anywhere */
    for (uint64_t i = 1; i <= 3; i++) {
        store(&f, i, &stored);
        assert_false(stored);
        assert_true(f.failing);
    }
    assert_int_equal(rename(gone, place), 0);
    assert_int_equal(chmod(place, 0700), 0);
    store(&f, 4, &stored);
    assert_true(stored);
    assert_false(f.failing);
    assert_int_equal(files(".result"), 1);
    hone_workers__folder_close(&f);
    free(gone);
}

static void without_a_folder(void **state)
{
    (void)state;
    hone_workers__folder f = {0};
    bool stored;
    store(&f, 1, &stored);
    assert_false(stored || f.failing);
    hone_workers__folder_close(&f);
}

/* ---- main ----------------------------------------------------------------------------------- */

static int write_corpus(const char *folder)
{
    for (uint64_t i = 0; i < 4; i++) {
        hone_workers__kept k = result(OURS, i + 1);
        hone_buf b = {0};
        if (i == 1)
            k.fence++;
        hone_workers__kept_write(&k, &b);
        if (i == 2)
            b.s[b.n - 1] ^= 1;
        char *path = hone_xasprintf("%s/%s", folder,
                                    i == 0   ? "good"
                                    : i == 1 ? "two-leases"
                                    : i == 2 ? "checksum"
                                             : "cut");
        bool ok = hone_file_write(path, b.s, i == 3 ? b.n / 2 : b.n, NULL) == HONE_OK;
        free(path);
        hone_buf_free(&b);
        hone_workers__kept_free(&k);
        if (!ok)
            return 1;
    }
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "corpus") == 0)
        return write_corpus(argv[2]);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(said_until_acknowledged),
        cmocka_unit_test(the_same_lease_is_kept_once),
        cmocka_unit_test(full),
        cmocka_unit_test(what_nobody_will_ask_for_goes),
        cmocka_unit_test(hello_names_the_latest),
        cmocka_unit_test(a_coordinator_that_forgets),
        cmocka_unit_test(file_round_trip),
        cmocka_unit_test_setup_teardown(a_file_says_its_age_once, setup, teardown),
        cmocka_unit_test_setup_teardown(results_outlive_the_process, setup, teardown),
        cmocka_unit_test_setup_teardown(a_folder_is_one_workers, setup, teardown),
        cmocka_unit_test_setup_teardown(damaged_files_are_set_aside, setup, teardown),
        cmocka_unit_test_setup_teardown(a_disk_that_fails, setup, teardown),
        cmocka_unit_test(without_a_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
