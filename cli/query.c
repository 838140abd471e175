/* hone query: the best kernel known, as what was asked for. */
#include "cli/lookup.h"
#include "codegen/codegen.h"
#include "workers/builder.h"

static json_t *describe(const cli_answer *a, const cli_kernel *k, const char *target_text,
                        int32_t threads)
{
    char hash[17];
    hone_hash_format(hone_program_hash(&k->program), hash);
    hone_buf program = {0};
    hone_program_print(&k->program, &program);
    json_t *j =
        json_pack("{s:s, s:o, s:s, s:o, s:o, s:i, s:o, s:s, s:s, s:i}", "rung", a->rung, "kernel",
                  hone_json_string(k->title), "workload", hash, "sizes",
                  json_loads(k->sizes, 0, NULL), "target", json_loads(target_text, 0, NULL),
                  "threads", threads, "program", hone_json_string(program.s), "hone", HONE_VERSION,
                  "llvm", hone_codegen_version(), "space_version", HONE_SPACE_VERSION);
    hone_buf_free(&program);
    const hone_db_record *r = &a->record;
    if (r->trace)
        json_object_set_new(j, "trace", json_loads(r->trace, 0, NULL));
    if (strcmp(a->rung, "exact") == 0) {
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
    return j;
}

static hone_status compile(const cli_answer *a, const hone_target *t, hone_emit emit,
                           const char *name, int32_t threads, hone_code *ret, hone_error *err)
{
    hone_codegen *g;
    hone_status st = hone_codegen_new(t, &g, err);
    if (st != HONE_OK)
        return st;
    unsigned n;
    hone_codegen_intrin *intrins = hone_builder_intrins(a->intrins, &n);
    st = hone_codegen_emit(g, a->program,
                           &(hone_codegen_options){.emit = emit,
                                                   .name = name,
                                                   .threads = threads,
                                                   .plain = a->as_written,
                                                   .intrins = intrins,
                                                   .n_intrins = n},
                           ret, err);
    free(intrins);
    hone_codegen_free(g);
    return st;
}

static hone_status emit_library(const cli_answer *a, const cli_kernel *k, const hone_target *t,
                                const char *target_text, int32_t threads, const char *folder,
                                const char *name, hone_error *err)
{
    hone_code code = {0};
    hone_status st = hone_dir_make(folder, err);
    if (st == HONE_OK)
        st = compile(a, t, HONE_EMIT_OBJECT, name, threads, &code, err);
    if (st != HONE_OK)
        return st;
    hone_buf header = {0};
    hone_codegen_header(a->program, name, &code, &header);
    json_t *j = describe(a, k, target_text, threads);
    char *text = json_dumps(j, JSON_INDENT(2) | JSON_SORT_KEYS);
    json_decref(j);
    static const char *const suffixes[] = {"o", "h", "json"};
    hone_file files[HONE_LEN(suffixes)] = {
        {NULL, code.bytes, code.n}, {NULL, header.s, header.n}, {NULL, text, strlen(text)}};
    char *paths[HONE_LEN(suffixes)];
    for (unsigned q = 0; q < HONE_LEN(files); q++)
        files[q].path = paths[q] = hone_xasprintf("%s/%s.%s", folder, name, suffixes[q]);
    st = hone_file_write_set(files, HONE_LEN(files), err);
    for (unsigned q = 0; q < HONE_LEN(files); q++)
        free(paths[q]);
    hone_code_free(&code);
    hone_buf_free(&header);
    free(text);
    return st;
}

static void print_answer(const cli_answer *a, const cli_kernel *k, const hone_target *t,
                         int32_t threads)
{
    char time[32], hash[17];
    printf("%s on %s, %d thread%s: ", k->title, t->cpu, threads, threads == 1 ? "" : "s");
    if (strcmp(a->rung, "given") == 0) {
        puts("the schedule of the trace that was given, not checked here");
        return;
    }
    if (strcmp(a->rung, "exact") != 0) {
        printf("default schedule (%s; run `hone tune`)\n", a->miss);
        return;
    }
    cli_format_ns((double)a->record.time_ns, time);
    hone_hash_format(a->record.trace_hash, hash);
    printf("exact, %s, %.1f GFLOP/s, trace %s, checked against the %s: errors up to %.2g of what "
           "rounding may do\n",
           time, a->gflops, hash, a->record.checked, a->record.max_error);
}

static int run(int argc, char **argv, const cli_command *self)
{
    cli_sizes sizes = {0};
    cli_list intrin_files = {0};
    const char *db_path = "hone.db", *target_arg = "native", *emit = NULL, *out = NULL;
    const char *name = NULL, *require = NULL, *trace = NULL;
    int64_t threads = cli_processors();
    bool json = false;
    const cli_option options[] = {
        {"-D", CLI_SIZE, "NAME=INT", &sizes, "size of the kernel; repeat for each", 0},
        {"--db", CLI_TEXT, "FILE", &db_path, "the log to ask (default hone.db)", 0},
        {"--target", CLI_TEXT, "T", &target_arg, "native (default), target JSON, or a file", 0},
        {"--threads", CLI_INT, "N", &threads, "threads it was tuned for (default: all)", 1},
        {"--emit", CLI_TEXT, "WHAT", &emit, "library, object, asm, llvm, program or trace", 0},
        {"-o", CLI_TEXT, "PATH", &out, "file to write; folder for library (default: stdout, .)", 0},
        {"--name", CLI_TEXT, "SYMBOL", &name, "name of the C function (default: the kernel's)", 0},
        {"--require", CLI_TEXT, "exact", &require, "no tuned result is an error (exit code 3)", 0},
        {"--trace", CLI_TEXT, "FILE", &trace, "use this trace and ask no log", 0},
        {"--intrin", CLI_LIST, "FILE", &intrin_files, "tensor intrinsics that the trace uses", 0},
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
    if (require && strcmp(require, "exact") != 0)
        return cli_usage(self, "--require knows only 'exact'");
    if (require && trace)
        return cli_usage(self, "--require asks the log, --trace does not: give one of them");
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

    cli_kernel k = {0};
    hone_target target;
    cli_answer a = {0};
    char *target_text = NULL;
    int32_t nt = (int32_t)threads;
    hone_status st = cli_kernel_load(pos[0], &sizes, &k, &err);
    a.intrins = hone_intrin_set_new();
    if (st == HONE_OK)
        st = cli_intrins_load(&intrin_files, a.intrins, &err);
    if (st == HONE_OK)
        st = cli_target_load(target_arg, &target, &err);
    if (st == HONE_OK) {
        target_text = hone_target_text(&target);
        st = trace ? cli_read_trace(trace, &k, &a, &err)
                   : cli_look_up(db_path, &k, &target, nt, require != NULL, &a, &err);
    }
    if (st == HONE_OK && a.record.time_ns > 0) {
        hone_program copy = {0};
        hone_program_copy(&copy, &k.program);
        a.gflops = (double)hone_program_flops(&copy) / (double)a.record.time_ns;
        hone_program_fini(&copy);
    }
    bool symbol = emit && kind < 4;
    if (st == HONE_OK && !name) {
        name = hone_sym_text(&k.program, k.program.name);
        hone_error why;
        if (symbol && hone_codegen_symbol_check(name, &why) != HONE_OK)
            st = hone_fail(&err, HONE_E_INPUT,
                           "the C function cannot have the kernel's name, %s: give another with "
                           "--name",
                           why.message);
    }
    if (st == HONE_OK && emit && strcmp(a.rung, "default") == 0)
        hone_log(HONE_LOG_WARN, "%s: this is the default schedule", a.miss);
    if (st == HONE_OK && emit) {
        hone_code c = {0};
        hone_buf text = {0};
        switch (kind) {
        case 0:
            st = emit_library(&a, &k, &target, target_text, nt, out ? out : ".", name, &err);
            break;
        case 1:
        case 2:
        case 3:
            st = compile(&a, &target,
                         kind == 1   ? HONE_EMIT_OBJECT
                         : kind == 2 ? HONE_EMIT_ASM
                                     : HONE_EMIT_LLVM,
                         name, nt, &c, &err);
            if (st == HONE_OK)
                st = cli_write_out(out, c.bytes, c.n, &err);
            break;
        case 4:
            hone_program_print(a.program, &text);
            st = cli_write_out(out, text.s, text.n, &err);
            break;
        default:
            hone_buf_printf(&text, "%s\n", a.record.trace ? a.record.trace : "[[],[]]");
            st = cli_write_out(out, text.s, text.n, &err);
        }
        hone_code_free(&c);
        hone_buf_free(&text);
    }
    /* then nothing else goes there */
    bool to_stdout = emit && kind != 0 && (!out || cli_is_stdout(out));
    if (st == HONE_OK && json && !to_stdout) {
        json_t *j = describe(&a, &k, target_text, nt);
        char *text = hone_json_text(j);
        puts(text);
        free(text);
        json_decref(j);
    } else if (st == HONE_OK && !to_stdout) {
        print_answer(&a, &k, &target, nt);
    }
    cli_answer_free(&a);
    cli_kernel_free(&k);
    free(target_text);
    return st == HONE_OK ? 0 : cli_fail(st, &err);
}

const cli_command cli_query = {
    .name = "query",
    .synopsis = "KERNEL [-D NAME=INT]... [options]",
    .summary = "ask the log for the best schedule; write it as a library, object or text",
    .text =
        "The answer names its rung: exact (this kernel, size, target and thread count was tuned),\n"
        "default (the program as written, where the log has none) or given (--trace).\n"
        "`--emit library -o DIR --name f` writes f.o, f.h and f.json; link f.o with "
        "libhone_rt.a.\n\n"
        "  hone query matmul -D M=512 -D N=512 -D K=512 --threads 1\n"
        "  hone query matmul -D M=512 -D N=512 -D K=512 --emit library -o out --name f\n"
        "  hone query my.hone -D N=77 --require exact --emit asm\n\n"
        "exit codes: 0 good, 1 failed, 2 bad input, 3 no such file, or no result with --require "
        "exact\n",
    .run = run,
};
