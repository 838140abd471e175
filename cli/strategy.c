/* Strategies and parts of searches, as options name them. */
#include "cli/cli.h"
#include "tuner/tuner.h"

void cli_strategies_help(char *ret, size_t room)
{
    hone_buf b = {0};
    hone_buf_printf(&b, "how candidates are chosen (default %s):", hone_strategy_at(0)->name);
    for (unsigned k = 0; hone_strategy_at(k); k++)
        hone_buf_printf(&b, "\n%25s%-10s %s", "", hone_strategy_at(k)->name,
                        hone_strategy_at(k)->summary);
    snprintf(ret, room, "%s", b.s);
    hone_buf_free(&b);
}

int cli_unknown_strategy(const cli_command *self, const char *name)
{
    hone_buf b = {0};
    for (unsigned k = 0; hone_strategy_at(k); k++)
        hone_buf_printf(&b, "%s%s", k ? ", " : "", hone_strategy_at(k)->name);
    int code = cli_usage(self, "no strategy '%s'; there are: %s", name, b.s);
    hone_buf_free(&b);
    return code;
}

void cli_parts_help(char *ret, size_t room)
{
    hone_buf b = {0};
    hone_buf_puts(&b, "leave out a part of evolution, to see what it is worth; repeat for each:");
    for (unsigned k = 0; hone_part_name(k); k++)
        hone_buf_printf(&b, "\n%25s%-10s %s", "", hone_part_name(k), hone_part_summary(k));
    snprintf(ret, room, "%s", b.s);
    hone_buf_free(&b);
}

static bool find_part(const char *name, uint32_t *set)
{
    for (unsigned k = 0; hone_part_name(k); k++)
        if (strcmp(hone_part_name(k), name) == 0) {
            *set |= 1u << k;
            return true;
        }
    return false;
}

bool cli_parts_find(const cli_command *self, const cli_list *names, uint32_t *ret)
{
    *ret = 0;
    for (unsigned k = 0; k < names->n; k++) {
        if (find_part(names->v[k], ret))
            continue;
        hone_buf b = {0};
        for (unsigned q = 0; hone_part_name(q); q++)
            hone_buf_printf(&b, "%s%s", q ? ", " : "", hone_part_name(q));
        cli_usage(self, "a search has no part '%s'; there are: %s", names->v[k], b.s);
        hone_buf_free(&b);
        return false;
    }
    return true;
}
