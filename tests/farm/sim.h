/* A world around a farm, in virtual time: a coordinator that crashes, a disk that fails, a network
 * that loses, doubles, delays and cuts, workers that die, lie, heat up and come back, sessions,
 * people. One seed is one world and one course of things. What must hold is checked where it
 * happens (tests/farm/check.h); tests/farm/store.h is what is durable. */
#ifndef HONE_TESTS_FARM_SIM_H
#define HONE_TESTS_FARM_SIM_H

#include "tests/farm/store.h"

#define SEC (1000 * MS)
#define HOUR (3600 * SEC)
#define WORKERS 8
#define USERS 4 /* ann, bob, ci, and root, who is the admin */
#define HELD 4
#define KERNELS 6

/* Faults that are injected, and rows of the crash matrix: counted. */
#define FAULTS(X)                                     \
    X(LOST, "message lost")                           \
    X(DOUBLED, "message doubled")                     \
    X(LATE, "message delayed by seconds")             \
    X(CUT, "message lost in a partition")             \
    X(PARTITION, "partition (both ways, or one)")     \
    X(WORKER_KILL, "worker killed")                   \
    X(WORKER_POWER, "worker's host without power")    \
    X(WORKER_PAUSE, "worker paused")                  \
    X(WORKER_LEAVES, "worker leaves and comes back")  \
    X(TWIN, "second machine with a key")              \
    X(NEW_KERNEL, "device comes back changed")        \
    X(HEAT, "device runs hot")                        \
    X(SLOWS, "device becomes slower for good")        \
    X(WRONG, "device computes wrong")                 \
    X(FORGED, "forged result")                        \
    X(POISON, "candidate that takes its worker down") \
    X(ATTEMPT, "attempt fails on the device")         \
    X(COORD_KILL, "coordinator killed")               \
    X(COORD_SUSPEND, "coordinator suspended")         \
    X(WALL, "wall clock jumps")                       \
    X(DISK_FULL, "disk full")                         \
    X(DISK_EIO, "commit fails")                       \
    X(DISK_FSYNC, "fsync fails")                      \
    X(DISK_SLOW, "slow fsync")                        \
    X(REVOKED, "key revoked")                         \
    X(CLIENT, "client dies, another says it again")   \
    X(SESSION_STUCK, "session that does not end")     \
    X(DENIED, "verb without a role")

#define ROWS(X)                                                              \
    X(CHILD, "child crashes, loops, is forbidden something: rejected, next") \
    X(NURSERY, "nursery dies: attempt failed, tried elsewhere")              \
    X(KILL_FETCH, "worker killed while fetching")                            \
    X(KILL_CHECK, "worker killed while checking")                            \
    X(KILL_TIME, "worker killed while timing")                               \
    X(KILL_UNACKED, "worker killed with a result that is not acknowledged")  \
    X(POWER, "worker's host without power while it works")                   \
    X(CUT_SHORT, "network cut below 20 s while it works")                    \
    X(CUT_LONG, "network cut above 30 s while it works")                     \
    X(COORD_BEFORE, "coordinator killed before its commit")                  \
    X(COORD_AFTER, "coordinator killed after its commit, before ACK")        \
    X(COORD_OFFER, "coordinator killed between grant and offer")             \
    X(COORD_POWER, "coordinator's host without power within a commit")       \
    X(FULL, "disk full: no ACK, no grant")                                   \
    X(EIO, "commit fails: end, restore")                                     \
    X(FSYNC, "fsync fails: end, restore")                                    \
    X(CLIENT_DIES, "client dies before the answer, submits again")           \
    X(WALL_JUMPS, "wall clock jumps")                                        \
    X(SUSPEND, "coordinator suspended for more than a lease")                \
    X(SECOND, "duplicate worker refused")                                    \
    X(KEY_GONE, "key revoked while connected")                               \
    X(BAD_BYTES, "bad artifact bytes: attempt failed")                       \
    X(LIAR, "device lies: golden kernel wrong, results suspect")             \
    X(STRANGE, "result with another's fence or unit: stale")

enum {
#define X(name, text) FAULT_##name,
    FAULTS(X)
#undef X
        FAULT_COUNT
};
enum {
#define X(name, text) ROW_##name,
    ROWS(X)
#undef X
        ROW_COUNT
};

typedef struct tally {
    uint64_t faults[FAULT_COUNT], rows[ROW_COUNT];
    uint64_t worlds, steps, jobs, done, failed, cancelled, expired, alive, restarts, results, acked;
    uint64_t poisoned_innocent, wrong;
    double job_hours, hours;
} tally;

/* ---- messages and the heap of what happens
 * -------------------------------------------------------- */

typedef struct msg {
    int worker; /* from or to; -1: a client's */
    bool to_coord;
    uint64_t copy_of_process; /* of the worker it is for; another one never sees it */
    hone_farm_event_kind e;
    hone_farm_effect_kind x;
    uint64_t session, fence, count, machine, process, fingerprint;
    hone_farm_key unit;
    hone_farm_phase phase;
    hone_status status;
    uint32_t epoch;
    int64_t spent_ns;
    hone_farm_held held[HELD * 2];
    uint32_t n_held;
    double ns[HONE_FARM_CANARIES];
    bool golden, throttled;
    hone_farm_say say;
    char name[HONE_FARM_NAME], filter[64];
    int user;
} msg;

typedef enum what {
    ARRIVES,      /* a: message */
    TICK,         /* of the coordinator; guard: its life */
    RESTART,      /* the coordinator starts */
    COMMIT_ENDS,  /* guard: its life; a: batch */
    WORKER_WAKE,  /* a: worker, guard: process. Heartbeat, resend, hello */
    WORKER_STEP,  /* a: worker, guard: fence. The next phase */
    WORKER_BOOT,  /* a: worker */
    SESSION_DOES, /* a: job, guard: life */
    CLIENT_SAYS,  /* a: saying */
    TROUBLE       /* something happens */
} what;

typedef struct happening {
    int64_t at;
    uint64_t seq, guard, a;
    what what;
    msg *m;
} happening;

/* ---- workers
 * ------------------------------------------------------------------------------------------ */

typedef struct attempt {
    uint64_t fence;
    hone_farm_key unit;
    hone_farm_phase phase;
    bool canary, build;
    uint32_t epoch;
    int64_t since, window_from; /* window_from: of its timing, 0: not begun */
    uint64_t job, tag;
} attempt;

typedef struct spooled {
    uint64_t fence;
    hone_farm_key unit;
    hone_status status;
    uint32_t epoch;
    int64_t spent_ns;
    bool canary, forged;
    double ns[HONE_FARM_CANARIES];
    bool golden, throttled;
} spooled;

typedef struct sim_worker {
    char name[HONE_FARM_NAME];
    unsigned roles;
    const char *attrs;
    bool alive, paused, revoked;
    uint64_t machine, process, count, session, fingerprint;
    uint32_t epoch;
    uint64_t seen; /* fence */
    attempt hand[HELD];
    uint32_t n_hand;
    HONE_VEC(spooled) spool;
    int64_t heard_at, hello_at, paused_until, cut_in_until, cut_out_until, cut_from;
    int64_t hot_until;
    double slower;
    bool lies, forges, forged; /* forged: it has done so */
    int64_t timing_until;      /* true time: nothing else may be timed before */
    uint64_t timing_fence;
    uint64_t best_fence; /* highest ever offered to it */
} sim_worker;

/* ---- people and sessions
 * ------------------------------------------------------------------------------- */

typedef struct saying {
    int user;
    hone_farm_say say;
    char name[HONE_FARM_NAME], filter[64];
    bool answered, forbidden;
    uint64_t client, job; /* as it was answered */
    int said;
} saying;

typedef struct step_of {
    uint64_t tag; /* of the want in the air; 0: none */
    int tries;
    bool built, done;
} step_of;

typedef struct sim_session {
    uint64_t job;
    int kernel;
    bool stopping, stuck;
    uint32_t n, done, next;
    uint64_t tags;
    step_of *steps;
} sim_session;

typedef struct truth { /* of a measurement that was made */
    hone_farm_key unit;
    uint64_t fence;
    int worker;
    hone_status status;
} truth;

typedef struct sim {
    uint64_t seed;
    hone_rng rng, net; /* decisions; and those of the network */
    int64_t now;
    uint64_t seq;
    HONE_VEC(happening) heap;
    tally *t;
    uint64_t trace; /* hash of all effects */
    /* the coordinator */
    hone_farm *farm;
    hone_farm_limits limits;
    store store;
    uint64_t life;
    int64_t clock_from, suspended_until, tick_at;
    const hone_farm_row *rows;
    uint32_t n_rows;
    bool commit_waits, disk_full;
    int64_t disk_full_until;
    int crash_in; /* effects from now on; -1: not */
    uint64_t handles;
    /* the others */
    sim_worker w[WORKERS];
    HONE_VEC(saying) says;
    HONE_VEC(sim_session) sessions;
    HONE_VEC(truth *) truths; /* owned */
    hone_map by_fence;        /* of them, by worker and fence */
    HONE_VEC(truth) claims;   /* of devices that lie */
    HONE_VEC(truth) acked;    /* results that were acknowledged as taken */
    HONE_VEC(uint64_t) jobs;  /* that clients know of */
    /* rates of this world */
    double loss, twice, late, trouble;
    bool healing, bad;
    int jobs_wanted;
} sim;

static inline bool sim_chance(sim *s, double p)
{
    return hone_rng_double(&s->rng) < p;
}

static inline int64_t sim_below(sim *s, int64_t n)
{
    return n > 0 ? (int64_t)hone_rng_below(&s->rng, (uint64_t)n) : 0;
}

static inline void sim_wrong(sim *s, const char *rule)
{
    s->t->wrong++;
    s->bad = true;
    fprintf(stderr, "seed %" PRIu64 " at %.3f s: %s\n", s->seed, (double)s->now / 1e9, rule);
}

/* ---- the heap
 * -------------------------------------------------------------------------------------------- */

static inline bool sim_before(const happening *a, const happening *b)
{
    return a->at < b->at || (a->at == b->at && a->seq < b->seq);
}

static inline void sim_at(sim *s, int64_t at, what k, uint64_t a, uint64_t guard, msg *m)
{
    hone_vec_push(&s->heap, (happening){0});
    uint32_t i = s->heap.n - 1;
    happening h = {.at = at < s->now ? s->now : at,
                   .seq = s->seq++,
                   .guard = guard,
                   .a = a,
                   .what = k,
                   .m = m};
    for (; i > 0 && sim_before(&h, &s->heap.v[(i - 1) / 2]); i = (i - 1) / 2)
        s->heap.v[i] = s->heap.v[(i - 1) / 2];
    s->heap.v[i] = h;
}

static inline happening sim_pop(sim *s)
{
    happening first = s->heap.v[0], last = s->heap.v[--s->heap.n];
    uint32_t i = 0;
    for (;;) {
        uint32_t c = 2 * i + 1;
        if (c + 1 < s->heap.n && sim_before(&s->heap.v[c + 1], &s->heap.v[c]))
            c++;
        if (c >= s->heap.n || !sim_before(&s->heap.v[c], &last))
            break;
        s->heap.v[i] = s->heap.v[c];
        i = c;
    }
    if (s->heap.n > 0)
        s->heap.v[i] = last;
    return first;
}

/* ---- the network
 * -------------------------------------------------------------------------------------------- */

static inline void sim_post(sim *s, const msg *m)
{
    bool cut = m->worker >= 0 && s->now < (m->to_coord ? s->w[m->worker].cut_out_until
                                                       : s->w[m->worker].cut_in_until);
    if (cut || hone_rng_double(&s->net) < s->loss) {
        s->t->faults[cut ? FAULT_CUT : FAULT_LOST]++;
        return;
    }
    int copies = 1 + (hone_rng_double(&s->net) < s->twice);
    s->t->faults[FAULT_DOUBLED] += copies - 1;
    for (int k = 0; k < copies; k++) {
        bool late = hone_rng_double(&s->net) < s->late;
        int64_t delay = (int64_t)hone_rng_below(&s->net, (uint64_t)(late ? 5 * SEC : 20 * MS));
        s->t->faults[FAULT_LATE] += late;
        msg *copy = hone_xmalloc(sizeof *copy);
        *copy = *m;
        sim_at(s, s->now + MS / 10 + delay, ARRIVES, 0, 0, copy);
    }
}

/* ---- what is true of candidates
 * -------------------------------------------------------------------------------- */

static inline hone_farm_key sim_key(int kernel, uint32_t i, bool build)
{
    uint64_t h = hone_hash_mix(hone_hash_mix(77, (uint64_t)kernel), 2 * i + build);
    return (hone_farm_key){{h, hone_hash_mix(h, 5)}};
}

typedef enum nature { GOOD, REJECTED, TAKES_DOWN, FAILS } nature;

static inline nature sim_nature(const hone_farm_key *k)
{
    uint64_t x = hone_hash_mix(9, k->v[0]) % 1000;
    return x < 880 ? GOOD : x < 980 ? REJECTED : x < 990 ? TAKES_DOWN : FAILS;
}

#endif
