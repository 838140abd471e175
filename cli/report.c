/* hone report: a log as one page, to be looked at. */
#include "cli/cli.h"
#include "cli/report/report.h"

static void tell(const char *out, const json_t *data, size_t n)
{
    size_t k, kernels = json_array_size(json_object_get(data, "kernels"));
    json_int_t trials = 0;
    json_t *x;
    json_array_foreach(json_object_get(data, "kernels"), k, x) trials +=
        json_integer_value(json_object_get(x, "trials"));
    char *clean = hone_text_clean(out);
    printf("%s: %zu kernel%s, %" JSON_INTEGER_FORMAT " candidates, %zu KB\n", clean, kernels,
           kernels == 1 ? "" : "s", trials, (n + 999) / 1000);
    free(clean);
}

static int run(int argc, char **argv, const cli_command *self)
{
    const char *out = NULL, *pos[1];
    const cli_option options[] = {
        {"-o", CLI_TEXT, "PATH", &out, "file to write (default: stdout)", 0},
    };
    unsigned n;
    int code;
    if (!CLI_PARSE(self, argc, argv, options, pos, &n, &code))
        return code;
    if (n != 1)
        return cli_usage(self, "which log? FILE.db, as `hone tune` writes it");
    if (out && cli_is_same_file(pos[0], out))
        return cli_usage(self, "-o is the log itself, which the page would replace: name another");
    hone_error err = {0};
    hone_db *db;
    json_t *data = NULL;
    hone_status st = hone_db_open(pos[0], HONE_DB_READ, &db, &err);
    if (st == HONE_OK) {
        st = cli_report_data(db, hone_clock_wall_ms(), &data, &err);
        hone_db_close(db);
    }
    if (st == HONE_OK) {
        size_t bytes;
        char *page = cli_report_page(data, &bytes);
        st = cli_write_out(out, page, bytes, &err);
        if (st == HONE_OK && out && !cli_is_stdout(out))
            tell(out, data, bytes);
        free(page);
    }
    json_decref(data);
    return st == HONE_OK ? 0 : cli_fail(st, &err);
}

const cli_command cli_report = {
    .name = "report",
    .synopsis = "FILE.db [-o report.html]",
    .summary = "a log as one page with charts, to be looked at in a browser",
    .text =
        "For each kernel: the best time so far against trials and seconds, what the draft "
        "expected\n"
        "against what was measured, rejections by reason, and the winning schedule; for all of\n"
        "them the budget and a roofline. The page is one file that needs no network.\n\n"
        "  hone report hone.db -o report.html\n\n"
        "exit codes: 0 good, 1 failed, 2 bad input, 3 no such log, or nothing in it\n",
    .run = run,
};
