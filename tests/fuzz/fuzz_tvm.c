/* Any bytes as a MetaSchedule database, the workloads before a line "---" and the records after it:
 * what fits is taken into a log, where every trace can be carried out, or the whole is refused with
 * a reason. */
#include "ir/builtin.h"
#include "space/space.h"
#include "tuner/interchange/interchange.h"

#include <sys/stat.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char folder[64], log_path[80], workloads[96], records[96];
static hone_program product;

static void set_up(void)
{
    const hone_size sizes[] = {{"M", 128}, {"N", 128}, {"K", 128}};
    size_t n;
    const char *text = hone_builtin_text(&n);
    snprintf(folder, sizeof folder, "/tmp/hone-fuzz-tvm-%ld", (long)getpid());
    snprintf(log_path, sizeof log_path, "%s.db", folder);
    snprintf(workloads, sizeof workloads, "%s/database_workload.json", folder);
    snprintf(records, sizeof records, "%s/database_tuning_record.json", folder);
    HONE_ASSERT(hone_workload_parse("built-in", text, n, "matmul", sizes, 3, &product, NULL) ==
                HONE_OK);
}

static void write_files(const char *text, size_t n)
{
    static const char mark[] = "\n---\n";
    const char *cut = n ? memmem(text, n, mark, sizeof mark - 1) : NULL;
    size_t first = cut ? (size_t)(cut - text) + 1 : n;
    size_t second = cut ? (size_t)(cut - text) + sizeof mark - 1 : n;
    mkdir(folder, 0777);
    HONE_ASSERT(hone_file_write(workloads, text, first, NULL) == HONE_OK);
    HONE_ASSERT(hone_file_write(records, text + second, n - second, NULL) == HONE_OK);
}

static bool carries_out(void *ctx, const hone_db_workload *w, const hone_db_target *t,
                        const hone_db_record *r)
{
    hone_program base;
    hone_trace trace = {0};
    hone_sched s = {0};
    (void)ctx;
    HONE_ASSERT(strcmp(t->class, HONE_DB_IMPORTED) == 0 && r->time_ns > 0);
    HONE_ASSERT(hone_program_parse(w->program, strlen(w->program), &base, NULL) == HONE_OK);
    HONE_ASSERT(hone_trace_parse(r->trace, strlen(r->trace), &trace, NULL) == HONE_OK);
    HONE_ASSERT(hone_trace_replay(&trace, &base, &s, NULL, false, NULL) == HONE_OK);
    HONE_ASSERT(hone_trace_hash(&trace) == r->trace_hash);
    hone_sched_fini(&s);
    hone_trace_free(&trace);
    hone_program_fini(&base);
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const suffixes[] = {"", "-wal", "-shm", ".lock"};
    const hone_exchange_options o = {.kernel = &product};
    const char *const paths[] = {folder};
    hone_error err = {0};
    json_t *told;
    hone_db *db;
    if (!folder[0])
        set_up();
    write_files((const char *)data, size);
    HONE_ASSERT(hone_db_open(log_path, HONE_DB_WRITE | HONE_DB_CREATE, &db, NULL) == HONE_OK);
    hone_status st = hone_log_import(db, "tvm", paths, 1, &o, &told, &err);
    HONE_ASSERT((st == HONE_OK) == (err.message[0] == '\0'));
    HONE_ASSERT(st == HONE_OK || st == HONE_E_INPUT || st == HONE_E_LIMIT);
    if (st == HONE_OK)
        json_decref(told);
    HONE_ASSERT(hone_db_each_by_content(db, carries_out, NULL, NULL) == HONE_OK);
    hone_db_close(db);
    for (unsigned k = 0; k < HONE_LEN(suffixes); k++) {
        char *name = hone_xasprintf("%s%s", log_path, suffixes[k]);
        unlink(name);
        free(name);
    }
    unlink(workloads);
    unlink(records);
    rmdir(folder);
    return 0;
}
