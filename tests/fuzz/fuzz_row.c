/* Any lines as rows of a service: the number of a kind, a blank, and the row as JSON. What is read
 * is printed and read as the same again; a farm is made of all that are taken, lists them, and
 * lives on for a day. */
#include "farm/store.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static hone_buf listed;

/* Printed, read and printed again it is the same. */
static void check_printed(const hone_farm_row *row)
{
    hone_buf once = {0}, twice = {0};
    hone_farm_row back;
    json_t *j = NULL;
    HONE_ASSERT(hone_store_row_print(row, &once));
    HONE_ASSERT(hone_json_parse(once.s, once.n, &j, NULL) == HONE_OK);
    HONE_ASSERT(hone_store_row_read(j, row->kind, &back, NULL) == HONE_OK);
    HONE_ASSERT(hone_store_row_print(&back, &twice));
    HONE_ASSERT(once.n == twice.n && memcmp(once.s, twice.s, once.n) == 0);
    hone_buf_free(&once);
    hone_buf_free(&twice);
    json_decref(j);
}

static void take_line(hone_farm *f, const char *line, size_t n)
{
    json_t *j = NULL;
    hone_farm_row row;
    unsigned kind = (unsigned)(line[0] - '0');
    if (n < 3 || line[1] != ' ' || kind > HONE_FARM_ROW_EVENT ||
        hone_json_parse(line + 2, n - 2, &j, NULL) != HONE_OK)
        return;
    if (hone_store_row_read(j, (hone_farm_row_kind)kind, &row, NULL) == HONE_OK) {
        check_printed(&row);
        (void)!hone_farm_restore(f, &row, NULL);
    }
    json_decref(j);
}

static bool list(void *ctx, const hone_farm_row *row)
{
    hone_buf_reset(&listed);
    hone_store_row_print(row, &listed);
    if (row->kind == HONE_FARM_ROW_JOB)
        HONE_ASSERT(hone_farm_reason_name(hone_farm_job_wait(ctx, row->job.id)));
    return true;
}

/* Batches become durable at once. */
static void step(hone_farm *f, int64_t now)
{
    hone_farm_event e = {.kind = HONE_FARM_TICK};
    for (bool more = true; more;) {
        hone_farm_effect x;
        more = false;
        hone_farm_step(f, &e, now);
        while (hone_farm_next_effect(f, &x))
            if (x.kind == HONE_FARM_COMMIT) {
                e = (hone_farm_event){.kind = HONE_FARM_COMMITTED};
                e.commit.batch = x.commit.batch;
                more = true;
            }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    hone_farm_limits l;
    hone_farm_limits_init(&l);
    hone_farm *f = hone_farm_new(&l);
    const char *text = (const char *)data;
    for (size_t at = 0, n; at < size; at += n + 1) {
        const char *end = memchr(text + at, '\n', size - at);
        n = end ? (size_t)(end - (text + at)) : size - at;
        if (n > 0)
            take_line(f, text + at, n);
    }
    hone_farm_each_row(f, (1u << HONE_FARM_ROW_EVENT) - 1, list, f);
    for (int64_t hour = 0; hour < 24; hour++)
        step(f, (1 + hour) * INT64_C(3600000000000));
    hone_farm_each_row(f, (1u << HONE_FARM_ROW_EVENT) - 1, list, f);
    hone_farm_free(f);
    hone_buf_free(&listed);
    return 0;
}
