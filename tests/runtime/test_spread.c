#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "runtime/hone_rt.h"

#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>

#define MOST 8

/* Who took part in a loop, where each might run, and where the caller was. */
typedef struct meeting {
    atomic_int arrived;
    int wanted;
    pid_t tid[MOST];
    cpu_set_t set[MOST];
} meeting;

/* Every piece waits until all have been taken, so each needs a thread of its own. */
static int32_t meet(void *closure, int64_t begin, int64_t end)
{
    meeting *m = closure;
    (void)end;
    m->tid[begin] = gettid();
    sched_getaffinity(0, sizeof m->set[0], &m->set[begin]);
    atomic_fetch_add(&m->arrived, 1);
    while (m->arrived < m->wanted)
        sched_yield();
    return 0;
}

static meeting run(const hone_rt_api *rt)
{
    meeting m = {.wanted = rt->threads};
    usleep(2000); /* threads are moved once in a while only */
    assert_int_equal(rt->parallel(rt, rt->threads, meet, &m), 0);
    return m;
}

static cpu_set_t process_set(void)
{
    cpu_set_t set;
    assert_int_equal(sched_getaffinity(0, sizeof set, &set), 0);
    return set;
}

static void put_caller(int cpu)
{
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    assert_int_equal(sched_setaffinity(0, sizeof one, &one), 0);
}

static int nth(const cpu_set_t *set, int n)
{
    int cpu = 0;
    while (!CPU_ISSET(cpu, set) || n-- > 0)
        cpu++;
    return cpu;
}

static int threads_for(const cpu_set_t *set)
{
    int n = CPU_COUNT(set);
    if (n < 2)
        skip();
    return n < MOST ? n : MOST;
}

/* Started threads share no processor with each other or with the one the caller is on, and stay
 * inside `all`. */
static void check_apart(const meeting *m, int caller_cpu, const cpu_set_t *all)
{
    cpu_set_t taken, both;
    CPU_ZERO(&taken);
    CPU_SET(caller_cpu, &taken);
    for (int i = 0; i < m->wanted; i++) {
        if (m->tid[i] == gettid())
            continue;
        assert_true(CPU_COUNT(&m->set[i]) > 0);
        CPU_AND(&both, &taken, &m->set[i]);
        assert_int_equal(CPU_COUNT(&both), 0);
        CPU_OR(&taken, &taken, &m->set[i]);
        CPU_AND(&both, all, &m->set[i]);
        assert_true(CPU_EQUAL(&both, &m->set[i]));
    }
}

static void threads_make_way_for_the_caller(void **state)
{
    (void)state;
    cpu_set_t all = process_set();
    int threads = threads_for(&all);
    hone_rt_pool *p = hone_rt_pool_new(threads, 0);
    const hone_rt_api *rt = hone_rt_pool_api(p);
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < CPU_COUNT(&all) && i < 2 * MOST; i++) {
            put_caller(nth(&all, i));
            meeting m = run(rt);
            check_apart(&m, nth(&all, i), &all);
        }
    }
    assert_int_equal(sched_setaffinity(0, sizeof all, &all), 0);
    hone_rt_pool_free(p);
    cpu_set_t after = process_set();
    assert_true(CPU_EQUAL(&all, &after)); /* the caller itself is left alone */
}

static void default_pool_grows_apart(void **state)
{
    (void)state;
    cpu_set_t all = process_set();
    int threads = threads_for(&all);
    for (int k = 2; k <= threads; k++) {
        const hone_rt_api *rt = hone_rt_default(k);
        assert_int_equal(rt->threads, k);
        for (int i = 0; i < 2; i++) {
            put_caller(nth(&all, i));
            meeting m = run(rt);
            check_apart(&m, nth(&all, i), &all);
        }
        assert_int_equal(sched_setaffinity(0, sizeof all, &all), 0);
    }
}

/* The pool of a limited process spreads over what it may use, and over no more. */
static void limited_processes_stay_inside(void **state)
{
    (void)state;
    cpu_set_t all = process_set(), some = all;
    if (CPU_COUNT(&all) < 3)
        skip();
    CPU_CLR(nth(&all, 0), &some);
    assert_int_equal(sched_setaffinity(0, sizeof some, &some), 0);
    hone_rt_pool *p = hone_rt_pool_new(2, 0);
    const hone_rt_api *rt = hone_rt_pool_api(p);
    for (int i = 0; i < 2; i++) {
        put_caller(nth(&some, i));
        meeting m = run(rt);
        check_apart(&m, nth(&some, i), &some);
    }
    /* a caller outside takes nobody's place */
    put_caller(nth(&all, 0));
    meeting m = run(rt);
    check_apart(&m, nth(&all, 0), &some);
    assert_int_equal(sched_setaffinity(0, sizeof all, &all), 0);
    hone_rt_pool_free(p);
}

static void too_many_threads_run_anywhere(void **state)
{
    (void)state;
    cpu_set_t all = process_set();
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(nth(&all, 0), &one);
    assert_int_equal(sched_setaffinity(0, sizeof one, &one), 0);
    hone_rt_pool *p = hone_rt_pool_new(3, 0);
    assert_int_equal(sched_setaffinity(0, sizeof all, &all), 0);
    for (int round = 0; round < 3; round++) {
        meeting m = run(hone_rt_pool_api(p));
        for (int i = 0; i < 3; i++)
            if (m.tid[i] != gettid())
                assert_true(CPU_EQUAL(&m.set[i], &one));
    }
    hone_rt_pool_free(p);
}

/* Whom somebody else moved, the pool leaves where it is. */
static void moved_threads_are_left_alone(void **state)
{
    (void)state;
    cpu_set_t all = process_set();
    threads_for(&all);
    hone_rt_pool *p = hone_rt_pool_new(2, 0);
    const hone_rt_api *rt = hone_rt_pool_api(p);
    meeting m = run(rt);
    pid_t thread = m.tid[0] == gettid() ? m.tid[1] : m.tid[0];
    assert_int_equal(sched_setaffinity(thread, sizeof all, &all), 0);
    for (int i = 0; i < 2; i++) {
        put_caller(nth(&all, i));
        m = run(rt);
        assert_true(CPU_EQUAL(&m.set[m.tid[0] == thread ? 0 : 1], &all));
    }
    assert_int_equal(sched_setaffinity(0, sizeof all, &all), 0);
    hone_rt_pool_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(threads_make_way_for_the_caller),
        cmocka_unit_test(default_pool_grows_apart),
        cmocka_unit_test(limited_processes_stay_inside),
        cmocka_unit_test(too_many_threads_run_anywhere),
        cmocka_unit_test(moved_threads_are_left_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
