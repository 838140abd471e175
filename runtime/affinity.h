/* Inside runtime/: keeps the threads of an unpinned pool off the caller's processor and off each
 * other's.
 *
 * The processors the process may use are dealt into as many groups as the pool has threads. A
 * started thread may run on the processors of one group; the caller may run anywhere and is never
 * touched. When the caller is found in a thread's group, that thread gets the group which is free.
 * So every participant has a processor of its own, and the kernel chooses which where there are
 * more processors than threads. */
#ifndef HONE_RUNTIME_AFFINITY_H
#define HONE_RUNTIME_AFFINITY_H

#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>

struct seat {
    pthread_t id;
    int32_t group; /* whose processors it was given; SPREAD_ANY: none yet; SPREAD_LEFT: hands off */
};
#define SPREAD_ANY (-1)
#define SPREAD_LEFT (-2)

struct spread {
    int32_t *at;     /* [CPU_SETSIZE]: which of the process's a processor is, or -1;
                        NULL: no spreading */
    int32_t n;       /* how many they are */
    int32_t threads; /* the caller counted; so many groups */
    int32_t cpu;     /* where the caller was */
    int32_t group;   /* the group it was in when the threads were last seated */
    int64_t time_ns; /* when that was */
};

/* Seats threads 1 .. threads-1 of a pool that had fewer, and seats all of them anew. Does nothing
 * when there are fewer processors than threads, or processors beyond CPU_SETSIZE. */
void hone_rt__spread_grow(struct spread *s, struct seat *seats, int32_t threads);
/* Called by the caller at the start of each loop; no system call as long as it stays where it is.
 */
void hone_rt__spread_check(struct spread *s, struct seat *seats);
void hone_rt__spread_free(struct spread *s);

#endif
