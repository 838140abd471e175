#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "runtime/hone_rt.h"

#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define N 1000

typedef struct count {
    const hone_rt_api *rt;
    atomic_int hits[N];
    atomic_int calls, longest;
    int64_t fail_at;
} count;

static int32_t hit(void *closure, int64_t begin, int64_t end)
{
    count *c = closure;
    atomic_fetch_add(&c->calls, 1);
    for (int64_t i = begin; i < end; i++) {
        atomic_fetch_add(&c->hits[i], 1);
        if (c->fail_at && i == c->fail_at)
            return 77;
    }
    if (end - begin > c->longest)
        c->longest = (int)(end - begin);
    return 0;
}

static void each_iteration_runs_once(void **state)
{
    (void)state;
    for (int threads = 1; threads <= 5; threads++) {
        hone_rt_pool *p = hone_rt_pool_new(threads, 0);
        assert_non_null(p);
        const hone_rt_api *rt = hone_rt_pool_api(p);
        assert_int_equal(rt->abi, HONE_RT_ABI);
        assert_int_equal(rt->threads, threads);
        for (int n = 0; n < 60; n++) {
            count c = {0};
            assert_int_equal(rt->parallel(rt, n, hit, &c), 0);
            for (int i = 0; i < N; i++)
                assert_int_equal(c.hits[i], i < n);
        }
        hone_rt_pool_free(p);
    }
}

static void repeated_loops_do_not_mix(void **state)
{
    (void)state;
    hone_rt_pool *p = hone_rt_pool_new(3, 0);
    const hone_rt_api *rt = hone_rt_pool_api(p);
    for (int round = 0; round < 3000; round++) {
        count c = {0};
        int n = 1 + round % 37;
        assert_int_equal(rt->parallel(rt, n, hit, &c), 0);
        for (int i = 0; i < n; i++)
            assert_int_equal(c.hits[i], 1);
        assert_int_equal(c.hits[n], 0);
        if (round % 1000 == 999)
            usleep(2000); /* long enough for the threads to fall asleep */
    }
    hone_rt_pool_free(p);
}

static void error_ends_the_loop(void **state)
{
    (void)state;
    hone_rt_pool *p = hone_rt_pool_new(2, 0);
    const hone_rt_api *rt = hone_rt_pool_api(p);
    count c = {.fail_at = 1};
    assert_int_equal(rt->parallel(rt, N, hit, &c), 77);
    int done = 0;
    for (int i = 0; i < N; i++)
        done += c.hits[i];
    assert_true(done < N);
    count good = {0};
    assert_int_equal(rt->parallel(rt, N, hit, &good), 0);
    hone_rt_pool_free(p);
}

static int32_t nested(void *closure, int64_t begin, int64_t end)
{
    count *outer = closure;
    for (int64_t i = begin; i < end; i++) {
        count inner = {0};
        if (outer->rt->parallel(outer->rt, 50, hit, &inner) != 0)
            return 1;
        if (inner.calls != 1 || inner.longest != 50)
            return 2;
        atomic_fetch_add(&outer->hits[i], 1);
    }
    return 0;
}

static void nested_loops_are_serial(void **state)
{
    (void)state;
    hone_rt_pool *p = hone_rt_pool_new(3, 0);
    count c = {.rt = hone_rt_pool_api(p)};
    assert_int_equal(c.rt->parallel(c.rt, 20, nested, &c), 0);
    for (int i = 0; i < 20; i++)
        assert_int_equal(c.hits[i], 1);
    /* one iteration runs on the caller, and is a task all the same */
    count one = {.rt = c.rt};
    assert_int_equal(c.rt->parallel(c.rt, 1, nested, &one), 0);
    hone_rt_pool_free(p);
}

typedef struct meeting {
    atomic_int arrived;
    cpu_set_t sets[4];
    int wanted;
} meeting;

/* Every piece waits until all have been taken, so each needs a thread of its own. */
static int32_t meet(void *closure, int64_t begin, int64_t end)
{
    meeting *m = closure;
    (void)end;
    sched_getaffinity(0, sizeof m->sets[0], &m->sets[begin]);
    atomic_fetch_add(&m->arrived, 1);
    while (m->arrived < m->wanted)
        sched_yield();
    return 0;
}

static void threads_take_part_and_are_pinned(void **state)
{
    (void)state;
    cpu_set_t before, after;
    sched_getaffinity(0, sizeof before, &before);
    hone_rt_pool *p = hone_rt_pool_new(4, 1);
    const hone_rt_api *rt = hone_rt_pool_api(p);
    meeting m = {.wanted = 4};
    assert_int_equal(rt->parallel(rt, 4, meet, &m), 0);
    int first = -1;
    for (int cpu = 0; first < 0; cpu++)
        if (CPU_ISSET(cpu, &before))
            first = cpu;
    bool seen = false;
    for (int i = 0; i < 4; i++) {
        assert_int_equal(CPU_COUNT(&m.sets[i]), 1);
        seen = seen || CPU_ISSET(first, &m.sets[i]);
    }
    assert_true(seen);
    cpu_set_t caller;
    sched_getaffinity(0, sizeof caller, &caller);
    assert_true(CPU_COUNT(&caller) == 1 && CPU_ISSET(first, &caller));
    hone_rt_pool_free(p);
    sched_getaffinity(0, sizeof after, &after);
    assert_true(CPU_EQUAL(&before, &after));
}

static const hone_rt_api *shared_rt;

static void *caller(void *arg)
{
    for (int round = 0; round < 300; round++) {
        count c = {0};
        if (shared_rt->parallel(shared_rt, 40, hit, &c) != 0)
            return arg;
        for (int i = 0; i < 40; i++)
            if (c.hits[i] != 1)
                return arg;
    }
    return NULL;
}

static void callers_take_turns(void **state)
{
    (void)state;
    hone_rt_pool *p = hone_rt_pool_new(2, 0);
    shared_rt = hone_rt_pool_api(p);
    pthread_t t[3];
    for (int i = 0; i < 3; i++)
        assert_int_equal(pthread_create(&t[i], NULL, caller, p), 0);
    for (int i = 0; i < 3; i++) {
        void *failed;
        pthread_join(t[i], &failed);
        assert_null(failed);
    }
    hone_rt_pool_free(p);
}

static void scratch_is_kept_and_grows(void **state)
{
    (void)state;
    hone_rt_pool *p = hone_rt_pool_new(1, 0);
    const hone_rt_api *rt = hone_rt_pool_api(p);
    char *a = rt->scratch(rt, 0, 100), *b = rt->scratch(rt, 1, 100);
    assert_non_null(a);
    assert_non_null(b);
    assert_ptr_not_equal(a, b);
    assert_int_equal((uintptr_t)a % 64, 0);
    memset(a, 1, 100);
    assert_ptr_equal(rt->scratch(rt, 0, 50), a);
    char *big = rt->scratch(rt, 0, 1 << 20);
    assert_non_null(big);
    assert_int_equal((uintptr_t)big % 64, 0);
    memset(big, 2, 1 << 20);
    assert_non_null(rt->scratch(rt, 3, 0));
    assert_null(rt->scratch(rt, -1, 8));
    assert_null(rt->scratch(rt, HONE_RT_SLOTS, 8));
    assert_null(rt->scratch(rt, 0, -1));
    assert_null(rt->scratch(rt, 0, INT64_MAX / 4)); /* more than any machine has */
    assert_non_null(rt->scratch(rt, 0, 8));
    hone_rt_pool_free(p);
}

typedef struct own {
    const hone_rt_api *rt;
    void *p[2];
    atomic_int arrived;
} own;

static int32_t take_scratch(void *closure, int64_t begin, int64_t end)
{
    own *o = closure;
    (void)end;
    o->p[begin] = o->rt->scratch(o->rt, 0, 4096);
    memset(o->p[begin], (int)begin, 4096);
    atomic_fetch_add(&o->arrived, 1);
    while (o->arrived < 2)
        sched_yield();
    return 0;
}

static void scratch_is_per_thread(void **state)
{
    (void)state;
    hone_rt_pool *p = hone_rt_pool_new(2, 0);
    own o = {.rt = hone_rt_pool_api(p)};
    assert_int_equal(o.rt->parallel(o.rt, 2, take_scratch, &o), 0);
    assert_ptr_not_equal(o.p[0], o.p[1]);
    hone_rt_pool_free(p); /* the leak checker sees whether the threads gave theirs back */
}

static void default_pool_serves_several_sizes(void **state)
{
    (void)state;
    const hone_rt_api *one = hone_rt_default(1), *two = hone_rt_default(2);
    assert_int_equal(one->threads, 1);
    cpu_set_t set;
    sched_getaffinity(0, sizeof set, &set);
    int most = CPU_COUNT(&set);
    assert_int_equal(two->threads, most < 2 ? most : 2);
    assert_int_equal(hone_rt_default(100000)->threads, most);
    assert_int_equal(hone_rt_default(-3)->threads, 1);
    assert_ptr_equal(hone_rt_default(2), two);
    for (int i = 0; i < 200; i++) {
        count c = {0}, d = {0};
        assert_int_equal(two->parallel(two, 30, hit, &c), 0);
        assert_int_equal(one->parallel(one, 30, hit, &d), 0);
        assert_int_equal(c.hits[29], 1);
        assert_int_equal(d.calls, 1);
    }
}

static int32_t ask_default(void *closure, int64_t begin, int64_t end)
{
    (void)closure, (void)begin, (void)end;
    const hone_rt_api *rt = hone_rt_default(100000);
    count c = {0};
    return rt->threads < 1 || rt->parallel(rt, 5, hit, &c) != 0 || c.hits[4] != 1;
}

static void default_pool_inside_a_task(void **state)
{
    (void)state;
    const hone_rt_api *rt = hone_rt_default(2);
    assert_int_equal(rt->parallel(rt, 8, ask_default, NULL), 0);
}

/* ThreadSanitizer starts no threads in the child of a process that had some. */
static void needs_threads_after_fork(void)
{
#ifdef __SANITIZE_THREAD__
    skip();
#endif
}

/* Results of children: cmocka's asserts do not work across fork. */
static int in_child(int (*f)(void))
{
    pid_t pid = fork();
    if (pid == 0)
        _exit(f());
    int status;
    waitpid(pid, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

static const hone_rt_api *parents;

static int child_makes_its_own(void)
{
    const hone_rt_api *rt = hone_rt_default(2);
    count c = {0};
    if (rt == parents || rt->parallel(rt, 100, hit, &c) != 0 || c.hits[99] != 1)
        return 1;
    /* the parent's api still computes, on this thread alone */
    count d = {0};
    if (parents->parallel(parents, 100, hit, &d) != 0 || d.calls != 1)
        return 2;
    return 0;
}

static void fork_gives_a_new_default_pool(void **state)
{
    (void)state;
    needs_threads_after_fork();
    parents = hone_rt_default(2);
    count c = {0};
    assert_int_equal(parents->parallel(parents, 10, hit, &c), 0);
    assert_int_equal(in_child(child_makes_its_own), 0);
    count d = {0};
    assert_int_equal(parents->parallel(parents, 10, hit, &d), 0);
    assert_ptr_equal(hone_rt_default(2), parents);
}

static int limited(void)
{
    setenv("HONE_NUM_THREADS", "1", 1);
    return hone_rt_default(8)->threads != 1;
}

static int nonsense_limit(void)
{
    setenv("HONE_NUM_THREADS", "many", 1);
    return hone_rt_default(1)->threads != 1 || hone_rt_default(8)->threads < 1;
}

static void environment_limits_threads(void **state)
{
    (void)state;
    needs_threads_after_fork();
    assert_int_equal(in_child(limited), 0);
    assert_int_equal(in_child(nonsense_limit), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_iteration_runs_once),
        cmocka_unit_test(repeated_loops_do_not_mix),
        cmocka_unit_test(error_ends_the_loop),
        cmocka_unit_test(nested_loops_are_serial),
        cmocka_unit_test(threads_take_part_and_are_pinned),
        cmocka_unit_test(callers_take_turns),
        cmocka_unit_test(scratch_is_kept_and_grows),
        cmocka_unit_test(scratch_is_per_thread),
        cmocka_unit_test(default_pool_serves_several_sizes),
        cmocka_unit_test(default_pool_inside_a_task),
        cmocka_unit_test(fork_gives_a_new_default_pool),
        cmocka_unit_test(environment_limits_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
