/* One measuring child as it sees itself: becomes harmless, loads, packs, calls on command. From the
 * first call on, its memory may be what the candidate made of it; nothing here is believed by the
 * nursery. */
#include "workers/device/internal.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

/* Addresses that a child has taken before a kernel asks for any: its own, and stacks. */
#define OWN_BYTES ((uint64_t)64 << 20)
#define THREAD_BYTES ((uint64_t)16 << 20)

typedef int32_t (*pack_function)(void *const *from, void *const *to, const hone_rt_api *rt);

/* And what libraries take for themselves, with each thread; limits on addresses, most unused. */
#define LIBRARY_BYTES ((uint64_t)1 << 30)
#define LIBRARY_THREAD_BYTES ((uint64_t)256 << 20)

static hone_device__control *control; /* for the signal handler */
/* Of libraries that are called; NULL: none is. */
static void *functions[HONE_DEVICE__KERNELS];

static void send_event(char event)
{
    while (write(HONE_DEVICE__FD_EVENT, &event, 1) < 0 && errno == EINTR) {
    }
}

_Noreturn void hone_device__child_ends(hone_device__control *c, char event, int sys,
                                       const char *note)
{
    c->sys = sys;
    snprintf(c->note, sizeof c->note, "%s", note);
    send_event(event);
    _exit(0);
}

static _Noreturn void give_up(char event, int sys, const char *note)
{
    hone_device__child_ends(control, event, sys, note);
}

static void go_to(hone_device__stage stage, int who)
{
    control->who = who;
    control->stage = stage;
}

/* ---- becoming harmless --------------------------------------------------------------------- */

/* Says what happened and ends. Several threads may fault at once: the first one speaks. */
static void on_fault(int sig, siginfo_t *info, void *context)
{
    static atomic_flag spoken = ATOMIC_FLAG_INIT;
    (void)context;
    while (atomic_flag_test_and_set(&spoken))
        sched_yield();
    control->signal = sig;
    control->signal_code = info->si_code;
    control->address = (uint64_t)(uintptr_t)info->si_addr;
    send_event(HONE_DEVICE__FAULT);
    _exit(0);
}

static void handle_faults(void)
{
    static _Alignas(64) char stack[64 << 10];
    stack_t alternate = {.ss_sp = stack, .ss_size = sizeof stack};
    sigaltstack(&alternate, NULL);
    for (int i = 1; i < NSIG; i++)
        signal(i, SIG_DFL);
    struct sigaction a = {.sa_sigaction = on_fault, .sa_flags = (int)(SA_SIGINFO | SA_ONSTACK)};
    static const int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL};
    for (size_t i = 0; i < HONE_LEN(faults); i++)
        sigaction(faults[i], &a, NULL);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

/* The descriptors that are kept take their fixed numbers; all others go. */
static void arrange_descriptors(const hone_device__run *r, int command, int event)
{
    int from[HONE_DEVICE__FD_END - HONE_DEVICE__FD_COMMAND] = {command, event, -1, -1,
                                                               r->runtime ? r->runtime->fd : -1};
    for (int k = 0; k < HONE_DEVICE__KERNELS; k++)
        if (r->kernels[k].manifest)
            from[2 + k] = r->kernels[k].fd;
    for (size_t i = 0; i < HONE_LEN(from); i++)
        if (from[i] >= 0 && (from[i] = fcntl(from[i], F_DUPFD, HONE_DEVICE__FD_END)) < 0)
            give_up(HONE_DEVICE__TROUBLE, errno, "cannot duplicate a descriptor");
    for (size_t i = 0; i < HONE_LEN(from); i++) {
        int to = HONE_DEVICE__FD_COMMAND + (int)i;
        if (from[i] < 0)
            close(to);
        else if (dup2(from[i], to) < 0)
            give_up(HONE_DEVICE__TROUBLE, errno, "cannot duplicate a descriptor");
    }
    if (close_range(HONE_DEVICE__FD_END, ~0U, 0) != 0)
        for (int fd = HONE_DEVICE__FD_END; fd < 4096; fd++)
            close(fd);
}

/* Page tables are not copied for shared maps, so the first touch of each page is a fault: have them
 * all before a call. Linux before 5.14 refuses, and the check call does it then. */
static void populate(const hone_device__buffer *b)
{
#ifdef MADV_POPULATE_READ
    if (b->map)
        madvise(b->body, b->body_bytes, b->writer ? MADV_POPULATE_READ : MADV_POPULATE_WRITE);
#else
    (void)b;
#endif
}

static void populate_all(const hone_device__run *r)
{
    const hone_device__dataset *d = r->data[r->turn];
    for (uint32_t i = 0; i < d->n_args; i++) {
        populate(&d->args[i]);
        for (int k = 0; k < HONE_DEVICE__KERNELS; k++)
            populate(&r->kernels[k].packed[i]);
    }
}

/* Before anything is closed in, and before this thread keeps to one processor, as those that the
 * library starts would too. */
static bool open_libraries(const hone_device__run *r)
{
    bool any = false;
    for (int who = 0; who < HONE_DEVICE__KERNELS; who++) {
        const hone_libcall_library *l = r->kernels[who].library;
        char note[256];
        if (!l)
            continue;
        any = true;
        go_to(HONE_DEVICE__LOAD, who);
        functions[who] = hone_device__library_open(l, r->job->threads, note);
        if (!functions[who])
            give_up(HONE_DEVICE__TROUBLE, ELIBACC, note);
    }
    go_to(HONE_DEVICE__SETUP, 0);
    return any;
}

void hone_device__child_begins(const hone_device__run *r, pid_t nursery, int command, int event)
{
    control = r->control;
    if (setsid() < 0 || prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != nursery)
        _exit(1);
    prctl(PR_SET_NAME, "hone-measure");
    hone_sandbox__goes_first(1000);
    arrange_descriptors(r, command, event);
    handle_faults();
}

static const hone_rt_api *set_up(const hone_device__run *r, pid_t nursery, int command, int event,
                                 bool *ret_library)
{
    hone_device__child_begins(r, nursery, command, event);
    populate_all(r);
    /* Fixed, or malloc looks up the number of processors once many threads have asked it. */
    mallopt(M_ARENA_MAX, r->job->threads + 1);
    *ret_library = open_libraries(r);
    uint64_t threads = (uint64_t)r->job->threads;
    uint64_t theirs = *ret_library ? LIBRARY_BYTES + threads * LIBRARY_THREAD_BYTES : 0;
    hone_rt_pool *pool = hone_rt_pool_new(r->job->threads, 1);
    if (!pool)
        give_up(HONE_DEVICE__TROUBLE, errno, "cannot start the threads of the kernel");
    if (r->sandbox->on) {
        hone_device__sandbox_limits(r->cpu_seconds,
                                    r->temporaries + OWN_BYTES + threads * THREAD_BYTES + theirs);
        int e = hone_sandbox__filter_apply(*ret_library ? &r->sandbox->library_load
                                                        : &r->sandbox->load);
        if (e != 0)
            give_up(HONE_DEVICE__TROUBLE, e, "cannot apply the load filter");
    }
    return hone_rt_pool_api(pool);
}

/* ---- loading ------------------------------------------------------------------------------- */

typedef struct loaded {
    hone_rt_kernel kernel;
    pack_function pack;
    int64_t ready; /* the data set that args are of, packed; -1: none yet */
    void *args[HONE_MAX_ARGS];
} loaded;

static void load(const hone_device__run *r, int who, loaded *ret)
{
    go_to(HONE_DEVICE__LOAD, who);
    char path[32];
    snprintf(path, sizeof path, "/proc/self/fd/%d", HONE_DEVICE__FD_ARTIFACT + who);
    void *so = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    void *kernel = so ? dlsym(so, "hone_kernel") : NULL;
    void *pack = so && r->kernels[who].manifest->has_pack ? dlsym(so, "hone_pack") : NULL;
    if (!kernel || (r->kernels[who].manifest->has_pack && !pack)) {
        const char *e = dlerror();
        give_up(HONE_DEVICE__UNLOADABLE, 0, e ? e : "a function is missing");
    }
    if (functions[who] && !hone_device__library_set(so, functions[who]))
        give_up(HONE_DEVICE__UNLOADABLE, 0, "it has no place for a library's function");
    memcpy(&ret->kernel, &kernel, sizeof kernel);
    memcpy(&ret->pack, &pack, sizeof pack);
    close(HONE_DEVICE__FD_ARTIFACT + who);
}

static void protect_packed(const hone_device__run *r, int who, int protection)
{
    for (uint32_t i = 0; i < HONE_MAX_ARGS; i++) {
        const hone_device__buffer *b = &r->kernels[who].packed[i];
        if (b->map && mprotect(b->body, b->body_bytes, protection) != 0)
            give_up(HONE_DEVICE__TROUBLE, errno, "cannot protect packed inputs");
    }
}

/* Packs the constant inputs of the data set whose turn it is; until the next one's they are
 * read-only like the others. */
static void pack(const hone_device__run *r, uint32_t set, int who, loaded *l, const hone_rt_api *rt)
{
    void *from[HONE_MAX_ARGS] = {0}, *to[HONE_MAX_ARGS] = {0};
    const hone_device__dataset *d = r->data[set];
    if (l->ready == (int64_t)set)
        return;
    for (uint32_t i = 0; i < d->n_args; i++) {
        hone_device__buffer packed = r->kernels[who].packed[i];
        l->args[i] = d->args[i].data;
        if (!packed.map)
            continue;
        hone_device__buffer_place(&packed, hone_device__side_of(d->kind));
        from[i] = d->args[i].data;
        to[i] = l->args[i] = packed.data;
    }
    if (l->pack) {
        go_to(HONE_DEVICE__PACK, who);
        if (l->ready >= 0)
            protect_packed(r, who, PROT_READ | PROT_WRITE);
        control->returned = l->pack(from, to, rt);
        if (control->returned != 0)
            give_up(HONE_DEVICE__NONZERO, 0, "");
        protect_packed(r, who, PROT_READ);
    }
    l->ready = set;
}

/* ---- calls --------------------------------------------------------------------------------- */

typedef struct caller {
    const hone_device__run *run;
    const hone_rt_api *rt;
    loaded loads[HONE_DEVICE__KERNELS];
    int32_t returned; /* first nonzero, while it is timed */
} caller;

static int32_t call(void *ctx, uint32_t set)
{
    caller *c = ctx;
    loaded *l = &c->loads[HONE_DEVICE__CANDIDATE];
    pack(c->run, set, HONE_DEVICE__CANDIDATE, l, c->rt);
    go_to(HONE_DEVICE__CALL, HONE_DEVICE__CANDIDATE);
    return l->kernel(l->args, c->rt);
}

static void poison_outputs(const hone_device__run *r, int who)
{
    const hone_manifest *m = r->kernels[who].manifest;
    const hone_device__dataset *data = r->data[0];
    for (uint32_t i = 0; i < m->n_args; i++)
        if (m->args[i].is_output)
            hone_device__poison(data->kind, m->args[i].elem, data->args[i].data, m->args[i].count);
}

static int64_t elapsed(void *ctx, int who, int64_t calls, bool fresh)
{
    caller *c = ctx;
    hone_rt_kernel kernel = c->loads[who].kernel;
    void *const *args = c->loads[who].args;
    const hone_rt_api *rt = c->rt;
    int32_t returned = 0;
    control->who = who;
    if (fresh)
        poison_outputs(c->run, who);
    int64_t start = hone_clock_ns();
    for (int64_t i = 0; i < calls; i++)
        returned |= kernel(args, rt);
    int64_t ns = hone_clock_ns() - start;
    if (returned && !c->returned)
        c->returned = returned;
    return ns;
}

static int32_t time_all(void *ctx)
{
    caller *c = ctx;
    c->returned = 0;
    for (int who = 0; who < HONE_DEVICE__KERNELS; who++)
        if (c->run->kernels[who].manifest)
            pack(c->run, 0, who, &c->loads[who], c->rt);
    go_to(HONE_DEVICE__TIME, HONE_DEVICE__CANDIDATE);
    return hone_device__time(
        c->run, &(hone_device__caller){.ctx = c,
                                       .elapsed = elapsed,
                                       .resolution_ns = hone_device__clock_resolution_ns(),
                                       .returned = &c->returned});
}

/* ---- life ---------------------------------------------------------------------------------- */

_Noreturn void hone_device__child_obeys(const hone_device__run *r,
                                        int32_t (*do_call)(void *ctx, uint32_t set),
                                        int32_t (*do_time)(void *ctx), void *ctx)
{
    send_event(HONE_DEVICE__READY);
    for (;;) {
        char what;
        ssize_t n = read(HONE_DEVICE__FD_COMMAND, &what, 1);
        if (n < 0 && errno == EINTR)
            continue;
        if (n != 1)
            _exit(0);
        uint32_t set = (uint32_t)(what - HONE_DEVICE__DO_CALL);
        bool calls = what != HONE_DEVICE__DO_TIME && set < r->n_data;
        control->returned = calls ? do_call(ctx, set) : do_time(ctx);
        if (control->returned != 0)
            give_up(HONE_DEVICE__NONZERO, 0, "");
        send_event(what == HONE_DEVICE__DO_TIME ? HONE_DEVICE__TIMED : HONE_DEVICE__CALLED);
    }
}

_Noreturn void hone_device__child(const hone_device__run *r, pid_t nursery, int command, int event)
{
    bool library;
    caller c = {.run = r, .rt = set_up(r, nursery, command, event, &library)};
    for (int who = 0; who < HONE_DEVICE__KERNELS; who++) {
        c.loads[who] = (loaded){.ready = -1};
        if (r->kernels[who].manifest)
            load(r, who, &c.loads[who]);
    }
    go_to(HONE_DEVICE__SETUP, 0);
    const hone_sandbox__filter *run = library ? &r->sandbox->library_run : &r->sandbox->run;
    int e = r->sandbox->on ? hone_sandbox__filter_apply(run) : 0;
    if (e != 0)
        give_up(HONE_DEVICE__TROUBLE, e, "cannot apply the run filter");
    hone_device__child_obeys(r, call, time_all, &c);
}
