/* The nursery process: one job at a time, from artifacts to result. Single-threaded, so that every
 * fork is safe; it never runs candidate code itself. */
#include "workers/device/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/utsname.h>
#include <unistd.h>

/* Data sets beyond the first two are left out when the first took the oracle longer than this, and
 * all together get this share of the memory that is free. */
#define ORACLE_SLOW_NS INT64_C(4000000000)
#define DATA_SHARE 4
/* A candidate that is slower than this, by this measurement, does not win by it, and is tried with
 * the first two data sets only. Whoever wins has a measurement in which it was not. */
#define CONTENDER_RATIO 1.02
/* What temporaries of kernels may take besides twice the size of their data, memory permitting; and
 * those of a reference, which stay whole. */
#define TEMPORARIES ((uint64_t)2 << 30)
#define REFERENCE_TEMPORARIES ((uint64_t)16 << 30)

typedef struct nursery {
    int socket;
    hone_device__sandbox sandbox;
    hone_sandbox__limits limits;
    hone_device__cache cache;
    hone_device__buffer control_page;
    const hone_device__libraries *libraries;
    hone_device__runtime runtime;
    char system[224]; /* cpu model, kernel version, runtime */
    char speculation[64];
} nursery;

typedef struct work {
    hone_device__request *request;
    hone_device__artifact artifacts[HONE_DEVICE__ARTIFACTS];
    hone_device__dataset *data[HONE_DEVICE__KINDS]; /* by kind, as far as there is use for them */
    uint32_t n_data;
    hone_device__available available; /* memory, when the last of them was got */
    uint64_t temporaries;             /* what is left of it for those of the kernels, */
    bool scarce;                      /* which is less than they may have */
    uint64_t most_bytes;              /* all data sets may have */
} work;

/* ---- what the device says of itself -------------------------------------------------------- */

static void describe_system(nursery *n)
{
    char model[96];
    struct utsname u = {0};
    hone_host_processor(model, sizeof model);
    uname(&u);
    snprintf(n->system, sizeof n->system, "cpu=%.90s; kernel=%.40s%s%.60s", model, u.release,
             n->runtime.what ? "; runtime=" : "", n->runtime.about);
}

/* Whether the sandbox costs the kernels speculation: read off a child under its filters. */
static void describe_speculation(nursery *n, pid_t child)
{
    char path[64];
    if (n->speculation[0])
        return;
    snprintf(path, sizeof path, "/proc/%d/status", (int)child);
    if (!hone_file_line(path, "Speculation_Store_Bypass", n->speculation, sizeof n->speculation))
        snprintf(n->speculation, sizeof n->speculation, "unknown");
}

static int64_t deadline(int64_t ms)
{
    return hone_clock_ns() + ms * 1000000;
}

static hone_device__run new_run(nursery *n, work *w)
{
    hone_device__run r = {.sandbox = &n->sandbox,
                          .job = &w->request->job,
                          .n_data = w->n_data,
                          .control_page = n->control_page,
                          .limits = &n->limits,
                          .runtime = n->runtime.what ? &n->runtime : NULL,
                          .temporaries = w->temporaries,
                          .scarce = w->scarce ? &w->available : NULL,
                          .worker = n->socket};
    memcpy(r.data, w->data, sizeof r.data);
    return r;
}

/* ---- data ---------------------------------------------------------------------------------- */

/* Gets the next kind of data, with room for everything the job takes with it and what the oracle
 * says of it. Sets of other jobs make room. */
static hone_status add_data(nursery *n, work *w, hone_error *err)
{
    const hone_device__request *q = w->request;
    const hone_manifest *m = q->manifests;
    hone_device__kind kind = (hone_device__kind)w->n_data;
    hone_device__data_id id = {&m[HONE_DEVICE__CANDIDATE], &m[HONE_DEVICE__REFERENCE],
                               q->job.data_seed, kind};
    uint64_t others = hone_device__cache_others(&n->cache, &id);
    hone_device__need need =
        hone_device__need_of(&m[HONE_DEVICE__CANDIDATE], &m[HONE_DEVICE__REFERENCE],
                             q->has_incumbent ? &m[HONE_DEVICE__INCUMBENT] : NULL, q->job.threads,
                             w->n_data + 1, hone_device__cache_has(&n->cache, &id));
    hone_device__available_now(&n->limits, &w->available);
    hone_status s = hone_device__fits(&need, &w->available, others, &n->limits, err);
    if (s != HONE_OK)
        return s;
    uint64_t total = hone_device__need_total(&need), there = w->available.bytes;
    if (hone_device__fits(&need, &w->available, 0, &n->limits, NULL) != HONE_OK) {
        hone_device__cache_drop_others(&n->cache, &id);
        there += others;
    }
    if (kind == 0)
        w->most_bytes = there / DATA_SHARE;
    hone_device__dataset *d;
    s = hone_device__cache_get(&n->cache, &id, w->most_bytes, &d, err);
    if (s != HONE_OK)
        return s;
    uint64_t left = there - total, most = REFERENCE_TEMPORARIES + 2 * d->bytes;
    w->temporaries = TEMPORARIES + 2 * d->bytes;
    w->scarce = left < w->temporaries;
    if (w->scarce)
        w->temporaries = left;
    if (!n->sandbox.on) /* then only the machine refuses memory */
        w->scarce = true;
    if (d->reference != w->artifacts[HONE_DEVICE__REFERENCE].hash) {
        hone_device__run r = new_run(n, w);
        r.temporaries = left < most ? left : most;
        s = hone_device__ask_oracle(&r, d, &m[HONE_DEVICE__CANDIDATE], &m[HONE_DEVICE__REFERENCE],
                                    w->artifacts[HONE_DEVICE__REFERENCE].fd,
                                    w->artifacts[HONE_DEVICE__REFERENCE].hash, err);
    }
    if (s == HONE_OK)
        w->data[w->n_data++] = d;
    return s;
}

/* Is one more kind of data worth what it costs here? */
static bool affords_more(const work *w)
{
    return (w->n_data <= HONE_DEVICE__FULL || w->data[0]->reference_ns <= ORACLE_SLOW_NS) &&
           w->data[0]->bytes <= w->most_bytes / (w->n_data + 1);
}

static hone_status get_data(nursery *n, work *w, hone_error *err)
{
    hone_device__cache_begin(&n->cache);
    hone_status s = HONE_OK;
    do
        s = add_data(n, w, err);
    while (s == HONE_OK && w->n_data < HONE_DEVICE__KINDS && affords_more(w));
    if ((s == HONE_E_NOMEM || s == HONE_E_LIMIT) && w->n_data > 0)
        s = HONE_OK; /* as if it were not worth it */
    return s;
}

/* ---- measuring ----------------------------------------------------------------------------- */

/* Poisons the outputs of a data set, calls, compares. The child is loaded and waits for commands.
 */
static hone_status checked_call(hone_device__run *r, uint32_t set, const char *when, int64_t until,
                                hone_measure_result *ret, hone_error *err)
{
    int64_t start = hone_clock_ns();
    if (r->turn != set)
        hone_device__run_turn(r, set);
    hone_device__reset_outputs(r->kernels[0].manifest, r->data[set]);
    hone_status s = hone_device__run_do(r, (char)(HONE_DEVICE__DO_CALL + (int)set),
                                        HONE_DEVICE__CALLED, until, err);
    if (s == HONE_OK)
        s = hone_device__check_canaries(r, err);
    if (s == HONE_OK)
        s = hone_device__compare_outputs(r, set, when, &ret->max_error, err);
    ret->check_ns += hone_clock_ns() - start;
    return s;
}

/* An output of which every expected value is 0, not finite or uncertain proves nothing. */
static hone_status check_telling(const hone_device__run *r, hone_error *err)
{
    const hone_manifest *m = r->kernels[0].manifest;
    for (uint32_t i = 0; i < m->n_args; i++) {
        int64_t telling = 0;
        for (uint32_t set = 0; set < r->n_data; set++)
            telling += r->data[set]->expected[i].telling;
        if (m->args[i].is_output == HONE_ARG_VARIES && m->args[i].count > 0 && telling == 0)
            return hone_fail(
                err, HONE_E_REFERENCE,
                "the check shows nothing: whatever it is tried with, output '%s' is 0, "
                "not finite, or anything because of rounding; state ranges of the inputs "
                "where it is not, as in `input x: f32[N] in 0 .. 1`",
                m->args[i].name);
    }
    return HONE_OK;
}

/* The kinds of data beyond the first two, for a candidate that may win. */
static hone_status check_thoroughly(hone_device__run *r, int64_t until, hone_measure_result *ret,
                                    hone_error *err)
{
    hone_status s = HONE_OK;
    for (uint32_t set = HONE_DEVICE__FULL + 1; set < r->n_data && s == HONE_OK; set++)
        s = checked_call(r, set, "", until, ret, err);
    return s == HONE_OK ? check_telling(r, err) : s;
}

/* What was measured where; `sets`: data that was used. */
static void describe(const nursery *n, const hone_device__run *r, uint32_t sets,
                     hone_measure_result *ret)
{
    int at = snprintf(ret->env, sizeof ret->env, "%s; ssb=%s; sandbox=%s", n->system,
                      n->speculation, n->sandbox.on ? "on" : "off");
    for (uint32_t set = 0; set < sets && at > 0 && (size_t)at < sizeof ret->env; set++)
        at += snprintf(ret->env + at, sizeof ret->env - (size_t)at, "%s%s",
                       set ? "," : "; data=", hone_device__kind_name(r->data[set]->kind));
}

/* A worker that is gone shows elsewhere. */
static void tell_timing(int socket)
{
    char what = HONE_DEVICE__BEGINS;
    while (send(socket, &what, sizeof what, MSG_NOSIGNAL) < 0 && errno == EINTR) {
    }
}

/* All that one child does: the check, the timing, the check again. */
static hone_status measure_child(nursery *n, work *w, hone_device__run *r, hone_measure_result *ret,
                                 hone_error *err)
{
    const hone_measure_job *job = r->job;
    int64_t start = hone_clock_ns(), until = deadline(job->check_ms);
    r->turn = r->n_data > HONE_DEVICE__FULL ? HONE_DEVICE__FULL : HONE_DEVICE__SMALL;
    hone_status s = hone_device__run_start(r, err);
    if (s == HONE_OK)
        s = hone_device__run_do(r, 0, HONE_DEVICE__READY, until, err);
    if (s != HONE_OK)
        return s;
    describe_speculation(n, r->pid);
    ret->check_ns += hone_clock_ns() - start;
    if (r->n_data > HONE_DEVICE__FULL)
        s = checked_call(r, HONE_DEVICE__FULL, "", until, ret, err);
    if (s == HONE_OK)
        s = checked_call(r, HONE_DEVICE__SMALL, "", until, ret, err);
    if (s != HONE_OK)
        return s;
    tell_timing(n->socket);
    start = hone_clock_ns();
    s = hone_device__run_do(r, HONE_DEVICE__DO_TIME, HONE_DEVICE__TIMED, deadline(job->run_ms),
                            err);
    ret->run_ns = hone_clock_ns() - start;
    if (s != HONE_OK)
        return s;
    hone_device__timing timing = r->control->timing;
    s = hone_device__check_canaries(r, err);
    if (s != HONE_OK)
        return s;
    /* Once more on fresh outputs: right the first time is not enough, and a kernel that does
     * nothing must not live off what the incumbent wrote. */
    until = deadline(job->check_ms);
    s = checked_call(r, HONE_DEVICE__SMALL, " after many calls", until, ret, err);
    if (s == HONE_OK)
        s = hone_device__judge(job, w->request->manifests[HONE_DEVICE__REFERENCE].flops, &timing,
                               ret->run_ns, ret, err);
    bool may_win = !w->request->has_incumbent || ret->log_ratio < log(CONTENDER_RATIO);
    if (s == HONE_OK && may_win)
        s = check_thoroughly(r, until, ret, err);
    describe(n, r, may_win ? r->n_data : 0, ret);
    return s;
}

/* Which libraries candidate and incumbent call. */
static hone_status find_libraries(const nursery *n, const work *w,
                                  const hone_libcall_library *ret[HONE_DEVICE__KERNELS],
                                  hone_error *err)
{
    for (int k = 0; k < HONE_DEVICE__KERNELS && !n->runtime.what; k++)
        if (w->artifacts[k].fd >= 0)
            HONE_TRY(hone_device__library_of(n->libraries, &w->artifacts[k], &ret[k], err));
    return HONE_OK;
}

static hone_status measure(nursery *n, work *w, hone_measure_result *ret, hone_error *err)
{
    hone_device__request *q = w->request;
    const hone_libcall_library *libraries[HONE_DEVICE__KERNELS] = {NULL};
    hone_status s = hone_device__check_request(q, w->artifacts, n->runtime.what != NULL, err);
    if (s == HONE_OK)
        s = find_libraries(n, w, libraries, err);
    if (s == HONE_OK)
        s = get_data(n, w, err);
    if (s != HONE_OK)
        return s;
    hone_device__run r = new_run(n, w);
    r.kernels[HONE_DEVICE__CANDIDATE].manifest = &q->manifests[HONE_DEVICE__CANDIDATE];
    r.kernels[HONE_DEVICE__CANDIDATE].fd = w->artifacts[HONE_DEVICE__CANDIDATE].fd;
    for (int k = 0; k < HONE_DEVICE__KERNELS; k++)
        r.kernels[k].library = libraries[k];
    if (q->has_incumbent) {
        r.kernels[HONE_DEVICE__INCUMBENT].manifest = &q->manifests[HONE_DEVICE__INCUMBENT];
        r.kernels[HONE_DEVICE__INCUMBENT].fd = w->artifacts[HONE_DEVICE__INCUMBENT].fd;
    }
    describe(n, &r, 0, ret);
    s = measure_child(n, w, &r, ret, err);
    hone_device__run_end(&r);
    return s;
}

/* ---- life ---------------------------------------------------------------------------------- */

static void answer(int socket, const hone_device__reply *r)
{
    while (send(socket, r, sizeof *r, MSG_NOSIGNAL) < 0 && errno == EINTR) {
    }
}

/* Coverage counters are lost at _exit unless asked for. */
extern void __gcov_dump(void) __attribute__((weak));

_Noreturn void hone_device__serve(int socket, bool sandbox, const hone_device__libraries *libraries,
                                  const char *runtime)
{
    /* The worker decides when to end: a Ctrl-C at its terminal reaches this process too. */
    static const int ignored[] = {SIGINT, SIGTERM, SIGHUP, SIGPIPE, SIGQUIT, SIGXFSZ};
    for (size_t i = 0; i < HONE_LEN(ignored); i++)
        signal(ignored[i], SIG_IGN);
    signal(SIGCHLD, SIG_DFL);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    prctl(PR_SET_NAME, "hone-nursery");

    nursery n = {.socket = socket, .libraries = libraries, .runtime = {.what = runtime}};
    hone_sandbox__limits_read(&n.limits);
    hone_device__reply *r = hone_xcalloc(1, sizeof *r);
    hone_device__request *q = hone_xcalloc(1, sizeof *q);
    hone_sandbox__goes_first(900); /* it holds the data sets; its children go before it */
    r->status = runtime ? hone_device__runtime_open(&n.runtime, &r->error) : HONE_OK;
    hone_device__sandbox_enter(sandbox);
    /* A runtime confines modules itself. */
    if (r->status == HONE_OK)
        r->status = hone_device__sandbox_init(sandbox && !runtime, &n.sandbox, &r->error);
    if (r->status == HONE_OK && runtime)
        r->status = hone_device__runtime_ready(&n.runtime, &r->error);
    if (r->status == HONE_OK)
        r->status = hone_device__buffer_new(sizeof(hone_device__control), false, &n.control_page,
                                            &r->error);
    describe_system(&n);
    answer(socket, r);
    bool serving = r->status == HONE_OK;
    while (serving) {
        work w = {.request = q};
        serving = hone_device__receive_request(socket, q, w.artifacts);
        if (serving) {
            memset(r, 0, sizeof *r);
            r->status = measure(&n, &w, &r->result, &r->error);
            serving = r->status != HONE_E_PEER;
            answer(socket, r);
        }
        hone_device__drop_artifacts(w.artifacts);
    }
    hone_device__runtime_stop(&n.runtime);
    if (__gcov_dump)
        __gcov_dump();
    _exit(0);
}
