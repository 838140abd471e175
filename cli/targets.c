/* hone targets: the processors that --target takes by name, and what hone takes them to be. */
#include "cli/cli.h"
#include "codegen/codegen.h"
#include "targets/preset.h"

static void kib(int64_t bytes, char ret[24])
{
    if (bytes == 0)
        snprintf(ret, 24, "-");
    else if (bytes % (1 << 20) == 0)
        snprintf(ret, 24, "%" PRId64 "M", bytes >> 20);
    else
        snprintf(ret, 24, "%" PRId64 "K", bytes >> 10);
}

static void print_row(const char *name, const hone_target *t)
{
    char l1[24], l2[24], l3[24];
    kib(t->l1_bytes, l1);
    kib(t->l2_bytes, l2);
    kib(t->l3_bytes, l3);
    printf("%-20s %-8s %4d x %-3d %3d / %-4d %6s %6s %6s %5d\n", name, hone_preset_of(t)->name,
           t->vector_registers, 8 * t->vector_bytes, t->fma_per_cycle, t->fma_latency, l1, l2, l3,
           t->cache_line);
}

/* Where a processor's numbers are from; what a name does not tell is its architecture's usual. */
static const char *source_of(const hone_target *t)
{
    const hone_preset_numbers *n = hone_preset_numbers_of(t->cpu);
    return n ? n->source : "";
}

static json_t *row_json(const char *name, const hone_target *t)
{
    char *text = hone_target_text(t);
    json_t *target = json_loads(text, 0, NULL);
    HONE_ASSERT(target);
    free(text);
    return json_pack("{s:s, s:s, s:s, s:o}", "name", name, "arch", hone_preset_of(t)->name,
                     "source", source_of(t), "target", target);
}

static hone_status list(bool json, hone_error *err)
{
    json_t *all = json_array();
    hone_target t;
    hone_status s = hone_target_native(&t, err);
    if (s == HONE_OK && !json) {
        puts("NAME                 ARCH     VECTORS    FMA        L1     L2     L3  LINE");
        print_row("native", &t);
    } else if (s == HONE_OK) {
        json_array_append_new(all, row_json("native", &t));
    }
    const char *name;
    for (unsigned k = 0; s == HONE_OK && (name = hone_target_name_at(k)); k++) {
        s = hone_target_named(name, &t, err);
        if (s == HONE_OK && !json)
            print_row(name, &t);
        else if (s == HONE_OK)
            json_array_append_new(all, row_json(name, &t));
    }
    if (s == HONE_OK && json)
        cli_print_json(json_pack("{s:O}", "targets", all));
    json_decref(all);
    return s;
}

static int run(int argc, char **argv, const cli_command *self)
{
    bool json = false;
    const cli_option options[] = {
        {"--json", CLI_FLAG, NULL, &json, "one line of JSON, with each target's text", 0},
    };
    const char *pos[1];
    unsigned n;
    int code;
    hone_error err = {0};
    hone_target t;
    if (!CLI_PARSE(self, argc, argv, options, pos, &n, &code))
        return code;
    if (n && json)
        return cli_usage(self, "a single target is JSON anyway");
    hone_status s = n ? cli_target_load(pos[0], &t, &err) : list(json, &err);
    if (n && s == HONE_OK) {
        char *text = hone_target_text(&t);
        puts(text);
        free(text);
    }
    return s == HONE_OK ? 0 : cli_fail(s, &err);
}

const cli_command cli_targets = {
    .name = "targets",
    .synopsis = "[TARGET] [--json]",
    .summary = "the processors that --target knows by name, or the text of one",
    .text =
        "VECTORS are registers and bits of each, FMA multiply-adds started in a cycle and cycles\n"
        "until the next may use the sum. What a name does not tell is its architecture's usual;\n"
        "docs/TARGETS.md says where the numbers are from, and how to add a processor.\n\n"
        "  hone targets\n"
        "  hone targets neoverse-v1 > board.json\n\n"
        "exit codes: 0 good, 1 failed, 2 no such target\n",
    .run = run,
};
