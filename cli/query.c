#include "cli/cli.h"
#include "codegen/codegen.h"
#include "db/db.h"
#include "space/space.h"
#include "workers/builder.h"

/* Records looked through for one that can be replayed. */
#define MOST_FOLLOWED 256

typedef struct answer {
    const char *rung;         /* "exact", "default" or "given" */
    hone_db_record record;    /* of rung exact */
    hone_intrin_set *intrins; /* from files, or those of the run that found the record */
    hone_sched sched;
    const hone_program *program; /* scheduled */
    bool as_written;             /* unscheduled */
    double gflops;
} answer;

/* Takes the schedule from a trace's text. */
static hone_status follow(const char *text, size_t n, const cli_kernel *k, answer *ret,
                          hone_error *err)
{
    hone_trace t = {0};
    ret->sched.intrins = ret->intrins;
    hone_status st = hone_trace_parse(text, n, &t, err);
    if (st == HONE_OK)
        st = hone_trace_replay(&t, &k->program, &ret->sched, NULL, false, err);
    ret->as_written = hone_trace_search_part(&t) == 0;
    ret->program = &ret->sched.prog;
    hone_trace_free(&t);
    return st;
}

typedef HONE_VEC(int64_t) ids;

static bool note_id(void *ctx, const hone_db_record *r)
{
    ids *v = ctx;
    hone_vec_push(v, r->id);
    return true;
}

/* The record's schedule, or, when another version of the space made it and it cannot be replayed
 * any more, that of the fastest record that can. */
static hone_status follow_best(hone_db *db, const cli_kernel *k, answer *ret, hone_error *err)
{
    ids fastest = {0};
    hone_db_record *r = &ret->record;
    hone_status st = cli_intrins_recall(db, r->session_id, ret->intrins, err);
    if (st == HONE_OK)
        st = follow(r->trace, strlen(r->trace), k, ret, err);
    if (st == HONE_OK || r->space_version == HONE_SPACE_VERSION)
        return st;
    st = hone_db_each_fastest(db, r->workload_id, r->target_id, MOST_FOLLOWED, note_id, &fastest,
                              err);
    bool found = false;
    for (uint32_t i = 0; i < fastest.n && st == HONE_OK && !found; i++) {
        hone_db_record_free(r);
        *r = (hone_db_record){0};
        st = hone_db_record_get(db, fastest.v[i], r, err);
        found = st == HONE_OK && follow(r->trace, strlen(r->trace), k, ret, NULL) == HONE_OK;
    }
    hone_vec_free(&fastest);
    if (st == HONE_OK && !found)
        st = hone_fail(err, HONE_E_NOTFOUND,
                       "the results in the log were made by another version of the space than "
                       "this hone's, %d, and cannot be replayed: tune again",
                       HONE_SPACE_VERSION);
    return st;
}

static hone_status look_up(const char *db_path, const cli_kernel *k, const char *target_text,
                           int32_t threads, bool exact_only, answer *ret, hone_error *err)
{
    hone_db *db;
    hone_status st = hone_db_open(db_path, HONE_DB_READ, &db, err);
    if (st != HONE_OK)
        return st;
    st = hone_db_best(db, hone_program_hash(&k->program), target_text, threads, &ret->record, err);
    if (st == HONE_OK)
        st = follow_best(db, k, ret, err);
    hone_db_close(db);
    if (st == HONE_E_NOTFOUND && !exact_only) {
        hone_db_record_free(&ret->record);
        ret->record = (hone_db_record){0};
        ret->rung = "default";
        ret->program = &k->program;
        ret->as_written = true;
        return HONE_OK;
    }
    if (st != HONE_OK)
        return st;
    ret->rung = "exact";
    return HONE_OK;
}

/* The schedule comes from a file, not from the log. */
static hone_status read_trace(const char *path, const cli_kernel *k, answer *ret, hone_error *err)
{
    char *text = NULL;
    size_t n = 0;
    hone_status st = hone_file_read(path, 4 << 20, &text, &n, err);
    ret->rung = "given";
    if (st == HONE_OK) {
        while (n > 0 && (text[n - 1] == '\n' || text[n - 1] == ' '))
            text[--n] = '\0';
        ret->record.trace = hone_xstrdup(text);
        st = follow(text, n, k, ret, err);
    }
    free(text);
    return st;
}

static json_t *describe(const answer *a, const cli_kernel *k, const char *target_text,
                        int32_t threads)
{
    char hash[17];
    hone_hash_format(hone_program_hash(&k->program), hash);
    hone_buf program = {0};
    hone_program_print(&k->program, &program);
    json_t *j = json_pack("{s:s, s:s, s:s, s:o, s:o, s:i, s:s, s:s, s:s, s:i}", "rung", a->rung,
                          "kernel", k->title, "workload", hash, "sizes",
                          json_loads(k->sizes, 0, NULL), "target", json_loads(target_text, 0, NULL),
                          "threads", threads, "program", program.s, "hone", HONE_VERSION, "llvm",
                          hone_codegen_version(), "space_version", HONE_SPACE_VERSION);
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

static hone_status write_out(const char *path, const void *bytes, size_t n, hone_error *err)
{
    if (path)
        return hone_file_write(path, bytes, n, err);
    fwrite(bytes, 1, n, stdout);
    return HONE_OK;
}

static hone_status compile(const answer *a, const hone_target *t, hone_emit emit, const char *name,
                           int32_t threads, hone_code *ret, hone_error *err)
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

static hone_status emit_library(const answer *a, const cli_kernel *k, const hone_target *t,
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
    const struct {
        const char *suffix;
        const void *bytes;
        size_t n;
    } files[] = {
        {"o", code.bytes, code.n}, {"h", header.s, header.n}, {"json", text, strlen(text)}};
    for (unsigned q = 0; q < HONE_LEN(files) && st == HONE_OK; q++) {
        char *path = hone_xasprintf("%s/%s.%s", folder, name, files[q].suffix);
        st = hone_file_write(path, files[q].bytes, files[q].n, err);
        free(path);
    }
    hone_code_free(&code);
    hone_buf_free(&header);
    free(text);
    return st;
}

static bool is_identifier(const char *s)
{
    if (!((*s >= 'a' && *s <= 'z') || (*s >= 'A' && *s <= 'Z') || *s == '_') || strlen(s) > 200)
        return false;
    for (; *s; s++)
        if (!((*s >= 'a' && *s <= 'z') || (*s >= 'A' && *s <= 'Z') || *s == '_' ||
              (*s >= '0' && *s <= '9')))
            return false;
    return true;
}

static void print_answer(const answer *a, const cli_kernel *k, const hone_target *t,
                         int32_t threads, const char *db_path)
{
    char time[32], hash[17];
    printf("%s on %s, %d thread%s: ", k->title, t->cpu, threads, threads == 1 ? "" : "s");
    if (strcmp(a->rung, "given") == 0) {
        puts("the schedule of the trace that was given, not checked here");
        return;
    }
    if (strcmp(a->rung, "exact") != 0) {
        printf("default schedule (%s has no result for it; run `hone tune`)\n", db_path);
        return;
    }
    cli_format_ns((double)a->record.time_ns, time);
    hone_hash_format(a->record.trace_hash, hash);
    printf("exact, %s, %.1f GFLOP/s, trace %s, checked against the %s (largest error %.2g)\n", time,
           a->gflops, hash, a->record.checked, a->record.max_error);
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
    if (require && strcmp(require, "exact") != 0)
        return cli_usage(self, "--require knows only 'exact'");
    if (require && trace)
        return cli_usage(self, "--require asks the log, --trace does not: give one of them");
    while (emit && kind < HONE_LEN(kinds) && strcmp(emit, kinds[kind]) != 0)
        kind++;
    if (kind == HONE_LEN(kinds))
        return cli_usage(self, "--emit is library, object, asm, llvm, program or trace, not '%s'",
                         emit);
    if (name && !is_identifier(name))
        return cli_usage(self, "--name '%s' is not a C identifier", name);
    if (threads > 1024)
        return cli_usage(self, "--threads at most 1024");

    hone_error err = {0};
    cli_kernel k = {0};
    hone_target target;
    answer a = {0};
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
        st = trace ? read_trace(trace, &k, &a, &err)
                   : look_up(db_path, &k, target_text, nt, require != NULL, &a, &err);
    }
    if (st == HONE_OK && a.record.time_ns > 0) {
        hone_program copy = {0};
        hone_program_copy(&copy, &k.program);
        a.gflops = (double)hone_program_flops(&copy) / (double)a.record.time_ns;
        hone_program_fini(&copy);
    }
    if (st == HONE_OK && !name)
        name = hone_sym_text(&k.program, k.program.name);
    if (st == HONE_OK && emit && strcmp(a.rung, "default") == 0)
        hone_log(HONE_LOG_WARN, "%s has no result for %s: this is the default schedule", db_path,
                 k.title);
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
                st = write_out(out, c.bytes, c.n, &err);
            break;
        case 4:
            hone_program_print(a.program, &text);
            st = write_out(out, text.s, text.n, &err);
            break;
        default:
            hone_buf_printf(&text, "%s\n", a.record.trace ? a.record.trace : "[[],[]]");
            st = write_out(out, text.s, text.n, &err);
        }
        hone_code_free(&c);
        hone_buf_free(&text);
    }
    bool to_stdout = emit && kind != 0 && !out; /* then nothing else goes there */
    if (st == HONE_OK && json && !to_stdout) {
        json_t *j = describe(&a, &k, target_text, nt);
        char *text = hone_json_text(j);
        puts(text);
        free(text);
        json_decref(j);
    } else if (st == HONE_OK && !to_stdout) {
        print_answer(&a, &k, &target, nt, db_path);
    }
    hone_db_record_free(&a.record);
    hone_sched_fini(&a.sched);
    hone_intrin_set_free(a.intrins);
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
        "default (the program as written) or given (--trace). `--emit library -o DIR --name f`\n"
        "writes f.o, f.h and f.json; link f.o with libhone_rt.a.\n\n"
        "  hone query matmul -D M=512 -D N=512 -D K=512 --threads 1\n"
        "  hone query matmul -D M=512 -D N=512 -D K=512 --emit library -o out --name f\n"
        "  hone query my.hone -D N=77 --require exact --emit asm\n\n"
        "exit codes: 0 good, 1 failed, 2 bad input, 3 no such database, file or result\n",
    .run = run,
};
