/* Kernels for other processors: random candidates of every kernel that comes with hone, made for
 * each of these boards, run under QEMU by tests/property/board/runner.c, WebAssembly in Node by
 * runner.mjs, and compared with what the interpreter says of the oracle (docs/ORACLE.md). A board
 * whose compiler or emulator is not installed is left out, and said so.
 *
 * HONE_CANDIDATES=n  of each kernel and board (1; the long form has 200, each 25 at another size,
 *                    and a line for each kernel)
 * HONE_SHARE=n       of each n kernels one, another one for each board (8; 1: all)
 * HONE_WORK=n        most steps of one (20000)      HONE_SEED=n      where they start (1)
 * HONE_ONLY=NAME     of this kernel alone           HONE_BOARD=NAME  of this board alone
 * HONE_VERBOSE=1     says why candidates were not made
 * HONE_LINKER=1      links those of boards by the compiler's linker, which starts in a tenth of the
 *                    time of LLVM's: that is most of what a candidate takes
 *
 * `again`: drawn before, and not made twice; `unmade`: rejected as it was drawn, and another one
 * drawn; what was drawn has to build, too, but for code that is too large, and for what LLVM itself
 * does not survive: it works in a process apart, as a worker's does, and rows say how often that
 * ended. `unrun`: the emulator failed by its own fault. What fails is printed, and kept in the
 * working directory: board-BOARD-KERNEL-N has its program and its trace. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ir/builtin.h"
#include "ir/oracle.h"
#include "tests/property/harness.h"
#include "workers/builder.h"
#include "workers/device/internal.h"
#include "workers/wire/internal.h"
#include "workers/worker/build.h"

#include <poll.h>
#include <signal.h>

#define THREADS 2
#define TOGETHER 25 /* candidates of one size, which one emulator runs */
#define DRAWS 4     /* for each candidate, at most */

typedef struct board {
    const char *name;
    const char *cpu;      /* by name; or */
    const char *triple;   /* this, with */
    const char *features; /* these, */
    int32_t vector_bytes; /* and these */
    const char *tools;    /* before "-gcc", and the folder of its libraries in /usr; NULL: */
    const char *emulator; /* runs runner.mjs */
    bool flushes;         /* its vectors take denormals for 0, as docs/TARGETS.md says */
} board;

#define RV64 "+64bit,+m,+a,+f,+d,+c"
static const board boards[] = {
    {"neon", "cortex-a72", NULL, NULL, 0, "aarch64-linux-gnu", "qemu-aarch64 -cpu max,sve=off",
     false},
    {"sve128", "neoverse-n2", NULL, NULL, 0, "aarch64-linux-gnu",
     "qemu-aarch64 -cpu max,sve-max-vq=1", false},
    {"sve256", "neoverse-v1", NULL, NULL, 0, "aarch64-linux-gnu",
     "qemu-aarch64 -cpu max,sve-max-vq=2", false},
    {"sve256-on-512", "neoverse-v1", NULL, NULL, 0, "aarch64-linux-gnu",
     "qemu-aarch64 -cpu max,sve-max-vq=4", false},
    {"sve512", "a64fx", NULL, NULL, 0, "aarch64-linux-gnu", "qemu-aarch64 -cpu max,sve-max-vq=4",
     false},
    {"armhf", "cortex-a7", NULL, NULL, 0, "arm-linux-gnueabihf", "qemu-arm -cpu max", true},
    {"riscv64", NULL, "riscv64-unknown-linux-gnu", RV64, 16, "riscv64-linux-gnu",
     "qemu-riscv64 -cpu rv64", false},
    {"rvv128", NULL, "riscv64-unknown-linux-gnu", RV64 ",+v", 16, "riscv64-linux-gnu",
     "qemu-riscv64 -cpu rv64,v=true,vext_spec=v1.0,vlen=128", false},
    {"rvv256", NULL, "riscv64-unknown-linux-gnu", RV64 ",+v,+zvl256b", 32, "riscv64-linux-gnu",
     "qemu-riscv64 -cpu rv64,v=true,vext_spec=v1.0,vlen=256", false},
    {"wasm32", "wasm32", NULL, NULL, 0, NULL, "node", false},
    {"wasm32-relaxed", "wasm32-relaxed", NULL, NULL, 0, NULL,
     "node --experimental-wasm-relaxed-simd", false},
    {"wasm32-threads", "wasm32-threads", NULL, NULL, 0, NULL, "node", false},
};

static uint64_t number(const char *name, uint64_t fallback)
{
    const char *v = getenv(name);
    return v ? strtoull(v, NULL, 10) : fallback;
}

/* ---- a board --------------------------------------------------------------------------------- */

typedef struct tally {
    uint64_t made, again, unmade, unrun, wrong;
    uint64_t crashed; /* of unmade: the compiler ended by */
    int signal;       /* this, the last time */
    double worst;
} tally;

static void add(tally *to, const tally *t)
{
    to->made += t->made;
    to->again += t->again;
    to->unmade += t->unmade;
    to->unrun += t->unrun;
    to->wrong += t->wrong;
    to->crashed += t->crashed;
    to->signal = t->crashed ? t->signal : to->signal;
    to->worst = t->worst > to->worst ? t->worst : to->worst;
}

static void say(const char *name, const tally *t)
{
    printf("%-26s %8" PRIu64 " %8" PRIu64 " %8" PRIu64 " %8" PRIu64 " %8" PRIu64 " %8.3g", name,
           t->made, t->again, t->unmade, t->unrun, t->wrong, t->worst);
    if (t->crashed)
        printf("  %" PRIu64 " unmade (compiler ended by signal %d)", t->crashed, t->signal);
    printf("\n");
    fflush(stdout);
}

typedef struct shop {
    const board *b;
    hone_target target;
    char *target_text, *runner;
    hone_builder *builder;
    hone_codegen *codegen;      /* NULL: the builder does it all */
    hone_workers__forge *forge; /* where they are */
    hone_codegen_intrin *intrins;
    unsigned n_intrins;
    char folder[64];
    tally now, all; /* of the kernel at hand, and of those before */
} shop;

static hone_target target_of(const board *b)
{
    hone_target t;
    hone_error err;
    /* what a name does not say is as usual */
    if (hone_target_named(b->cpu ? b->cpu : "generic-rv64", &t, &err) != HONE_OK)
        fail_msg("%s", err.message);
    if (b->triple) {
        snprintf(t.triple, sizeof t.triple, "%s", b->triple);
        snprintf(t.features, sizeof t.features, "%s", b->features);
        t.vector_bytes = b->vector_bytes;
        t.vector_registers = hone_target_has(&t, "v") ? 32 : 8;
    }
    return t;
}

static bool there_is(const char *command)
{
    char *text = hone_xasprintf("command -v %.*s >/dev/null", (int)strcspn(command, " "), command);
    int rc = system(text);
    free(text);
    return rc == 0;
}

/* What runs a plan, but for its name. */
static char *make_runner(const board *b, const char *folder)
{
    if (!b->tools)
        return hone_xasprintf("%s %s/tests/property/board/runner.mjs", b->emulator,
                              HONE_SOURCE_DIR);
    char *text = hone_xasprintf(
        "%s-gcc -D_GNU_SOURCE -O1 -I%s -o %s/runner %s/tests/property/board/runner.c "
        "%s/runtime/*.c -ldl -lpthread",
        b->tools, HONE_SOURCE_DIR, folder, HONE_SOURCE_DIR, HONE_SOURCE_DIR);
    if (system(text) != 0)
        fail_msg("%s", text);
    free(text);
    return hone_xasprintf("%s -L /usr/%s %s/runner", b->emulator, b->tools, folder);
}

/* Not every version of Node knows every option. */
static bool can_run(const board *b)
{
    if (b->tools)
        return there_is(b->emulator);
    char *text = hone_xasprintf("%s -e 0 >/dev/null 2>&1", b->emulator);
    int rc = system(text);
    free(text);
    return rc == 0;
}

static hone_status make(void *ctx, const hone_build_job *job, hone_artifact *ret, hone_error *err);

static void start_forge(shop *s, hone_build_fn build)
{
    hone_error err;
    const hone_workers__forge_options o = {.build = build, .ctx = s};
    if (hone_workers__forge_start(&o, -1, &s->forge, &err) != HONE_OK)
        fail_msg("%s", err.message);
}

/* False: it cannot be tested here. */
static bool open_shop(const board *b, shop *ret)
{
    char *compiler = hone_xasprintf("%s-gcc", b->tools ? b->tools : "no"),
         *lld = hone_codegen_linker_path(b->tools ? HONE_LINKED_FOREIGN : HONE_LINKED_MODULE);
    bool good = lld && (!b->tools || there_is(compiler)) && can_run(b);
    free(lld);
    *ret = (shop){.b = b};
    if (good) {
        snprintf(ret->folder, sizeof ret->folder, "%s/hone-board-XXXXXX", P_tmpdir);
        assert_non_null(mkdtemp(ret->folder));
        ret->runner = make_runner(b, ret->folder);
        ret->target = target_of(b);
        ret->target_text = hone_target_text(&ret->target);
        ret->builder = hone_builder_new();
        hone_error err;
        if (b->tools && getenv("HONE_LINKER")) {
            ret->intrins = hone_builder_intrins(hone_intrin_shipped(), &ret->n_intrins);
            if (hone_codegen_new(&ret->target, &ret->codegen, &err) != HONE_OK)
                fail_msg("%s", err.message);
        }
        start_forge(ret, make);
    } else {
        print_message("not installed, skipped: %s (%s, lld-19, %.*s)\n", b->name,
                      b->tools ? compiler : "no compiler", (int)strcspn(b->emulator, " "),
                      b->emulator);
    }
    free(compiler);
    return good;
}

static void close_shop(shop *s)
{
    char *text = hone_xasprintf("rm -rf %s", s->folder);
    if (system(text) != 0)
        print_error("%s is left\n", s->folder);
    free(text);
    free(s->target_text);
    free(s->runner);
    hone_workers__forge_stop(s->forge);
    hone_builder_free(s->builder);
    hone_codegen_free(s->codegen);
    free(s->intrins);
}

/* ---- data, and what is right ----------------------------------------------------------------- */

/* The arguments of a program as a device sees them; hone_manifest_free. */
static hone_manifest manifest_of(const hone_program *p)
{
    hone_manifest m = {.n_args = hone_program_n_args(p)};
    m.args = hone_xcalloc(m.n_args + 1, sizeof *m.args);
    for (unsigned k = 0; k < m.n_args; k++) {
        hone_buffer b = {k + 1};
        const hone_buffer_row *r = hone_buffer_at(p, b);
        hone_arg *a = &m.args[k];
        snprintf(a->name, sizeof a->name, "%s", hone_sym_text(p, r->name));
        a->elem = r->dtype;
        a->is_output = r->role == HONE_OUTPUT;
        a->count = hone_buffer_count(p, b);
        if (r->role != HONE_INPUT || !hone_input_range(p, b, &a->lo, &a->hi))
            a->lo = a->hi = 0;
    }
    return m;
}

static size_t bytes_of(const hone_arg *a)
{
    return (size_t)a->count * hone_device__elem_size(a->elem);
}

/* Of one kernel and one kind of data. */
typedef struct question {
    const shop *s;
    const hone_program *p;
    hone_device__kind kind;
    hone_manifest kernel, oracle;
    hone_device__layout layout;
    void *said[HONE_MAX_ARGS]; /* by argument of the oracle: inputs, and what it says */
    hone_device__expected expected[HONE_MAX_KERNEL_ARGS];
} question;

static char *path_of(const question *q, unsigned arg)
{
    return hone_xasprintf("%s/arg-%u-%u", q->s->folder, (unsigned)q->kind, arg);
}

static void write_arg(const question *q, unsigned arg, const void *bytes)
{
    char *path = path_of(q, arg);
    hone_error err;
    if (hone_file_write(path, bytes, bytes_of(&q->kernel.args[arg]), &err) != HONE_OK)
        fail_msg("%s", err.message);
    free(path);
}

/* False: it has no answer, as for products of integers that are not there. */
static bool ask(question *q, const shop *s, const hone_program *p, const hone_program *oracle,
                hone_device__kind kind, uint64_t seed, hone_error *err)
{
    *q = (question){.s = s, .p = p, .kind = kind};
    q->kernel = manifest_of(p);
    q->oracle = manifest_of(oracle);
    if (hone_device__layout_of(&q->kernel, &q->oracle, &q->layout, err) != HONE_OK)
        return false;
    for (unsigned k = 0; k < q->oracle.n_args; k++)
        q->said[k] = hone_xcalloc(bytes_of(&q->oracle.args[k]) + 1, 1);
    for (unsigned k = 0; k < q->kernel.n_args; k++) {
        hone_arg *a = &q->kernel.args[k];
        void *bytes =
            a->is_output ? hone_xcalloc(bytes_of(a) + 1, 1) : q->said[q->layout.args[k].value];
        if (a->is_output)
            hone_device__poison(kind, a->elem, bytes, a->count);
        else
            hone_device__fill(kind, a, bytes, hone_hash_mix(seed, k));
        write_arg(q, k, bytes);
        if (a->is_output)
            free(bytes);
    }
    if (q->layout.quantum >= 0)
        *(double *)q->said[q->layout.quantum] = hone_device__quantum(kind, &q->kernel);
    if (hone_interp_run(oracle, q->said, err) != HONE_OK)
        return false;
    for (unsigned k = 0; k < q->kernel.n_args; k++) {
        const hone_arg *a = &q->kernel.args[k];
        if (!a->is_output)
            continue;
        int value = q->layout.args[k].value, error = q->layout.args[k].error,
            written = q->layout.args[k].written;
        q->expected[k] = (hone_device__expected){.elem = q->oracle.args[value].elem,
                                                 .value = q->said[value],
                                                 .error = error >= 0 ? q->said[error] : NULL};
        hone_device__settle_bounds(a->elem, &q->expected[k], written >= 0 ? q->said[written] : NULL,
                                   a->count);
    }
    return true;
}

static void forget(question *q)
{
    for (unsigned k = 0; k < q->oracle.n_args; k++)
        free(q->said[k]);
    hone_manifest_free(&q->kernel);
    hone_manifest_free(&q->oracle);
}

/* ---- candidates ------------------------------------------------------------------------------ */

typedef struct tried {
    char *trace;
    uint32_t plan_at; /* where its part of the plan begins */
    const question *q;
} tried;

typedef struct batch {
    shop *s;
    const char *what, *program;
    const pair_kernel *kernel;
    hone_buf plan, links; /* links: commands */
    tried *v;
    unsigned n;
} batch;

static void complain(batch *b, unsigned k, const char *why)
{
    hone_buf out = {0};
    char path[160];
    b->s->now.wrong++;
    print_error("%s: %s: %s\n", b->s->b->name, b->what, why);
    hone_buf_printf(&out, "# %s: %s: %s\n%s---\n%s\n", b->s->b->name, b->what, why, b->program,
                    b->v[k].trace);
    snprintf(path, sizeof path, "board-%s-%s-%u", b->s->b->name, b->kernel->name, k);
    if (hone_file_write(path, out.s, out.n, NULL) != HONE_OK)
        print_error("%s cannot be written\n", path);
    hone_buf_free(&out);
}

static void add_to_plan(batch *b, const question *q, const hone_artifact *a, char *trace)
{
    char *so = hone_xasprintf("%s/kernel-%u.so", b->s->folder, b->n);
    hone_error err;
    if (hone_file_write(so, a->bytes, a->n, &err) != HONE_OK)
        fail_msg("%s", err.message);
    uint32_t plan_at = (uint32_t)b->plan.n;
    hone_buf_printf(&b->plan, "kernel %s %d %d %d %s/result-%u\n", so, THREADS,
                    a->manifest.has_pack, hone_device__side_of(q->kind) == HONE_DEVICE__AT_END,
                    b->s->folder, b->n);
    for (unsigned k = 0; k < q->kernel.n_args; k++) {
        char *path = path_of(q, k);
        const hone_arg *arg = &q->kernel.args[k];
        hone_buf_printf(&b->plan, "%s %zu %s %" PRId64 "\n", arg->is_output ? "out" : "in",
                        bytes_of(arg), path, a->manifest.args[k].pack_bytes);
        free(path);
    }
    hone_buf_puts(&b->plan, "run\n");
    if (b->s->codegen)
        hone_buf_printf(&b->links,
                        "%s-ld -shared -nostdlib -z noexecstack --hash-style=gnu -o %s.ld %s && "
                        "mv %s.ld %s || exit 1\n",
                        b->s->b->tools, so, so, so, so);
    b->v[b->n++] = (tried){trace, plan_at, q};
    free(so);
}

/* A candidate; with `intrin` one that uses it. False: none was found. */
static bool sample(hone_space *space, const char *intrin, hone_rng *rng, hone_sched *sched,
                   hone_status *ret, char **ret_trace, hone_error *err)
{
    for (unsigned tries = 0; tries < (intrin ? 60 : 1); tries++) {
        *ret = hone_space_sample(space, rng, sched, err);
        *ret_trace = *ret == HONE_OK ? hone_trace_text(&sched->trace) : NULL;
        if (!intrin || (*ret_trace && strstr(*ret_trace, intrin)))
            return true;
        free(*ret_trace);
    }
    *ret_trace = NULL;
    return false;
}

/* What the builder does, but for the linking. */
static hone_status make_object(const shop *s, const hone_program *base, const char *trace,
                               hone_artifact *ret, hone_error *err)
{
    hone_trace t = {0};
    hone_sched sched = {0};
    hone_code code = {0};
    hone_status st = hone_trace_parse(trace, strlen(trace), &t, err);
    if (st == HONE_OK)
        st = hone_trace_replay(&t, base, &sched, NULL, false, err);
    const hone_codegen_options o = {.emit = HONE_EMIT_OBJECT,
                                    .threads = THREADS,
                                    .intrins = s->intrins,
                                    .n_intrins = s->n_intrins,
                                    .plain = hone_trace_search_part(&t) == 0};
    if (st == HONE_OK)
        st = hone_codegen_emit(s->codegen, &sched.prog, &o, &code, err);
    if (st == HONE_OK) {
        ret->manifest = manifest_of(base);
        ret->manifest.has_pack = code.has_pack;
        for (unsigned k = 0; k < ret->manifest.n_args; k++)
            ret->manifest.args[k].pack_bytes = code.pack_bytes[k];
        ret->n = code.n;
        ret->bytes = hone_xmalloc(code.n);
        memcpy(ret->bytes, code.bytes, code.n);
    }
    hone_code_free(&code);
    hone_sched_fini(&sched);
    hone_trace_free(&t);
    return st;
}

/* Its signals are neither cmocka's nor a sanitizer's. */
static void die_by_signals(void)
{
    static const int all[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP};
    for (size_t k = 0; k < HONE_LEN(all); k++)
        signal(all[k], SIG_DFL);
}

/* In the process apart. */
static hone_status make(void *ctx, const hone_build_job *job, hone_artifact *ret, hone_error *err)
{
    const shop *s = ctx;
    hone_program p = {0};
    die_by_signals();
    if (!s->codegen)
        return hone_builder_build(s->builder, job, ret, err);
    *ret = (hone_artifact){0};
    hone_status st = hone_program_parse(job->workload, strlen(job->workload), &p, err);
    if (st == HONE_OK)
        st = make_object(s, &p, job->trace, ret, err);
    hone_program_fini(&p);
    return st;
}

/* Of a compiler that died. */
static hone_status explain(shop *s, hone_error *err)
{
    hone_workers__build_end end;
    hone_sandbox__limits limits;
    hone_workers__forge_end(s->forge, &end);
    hone_sandbox__limits_read(&limits);
    hone_status st = hone_workers__explain_build(&end, &limits, err);
    if (hone_status_is_reject(st)) {
        s->now.crashed++;
        s->now.signal = WTERMSIG(end.status);
    }
    return st;
}

static hone_status read_answer(const hone_buf *answer, hone_artifact *ret, hone_error *err)
{
    hone_wire *m = hone_xcalloc(1, sizeof *m);
    hone_status st = hone_wire_decode(answer->s, answer->n, m, err);
    if (st == HONE_OK) {
        assert_int_equal(m->type, HONE_WIRE_BUILT);
        *err = m->built.error;
        st = err->status;
    }
    if (st == HONE_OK)
        hone_workers__artifact_set(ret, &m->built.manifest, m->built.bytes.p, m->built.bytes.n);
    free(m);
    return st;
}

/* Has it made there. */
static hone_status build(shop *s, const hone_build_job *job, hone_artifact *ret, hone_error *err)
{
    hone_wire *m = hone_xcalloc(1, sizeof *m);
    hone_buf message = {0}, answer = {0};
    int came = 0;
    m->type = HONE_WIRE_BUILD;
    m->build = hone_wire_of_build(job, 1);
    hone_status st = hone_wire_encode(m, &message, err);
    if (st == HONE_OK)
        st = hone_workers__forge_send(s->forge, message.s, message.n, err);
    while (st == HONE_OK && came == 0) {
        struct pollfd p = {hone_workers__forge_fd(s->forge), POLLIN, 0};
        poll(&p, 1, -1);
        came = hone_workers__forge_receive(s->forge, &answer);
    }
    if (st == HONE_OK)
        st = came > 0 ? read_answer(&answer, ret, err) : explain(s, err);
    hone_buf_free(&answer);
    hone_buf_free(&message);
    free(m);
    return st;
}

static bool is_made(const batch *b, const question *q, const char *trace)
{
    for (unsigned k = 0; k < b->n; k++)
        if (b->v[k].q == q && strcmp(b->v[k].trace, trace) == 0)
            return true;
    return false;
}

/* False: there is none to be made. */
static bool make_one(batch *b, hone_space *space, const question *q, const char *intrin,
                     hone_rng *rng, hone_sched *sched)
{
    hone_error err = {0};
    hone_artifact a = {0};
    hone_build_job job = {.id = 1,
                          .workload = b->program,
                          .target = b->s->target_text,
                          .threads = THREADS,
                          .deadline_ms = 60000};
    hone_status st;
    char *trace;
    if (!sample(space, intrin, rng, sched, &st, &trace, &err))
        return false;
    bool drawn = st == HONE_OK;
    if (st == HONE_OK && is_made(b, q, trace)) {
        b->s->now.again++;
        free(trace);
        return true;
    }
    job.trace = trace;
    uint64_t crashed = b->s->now.crashed;
    if (st == HONE_OK)
        st = build(b->s, &job, &a, &err);
    crashed = b->s->now.crashed - crashed;
    if (st == HONE_OK) {
        b->s->now.made++;
        add_to_plan(b, q, &a, trace);
    } else {
        b->s->now.unmade++;
        if (crashed || getenv("HONE_VERBOSE"))
            print_message("%s: %s: %s: %s\n", b->s->b->name, b->what, hone_status_name(st),
                          err.message);
        if (!hone_status_is_reject(st) || (drawn && st != HONE_REJECT_TOO_BIG && !crashed)) {
            b->s->now.wrong++;
            print_error("%s: %s: %s: %s\n", b->s->b->name, b->what, hone_status_name(st),
                        err.message);
        }
        free(trace);
    }
    hone_artifact_free(&a);
    return true;
}

static void check_one(batch *b, unsigned k)
{
    const question *q = b->v[k].q;
    char *path = hone_xasprintf("%s/result-%u", b->s->folder, k), *bytes;
    size_t n, at = 0;
    hone_error err;
    if (hone_file_read(path, 1u << 30, &bytes, &n, &err) != HONE_OK)
        fail_msg("%s", err.message);
    for (unsigned i = 0; i < q->kernel.n_args; i++) {
        const hone_arg *a = &q->kernel.args[i];
        if (!a->is_output)
            continue;
        assert_true(at + bytes_of(a) <= n);
        void *got = hone_xcalloc(bytes_of(a) + 1, 1); /* aligned */
        memcpy(got, bytes + at, bytes_of(a));
        hone_device__diff d =
            hone_device__compare(a->elem, got, &q->expected[i], a->count, HONE_TOLERANCE);
        double *worst = &b->s->now.worst;
        *worst = d.max_error > *worst ? d.max_error : *worst;
        if (d.first_bad >= 0) {
            char *why = hone_xasprintf(
                "%s[%" PRId64 "] is %.9g, expected %.9g, which may move by %.3g "
                "(%s data)",
                a->name, d.first_bad, d.got, d.want, d.bound, hone_device__kind_name(q->kind));
            complain(b, k, why);
            free(why);
            i = q->kernel.n_args;
        }
        free(got);
        at += bytes_of(a);
    }
    free(bytes);
    unlink(path);
    free(path);
}

/* The emulator's own fault: of QEMU 7.2, which Debian 12 has, an assertion that some vector
 * instructions fail which stand at the end of a block (its issue 1441, mended in 8.1). */
static bool is_emulators_fault(const shop *s, const char *out)
{
    char name[64];
    snprintf(name, sizeof name, "%.*s: ", (int)strcspn(s->b->emulator, " "), s->b->emulator);
    const char *at = strstr(out, name);
    return at && strstr(at, "Assertion `");
}

/* Runs the plan from this candidate on, with ten seconds of processor time for each; how many
 * ended. *ret_out is what was said, to be freed. */
static unsigned run_from(batch *b, unsigned first, int *ret_rc, char **ret_out)
{
    char *plan = hone_xasprintf("%s/plan", b->s->folder),
         *said = hone_xasprintf("%s/said", b->s->folder);
    char *text = hone_xasprintf("ulimit -t %u; timeout 7200 %s %s >%s 2>&1",
                                60 + 10 * (b->n - first), b->s->runner, plan, said);
    size_t n;
    uint32_t from = b->v[first].plan_at;
    hone_error err;
    if (hone_file_write(plan, b->plan.s + from, b->plan.n - from, &err) != HONE_OK)
        fail_msg("%s", err.message);
    *ret_rc = system(text);
    if (hone_file_read(said, 1 << 20, ret_out, &n, &err) != HONE_OK)
        fail_msg("%s", err.message);
    unsigned done = 0;
    for (const char *at = *ret_out; (at = strstr(at, "done ")); at++)
        done++;
    free(text);
    free(said);
    free(plan);
    return done;
}

/* Runs the plan, and checks the results that came. */
static void run_batch(batch *b)
{
    unsigned first = 0;
    if (b->links.n && system(b->links.s) != 0)
        fail_msg("%s: %s cannot be linked", b->s->b->name, b->what);
    while (first < b->n) {
        char *out;
        int rc;
        unsigned done = run_from(b, first, &rc, &out);
        for (unsigned k = first; k < first + done; k++)
            check_one(b, k);
        first += done;
        if (first < b->n && is_emulators_fault(b->s, out)) {
            b->s->now.unrun++;
        } else if (first < b->n) {
            size_t n = strlen(out);
            char *why = hone_xasprintf("the emulator ended with %d: %s", rc,
                                       n ? out + n - (n < 200 ? n : 200) : out);
            complain(b, first, why);
            free(why);
        }
        first++;
        free(out);
    }
}

/* ---- kernels --------------------------------------------------------------------------------- */

/* At a random size. */
static void one_size(shop *s, const pair_kernel *kernel, const char *intrin, unsigned most,
                     uint64_t seed)
{
    static const hone_device__kind kinds[] = {HONE_DEVICE__FULL, HONE_DEVICE__EDGES,
                                              HONE_DEVICE__SMALL};
    hone_rng rng;
    pair_shape sizes;
    hone_program p = {0}, oracle = {0};
    hone_error err = {0};
    char what[512];
    hone_rng_seed(&rng, seed);
    if (!pair_shape_draw(kernel, &rng, (int64_t)number("HONE_WORK", 20000), false, &sizes, &p))
        return;
    pair_shape_print(kernel, "", &sizes, what, sizeof what);
    hone_buf text = {0};
    hone_program_print(&p, &text);
    batch b = {.s = s, .what = what, .program = text.s, .kernel = kernel};
    b.v = hone_xcalloc(most, sizeof *b.v);
    hone_space *space = NULL;
    hone_space_options o = {.target = &s->target, .threads = THREADS};
    if (hone_oracle_make(&p, &oracle, &err) != HONE_OK ||
        hone_space_new(&p, &o, &space, &err) != HONE_OK)
        fail_msg("%s: %s", what, err.message);
    question asked[HONE_LEN(kinds)];
    bool answered[HONE_LEN(kinds)] = {false};
    hone_sched sched = {0};
    unsigned first = (unsigned)(seed % HONE_LEN(kinds));
    uint64_t before = s->now.made + s->now.again;
    for (unsigned k = 0; k < DRAWS * most; k++) {
        unsigned at = (first + k) % HONE_LEN(kinds);
        if (s->b->flushes && kinds[at] == HONE_DEVICE__EDGES)
            at = (at + 1) % HONE_LEN(kinds);
        if (!answered[at] && !ask(&asked[at], s, &p, &oracle, kinds[at], seed, &err))
            fail_msg("%s: %s", what, err.message);
        answered[at] = true;
        if (!make_one(&b, space, &asked[at], intrin, &rng, &sched) ||
            s->now.made + s->now.again - before >= most)
            break;
    }
    if (b.n)
        run_batch(&b);
    for (unsigned k = 0; k < HONE_LEN(kinds); k++)
        if (answered[k])
            forget(&asked[k]);
    for (unsigned k = 0; k < b.n; k++)
        free(b.v[k].trace);
    free(b.v);
    hone_sched_fini(&sched);
    hone_space_free(space);
    hone_buf_free(&b.plan);
    hone_buf_free(&b.links);
    hone_buf_free(&text);
    hone_program_fini(&oracle);
    hone_program_fini(&p);
}

static void one_kernel(shop *s, const pair_kernel *kernel, const char *intrin, unsigned most,
                       uint64_t seed)
{
    s->now = (tally){0};
    for (unsigned k = 0; k < most; k += TOGETHER)
        one_size(s, kernel, intrin, most - k < TOGETHER ? most - k : TOGETHER,
                 k ? hone_hash_mix(seed, k) : seed);
    if (most > TOGETHER)
        say(kernel->name, &s->now);
    add(&s->all, &s->now);
}

static void kernels_are_right_elsewhere(void **state)
{
    (void)state;
    size_t n;
    const char *text = hone_builtin_text(&n), *only = getenv("HONE_ONLY"),
               *at = getenv("HONE_BOARD");
    hone_kernel_list all = {0};
    hone_error err = {0};
    uint64_t share = number("HONE_SHARE", 8), wrong = 0, made = 0;
    bool any = false;
    if (hone_workload_list("builtin", text, n, &all, &err) != HONE_OK)
        fail_msg("%s", err.message);
    printf("%-26s %8s %8s %8s %8s %8s %8s\n", "board", "made", "again", "unmade", "unrun", "wrong",
           "worst");
    for (size_t k = 0; k < HONE_LEN(boards); k++) {
        shop s;
        if ((at && strcmp(at, boards[k].name)) || !open_shop(&boards[k], &s))
            continue;
        for (uint32_t q = 0; q < all.n; q++) {
            pair_kernel kernel = pair_kernel_of(&all.v[q], text);
            if (only ? strcmp(only, kernel.name) == 0 : q % share == k % share)
                one_kernel(&s, &kernel, NULL, (unsigned)number("HONE_CANDIDATES", 1),
                           hone_hash_mix(number("HONE_SEED", 1), q * 100 + k));
        }
        say(s.b->name, &s.all);
        any = true;
        wrong += s.all.wrong;
        made += s.all.made;
        close_shop(&s);
    }
    hone_kernel_list_free(&all);
    assert_int_equal(wrong, 0);
    assert_true(!any || made > 0);
    if (!any)
        skip();
}

/* ---- intrinsics ------------------------------------------------------------------------------ */

#define PRODUCT(name, a, b, c)                                                                   \
    "kernel " name "(M, N, K) {\n  input A: " a "[M, K]\n  input B: " b "[K, N]\n  output C: " c \
    "[M, N]\n  C[i, j] = sum(k < K) " c "(A[i, k]) * " c "(B[k, j])\n}\n"

static const char products[] = PRODUCT("i8i8", "i8", "i8", "i32") PRODUCT("u8u8", "u8", "u8", "i32")
    PRODUCT("u8i8", "u8", "i8", "i32") PRODUCT("i8u8", "i8", "u8", "i32")
        PRODUCT("bf16bf16", "bf16", "bf16", "f32") PRODUCT("f32f32", "f32", "f32", "f32");

static const char *const of_arm[][2] = {
    {"arm.neon.smmla.i8i8i32_2x2x8", "i8i8"},
    {"arm.neon.ummla.u8u8i32_2x2x8", "u8u8"},
    {"arm.neon.usmmla.u8i8i32_2x2x8", "u8i8"},
    {"arm.neon.bfmmla.bf16bf16f32_2x2x4", "bf16bf16"},
    {"arm.neon.sdot.i8i8i32_4x4", "i8i8"},
    {"arm.neon.udot.u8u8i32_4x4", "u8u8"},
    {"arm.neon.usdot.u8i8i32_4x4", "u8i8"},
    {"arm.neon.usdot.i8u8i32_4x4", "i8u8"},
    {"arm.neon.bfdot.bf16bf16f32_4x2", "bf16bf16"},
    {"arm.neon.fmla.f32_4x1", "f32f32"},
};

/* Candidates with this intrinsic, of shapes in which it fits. */
static void one_intrinsic(shop *s, const hone_kernel_list *all, const char *intrin,
                          const char *name)
{
    uint64_t before = s->all.made;
    uint32_t q = 0;
    while (q < all->n && strcmp(all->v[q].name, name) != 0)
        q++;
    assert_true(q < all->n);
    pair_kernel kernel = pair_kernel_of(&all->v[q], products);
    for (unsigned tries = 0; tries < 40 && s->all.made == before; tries++)
        one_kernel(s, &kernel, intrin, (unsigned)number("HONE_CANDIDATES", 3),
                   hone_hash_mix(number("HONE_SEED", 1), hone_hash_mix(q, tries)));
    if (s->all.made == before)
        fail_msg("%s: no candidate uses %s", s->b->name, intrin);
}

/* Each of them on the first board that has it, which the rows of its architecture end with. */
static void intrinsics_are_right_elsewhere(void **state)
{
    (void)state;
    hone_kernel_list all = {0};
    hone_error err = {0};
    bool done[HONE_LEN(of_arm)] = {false};
    const char *at = getenv("HONE_BOARD");
    unsigned n_done = 0;
    if (hone_workload_list("products", products, strlen(products), &all, &err) != HONE_OK)
        fail_msg("%s", err.message);
    for (size_t k = 0; k < HONE_LEN(boards); k++) {
        shop s = {0};
        if (at && strcmp(at, boards[k].name) != 0)
            continue;
        for (size_t q = 0; q < HONE_LEN(of_arm); q++) {
            const hone_intrin *in = hone_intrin_find(hone_intrin_shipped(), of_arm[q][0]);
            hone_target t = target_of(&boards[k]);
            assert_non_null(in);
            if (done[q] || !hone_target_has(&t, in->features) ||
                strncmp(t.triple, "aarch64", 7) != 0)
                continue;
            if (!s.builder && !open_shop(&boards[k], &s))
                break;
            one_intrinsic(&s, &all, of_arm[q][0], of_arm[q][1]);
            done[q] = true;
            n_done++;
        }
        if (s.builder) {
            assert_int_equal(s.all.wrong, 0);
            close_shop(&s);
        }
    }
    hone_kernel_list_free(&all);
    if (n_done == 0)
        skip();
    if (!at)
        assert_int_equal(n_done, HONE_LEN(of_arm));
}

/* ---- a compiler that crashes ----------------------------------------------------------------- */

static hone_status crash(void *ctx, const hone_build_job *job, hone_artifact *ret, hone_error *err)
{
    (void)ctx;
    *ret = (hone_artifact){0};
    if (strcmp(job->workload, "crash") == 0) {
        die_by_signals();
        raise(SIGSEGV);
    }
    return hone_fail(err, HONE_REJECT_TOO_BIG, "and no more");
}

static void a_compiler_that_crashes_costs_one_candidate(void **state)
{
    (void)state;
    shop s = {0};
    hone_artifact a = {0};
    hone_error err = {0};
    hone_build_job job = {.id = 1, .workload = "crash", .target = "t", .threads = 1};
    start_forge(&s, crash);
    assert_int_equal(build(&s, &job, &a, &err), HONE_REJECT_BUILD);
    assert_int_equal(s.now.crashed, 1);
    assert_int_equal(s.now.signal, SIGSEGV);
    job.workload = "another";
    assert_int_equal(build(&s, &job, &a, &err), HONE_REJECT_TOO_BIG);
    assert_int_equal(s.now.crashed, 1);
    hone_workers__forge_stop(s.forge);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(kernels_are_right_elsewhere),
        cmocka_unit_test(a_compiler_that_crashes_costs_one_candidate),
        cmocka_unit_test(intrinsics_are_right_elsewhere)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
