#include "cli/cli.h"
#include "db/db.h"

static void print_json(json_t *j, bool compact)
{
    if (!j)
        return;
    char *text = compact ? hone_json_text(j) : json_dumps(j, JSON_INDENT(2) | JSON_SORT_KEYS);
    puts(text);
    free(text);
    json_decref(j);
}

static hone_status salvage(const char *from, const char *to, bool json, hone_error *err)
{
    json_t *j = NULL;
    hone_status st = hone_db_salvage(from, to, &j, err);
    print_json(j, json);
    return st;
}

static hone_status ask(const char *path, bool check, bool json, hone_error *err)
{
    hone_db *db;
    hone_status st = hone_db_open(path, HONE_DB_READ, &db, err);
    if (st != HONE_OK)
        return st;
    json_t *j = NULL;
    st = check ? hone_db_check(db, &j, err) : hone_db_stats(db, &j, err);
    print_json(j, json);
    hone_db_close(db);
    return st;
}

static int run(int argc, char **argv, const cli_command *self)
{
    bool json = false;
    const cli_option options[] = {{"--json", CLI_FLAG, NULL, &json, "print compact JSON", 0}};
    const char *pos[3];
    unsigned n;
    int code;
    if (!CLI_PARSE(self, argc, argv, options, pos, &n, &code))
        return code;
    if (n == 0)
        return cli_usage(self, "give stats, check or salvage, and a file");
    bool check = strcmp(pos[0], "check") == 0, save = strcmp(pos[0], "salvage") == 0;
    if (!check && !save && strcmp(pos[0], "stats") != 0)
        return cli_usage(self, "unknown question '%s': stats, check or salvage", pos[0]);
    if (n != (save ? 3 : 2))
        return cli_usage(self, "%s takes %s", pos[0],
                         save ? "the damaged file and the name of a new one" : "one file");
    hone_error err = {0};
    hone_status st = save ? salvage(pos[1], pos[2], json, &err) : ask(pos[1], check, json, &err);
    return st == HONE_OK ? 0 : cli_fail(st, &err);
}

const cli_command cli_db = {
    .name = "db",
    .synopsis = "stats|check FILE | salvage FROM TO",
    .summary = "what a database holds, whether it is sound, what can be saved of it",
    .text =
        "stats counts workloads, targets, records and rejections by reason; check looks at every\n"
        "page, reference, trace and checksum. Both only read. salvage copies every row of a\n"
        "damaged file that can still be trusted into a new one.\n\n"
        "  hone db stats hone.db\n"
        "  hone db check hone.db --json\n"
        "  hone db salvage damaged.db saved.db\n\n"
        "exit codes: 0 good, 1 damaged or failed, 2 not a hone database, 3 no such file\n",
    .run = run,
};
