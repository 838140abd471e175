/* A log in which an earlier hone convicted every candidate because something around them failed: it
 * says so, and is healed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "db/db.h"

#include <sys/wait.h>

#include "tests/cli/folder.h"

#define HONE HONE_BINARY_DIR "/hone "
#define SMALL "matmul -D M=64 -D N=48 -D K=32 --threads 1 --json "

/* Runs a command in the folder; *ret becomes the last line of its output as JSON. */
static int ask(const char *args, json_t **ret)
{
    char command[1024], line[1 << 16];
    snprintf(command, sizeof command, "cd %s && %s%s 2>err </dev/null", folder, HONE, args);
    FILE *f = popen(command, "r");
    assert_non_null(f);
    *ret = NULL;
    while (fgets(line, sizeof line, f)) {
        json_decref(*ret);
        *ret = json_loads(line, 0, NULL);
        assert_non_null(*ret);
    }
    int status = pclose(f);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static int64_t number(const json_t *j, const char *key)
{
    return json_integer_value(json_object_get(j, key));
}

typedef struct traces {
    int64_t workload_id, target_id;
    unsigned n;
    uint64_t hash[16];
    char *text[16];
} traces;

static bool note(void *ctx, const hone_db_record *r)
{
    traces *t = ctx;
    assert_true(t->n < 16);
    t->workload_id = r->workload_id;
    t->target_id = r->target_id;
    t->hash[t->n] = r->trace_hash;
    t->text[t->n++] = strdup(r->trace);
    return true;
}

static void convict_all(const char *reason)
{
    char path[128];
    hone_db *db;
    hone_error err;
    json_t *j = NULL;
    traces t = {0};
    snprintf(path, sizeof path, "%s/hone.db", folder);
    assert_int_equal(hone_db_open(path, HONE_DB_WRITE, &db, &err), HONE_OK);
    assert_int_equal(hone_db_each_record(db, NULL, note, &t, &err), HONE_OK);
    assert_int_equal(hone_db_forget(db, &(hone_db_choice){.before_ms = INT64_MAX}, false, &j, &err),
                     HONE_OK);
    json_decref(j);
    for (unsigned k = 0; k < t.n; k++) {
        hone_db_record r = {.workload_id = t.workload_id,
                            .target_id = t.target_id,
                            .trace_hash = t.hash[k],
                            .trace = t.text[k],
                            .status = k % 2 ? HONE_REJECT_BUILD : HONE_REJECT_CRASH,
                            .reason = reason};
        assert_int_equal(hone_db_record_put(db, &r, NULL, 0, NULL, NULL, &err), HONE_OK);
        free(t.text[k]);
    }
    hone_db_close(db);
}

static void false_convictions_are_healed(void **state)
{
    (void)state;
    json_t *j;
    assert_int_equal(ask("tune " SMALL "--trials 6", &j), 0);
    json_decref(j);
    convict_all("its worker was lost at every attempt");

    assert_int_equal(ask("query " SMALL "--require exact", &j), 3);
    json_decref(j);
    assert_int_equal(ask("db check hone.db --json", &j), 1);
    assert_int_equal(number(json_object_get(j, "unfounded"), "records"), 6);
    json_decref(j);

    assert_int_equal(ask("db check hone.db --repair --json", &j), 0);
    assert_int_equal(number(json_object_get(j, "healed"), "records"), 6);
    assert_int_equal(number(j, "records"), 0);
    json_decref(j);
    assert_int_equal(ask("db check hone.db --json", &j), 0);
    json_decref(j);

    assert_int_equal(ask("tune " SMALL "--trials 6", &j), 0);
    assert_int_equal(number(j, "known"), 0);
    assert_true(number(j, "ok") > 0);
    json_decref(j);
    assert_int_equal(ask("query " SMALL "--require exact", &j), 0);
    json_decref(j);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(false_convictions_are_healed)};
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
