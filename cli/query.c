/* hone query: the best kernel known, as what was asked for.
 *
 * Reader's map: answers as code; the targets; the command. */
#include "cli/emit.h"
#include "cli/query.h"
#include "cli/query_service.h"
#include "cli/query_sizes.h"
#include "cli/target_list.h"
#include "targets/preset.h"

/* ---- answers as code --------------------------------------------------------------------------
 */

static void schedules_of(const query *q, cli_schedule *ret)
{
    for (unsigned i = 0; i < q->n; i++) {
        const query_target *t = &q->targets[i];
        ret[i] = (cli_schedule){.program = &t->answer.of.sched.prog,
                                .as_written = t->answer.of.as_written,
                                .intrins = t->answer.of.intrins,
                                .target = &t->target,
                                .threads = q->threads,
                                .call = t->answer.call};
    }
}

static hone_status compile(const query *q, hone_emit emit, const char *name, hone_code *ret,
                           hone_error *err)
{
    cli_schedule v[QUERY_MAX_TARGETS];
    schedules_of(q, v);
    return cli_compile(&v[0], emit, name, ret, err);
}

/* Also finds the order of the variants. */
static hone_status emit_library(query *q, const char *folder, const char *name, hone_error *err)
{
    cli_library l = {0};
    cli_schedule v[QUERY_MAX_TARGETS];
    schedules_of(q, v);
    hone_status st = hone_dir_make(folder, err);
    if (st == HONE_OK)
        st = cli_library_make(v, q->n, name, q->order, &l, err);
    if (st == HONE_OK) {
        l.about = cli_about_text(cli_query_describe(q));
        st = cli_library_write(&l, folder, name, NULL, err);
    }
    cli_library_free(&l);
    return st;
}

static hone_status emit_module(query *q, const char *folder, const char *name, hone_error *err)
{
    cli_schedule v[QUERY_MAX_TARGETS];
    schedules_of(q, v);
    return cli_module_write(&v[0], folder, name, err);
}

/* ---- the targets ------------------------------------------------------------------------------
 */

static hone_status load_targets(const char *arg, query *q, hone_error *err)
{
    cli_target_list *v = hone_xcalloc(1, sizeof *v);
    hone_status st = cli_target_list_load(arg, QUERY_MAX_TARGETS, v, err);
    for (unsigned k = 0; k < v->n && st == HONE_OK; k++) {
        q->targets[k].target = v->v[k];
        q->targets[k].text = hone_target_text(&v->v[k]);
        q->order[k] = k;
        q->n++;
    }
    free(v);
    return st;
}

/* Before anything is looked up. */
static hone_status check_variants(const query *q, const char *emit, hone_error *err)
{
    cli_schedule v[QUERY_MAX_TARGETS];
    schedules_of(q, v);
    if (strcmp(emit, "library") != 0)
        return hone_fail(err, HONE_E_INPUT,
                         "--emit %s is for one target; several go into one --emit library", emit);
    return cli_check_variants(v, q->n, err);
}

/* By the trace of that file, or by the logs. */
static hone_status answer_all(query *q, const char *trace, const cli_lookup_options *o,
                              hone_error *err)
{
    hone_status st = HONE_OK;
    for (unsigned i = 0; i < q->n && st == HONE_OK; i++) {
        query_target *t = &q->targets[i];
        st = trace ? cli_read_trace(trace, o->intrins, &q->kernel, &t->answer, err)
                   : cli_look_up(o, &q->kernel, &t->target, q->threads, &t->answer, err);
        if (st == HONE_OK)
            cli_query_count(q, &t->answer);
    }
    return st;
}

/* By a service. */
static hone_status ask_all(query *q, cli_service *s, const char *require, hone_error *err)
{
    cli_catch_signals();
    hone_status st = cli_service_open(s, err);
    for (unsigned i = 0; i < q->n && st == HONE_OK; i++)
        st = cli_query_ask(s, &q->kernel, q->threads, require, q->explain, &q->targets[i], err);
    cli_service_close(s);
    return st;
}

/* Once where targets miss the same. */
static void warn_of_misses(const query *q)
{
    for (unsigned i = 0; i < q->n; i++) {
        const cli_answer *a = &q->targets[i].answer, *last = &q->targets[i ? i - 1 : 0].answer;
        bool again = i > 0 && last->of.miss && strcmp(a->rung, last->rung) == 0;
        if (a->of.miss && !(again && strcmp(a->of.miss, last->of.miss) == 0))
            hone_log(HONE_LOG_WARN, "%s: this is the answer of rung %s", a->of.miss, a->rung);
    }
}

static void query_free(query *q)
{
    for (unsigned i = 0; i < q->n; i++) {
        cli_answer_free(&q->targets[i].answer);
        free(q->targets[i].text);
    }
    cli_kernel_free(&q->kernel);
}

/* ---- a range of sizes -------------------------------------------------------------------------
 */

static int run_sizes(const cli_sizes_question *of, const char *target_arg,
                     const cli_list *intrin_files, cli_lookup_options *o)
{
    hone_error err = {0};
    query targets = {.n = 0};
    cli_sizes_question q = *of;
    hone_intrin_set *intrins = hone_intrin_set_new();
    hone_status st = cli_intrins_load(intrin_files, intrins, &err);
    o->intrins = intrins;
    q.lookup = o;
    if (st == HONE_OK)
        st = load_targets(target_arg, &targets, &err);
    if (st == HONE_OK && targets.n > 1)
        st = hone_fail(&err, HONE_E_INPUT,
                       "--sizes is for one target: make a function for each of several");
    q.target = &targets.targets[0].target;
    if (st == HONE_OK)
        st = cli_threads_for(q.target, of->threads, &q.threads, &err);
    if (st == HONE_OK)
        st = cli_query_sizes(&q, &err);
    query_free(&targets);
    hone_intrin_set_free(intrins);
    return st == HONE_OK ? 0 : cli_fail(st, &err);
}

/* ---- the command ------------------------------------------------------------------------------
 */

static int run(int argc, char **argv, const cli_command *self)
{
    cli_sizes sizes = {0};
    cli_list intrin_files = {0}, logs = {0}, library_files = {0};
    cli_libraries libraries = {0};
    const char *target_arg = "native", *emit = NULL, *out = NULL;
    const char *name = NULL, *require = NULL, *trace = NULL, *ranges = NULL;
    int64_t threads = 0;
    bool json = false, explain = false;
    cli_service service = {0};
    hone_rung lowest = HONE_RUNG_default;
    const cli_option options[] = {
        {"-D", CLI_SIZE, "NAME=INT", &sizes, "size of the kernel; repeat for each", 0},
        {"--sizes", CLI_TEXT, "LIST", &ranges,
         "M=1..4096,N=1024,..: one function for all of these sizes", 0},
        {"--db", CLI_LIST, "FILE", &logs,
         "a log to ask, in order (default hone.db); shipped: that of hone", 0},
        {"--target", CLI_TEXT, "T", &target_arg,
         "native (default), CPU name, target JSON, or a file; T,T,.. for a library", 0},
        {"--threads", CLI_INT, "N", &threads, "threads it was tuned for (default: all)", 1},
        {"--emit", CLI_TEXT, "WHAT", &emit, "library, object, asm, llvm, wasm, program or trace",
         0},
        {"-o", CLI_TEXT, "PATH", &out,
         "file to write; folder for library and wasm (default: stdout, .)", 0},
        {"--name", CLI_TEXT, "SYMBOL", &name, "name of the C function (default: the kernel's)", 0},
        {"--require", CLI_TEXT, "RUNG", &require, "no answer of it or better: exit code 3", 0},
        {"--trace", CLI_TEXT, "FILE", &trace, "use this trace and ask no log", 0},
        {"--intrin", CLI_LIST, "FILE", &intrin_files, "tensor intrinsics that the trace uses", 0},
        {CLI_CANDIDATE_LIB, CLI_LIST, "NAME=TEXT", &library_files,
         "a library whose call may be the answer (docs/LIBRARIES.md)", 0},
        {"--service", CLI_TEXT, "ENDPOINT", &service.endpoint,
         "ask the log of this service (default: HONE_SERVICE, if set)", 0},
        {"--key", CLI_TEXT, "FILE", &service.key, "secret key, for a service over tcp", 0},
        {"--allow", CLI_TEXT, "FILE", &service.allow, "public key of the service", 0},
        {"--insecure-loopback", CLI_FLAG, NULL, &service.insecure,
         "tcp on this machine without keys", 0},
        {"--explain", CLI_FLAG, NULL, &explain, "say what every rung has, and why not", 0},
        {"--json", CLI_FLAG, NULL, &json, "print the answer as JSON", 0},
    };
    static const char *const kinds[] = {"library", "object",  "asm",  "llvm",
                                        "wasm",    "program", "trace"};
    enum { LIBRARY, OBJECT, ASM, LLVM, WASM, PROGRAM };
    const char *pos[1];
    unsigned n, kind = 0;
    int code;
    if (!CLI_PARSE(self, argc, argv, options, pos, &n, &code))
        return code;
    if (n != 1)
        return cli_usage(self, "which kernel? a built-in's name or FILE.hone[:name]");
    if (!emit && (out || name))
        return cli_usage(self, "%s goes with --emit", out ? "-o" : "--name");
    if (require && !hone_rung_parse(require, &lowest))
        return cli_usage(self, "--require is exact, class, nearest, model or default, not '%s'",
                         require);
    if ((require || explain) && trace)
        return cli_usage(self, "%s asks the log, --trace does not: give one of them",
                         require ? "--require" : "--explain");
    const char *usual = getenv("HONE_SERVICE");
    bool here = trace || logs.n || intrin_files.n || library_files.n || ranges;
    if (!service.endpoint && !here && usual && *usual)
        service.endpoint = usual;
    if (service.endpoint && (trace || logs.n || intrin_files.n))
        return cli_usage(self, "--service has a log of its own: no --db, --trace or --intrin");
    if (library_files.n && (service.endpoint || trace || ranges))
        return cli_usage(self, "--candidate-lib is for one kernel and the logs here: no --service, "
                               "--trace or --sizes");
    if (!service.endpoint && (service.key || service.allow || service.insecure))
        return cli_usage(self, "--key, --allow and --insecure-loopback go with --service");
    while (emit && kind < HONE_LEN(kinds) && strcmp(emit, kinds[kind]) != 0)
        kind++;
    if (kind == HONE_LEN(kinds))
        return cli_usage(
            self, "--emit is library, object, asm, llvm, wasm, program or trace, not '%s'", emit);
    hone_error err = {0};
    if (name && hone_codegen_symbol_check(name, &err) != HONE_OK)
        return cli_usage(self, "--name %s: give another", err.message);
    if (threads > HONE_MAX_THREADS)
        return cli_usage(self, "--threads at most %d", HONE_MAX_THREADS);

    if (ranges && (!emit || kind != LIBRARY))
        return cli_usage(self, "--sizes goes with --emit library");
    if (ranges && (trace || explain))
        return cli_usage(self, "--sizes asks for several answers, which %s is not for",
                         trace ? "--trace" : "--explain");
    if (ranges)
        return run_sizes(&(cli_sizes_question){.kernel = pos[0],
                                               .sizes = ranges,
                                               .fixed = &sizes,
                                               .threads = (int32_t)threads,
                                               .folder = out ? out : ".",
                                               .name = name,
                                               .json = json},
                         target_arg, &intrin_files,
                         &(cli_lookup_options){.logs = &logs, .lowest = lowest});

    query q = {.threads = (int32_t)threads, .explain = explain};
    hone_intrin_set *intrins = hone_intrin_set_new();
    hone_status st = cli_kernel_load(pos[0], &sizes, &q.kernel, &err);
    if (st == HONE_OK)
        st = cli_intrins_load(&intrin_files, intrins, &err);
    if (st == HONE_OK)
        st = load_targets(target_arg, &q, &err);
    for (unsigned k = 0; k < q.n && st == HONE_OK; k++) /* all have as many as the first */
        st = cli_threads_for(&q.targets[k].target, q.threads, &q.threads, &err);
    if (st == HONE_OK && emit && kind == WASM && !cli_runtime_of(&q.targets[0].target))
        st = hone_fail(&err, HONE_E_INPUT,
                       "--emit wasm is for WebAssembly, as --target wasm32, not for %s",
                       q.targets[0].target.triple);
    if (st == HONE_OK && emit && q.n > 1)
        st = check_variants(&q, emit, &err);
    if (st == HONE_OK)
        st = cli_libraries_load(&library_files, false, &libraries, &err);
    if (st == HONE_OK && libraries.n && q.n > 1)
        st = hone_fail(&err, HONE_E_INPUT, "--candidate-lib is for one target");
    bool symbol = emit && kind < PROGRAM;
    if (st == HONE_OK && service.endpoint)
        st = ask_all(&q, &service, require, &err);
    else if (st == HONE_OK)
        st = answer_all(&q, trace,
                        &(cli_lookup_options){.logs = &logs,
                                              .intrins = intrins,
                                              .lowest = lowest,
                                              .explain = explain,
                                              .libraries = &libraries,
                                              .code = symbol},
                        &err);
    if (st == HONE_OK && emit && (!symbol || kind == WASM) && q.targets[0].answer.call)
        st = hone_fail(&err, HONE_E_INPUT,
                       "the answer is a call of library %s, which has no %s: leave out "
                       "--candidate-lib",
                       q.targets[0].answer.call->name, emit);
    if (st == HONE_OK && !name) {
        name = hone_sym_text(&q.kernel.program, q.kernel.program.name);
        hone_error why;
        if (symbol && hone_codegen_symbol_check(name, &why) != HONE_OK)
            st = hone_fail(&err, HONE_E_INPUT,
                           "the C function cannot have the kernel's name, %s: give another with "
                           "--name",
                           why.message);
    }
    if (st == HONE_OK && emit)
        warn_of_misses(&q);
    if (st == HONE_OK && emit) {
        hone_code c = {0};
        hone_buf text = {0};
        switch (kind) {
        case LIBRARY:
            st = emit_library(&q, out ? out : ".", name, &err);
            break;
        case WASM:
            st = emit_module(&q, out ? out : ".", name, &err);
            break;
        case OBJECT:
        case ASM:
        case LLVM:
            st = compile(&q,
                         kind == OBJECT ? HONE_EMIT_OBJECT
                         : kind == ASM  ? HONE_EMIT_ASM
                                        : HONE_EMIT_LLVM,
                         name, &c, &err);
            if (st == HONE_OK)
                st = cli_write_out(out, c.bytes, c.n, &err);
            break;
        case PROGRAM:
            hone_program_print(&q.targets[0].answer.of.sched.prog, &text);
            st = cli_write_out(out, text.s, text.n, &err);
            break;
        default:
            trace = q.targets[0].answer.trace;
            hone_buf_printf(&text, "%s\n", trace ? trace : "[[],[]]");
            st = cli_write_out(out, text.s, text.n, &err);
        }
        hone_code_free(&c);
        hone_buf_free(&text);
    }
    /* then nothing else goes there */
    bool to_stdout = emit && kind != LIBRARY && kind != WASM && (!out || cli_is_stdout(out));
    if (st == HONE_OK && json && !to_stdout) {
        json_t *j = cli_query_describe(&q);
        char *text = hone_json_text(j);
        puts(text);
        free(text);
        json_decref(j);
    } else if (st == HONE_OK && !to_stdout) {
        cli_query_print(&q);
    }
    query_free(&q);
    cli_libraries_free(&libraries);
    hone_intrin_set_free(intrins);
    return st == HONE_OK ? 0 : cli_fail(st, &err);
}

const cli_command cli_query = {
    .name = "query",
    .synopsis = "KERNEL [-D NAME=INT]... [options]",
    .summary = "ask the log for the best schedule; write it as a library, object or text",
    .text =
        "The answer names its rung, best first: exact (this kernel, size, target and thread count\n"
        "was tuned), class (for a target whose code this one can run, or other threads), nearest\n"
        "(at other sizes, adapted), model (the best of many by the cost model, unmeasured) and\n"
        "default (a schedule that follows from the processor); or given (--trace). What is\n"
        "predicted to be slower than the default is passed over. Of several logs the first that\n"
        "has an answer of a rung gives it.\n"
        "`--emit library -o DIR --name f` writes f.o, f.h and f.json; link f.o with "
        "libhone_rt.a.\n"
        "`--emit wasm --target wasm32 -o DIR` writes NAME.wasm, which needs nothing beside it, "
        "and\n"
        "NAME.mjs, which loads it in Node and in browsers (docs/WASM.md).\n"
        "With several targets f.o has code for each, of which the first call takes the best that\n"
        "its processor can run, or the one that HONE_VARIANT names; f.h and hone_rt.h say more.\n"
        "With --service, or where HONE_SERVICE is set and no option is about files of this "
        "machine\n"
        "(--db, --trace, --intrin, --candidate-lib, --sizes), the answer comes from that "
        "service's\n"
        "log; files are made here.\n"
        "With --candidate-lib the answer is a call of that library where `hone tune` measured it "
        "to\n"
        "be faster, with the very file that is on this machine; without it never.\n\n"
        "  hone query matmul -D M=512 -D N=512 -D K=512 --threads 1\n"
        "  hone query matmul -D M=512 -D N=512 -D K=512 --emit library -o out --name f\n"
        "  hone query my.hone -D N=77 --require exact --emit asm\n"
        "  hone query my.hone -D N=77 --db mine.db --db site.db --explain\n"
        "  hone query my.hone -D N=77 --target znver4,haswell,x86-64-v2 --emit library -o out\n\n"
        "exit codes: 0 good, 1 failed, 2 bad input, 3 no such file, or no answer of the rung "
        "required\n",
    .run = run,
};
