/* Any bytes as a T4 file: taken into a log as far as they fit, which is sound afterwards, or
 * refused with a reason. What was taken is written again and then known. */
#include "tuner/interchange/interchange.h"

#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char path[64], log_path[80];

static int64_t import(hone_db *db, const char *key)
{
    const hone_exchange_options o = {0};
    const char *const paths[] = {path};
    hone_error err = {0};
    json_t *told = NULL;
    hone_status st = hone_log_import(db, "t4", paths, 1, &o, &told, &err);
    HONE_ASSERT((st == HONE_OK) == (err.message[0] == '\0'));
    if (st != HONE_OK) {
        HONE_ASSERT(st == HONE_E_INPUT);
        return -1;
    }
    const json_t *one = json_array_get(json_object_get(told, "inputs"), 0);
    int64_t n = json_integer_value(json_object_get(one, key));
    json_decref(told);
    return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    hone_db *db;
    json_t *told;
    hone_error err = {0};
    const hone_exchange_options o = {0};
    if (!path[0]) {
        snprintf(path, sizeof path, "/tmp/hone-fuzz-t4-%ld", (long)getpid());
        snprintf(log_path, sizeof log_path, "%s.db", path);
    }
    HONE_ASSERT(hone_file_write(path, data, size, NULL) == HONE_OK);
    HONE_ASSERT(hone_db_open(log_path, HONE_DB_WRITE | HONE_DB_CREATE, &db, NULL) == HONE_OK);
    int64_t added = import(db, "added");
    if (added > 0) {
        HONE_ASSERT(hone_db_check(db, &told, &err) == HONE_OK || err.status == HONE_E_CORRUPT);
        HONE_ASSERT(json_array_size(json_object_get(told, "problems")) == 0);
        json_decref(told);
        HONE_ASSERT(hone_log_export(db, "t4", path, &o, &told, NULL) == HONE_OK);
        json_decref(told);
        HONE_ASSERT(import(db, "duplicate") >= 0);
    }
    hone_db_close(db);
    static const char *const suffixes[] = {"", "-wal", "-shm", ".lock"};
    for (unsigned k = 0; k < HONE_LEN(suffixes); k++) {
        char *name = hone_xasprintf("%s%s", log_path, suffixes[k]);
        unlink(name);
        free(name);
    }
    unlink(path);
    return 0;
}
