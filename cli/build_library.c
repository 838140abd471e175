/* hone build: the files of one function, and whether they are there. */
#include "cli/build.h"

#define MAX_REPORT_BYTES ((size_t)64 << 20)

static void key_of(build_job *j)
{
    uint64_t h = 1;
    for (unsigned k = 0; k < j->n; k++)
        h = hone_hash_bytes(h, j->v[k].e->text, strlen(j->v[k].e->text));
    h = hone_hash_bytes(h, HONE_VERSION, sizeof HONE_VERSION);
    h = hone_hash_bytes(h, hone_codegen_version(), strlen(hone_codegen_version()));
    hone_hash_format(hone_hash_mix(h, HONE_SPACE_VERSION), j->key);
}

char *cli_build_path(const build_plan *p, const build_job *j, const char *suffix)
{
    return hone_xasprintf("%s/%s.%s", p->folder, j->function, suffix);
}

/* Has the file the bytes that the report says it was written with? */
static bool is_as_reported(const build_plan *p, const build_job *j, const char *suffix,
                           const json_t *made)
{
    char hash[17], *path = cli_build_path(p, j, suffix), *bytes = NULL;
    const char *want = json_string_value(json_object_get(made, suffix));
    size_t n = 0;
    bool same = want && cli_file_bytes(path, MAX_REPORT_BYTES, &bytes, &n);
    if (same) {
        hone_hash_format(hone_hash_bytes(0, bytes, n), hash);
        same = strcmp(hash, want) == 0;
    }
    free(bytes);
    free(path);
    return same;
}

/* Are the three files there, made of the same by the same? */
static bool is_built(const build_plan *p, const build_job *j)
{
    char *path = cli_build_path(p, j, "json"), *text = NULL;
    size_t n = 0;
    json_t *report = NULL;
    bool same = false;
    if (cli_file_bytes(path, MAX_REPORT_BYTES, &text, &n) &&
        hone_json_parse(text, n, &report, NULL) == HONE_OK) {
        const json_t *made = json_object_get(report, "build");
        const char *key = json_string_value(json_object_get(made, "key"));
        same = key && strcmp(key, j->key) == 0 && is_as_reported(p, j, "o", made) &&
               is_as_reported(p, j, "h", made);
    }
    json_decref(report);
    free(text);
    free(path);
    return same;
}

void cli_build_look(const build_plan *p, build_job *j)
{
    key_of(j);
    j->is_there = is_built(p, j);
}

/* What differs between variants. */
static void report_variant(const hone_lock_entry *of, json_t *r)
{
    static const char *const as_locked[] = {"target",  "rung",           "reason", "time_ns",
                                            "checked", "expected_share", "library"};
    json_t *e = json_loads(of->text, 0, NULL);
    HONE_ASSERT(e);
    for (unsigned k = 0; k < HONE_LEN(as_locked); k++) {
        json_t *v = json_object_get(e, as_locked[k]);
        if (v)
            json_object_set(r, as_locked[k], v);
    }
    json_object_set_new(r, "threads", json_integer(of->threads));
    if (!of->call)
        json_object_set_new(r, "trace", json_loads(of->trace, 0, NULL));
    json_object_set_new(r, of->time_ns ? "measured_with" : "chosen_with",
                        json_pack("{s:s, s:s, s:i}", "hone", of->hone_version, "llvm",
                                  of->llvm_version, "space_version", of->space_version));
    json_decref(e);
}

static json_t *report_of(const build_job *j, const cli_library *l)
{
    char o[17], h[17], workload[17];
    hone_buf program = {0};
    const hone_lock_entry *e = j->v[0].e;
    hone_program_print(&e->program, &program);
    hone_hash_format(hone_program_hash(&e->program), workload);
    hone_hash_format(hone_hash_bytes(0, l->object.bytes, l->object.n), o);
    hone_hash_format(hone_hash_bytes(0, l->header.s, l->header.n), h);
    json_t *r = json_pack("{s:o, s:o, s:s, s:o, s:s, s:s, s:i, s:{s:s, s:s, s:s}}", "kernel",
                          hone_json_string(e->kernel), "sizes", json_loads(e->sizes, 0, NULL),
                          "workload", workload, "program", hone_json_string(program.s), "hone",
                          HONE_VERSION, "llvm", hone_codegen_version(), "space_version",
                          HONE_SPACE_VERSION, "build", "key", j->key, "o", o, "h", h);
    hone_buf_free(&program);
    if (j->n == 1) {
        report_variant(e, r);
        return r;
    }
    json_t *variants = json_array();
    for (unsigned k = 0; k < j->n; k++) {
        const hone_lock_entry *of = j->v[j->order[k]].e;
        json_t *row = json_pack("{s:s}", "variant", of->target.cpu);
        report_variant(of, row);
        json_array_append_new(variants, row);
    }
    json_object_set_new(r, "variants", variants);
    return r;
}

hone_status cli_build_library(const build_plan *p, build_job *j, hone_error *err)
{
    cli_library l = {0};
    cli_schedule all[HONE_CODEGEN_MAX_VARIANTS];
    unsigned written = 0;
    if (j->is_there)
        return HONE_OK;
    for (unsigned k = 0; k < j->n; k++) {
        const build_variant *v = &j->v[k];
        all[k] = (cli_schedule){.program = &v->sched.prog,
                                .as_written = v->as_written,
                                .intrins = v->set,
                                .target = &v->e->target,
                                .threads = v->e->threads,
                                .call = v->e->call};
    }
    hone_status st = cli_library_make(all, j->n, j->function, j->order, &l, err);
    if (st == HONE_OK) {
        l.about = cli_about_text(report_of(j, &l));
        st = cli_library_write(&l, p->folder, j->function, &written, err);
    } else if (err) {
        char text[sizeof err->message];
        snprintf(text, sizeof text, "%s: %.800s", j->function, err->message);
        memcpy(err->message, text, sizeof text);
    }
    if (st == HONE_OK && written) {
        printf("%s:", j->function);
        for (unsigned k = 0; k < j->n; k++) {
            const hone_lock_entry *of = j->v[j->order[k]].e;
            if (j->n > 1)
                printf(" %s", of->target.cpu);
            printf(" %s", hone_rung_name(of->rung));
            if (of->call)
                printf(", calls %s of %s%s%s", of->call->function, of->call->file,
                       *of->call->link ? ": link with -l" : "", of->call->link);
            fputs(k + 1 < j->n ? "," : "\n", stdout);
        }
    }
    cli_library_free(&l);
    return st;
}
