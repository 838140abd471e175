/* Sessions on two simulated devices, one of them three times slower, in a world full of trouble:
 * processes are killed, devices vanish, tools fail, kernels forge the blame or go bad later,
 * answers come late and times drift. Whatever happens, the log holds no rejection of a kernel that
 * is right, and no kernel wins that was found wrong or that is much slower than another one.
 *
 * HONE_SEEDS is the number of worlds (30), HONE_SEED the first (1). */
#include "tests/tuner/fake_pool.h"

#define DEVICES 2
#define SESSIONS 2 /* one after the other, on one log */

/* ---- what is true ---------------------------------------------------------------------------- */

typedef enum kind { RIGHT, WRONG, FLAKY, CRASHES, HANGS, UNBUILDABLE, GOES_BAD } kind;

typedef struct device {
    const char *name;
    double factor, drift;
    uint64_t job; /* in hand; 0: none */
    int64_t done_ns, absent_until_ns;
} device;

typedef struct world {
    fake_pool f;
    uint64_t seed;
    hone_rng rng;
    double fault_rate;
    int64_t storm_from_ns, storm_to_ns; /* nothing works in between */
    int64_t bad_from_ns;                /* from when on those that go bad are bad */
    device devices[DEVICES];
    HONE_VEC(uint64_t) stalled;     /* kernels whose time limit was missed by accident, once each */
    HONE_VEC(uint64_t) found_wrong; /* kernels that a device has rejected */
} world;

/* Sums over all worlds. */
typedef struct tally {
    uint64_t sessions, ended_early, trials, rejected, failed, set_aside;
    uint64_t false_convictions, wrong_winners, slow_winners, other_answers;
    double worst;
} tally;

static bool among(const uint64_t *v, uint32_t n, uint64_t x)
{
    for (uint32_t k = 0; k < n; k++)
        if (v[k] == x)
            return true;
    return false;
}

static uint64_t trace_hash(const world *w, const char *trace)
{
    return hone_hash_mix(w->seed, fake_hash(trace));
}

static kind kind_of(const world *w, const char *trace)
{
    if (hone_tuner__is_as_written(trace))
        return RIGHT;
    static const kind kinds[32] = {WRONG, WRONG,   FLAKY,       FLAKY,    CRASHES,
                                   HANGS, CRASHES, UNBUILDABLE, GOES_BAD, GOES_BAD};
    return kinds[trace_hash(w, trace) % 32];
}

static double true_ns(const world *w, const char *trace)
{
    if (hone_tuner__is_as_written(trace))
        return 30000;
    return 1000 + (double)(trace_hash(w, trace) / 32 % 4000);
}

static bool chance(world *w, double p)
{
    return hone_rng_double(&w->rng) < p;
}

/* ---- answers --------------------------------------------------------------------------------- */

static void fail_somehow(world *w, bool is_build, hone_pool_event *e)
{
    static const hone_status of_builds[] = {HONE_E_TOOL, HONE_E_KILLED, HONE_E_PEER, HONE_E_IO,
                                            HONE_E_LLVM};
    static const hone_status of_runs[] = {HONE_E_SANDBOX, HONE_E_KILLED,  HONE_E_PEER,
                                          HONE_E_NOMEM,   HONE_E_TIMEOUT, HONE_E_PROTOCOL};
    hone_status s = is_build ? of_builds[hone_rng_below(&w->rng, HONE_LEN(of_builds))]
                             : of_runs[hone_rng_below(&w->rng, HONE_LEN(of_runs))];
    fake_set_failure(e, s, "trouble of the machine");
}

static void reject(world *w, const fake_job *j, hone_status s, hone_pool_event *e)
{
    hone_vec_push(&w->found_wrong, trace_hash(w, j->candidate));
    fake_set_failure(e, s, "the kernel's own fault");
}

static bool is_bad_now(const world *w, const char *trace)
{
    kind k = kind_of(w, trace);
    return k == CRASHES || (k == GOES_BAD && w->f.now_ns >= w->bad_from_ns);
}

static void run_kernel(world *w, const fake_job *j, const device *d, hone_pool_event *e)
{
    const char *by_incumbent = "the incumbent crashed: SIGSEGV";
    switch (kind_of(w, j->candidate)) {
    case WRONG:
        reject(w, j, HONE_REJECT_WRONG_RESULT, e);
        return;
    case FLAKY:
        if (chance(w, 0.25)) {
            reject(w, j, HONE_REJECT_WRONG_RESULT, e);
            return;
        }
        break;
    case HANGS:
        reject(w, j, HONE_REJECT_RUN_TIMEOUT, e);
        return;
    case CRASHES: /* some pretend that it was the incumbent */
        if (j->incumbent && trace_hash(w, j->candidate) % 64 < 32)
            fake_set_failure(e, HONE_E_INCUMBENT, by_incumbent);
        else
            reject(w, j, HONE_REJECT_CRASH, e);
        return;
    case GOES_BAD:
        if (is_bad_now(w, j->candidate)) {
            reject(w, j, HONE_REJECT_CRASH, e);
            return;
        }
        break;
    case RIGHT:
    case UNBUILDABLE:
        break;
    }
    if (j->incumbent && is_bad_now(w, j->incumbent)) {
        fake_set_failure(e, HONE_E_INCUMBENT, by_incumbent);
        return;
    }
    hone_measure_result *r = &e->result;
    for (int k = 0; k < r->n_samples; k++) {
        double now = d->factor * d->drift;
        r->sample_ns[k] = now * true_ns(w, j->candidate) * (1 + 0.05 * hone_rng_double(&w->rng));
        if (j->incumbent)
            r->incumbent_ns[k] =
                now * true_ns(w, j->incumbent) * (1 + 0.05 * hone_rng_double(&w->rng));
    }
    r->time_ns = (int64_t)r->sample_ns[r->n_samples / 2];
}

/* A machine that stalls misses a time limit, which is nobody's fault. */
static bool stalls(world *w, const fake_job *j)
{
    uint64_t h = hone_hash_mix(trace_hash(w, j->candidate), j->role);
    if (!chance(w, 0.03) || among(w->stalled.v, w->stalled.n, h))
        return false;
    hone_vec_push(&w->stalled, h);
    return true;
}

static void answer(world *w, uint32_t i, device *d)
{
    fake_job j = w->f.jobs.v[i];
    bool is_build = j.role == HONE_ROLE_BUILD;
    bool storm = w->f.now_ns >= w->storm_from_ns && w->f.now_ns < w->storm_to_ns;
    hone_pool_event e;
    fake_answer(&j, 1, &e);
    if (d)
        snprintf(e.device, sizeof e.device, "%s", d->name);
    if (storm || chance(w, w->fault_rate)) {
        fail_somehow(w, is_build, &e);
        if (d && e.status == HONE_E_PEER)
            d->absent_until_ns = w->f.now_ns + (int64_t)hone_rng_below(&w->rng, 3000) * MS;
    } else if (stalls(w, &j)) {
        fake_set_failure(&e, is_build ? HONE_REJECT_BUILD_TIMEOUT : HONE_REJECT_RUN_TIMEOUT,
                         "not in time");
    } else if (is_build && !j.reference && kind_of(w, j.candidate) == UNBUILDABLE) {
        reject(w, &j, HONE_REJECT_BUILD, &e);
    } else if (!is_build) {
        run_kernel(w, &j, d, &e);
    }
    fake_give(&w->f, i, &e);
}

/* ---- time ------------------------------------------------------------------------------------ */

static int find(const fake_pool *f, uint64_t id)
{
    for (uint32_t i = 0; i < f->jobs.n; i++)
        if (f->jobs.v[i].id == id)
            return (int)i;
    return -1;
}

/* Devices that are free take the first jobs that nobody has. */
static void assign(world *w)
{
    for (uint32_t i = 0; i < w->f.jobs.n; i++) {
        const fake_job *j = &w->f.jobs.v[i];
        bool taken = j->role == HONE_ROLE_BUILD;
        for (unsigned k = 0; k < DEVICES; k++)
            taken |= w->devices[k].job == j->id;
        for (unsigned k = 0; k < DEVICES && !taken; k++) {
            device *d = &w->devices[k];
            if (d->job || w->f.now_ns < d->absent_until_ns)
                continue;
            bool late = chance(w, 0.02);
            d->job = j->id;
            d->done_ns =
                w->f.now_ns + (int64_t)(5 + hone_rng_below(&w->rng, late ? 4000 : 60)) * MS;
            taken = true;
        }
    }
}

static void turn(world *w)
{
    w->f.now_ns += 10 * MS;
    w->f.devices = 0;
    for (unsigned k = 0; k < DEVICES; k++) {
        device *d = &w->devices[k];
        d->drift *= 1 + 0.02 * (hone_rng_double(&w->rng) - 0.5);
        w->f.devices += w->f.now_ns >= d->absent_until_ns;
    }
    int build = fake_find(&w->f, HONE_ROLE_BUILD);
    if (build >= 0 && chance(w, 0.7))
        answer(w, (uint32_t)build, NULL);
    assign(w);
    for (unsigned k = 0; k < DEVICES; k++) {
        device *d = &w->devices[k];
        if (!d->job || w->f.now_ns < d->done_ns)
            continue;
        int i = find(&w->f, d->job);
        d->job = 0;
        if (i >= 0) /* it was not cancelled meanwhile */
            answer(w, (uint32_t)i, d);
    }
    fake_step(&w->f, 0, NULL);
}

/* ---- what must hold -------------------------------------------------------------------------- */

typedef struct inspection {
    const world *w;
    tally *t;
    double best_ns; /* of all kernels that are OK in the log, truly */
} inspection;

static bool inspect(void *ctx, const hone_db_record *r)
{
    inspection *in = ctx;
    if (hone_status_is_reject(r->status)) {
        bool deserved =
            among(in->w->found_wrong.v, in->w->found_wrong.n, trace_hash(in->w, r->trace)) &&
            kind_of(in->w, r->trace) != RIGHT;
        if (!deserved)
            print_error("seed %" PRIu64 ": %s: %s\n", in->w->seed, hone_status_name(r->status),
                        r->reason);
        in->t->false_convictions += !deserved;
    } else if (kind_of(in->w, r->trace) == RIGHT) {
        in->best_ns = fmin(in->best_ns, true_ns(in->w, r->trace));
    }
    return true;
}

static void judge(const world *w, tally *t, bool complete)
{
    const fake_user *u = &w->f.user[0];
    inspection in = {w, t, INFINITY};
    assert_int_equal(hone_db_each_record(u->db, &(hone_db_where){0}, inspect, &in, NULL), HONE_OK);
    if (!u->r->best_trace)
        return;
    bool wrong = among(w->found_wrong.v, w->found_wrong.n, trace_hash(w, u->r->best_trace));
    double behind = true_ns(w, u->r->best_trace) / in.best_ns;
    hone_db_record answer = fake_query(u);
    t->wrong_winners += wrong;
    t->other_answers += strcmp(answer.trace, u->r->best_trace) != 0;
    if (complete) {
        t->worst = fmax(t->worst, behind);
        t->slow_winners += behind > 1.05;
        if (behind > 1.05)
            print_error("seed %" PRIu64 ": the winner is %.3f times slower\n", w->seed, behind);
    }
    if (wrong)
        print_error("seed %" PRIu64 ": the winner was found wrong\n", w->seed);
    hone_db_record_free(&answer);
}

static void live(uint64_t seed, tally *t)
{
    world w = {.seed = seed,
               .devices = {{.name = "fast", .factor = 1, .drift = 1},
                           {.name = "slow", .factor = 3, .drift = 1}}};
    hone_rng_seed(&w.rng, seed);
    fake_open(&w.f);
    w.fault_rate = seed % 3 == 0 ? 0.02 : seed % 3 == 1 ? 0.08 : 0.15;
    if (seed % 10 == 0) {
        w.storm_from_ns = w.f.now_ns + (int64_t)hone_rng_below(&w.rng, 2000) * MS;
        w.storm_to_ns = w.storm_from_ns + (int64_t)hone_rng_below(&w.rng, 2000) * MS;
    }
    w.bad_from_ns = w.f.now_ns + (int64_t)hone_rng_below(&w.rng, 2500) * MS;
    for (int k = 0; k < SESSIONS; k++) {
        fake_user *u = fake_start(&w.f, 0,
                                  &(fake_want){.trials = seed % 4 ? 16 : 0,
                                               .time_ms = seed % 4 ? 0 : 1500,
                                               .seed = seed});
        int64_t stop_ns =
            seed % 7 ? INT64_MAX : w.f.now_ns + (int64_t)hone_rng_below(&w.rng, 1500) * MS;
        while (!u->r->done) {
            if (w.f.now_ns >= stop_ns)
                hone_session_stop(u->session);
            turn(&w);
        }
        fake_step(&w.f, 0, NULL);
        assert_int_equal(w.f.jobs.n, 0);
        t->sessions++;
        t->trials += u->r->trials;
        t->rejected += u->r->rejected_total;
        t->failed += u->r->failed;
        t->set_aside += u->r->set_aside;
        t->ended_early += u->r->status != HONE_OK;
        /* whose races all took place */
        bool complete =
            u->r->status == HONE_OK && !u->r->interrupted && seed % 4 && u->r->set_aside == 0;
        judge(&w, t, complete);
        fake_end(&w.f, 0);
    }
    hone_vec_free(&w.stalled);
    hone_vec_free(&w.found_wrong);
    fake_close(&w.f);
}

static uint64_t number(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);
    return text && *text ? strtoull(text, NULL, 10) : otherwise;
}

static void no_false_conviction_and_no_wrong_winner(void **state)
{
    (void)state;
    tally t = {0};
    uint64_t first = number("HONE_SEED", 1), n = number("HONE_SEEDS", 30);
    for (uint64_t seed = first; seed < first + n; seed++)
        live(seed, &t);
    print_message("%" PRIu64 " worlds, %" PRIu64 " sessions, %" PRIu64 " ended by trouble; %" PRIu64
                  " trials, %" PRIu64 " rejected, %" PRIu64 " attempts failed, %" PRIu64
                  " candidates set aside | false convictions %" PRIu64 ", wrong winners %" PRIu64
                  ", slow winners %" PRIu64 " (worst %.3f), other answers of a query %" PRIu64 "\n",
                  n, t.sessions, t.ended_early, t.trials, t.rejected, t.failed, t.set_aside,
                  t.false_convictions, t.wrong_winners, t.slow_winners, t.worst, t.other_answers);
    assert_int_equal(t.false_convictions, 0);
    assert_int_equal(t.wrong_winners, 0);
    assert_int_equal(t.slow_winners, 0);
    assert_int_equal(t.other_answers, 0);
    assert_true(n < 20 || (t.failed > n && t.set_aside > 0 && t.rejected > n));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_false_conviction_and_no_wrong_winner),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
