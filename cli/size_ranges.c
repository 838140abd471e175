/* Reading --sizes. */
#include "cli/size_ranges.h"

#include <errno.h>

/* A number at the start of the text, which goes on behind it. */
static bool read_size(char **text, int64_t *ret)
{
    char *end;
    errno = 0;
    long long v = strtoll(*text, &end, 10);
    bool ok = **text >= '0' && **text <= '9' && errno == 0;
    *text = end;
    *ret = v;
    return ok;
}

static hone_status read_one(char *item, cli_ranges *r, bool *ret_ranged, hone_error *err)
{
    char *value = strchr(item, '='), *at = value ? value + 1 : NULL;
    int64_t least = 0;
    bool ok = value && value != item && read_size(&at, &least);
    bool ranged = ok && at[0] == '.' && at[1] == '.';
    int64_t most = least;
    if (ranged) {
        at += 2;
        ok = read_size(&at, &most);
    }
    if (!ok || *at)
        return hone_fail(err, HONE_E_INPUT,
                         "--sizes is NAME=INT or NAME=LEAST..MOST, with commas between them: not "
                         "'%.80s'",
                         item);
    if (least < 1)
        return hone_fail(err, HONE_E_INPUT, "--sizes %.80s: sizes begin at 1", item);
    if (least > most)
        return hone_fail(err, HONE_E_INPUT, "--sizes %.80s: the range is empty", item);
    if (ranged && *ret_ranged)
        return hone_fail(err, HONE_E_INPUT,
                         "--sizes has a range for %.60s and one at %.80s: one size can have one",
                         r->sizes.v[r->ranged].name, item);
    if (r->sizes.n == CLI_MAX)
        return hone_fail(err, HONE_E_INPUT, "--sizes has more than %d sizes", CLI_MAX);
    if (ranged) {
        *ret_ranged = true;
        r->ranged = r->sizes.n;
        r->least = least;
        r->most = most;
    }
    *value = '\0';
    r->sizes.v[r->sizes.n++] = (hone_size){item, most};
    return HONE_OK;
}

hone_status cli_ranges_parse(const char *text, const cli_sizes *fixed, cli_ranges *ret,
                             hone_error *err)
{
    *ret = (cli_ranges){.sizes = *fixed, .text = hone_xstrdup(text)};
    bool ranged = false;
    char *at = ret->text, *comma;
    do {
        comma = strchr(at, ',');
        if (comma)
            *comma = '\0';
        HONE_TRY(read_one(at, ret, &ranged, err));
        at = comma ? comma + 1 : NULL;
    } while (at);
    for (unsigned k = 0; k < ret->sizes.n; k++)
        for (unsigned o = 0; o < k; o++)
            if (strcmp(ret->sizes.v[k].name, ret->sizes.v[o].name) == 0)
                return hone_fail(err, HONE_E_INPUT, "size %.80s is given twice",
                                 ret->sizes.v[k].name);
    if (!ranged)
        return hone_fail(err, HONE_E_INPUT,
                         "--sizes has no range, as M=1..4096: for one size there is -D");
    return HONE_OK;
}

void cli_ranges_free(cli_ranges *r)
{
    free(r->text);
}
