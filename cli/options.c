/* Options by table: parsing, help, and how a command ends with an error. */
#include "cli/cli.h"

#include <errno.h>

static cli_listener listener; /* see cli_describe */
static void *listener_ctx;

void cli_describe(const cli_command *c, cli_listener to, void *ctx)
{
    listener = to;
    listener_ctx = ctx;
    (void)c->run(0, NULL, c);
    listener = NULL;
}

void cli_print_help(const cli_command *c, const cli_option *o, unsigned n)
{
    printf("usage: hone %s %s\n\n%s\n\n", c->name, c->synopsis, c->summary);
    if (n)
        puts("options:");
    for (unsigned k = 0; k < n; k++) {
        char left[64];
        snprintf(left, sizeof left, "%s%s%s", o[k].name, o[k].arg ? " " : "",
                 o[k].arg ? o[k].arg : "");
        printf("  %-22s %s\n", left, o[k].help);
    }
    printf("  %-22s %s\n\n%s", "--help", "this text", c->text);
}

int cli_usage(const cli_command *c, const char *fmt, ...)
{
    char text[512];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    char *clean = hone_text_clean(text);
    fprintf(stderr, "hone %s: %s (see `hone %s --help`)\n", c->name, clean, c->name);
    free(clean);
    return 2;
}

/* Paths and names in a message may hold anything; lines and tabs are the message's own. */
static void add_clean(hone_buf *out, const char *text, size_t n)
{
    while (n > 0) {
        size_t part = 0;
        while (part < n && text[part] != '\n' && text[part] != '\t')
            part++;
        char *copy = hone_xasprintf("%.*s", (int)part, text), *clean = hone_text_clean(copy);
        hone_buf_puts(out, clean);
        free(clean);
        free(copy);
        if (part < n)
            hone_buf_add(out, text + part++, 1);
        text += part;
        n -= part;
    }
}

int cli_fail(hone_status s, const hone_error *err)
{
    if (s == HONE_E_INTERRUPTED && ferror(stdout))
        return 0; /* by that alone: main says why, and fails */
    const char *text = err->message[0] ? err->message : hone_status_text(s);
    /* Bad input comes with the line at fault and a caret; of a library's stack trace the first line
     * is enough for people. */
    size_t n = s == HONE_E_INPUT ? strlen(text) : strcspn(text, "\n");
    fflush(stdout);
    hone_buf line = {0};
    add_clean(&line, text, n);
    fprintf(stderr, "hone: %s\n", line.s ? line.s : "");
    hone_buf_free(&line);
    return hone_status_exit_code(s);
}

static bool parse_int(const char *text, int64_t *ret)
{
    char *end;
    errno = 0;
    long long v = strtoll(text, &end, 10);
    *ret = v;
    return end != text && *end == '\0' && errno == 0;
}

static bool take(const cli_command *c, const cli_option *o, char *arg)
{
    int64_t v;
    switch (o->kind) {
    case CLI_FLAG:
        *(bool *)o->to = true;
        return true;
    case CLI_TEXT:
        *(const char **)o->to = arg;
        return true;
    case CLI_INT:
        if (!parse_int(arg, &v) || v < o->min) {
            cli_usage(c, "%s takes a whole number of at least %lld, not '%s'", o->name,
                      (long long)o->min, arg);
            return false;
        }
        *(int64_t *)o->to = v;
        return true;
    case CLI_LIST: {
        cli_list *l = o->to;
        if (l->n == CLI_MAX) {
            cli_usage(c, "%s at most %d times", o->name, CLI_MAX);
            return false;
        }
        l->v[l->n++] = arg;
        return true;
    }
    case CLI_SIZE: {
        cli_sizes *z = o->to;
        char *eq = strchr(arg, '=');
        if (!eq || eq == arg || !parse_int(eq + 1, &v)) {
            cli_usage(c, "%s takes NAME=INT, not '%s'", o->name, arg);
            return false;
        }
        if (v < 0) {
            cli_usage(c, "size '%s' must not be negative", arg);
            return false;
        }
        *eq = '\0';
        for (unsigned k = 0; k < z->n; k++)
            if (strcmp(z->v[k].name, arg) == 0) {
                cli_usage(c, "size '%s' is given twice", arg);
                return false;
            }
        if (z->n == CLI_MAX) {
            cli_usage(c, "at most %d sizes", CLI_MAX);
            return false;
        }
        z->v[z->n++] = (hone_size){arg, v};
        return true;
    }
    }
    return false;
}

bool cli_parse(const cli_command *c, int argc, char **argv, const cli_option *options, unsigned n,
               const char **ret_positionals, unsigned max, unsigned *ret_n, int *ret_code)
{
    *ret_n = 0;
    *ret_code = 0;
    if (listener) {
        listener(listener_ctx, c, options, n);
        return false;
    }
    *ret_code = 2;
    bool only_positionals = false;
    for (int a = 0; a < argc && strcmp(argv[a], "--") != 0; a++)
        if (strcmp(argv[a], "--help") == 0 || strcmp(argv[a], "-h") == 0) {
            cli_print_help(c, options, n);
            *ret_code = 0;
            return false;
        }
    for (int a = 0; a < argc; a++) {
        char *arg = argv[a];
        if (only_positionals || arg[0] != '-' || arg[1] == '\0') {
            if (*ret_n == max)
                return cli_usage(c, "unexpected argument '%s'", arg), false;
            ret_positionals[(*ret_n)++] = arg;
            continue;
        }
        if (strcmp(arg, "--") == 0) {
            only_positionals = true;
            continue;
        }
        const cli_option *found = NULL;
        char *value = NULL;
        for (unsigned k = 0; k < n && !found; k++) {
            size_t len = strlen(options[k].name);
            bool is_long = options[k].name[1] == '-';
            if (strcmp(arg, options[k].name) == 0) {
                found = &options[k];
            } else if (strncmp(arg, options[k].name, len) == 0 && options[k].kind != CLI_FLAG &&
                       (is_long ? arg[len] == '=' : true)) {
                found = &options[k]; /* --name=value, -Dvalue */
                value = arg + len + is_long;
            }
        }
        if (!found)
            return cli_usage(c, "unknown option '%s'", arg), false;
        if (found->kind != CLI_FLAG && !value) {
            if (a + 1 == argc)
                return cli_usage(c, "%s needs a value: %s %s", found->name, found->name,
                                 found->arg),
                       false;
            value = argv[++a];
        }
        if (!take(c, found, value))
            return false;
    }
    return true;
}
