/* Memory that measurements need and memory that there is: texts of the system, the decision, and
 * nurseries that have too little. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/workers/device_kernels.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

#define MIB ((uint64_t)1 << 20)

static const hone_sandbox__limits no_limits = {HONE_SANDBOX__NO_LIMIT, HONE_SANDBOX__NO_LIMIT,
                                               HONE_SANDBOX__NO_LIMIT, HONE_SANDBOX__NO_LIMIT};

/* ---- what there is ------------------------------------------------------------------------- */

static const char meminfo[] = "MemTotal:       24683620 kB\nMemFree:         100000 kB\n"
                              "MemAvailable:   2097152 kB\nBuffers:           16892 kB\n";

static hone_device__available with_group(bool second, char *max, char *used, char *stat)
{
    hone_device__group g = {
        .second = second, .folder = "/g", .max = max, .used = used, .stat = stat};
    hone_device__available a;
    hone_device__available_in(meminfo, &g, 1, UINT64_MAX, &a);
    return a;
}

static void least_of_what_is_left(void **state)
{
    (void)state;
    hone_device__available a;
    hone_device__available_in(meminfo, NULL, 0, UINT64_MAX, &a);
    assert_true(a.bytes == 2048 * MIB);
    assert_string_equal(a.because, "MemAvailable");
    hone_device__available_in("MemTotal: 5 kB\nMemFree: 3 kB\n", NULL, 0, UINT64_MAX, &a);
    assert_true(a.bytes == 3072);
    hone_device__available_in("MemAvailable: many\n", NULL, 0, UINT64_MAX, &a);
    assert_true(a.bytes == UINT64_MAX);
    hone_device__available_in(NULL, NULL, 0, UINT64_MAX, &a);
    assert_true(a.bytes == UINT64_MAX);
    hone_device__available_in(meminfo, NULL, 0, 5 * MIB, &a);
    assert_true(a.bytes == 5 * MIB);
    assert_string_equal(a.because, "ulimit -v");

    /* version 2 */
    a = with_group(true, "max\n", "1048576\n", "inactive_file 0\n");
    assert_true(a.bytes == 2048 * MIB);
    a = with_group(true, "1073741824\n", "805306368\n", "anon 5\ninactive_file 104857600\nx 1\n");
    assert_true(a.bytes == (256 + 100) * MIB);
    assert_string_equal(a.because, "the limit of control group /g");
    a = with_group(true, "1073741824\n", "2147483648\n", NULL); /* lowered under what it has */
    assert_true(a.bytes == 0);
    a = with_group(true, "1073741824\n", "1048576\n",
                   "inactive_file 99999999\n"); /* not up to date */
    assert_true(a.bytes == 1024 * MIB);
    a = with_group(true, NULL, NULL, NULL);
    assert_true(a.bytes == 2048 * MIB);
    /* version 1: the limit that is none, and sums over what lies within */
    a = with_group(false, "9223372036854771712\n", "1\n", NULL);
    assert_true(a.bytes == 2048 * MIB);
    a = with_group(false, "536870912\n", "268435456\n",
                   "inactive_file 1\nhierarchical_memory_limit 536870912\n"
                   "total_inactive_file 67108864\n");
    assert_true(a.bytes == (256 + 64) * MIB);
}

static void groups_are_found(void **state)
{
    (void)state;
    hone_device__group g[16];
    assert_int_equal(hone_device__groups_of("0::/\n", g, 16), 1);
    assert_true(g[0].second);
    assert_string_equal(g[0].folder, "/sys/fs/cgroup/");
    assert_int_equal(hone_device__groups_of("0::/user.slice/a b:c/x.scope\n", g, 16), 4);
    assert_string_equal(g[0].folder, "/sys/fs/cgroup/user.slice/a b:c/x.scope");
    assert_string_equal(g[1].folder, "/sys/fs/cgroup/user.slice/a b:c");
    assert_string_equal(g[2].folder, "/sys/fs/cgroup/user.slice");
    assert_string_equal(g[3].folder, "/sys/fs/cgroup");
    assert_int_equal(hone_device__groups_of("9:name=systemd:/\n4:cpu,memory:/docker/1\n"
                                            "3:cpuset,mem:/\n",
                                            g, 16),
                     3);
    assert_false(g[0].second);
    assert_string_equal(g[0].folder, "/sys/fs/cgroup/memory/docker/1");
    assert_string_equal(g[2].folder, "/sys/fs/cgroup/memory");
    assert_int_equal(hone_device__groups_of("0::/a/b/c/d/e/f\n", g, 3), 3);
    assert_int_equal(hone_device__groups_of("", g, 16), 0);
    assert_int_equal(hone_device__groups_of("nonsense\n::\n4:memory\n:", g, 16), 0);
}

static void this_machine_says_something(void **state)
{
    (void)state;
    hone_device__available a;
    hone_device__available_now(&no_limits, &a);
    assert_true(a.bytes > 0 && a.bytes < UINT64_MAX);
}

/* ---- what is needed, and the decision ------------------------------------------------------ */

static hone_manifest of_size(int64_t count)
{
    hone_manifest m = {0};
    add_arg(&m, "A", HONE_ELEM_F32, false, count);
    add_arg(&m, "C", HONE_ELEM_F64, true, count);
    return m;
}

static void need_is_a_sum(void **state)
{
    (void)state;
    hone_manifest plain = of_size(1 << 20), packed = of_size(1 << 20);
    packed.has_pack = 1;
    packed.args[0].pack_bytes = 5 << 20;
    hone_device__need n = hone_device__need_of(&plain, &plain, NULL, 4, 1, false);
    assert_true(n.args == 16 * MIB && n.expected == 16 * MIB && n.packed == 0); /* inputs twice */
    assert_true(n.largest == 8 * MIB);
    assert_true(n.processes >= 1 * MIB && n.processes < 2 * MIB);
    n = hone_device__need_of(&plain, &plain, NULL, 4, 2, false); /* in the same pages */
    assert_true(n.args == 4 * MIB && n.expected == 16 * MIB);
    n = hone_device__need_of(&packed, &plain, &packed, 4, 2, true);
    assert_true(n.args == 0 && n.expected == 0 && n.packed == 10 * MIB);
    n = hone_device__need_of(&plain, &packed, NULL, 4, 1, true);
    assert_true(n.packed == 5 * MIB);
    /* as large as a job may be */
    hone_manifest most = {0};
    for (int i = 0; i < HONE_MAX_ARGS; i++) {
        add_arg(&most, "x", HONE_ELEM_F64, true, HONE_DEVICE__MOST_ELEMENTS);
        most.args[i].pack_bytes = (int64_t)1 << 40;
    }
    n = hone_device__need_of(&most, &most, &most, 1024, 1, false);
    assert_true(n.args == (uint64_t)HONE_MAX_ARGS << 40);
    assert_true(hone_device__need_total(&n) > n.args + n.expected);
}

/* ---- data sets that stay --------------------------------------------------------------------- */

static hone_device__dataset *get(hone_device__cache *c, int64_t size, hone_device__kind kind,
                                 uint64_t most)
{
    hone_manifest m = of_size(size);
    const hone_device__data_id id = {&m, &m, 1, kind};
    hone_device__dataset *d = NULL;
    hone_error err;
    assert_status(hone_device__cache_get(c, &id, most, &d, &err), HONE_OK, &err);
    hone_manifest_free(&m);
    return d;
}

static bool has(const hone_device__cache *c, int64_t size, hone_device__kind kind)
{
    hone_manifest m = of_size(size);
    bool yes = hone_device__cache_has(c, &(hone_device__data_id){&m, &m, 1, kind});
    hone_manifest_free(&m);
    return yes;
}

/* Kernels of a network are measured in turns: all their data stay, until memory says otherwise. */
static void data_of_many_kernels_stay(void **state)
{
    (void)state;
    hone_device__cache c = {0};
    const int64_t n = HONE_DEVICE__DATASETS / HONE_DEVICE__KINDS;
    assert_true(n >= 64);
    for (int64_t size = 1; size <= n; size++) {
        hone_device__cache_begin(&c);
        for (int kind = 0; kind < HONE_DEVICE__KINDS; kind++)
            get(&c, size, (hone_device__kind)kind, UINT64_MAX);
    }
    for (int64_t size = 1; size <= n; size++)
        for (int kind = 0; kind < HONE_DEVICE__KINDS; kind++)
            assert_true(has(&c, size, (hone_device__kind)kind));
    hone_device__cache_begin(&c);
    get(&c, n + 1, HONE_DEVICE__SMALL,
        UINT64_MAX); /* there is no room for one more but the oldest's */
    unsigned gone = 0;
    for (int kind = 0; kind < HONE_DEVICE__KINDS; kind++)
        gone += !has(&c, 1, (hone_device__kind)kind);
    assert_int_equal(gone, 1);
    assert_true(has(&c, 2, HONE_DEVICE__SMALL));
    hone_device__cache_begin(&c);
    hone_device__dataset *large = get(&c, 1 << 16, HONE_DEVICE__SMALL, 1);
    assert_true(get(&c, 1 << 16, HONE_DEVICE__SMALL, 1) ==
                large); /* the job's own, whatever it takes */
    hone_manifest m = of_size(1 << 16);
    const hone_device__data_id id = {&m, &m, 1, HONE_DEVICE__SMALL};
    assert_true(hone_device__cache_others(&c, &id) == 0);
    assert_false(has(&c, n, HONE_DEVICE__SMALL));
    hone_manifest_free(&m);
    hone_device__cache_begin(&c);
    assert_true(get(&c, 5, HONE_DEVICE__FULL, UINT64_MAX)->bytes > 0);
    m = of_size(5);
    const hone_device__data_id last = {&m, &m, 1, HONE_DEVICE__FULL};
    assert_true(hone_device__cache_others(&c, &last) == large->bytes);
    hone_device__cache_drop_others(&c, &last);
    assert_false(has(&c, 1 << 16, HONE_DEVICE__SMALL));
    assert_true(has(&c, 5, HONE_DEVICE__FULL)); /* the job's stays */
    hone_manifest_free(&m);
    hone_device__cache_begin(&c);
    m = of_size(6);
    hone_device__cache_drop_others(&c, &(hone_device__data_id){&m, &m, 1, HONE_DEVICE__SMALL});
    hone_manifest_free(&m);
    for (size_t k = 0; k < HONE_DEVICE__DATASETS; k++)
        assert_null(c.sets[k]);
}

/* Each job has its data in other pages, the sets of one job in the same ones. */
static void pages_of_each_job(void **state)
{
    (void)state;
    hone_device__cache c = {0};
    for (uint64_t job = 1; job < 4; job++) {
        uint64_t most = job == 3 ? 100 : UINT64_MAX;
        hone_device__cache_begin(&c);
        hone_device__dataset *d = get(&c, 5000, HONE_DEVICE__SMALL, most);
        bool renewed = job < 3;
        assert_true(d->pages->job == (renewed ? job : 2));
        assert_true((d->pages->holds == NULL) == renewed);
        hone_device__dataset_turn(d);
        assert_true(d->pages->holds == d);
        assert_true(get(&c, 5000, HONE_DEVICE__FULL, most)->pages == d->pages);
        assert_true(d->pages->holds == d);
        const uint8_t *inputs = d->inputs;
        assert_memory_equal(d->args[0].data, inputs, d->args[0].bytes);
    }
    hone_device__cache_begin(&c);
    hone_manifest m = of_size(6);
    hone_device__cache_drop_others(&c, &(hone_device__data_id){&m, &m, 1, HONE_DEVICE__SMALL});
    hone_manifest_free(&m);
}

static void decision_names_both_numbers(void **state)
{
    (void)state;
    hone_error err;
    hone_sandbox__limits l = no_limits;
    hone_device__need n = {.args = 100 * MIB, .expected = 50 * MIB, .largest = 100 * MIB};
    hone_device__available there = {.bytes = 182 * MIB, .because = "MemAvailable"};
    assert_int_equal(hone_device__fits(&n, &there, 0, &l, &err), HONE_OK);
    there.bytes--;
    assert_int_equal(hone_device__fits(&n, &there, 1, &l, &err), HONE_OK);
    assert_int_equal(hone_device__fits(&n, &there, 0, &l, &err), HONE_E_NOMEM);
    assert_says(&err, "takes 183 MiB");
    assert_says(&err, "arguments 100, expected outputs 50");
    assert_says(&err, "181 MiB left (MemAvailable)");
    there.bytes = UINT64_MAX;
    assert_int_equal(hone_device__fits(&n, &there, 5, &l, &err), HONE_OK);
    l.file_bytes = 100 * MIB - 1;
    assert_int_equal(hone_device__fits(&n, &there, 0, &l, &err), HONE_E_LIMIT);
    assert_says(&err, "104857600 bytes");
    assert_says(&err, "104857599 here (ulimit -f)");
}

/* ---- nurseries ----------------------------------------------------------------------------- */

#define COPY "KERNEL { F32(1)[0] = F32(0)[0]; return 0; }"

/* What a job of two arguments of so many floats gets from a nursery under this limit, if any. */
static void limited(const char *text, int64_t count, int what, rlim_t limit, hone_error *ret)
{
    hone_manifest m = {0};
    add_arg(&m, "A", HONE_ELEM_F32, false, count);
    add_arg(&m, "C", HONE_ELEM_F32, true, count);
    hone_artifact a = artifact(&m, text);
    int report[2];
    assert_int_equal(pipe(report), 0);
    pid_t worker = fork();
    if (worker == 0) {
        hone_nursery *n;
        hone_error err = {0};
        hone_measure_result r;
        hone_measure_job job = plain_job(&a, &a);
        struct rlimit l = {limit, limit};
        if (limit && setrlimit((__rlimit_resource_t)what, &l) != 0)
            _exit(1);
        signal(SIGXFSZ, SIG_IGN); /* as in a worker */
        err.status = hone_nursery_start(SANDBOX, NULL, 0, &n, &err);
        if (err.status == HONE_OK) {
            err.status = run_job(n, &job, &r, &err);
            hone_nursery_stop(n);
        }
        ssize_t sent = write(report[1], &err, sizeof err);
        _exit(sent != sizeof err);
    }
    close(report[1]);
    assert_int_equal(read(report[0], ret, sizeof *ret), sizeof *ret);
    close(report[0]);
    waitpid(worker, NULL, 0);
    hone_artifact_free(&a);
}

static void more_than_the_machine_has(void **state)
{
    (void)state;
    hone_error err;
    limited(COPY, (int64_t)1 << 37, 0, 0, &err);
    assert_status(err.status, HONE_E_NOMEM, &err);
    assert_says(&err, "takes 262");
    assert_says(&err, "MiB left");
    limited(COPY, ((int64_t)1 << 37) + 1, 0, 0, &err);
    assert_status(err.status, HONE_E_LIMIT, &err);
}

static void limits_of_the_shell(void **state)
{
    (void)state;
    hone_error err;
    limited(COPY, 1 << 20, RLIMIT_FSIZE, 3 << 20, &err);
    assert_status(err.status, HONE_E_LIMIT, &err);
    assert_says(&err, "ulimit -f");
    limited(COPY, 1 << 19, RLIMIT_FSIZE, 3 << 20, &err);
    assert_status(err.status, HONE_OK, &err);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
    limited(COPY, 1 << 27, RLIMIT_AS, (rlim_t)1 << 30, &err);
    assert_status(err.status, HONE_E_NOMEM, &err);
    assert_says(&err, "ulimit -v");
    limited("KERNEL { return rt->scratch(rt, 0, 1ll << 30) ? 0 : HONE_RT_NOMEM; }", 8, RLIMIT_AS,
            (rlim_t)1 << 30, &err);
    assert_status(err.status, HONE_E_NOMEM, &err);
    assert_says(&err, "temporaries");
    assert_says(&err, "ulimit -v");
#endif
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(least_of_what_is_left),       cmocka_unit_test(groups_are_found),
        cmocka_unit_test(this_machine_says_something), cmocka_unit_test(need_is_a_sum),
        cmocka_unit_test(decision_names_both_numbers), cmocka_unit_test(more_than_the_machine_has),
        cmocka_unit_test(limits_of_the_shell),         cmocka_unit_test(data_of_many_kernels_stay),
        cmocka_unit_test(pages_of_each_job),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
