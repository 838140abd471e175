/* hone query: the best kernel known, as what was asked for.
 *
 * Reader's map: the answer as JSON; as code; in words; the command. */
#include "cli/lookup.h"
#include "codegen/codegen.h"
#include "workers/builder.h"

#include <math.h>

/* What is asked for. */
typedef struct query {
    cli_kernel kernel;
    hone_target target;
    char *target_text;
    int32_t threads;
    bool explain;
} query;

/* What an exact answer knows of its measurement. */
static void describe_record(const cli_answer *a, json_t *j)
{
    char hash[17];
    const hone_db_record *r = &a->of.record;
    hone_hash_format(r->trace_hash, hash);
    json_object_set_new(j, "trace_hash", json_string(hash));
    json_object_set_new(j, "time_ns", json_integer(r->time_ns));
    json_object_set_new(j, "gflops", json_real(a->gflops));
    json_object_set_new(j, "samples", json_integer(r->n_samples));
    json_object_set_new(j, "checked",
                        json_pack("{s:s, s:f, s:f, s:I}", "against", r->checked, "max_error",
                                  r->max_error, "tolerance", r->tolerance, "data_seed",
                                  (json_int_t)r->data_seed));
    json_object_set_new(j, "measured_with",
                        json_pack("{s:s, s:s, s:i}", "hone", r->hone_version, "llvm",
                                  r->llvm_version, "space_version", r->space_version));
}

/* Where a schedule that was measured elsewhere comes from. */
static void describe_origin(const cli_answer *a, json_t *j)
{
    json_object_set_new(
        j, "from",
        json_pack("{s:o, s:i, s:o}", "target", json_loads(a->of.from_target, 0, NULL), "threads",
                  a->of.from_threads, "sizes", json_loads(a->of.from_sizes, 0, NULL)));
}

/* The rungs that were looked at. */
static json_t *describe_ladder(const cli_answer *a)
{
    json_t *ladder = json_array();
    for (unsigned k = 0; k < HONE_RUNG_COUNT; k++) {
        const hone_lookup_step *s = &a->of.steps[k];
        if (!s->looked)
            continue;
        json_t *row =
            json_pack("{s:s, s:b, s:b, s:o}", "rung", hone_rung_name((hone_rung)k), "found",
                      s->found, "taken", s->taken, "what", hone_json_string(s->what));
        if (!isnan(s->relative))
            json_object_set_new(row, "predicted_vs_default", json_real(s->relative));
        if (s->trace)
            json_object_set_new(row, "trace", json_loads(s->trace, 0, NULL));
        json_array_append_new(ladder, row);
    }
    return ladder;
}

static json_t *describe(const cli_answer *a, const query *q)
{
    char hash[17];
    const cli_kernel *k = &q->kernel;
    hone_hash_format(hone_program_hash(&k->program), hash);
    hone_buf program = {0};
    hone_program_print(&k->program, &program);
    json_t *j = json_pack("{s:s, s:o, s:s, s:o, s:o, s:i, s:o, s:s, s:s, s:i}", "rung", a->rung,
                          "kernel", hone_json_string(k->title), "workload", hash, "sizes",
                          json_loads(k->sizes, 0, NULL), "target",
                          json_loads(q->target_text, 0, NULL), "threads", q->threads, "program",
                          hone_json_string(program.s), "hone", HONE_VERSION, "llvm",
                          hone_codegen_version(), "space_version", HONE_SPACE_VERSION);
    hone_buf_free(&program);
    if (a->of.reason) {
        json_object_set_new(j, "reason", hone_json_string(a->of.reason));
        json_object_set_new(j, "expected_share", json_real(a->of.share));
    }
    if (a->trace)
        json_object_set_new(j, "trace", json_loads(a->trace, 0, NULL));
    if (a->of.record.id)
        describe_record(a, j);
    if (a->of.from_target)
        describe_origin(a, j);
    if (q->explain)
        json_object_set_new(j, "ladder", describe_ladder(a));
    return j;
}

static hone_status compile(const cli_answer *a, const query *q, hone_emit emit, const char *name,
                           hone_code *ret, hone_error *err)
{
    hone_codegen *g;
    hone_status st = hone_codegen_new(&q->target, &g, err);
    if (st != HONE_OK)
        return st;
    unsigned n;
    hone_codegen_intrin *intrins = hone_builder_intrins(a->of.intrins, &n);
    st = hone_codegen_emit(g, &a->of.sched.prog,
                           &(hone_codegen_options){.emit = emit,
                                                   .name = name,
                                                   .threads = q->threads,
                                                   .plain = a->of.as_written,
                                                   .intrins = intrins,
                                                   .n_intrins = n},
                           ret, err);
    free(intrins);
    hone_codegen_free(g);
    return st;
}

static hone_status emit_library(const cli_answer *a, const query *q, const char *folder,
                                const char *name, hone_error *err)
{
    hone_code code = {0};
    hone_status st = hone_dir_make(folder, err);
    if (st == HONE_OK)
        st = compile(a, q, HONE_EMIT_OBJECT, name, &code, err);
    if (st != HONE_OK)
        return st;
    hone_buf header = {0};
    hone_codegen_header(&a->of.sched.prog, name, &code, &header);
    json_t *j = describe(a, q);
    char *text = json_dumps(j, JSON_INDENT(2) | JSON_SORT_KEYS);
    json_decref(j);
    static const char *const suffixes[] = {"o", "h", "json"};
    hone_file files[HONE_LEN(suffixes)] = {
        {NULL, code.bytes, code.n}, {NULL, header.s, header.n}, {NULL, text, strlen(text)}};
    char *paths[HONE_LEN(suffixes)];
    for (unsigned i = 0; i < HONE_LEN(files); i++)
        files[i].path = paths[i] = hone_xasprintf("%s/%s.%s", folder, name, suffixes[i]);
    st = hone_file_write_set(files, HONE_LEN(files), err);
    for (unsigned i = 0; i < HONE_LEN(files); i++)
        free(paths[i]);
    hone_code_free(&code);
    hone_buf_free(&header);
    free(text);
    return st;
}

static void print_ladder(const cli_answer *a)
{
    for (unsigned k = 0; k < HONE_RUNG_COUNT; k++) {
        const hone_lookup_step *s = &a->of.steps[k];
        if (s->looked)
            printf("  %c %-8s %s\n",
                   s->taken   ? '*'
                   : s->found ? '+'
                              : '-',
                   hone_rung_name((hone_rung)k), s->what);
        if (s->found && !isnan(s->relative) && k != HONE_RUNG_default)
            printf("             predicted: %.2f times the default's time\n", s->relative);
    }
}

static void print_answer(const cli_answer *a, const query *q)
{
    char time[32], hash[17];
    const hone_db_record *r = &a->of.record;
    printf("%s on %s, %d thread%s: ", q->kernel.title, q->target.cpu, q->threads,
           q->threads == 1 ? "" : "s");
    if (!a->of.reason) {
        puts("the schedule of the trace that was given, not checked here");
    } else if (a->of.rung == HONE_RUNG_exact) {
        cli_format_ns((double)r->time_ns, time);
        hone_hash_format(r->trace_hash, hash);
        printf("exact, %s, %.1f GFLOP/s, trace %s, checked against the %s: errors up to %.2g of "
               "what rounding may do\n",
               time, a->gflops, hash, r->checked, r->max_error);
    } else {
        printf("%s, expected to reach %.0f %% of the best: %s", a->rung, 100 * a->of.share,
               a->of.reason);
        if (a->of.miss)
            printf(" (%s; run `hone tune`)", a->of.miss);
        puts("");
    }
    if (q->explain)
        print_ladder(a);
}

static int run(int argc, char **argv, const cli_command *self)
{
    cli_sizes sizes = {0};
    cli_list intrin_files = {0}, logs = {0};
    const char *target_arg = "native", *emit = NULL, *out = NULL;
    const char *name = NULL, *require = NULL, *trace = NULL;
    int64_t threads = cli_processors();
    bool json = false, explain = false;
    hone_rung lowest = HONE_RUNG_default;
    const cli_option options[] = {
        {"-D", CLI_SIZE, "NAME=INT", &sizes, "size of the kernel; repeat for each", 0},
        {"--db", CLI_LIST, "FILE", &logs, "a log to ask, in order (default hone.db)", 0},
        {"--target", CLI_TEXT, "T", &target_arg, "native (default), target JSON, or a file", 0},
        {"--threads", CLI_INT, "N", &threads, "threads it was tuned for (default: all)", 1},
        {"--emit", CLI_TEXT, "WHAT", &emit, "library, object, asm, llvm, program or trace", 0},
        {"-o", CLI_TEXT, "PATH", &out, "file to write; folder for library (default: stdout, .)", 0},
        {"--name", CLI_TEXT, "SYMBOL", &name, "name of the C function (default: the kernel's)", 0},
        {"--require", CLI_TEXT, "RUNG", &require, "no answer of it or better: exit code 3", 0},
        {"--trace", CLI_TEXT, "FILE", &trace, "use this trace and ask no log", 0},
        {"--intrin", CLI_LIST, "FILE", &intrin_files, "tensor intrinsics that the trace uses", 0},
        {"--explain", CLI_FLAG, NULL, &explain, "say what every rung has, and why not", 0},
        {"--json", CLI_FLAG, NULL, &json, "print the answer as JSON", 0},
    };
    static const char *const kinds[] = {"library", "object", "asm", "llvm", "program", "trace"};
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
    while (emit && kind < HONE_LEN(kinds) && strcmp(emit, kinds[kind]) != 0)
        kind++;
    if (kind == HONE_LEN(kinds))
        return cli_usage(self, "--emit is library, object, asm, llvm, program or trace, not '%s'",
                         emit);
    hone_error err = {0};
    if (name && hone_codegen_symbol_check(name, &err) != HONE_OK)
        return cli_usage(self, "--name %s: give another", err.message);
    if (threads > HONE_MAX_THREADS)
        return cli_usage(self, "--threads at most %d", HONE_MAX_THREADS);

    query q = {.threads = (int32_t)threads, .explain = explain};
    cli_answer a = {0};
    hone_intrin_set *intrins = hone_intrin_set_new();
    hone_status st = cli_kernel_load(pos[0], &sizes, &q.kernel, &err);
    if (st == HONE_OK)
        st = cli_intrins_load(&intrin_files, intrins, &err);
    if (st == HONE_OK)
        st = cli_target_load(target_arg, &q.target, &err);
    if (st == HONE_OK) {
        q.target_text = hone_target_text(&q.target);
        st = trace
                 ? cli_read_trace(trace, intrins, &q.kernel, &a, &err)
                 : cli_look_up(
                       &(cli_lookup_options){
                           .logs = &logs, .intrins = intrins, .lowest = lowest, .explain = explain},
                       &q.kernel, &q.target, q.threads, &a, &err);
    }
    if (st == HONE_OK && a.of.record.time_ns > 0) {
        hone_program copy = {0};
        hone_program_copy(&copy, &q.kernel.program);
        a.gflops = (double)hone_program_flops(&copy) / (double)a.of.record.time_ns;
        hone_program_fini(&copy);
    }
    bool symbol = emit && kind < 4;
    if (st == HONE_OK && !name) {
        name = hone_sym_text(&q.kernel.program, q.kernel.program.name);
        hone_error why;
        if (symbol && hone_codegen_symbol_check(name, &why) != HONE_OK)
            st = hone_fail(&err, HONE_E_INPUT,
                           "the C function cannot have the kernel's name, %s: give another with "
                           "--name",
                           why.message);
    }
    if (st == HONE_OK && emit && a.of.miss)
        hone_log(HONE_LOG_WARN, "%s: this is the answer of rung %s", a.of.miss, a.rung);
    if (st == HONE_OK && emit) {
        hone_code c = {0};
        hone_buf text = {0};
        switch (kind) {
        case 0:
            st = emit_library(&a, &q, out ? out : ".", name, &err);
            break;
        case 1:
        case 2:
        case 3:
            st = compile(&a, &q,
                         kind == 1   ? HONE_EMIT_OBJECT
                         : kind == 2 ? HONE_EMIT_ASM
                                     : HONE_EMIT_LLVM,
                         name, &c, &err);
            if (st == HONE_OK)
                st = cli_write_out(out, c.bytes, c.n, &err);
            break;
        case 4:
            hone_program_print(&a.of.sched.prog, &text);
            st = cli_write_out(out, text.s, text.n, &err);
            break;
        default:
            hone_buf_printf(&text, "%s\n", a.trace ? a.trace : "[[],[]]");
            st = cli_write_out(out, text.s, text.n, &err);
        }
        hone_code_free(&c);
        hone_buf_free(&text);
    }
    /* then nothing else goes there */
    bool to_stdout = emit && kind != 0 && (!out || cli_is_stdout(out));
    if (st == HONE_OK && json && !to_stdout) {
        json_t *j = describe(&a, &q);
        char *text = hone_json_text(j);
        puts(text);
        free(text);
        json_decref(j);
    } else if (st == HONE_OK && !to_stdout) {
        print_answer(&a, &q);
    }
    cli_answer_free(&a);
    cli_kernel_free(&q.kernel);
    hone_intrin_set_free(intrins);
    free(q.target_text);
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
        "libhone_rt.a.\n\n"
        "  hone query matmul -D M=512 -D N=512 -D K=512 --threads 1\n"
        "  hone query matmul -D M=512 -D N=512 -D K=512 --emit library -o out --name f\n"
        "  hone query my.hone -D N=77 --require exact --emit asm\n"
        "  hone query my.hone -D N=77 --db mine.db --db site.db --explain\n\n"
        "exit codes: 0 good, 1 failed, 2 bad input, 3 no such file, or no answer of the rung "
        "required\n",
    .run = run,
};
