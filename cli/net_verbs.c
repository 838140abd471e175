/* What `hone net` and each of its verbs say of themselves, and which options belong to which. */
#include "cli/net_verbs.h"

#define EXIT_CODES "exit codes: 0 good, 1 some differ or failed, 2 bad input, 3 no such file\n"

static const net_verb verbs[] = {
#define NET_VERB(name, run, synopsis, summary, text, examples) \
    {#name, run, {"net " #name, synopsis, summary, text "\n" examples "\n" EXIT_CODES, NULL}},
#include "cli/net_verbs.def"
#undef NET_VERB
};

const char net_verbs_text[] =
#define NET_VERB(name, run, synopsis, summary, text, examples) text "\n"
#include "cli/net_verbs.def"
#undef NET_VERB
#define NET_VERB(name, run, synopsis, summary, text, examples) examples
#include "cli/net_verbs.def"
#undef NET_VERB
    "\n`hone help net VERB` is of one of them alone.\n\n" EXIT_CODES;

const net_verb *net_verb_find(const char *name)
{
    for (unsigned k = 0; k < HONE_LEN(verbs); k++)
        if (strcmp(verbs[k].name, name) == 0)
            return &verbs[k];
    return NULL;
}

/* "show, tasks .. or quantize" */
void net_verbs_list(char *ret, size_t n)
{
    size_t at = 0;
    for (unsigned k = 0; k < HONE_LEN(verbs) && at < n; k++)
        at += (size_t)snprintf(ret + at, n - at, "%s%s",
                               k == 0                    ? ""
                               : k + 1 < HONE_LEN(verbs) ? ", "
                                                         : " or ",
                               verbs[k].name);
}

/* ---- options --------------------------------------------------------------------------------- */

/* Of some options a row for each of the things that they mean. */
static const struct {
    const char *option, *verbs, *help;
} meanings[] = {
    {"--dim", "show, tasks, build, run, check, profile, quantize, tune",
     "size of a dimension that has a name"},
    {"--after", "show", "after this step: read (default), fuse, layout, plan"},
    {"--dot", "show", "as a graph for Graphviz"},
    {"--by", "check", "what computes: compiled (default), kernels or reference"},
    {"--random", "check", "models, on random inputs"},
    {"--verbose", "check", "the error of every tensor"},
    {"--input", "run", "X.npy or X.pb, in the model's order, or NAME=FILE"},
    {"-o", "tasks, quantize", "file"},
    {"-o", "profile", "page"},
    {"-o", "run", "folder"},
    {"-o", "build", "folder (or .)"},
    {"--name", "build", "what functions begin with (default net)"},
    {"--db", "show, build, run, check, profile, quantize",
     "a log to ask, in order (default hone.db); shipped: that of hone"},
    {"--target", "show, build", "native (default), CPU name, target JSON, or a file"},
    {"--threads", "show, build, run, check, profile, quantize",
     "threads it may use (default: all)"},
    {"--json", "check, quantize", "a line of JSON for each"},
    {"--json", "profile", "as JSON"},
    {"--data", "quantize", "inputs, as test_data_set_0/input_0.pb and so on"},
    {"--max-error", "quantize", "of the outputs, as a share of their norm"},
    {"--weights", "quantize", "how other layers keep theirs: f32 (default), f16 or bf16"},
};
#define MANY 3 /* verbs: whose an option is that so many have need not be said */

static unsigned count(const char *list)
{
    unsigned n = 1;
    for (; *list; list++)
        n += *list == ',';
    return n;
}

bool net_verb_takes(const char *verb, const char *option, char *ret_verbs, size_t n)
{
    bool takes = false;
    size_t at = 0;
    *ret_verbs = '\0';
    for (unsigned k = 0; k < HONE_LEN(meanings) && at < n; k++)
        if (strcmp(meanings[k].option, option) == 0) {
            takes |= strstr(meanings[k].verbs, verb) != NULL; /* none is a part of another */
            at +=
                (size_t)snprintf(ret_verbs + at, n - at, "%s%s", at ? ", " : "", meanings[k].verbs);
        }
    return takes;
}

void net_verbs_help(const char *option, char *ret, size_t n)
{
    size_t at = 0;
    *ret = '\0';
    for (unsigned k = 0; k < HONE_LEN(meanings) && at < n; k++)
        if (strcmp(meanings[k].option, option) == 0) {
            bool whose = at || count(meanings[k].verbs) < MANY;
            at += (size_t)snprintf(ret + at, n - at, "%s%s%s%s", at ? "; " : "",
                                   whose ? meanings[k].verbs : "", whose ? ": " : "",
                                   meanings[k].help);
        }
}

static const char *help_of(const char *verb, const char *option)
{
    for (unsigned k = 0; k < HONE_LEN(meanings); k++)
        if (strcmp(meanings[k].option, option) == 0 && strstr(meanings[k].verbs, verb))
            return meanings[k].help;
    return NULL;
}

/* ---- help of one ----------------------------------------------------------------------------- */

typedef struct told {
    const net_verb *verb;
    HONE_VEC(cli_option) options;
} told;

static void print(const told *x)
{
    cli_print_help(&x->verb->command, x->options.v, x->options.n);
}

/* With those of `hone tune`, but for what says which kernels. */
static void print_with_tune(void *ctx, const cli_command *c, const cli_option *o, unsigned n)
{
    told *x = ctx;
    (void)c;
    for (unsigned k = 0; k < n; k++)
        if (strcmp(o[k].name, "--tasks") != 0 && strcmp(o[k].name, "-D") != 0)
            hone_vec_push(&x->options, o[k]);
    print(x);
}

void net_verb_help(const net_verb *v, const cli_option *o, unsigned n)
{
    told x = {.verb = v};
    for (unsigned k = 0; k < n; k++) {
        cli_option own = o[k];
        own.help = help_of(v->name, own.name);
        if (own.help)
            hone_vec_push(&x.options, own);
    }
    if (v->run)
        print(&x);
    else
        cli_describe(&cli_tune, print_with_tune, &x);
    hone_vec_free(&x.options);
}
