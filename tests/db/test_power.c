/* Power cuts: at many moments the disk is rebuilt as a cut would leave it (power.h) and opened:
 * every acknowledged record must be there. */
#include "power.h"
#include "scratch.h"

static int install(void **state)
{
    return power_install() ? scratch_make(state) : 1;
}

static void expect_all(const char *path, uint64_t acked, bool write)
{
    hone_db *db = write ? open_rw(path) : open_r(path);
    for (uint64_t i = 0; i < acked; i++) {
        if (!is_stored(db, 1, 1, i))
            fail_msg("record %" PRIu64 " of %" PRIu64 " acknowledged is lost", i, acked);
    }
    is_sound(db);
    hone_db_close(db);
}

static void nothing_acknowledged_is_lost(void **state)
{
    (void)state;
    enum {
        N = 600 /* some 12 MiB of WAL: three checkpoints */
    };
    snprintf(watched, sizeof watched, "%s", at("power.db"));
    hone_db *db = open_rw(at("power.db"));
    hone_rng g;
    hone_rng_seed(&g, 3);
    a_workload(db, 1, "c");
    a_target(db, "x", 1);
    uint64_t acked = 0, next_cut = 0;
    while (acked < N) {
        bool group = hone_rng_below(&g, 4) == 0;
        uint64_t n = group ? 10 : 1;
        if (group)
            CHECK(hone_db_begin(db, err));
        for (uint64_t k = 0; k < n; k++)
            put(db, a_record(1, 1, acked + k, 100));
        if (group)
            CHECK(hone_db_commit(db, err));
        acked += n;
        if (acked < next_cut)
            continue;
        next_cut = acked + 1 + hone_rng_below(&g, 60);
        for (mode m = 0; m < MODE_COUNT; m++) {
            cut(at("after.db"), m, &g);
            expect_all(at("after.db"), acked, m % 2);
            unlink(at("after.db-shm"));
        }
    }
    hone_db_close(db);
    for (mode m = 0; m < MODE_COUNT; m++) {
        cut(at("after.db"), m, &g);
        expect_all(at("after.db"), acked, true);
    }
    power_forget();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_acknowledged_is_lost),
    };
    return cmocka_run_group_tests(tests, install, scratch_remove);
}
