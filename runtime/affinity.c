/* Which processors the pool's threads keep to (affinity.h). */
#include "runtime/affinity.h"

#include "runtime/internal.h"

#include <stdlib.h>

/* Callers on several processors may take turns. Moving a thread costs some microseconds, so it
 * happens at most this often. */
#define SEAT_NS 100000

/* Processors 0, n, 2n, ... of the set are group 0, and so on: each group has some of every cache
 * and socket, so a few threads on a large machine still find places close to the caller. */
static void group_set(const struct spread *s, int32_t group, cpu_set_t *ret)
{
    CPU_ZERO(ret);
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
        if (s->at[cpu] >= 0 && (group == SPREAD_ANY || s->at[cpu] % s->threads == group))
            CPU_SET(cpu, ret);
}

/* Whether the thread's processors are still those it was given. If not, somebody outside moved it
 * (taskset, a cpuset) and knows better. */
static bool ours(const struct spread *s, const struct seat *t)
{
    cpu_set_t now, given;
    if (pthread_getaffinity_np(t->id, sizeof now, &now) != 0)
        return false;
    group_set(s, t->group, &given);
    return CPU_EQUAL(&now, &given);
}

static void seat(struct spread *s, struct seat *t, int32_t group)
{
    if (t->group == SPREAD_LEFT || t->group == group)
        return;
    cpu_set_t set;
    group_set(s, group, &set);
    if (!ours(s, t) || pthread_setaffinity_np(t->id, sizeof set, &set) != 0)
        t->group = SPREAD_LEFT;
    else
        t->group = group;
}

static int32_t group_of(const struct spread *s, int32_t cpu)
{
    int32_t at = cpu >= 0 && cpu < CPU_SETSIZE ? s->at[cpu] : -1;
    return at < 0 ? SPREAD_ANY : at % s->threads;
}

/* Whoever has to make room first, so that nobody shares a place in between but the caller. */
static void seat_all(struct spread *s, struct seat *seats)
{
    int32_t taken = s->group;
    if (taken > 0)
        seat(s, &seats[taken], 0);
    for (int32_t k = 1; k < s->threads; k++)
        if (k != taken)
            seat(s, &seats[k], k);
    s->time_ns = hone_rt__now_ns();
}

/* What the process may use when the pool starts its first threads is what the pool spreads over. */
static bool deal(struct spread *s, int32_t threads)
{
    int32_t n = hone_rt__allowed(NULL, 0);
    int32_t *cpus = malloc(sizeof *cpus * (size_t)n);
    int32_t *at = malloc(sizeof *at * CPU_SETSIZE);
    bool good =
        cpus && at && n >= threads && hone_rt__allowed(cpus, n) == n && cpus[n - 1] < CPU_SETSIZE;
    if (good) {
        for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
            at[cpu] = -1;
        for (int32_t i = 0; i < n; i++)
            at[cpus[i]] = i;
        *s = (struct spread){.at = at, .n = n, .threads = 1};
    } else {
        free(at);
    }
    free(cpus);
    return good;
}

void hone_rt__spread_grow(struct spread *s, struct seat *seats, int32_t threads)
{
    if (threads < 2 || (!s->at && !deal(s, threads)) || s->n < threads)
        return;
    for (int32_t k = 1; k < s->threads; k++)
        seat(s, &seats[k], SPREAD_ANY);
    s->threads = threads;
    s->cpu = sched_getcpu();
    s->group = group_of(s, s->cpu);
    seat_all(s, seats);
}

void hone_rt__spread_check(struct spread *s, struct seat *seats)
{
    if (!s->at)
        return;
    int32_t cpu = sched_getcpu();
    if (cpu == s->cpu)
        return;
    int32_t group = group_of(s, cpu);
    if (group != s->group) {
        if (hone_rt__now_ns() - s->time_ns < SEAT_NS)
            return;
        s->group = group;
        seat_all(s, seats);
    }
    s->cpu = cpu;
}

void hone_rt__spread_free(struct spread *s)
{
    free(s->at);
    s->at = NULL;
}
