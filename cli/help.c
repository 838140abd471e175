/* hone help: what commands there are, what one does, and its man page, out of its table. */
#include "cli/cli.h"

static const cli_command *const commands[] = {
#define CLI_COMMAND(name) &cli_##name,
#include "cli/commands.def"
#undef CLI_COMMAND
};

const cli_command *cli_command_at(unsigned k)
{
    return k < HONE_LEN(commands) ? commands[k] : NULL;
}

const cli_command *cli_command_find(const char *name)
{
    for (unsigned k = 0; k < HONE_LEN(commands); k++)
        if (strcmp(name, commands[k]->name) == 0)
            return commands[k];
    return NULL;
}

void cli_overview(FILE *to)
{
    fputs("hone finds the fastest correct version of a tensor kernel for this machine.\n\n"
          "usage: hone COMMAND ...\n\n",
          to);
    for (unsigned k = 0; k < HONE_LEN(commands); k++)
        fprintf(to, "  %-10s %s\n", commands[k]->name, commands[k]->summary);
    fputs(
        "\n`hone help COMMAND` explains each one. A first run:\n\n"
        "  hone tune matmul -D M=512 -D N=512 -D K=512 --trials 64\n"
        "  hone query matmul -D M=512 -D N=512 -D K=512 --emit library -o out --name my_matmul\n\n"
        "exit codes: 0 good, 1 failed, 2 bad input, 3 not found, 4 a lock file is out of date\n",
        to);
}

/* ---- man pages ----------------------------------------------------------------------------- */

/* Text of roff: a backslash and what would be a request at the start of a line are escaped. */
static void put_roff(const char *text, size_t n, hone_buf *out)
{
    for (size_t k = 0; k < n; k++) {
        bool starts = k == 0 || text[k - 1] == '\n';
        if (text[k] == '\\')
            hone_buf_puts(out, "\\e");
        else if (text[k] == '-')
            hone_buf_puts(out, "\\-");
        else if (starts && (text[k] == '.' || text[k] == '\''))
            hone_buf_printf(out, "\\&%c", text[k]);
        else
            hone_buf_add(out, text + k, 1);
    }
}

/* Paragraphs as they are written; what is indented is an example, kept line by line. */
static void put_paragraphs(const char *text, hone_buf *out)
{
    while (*text) {
        const char *end = strstr(text, "\n\n");
        size_t n = end ? (size_t)(end - text) : strlen(text);
        bool example = text[0] == ' ';
        hone_buf_puts(out, example ? ".PP\n.nf\n" : ".PP\n");
        put_roff(text, n, out);
        hone_buf_puts(out, n && text[n - 1] == '\n' ? "" : "\n");
        hone_buf_puts(out, example ? ".fi\n" : "");
        text += n + (end ? 2 : 0);
    }
}

static void put_page(void *ctx, const cli_command *c, const cli_option *o, unsigned n)
{
    hone_buf *out = ctx;
    hone_buf_printf(out, ".TH HONE-%s 1 \"\" \"hone %s\"\n.SH NAME\nhone-%s \\- ", c->name,
                    HONE_VERSION, c->name);
    put_roff(c->summary, strlen(c->summary), out);
    hone_buf_printf(out, "\n.SH SYNOPSIS\n.B hone %s\n", c->name);
    put_roff(c->synopsis, strlen(c->synopsis), out);
    hone_buf_puts(out, "\n.SH OPTIONS\n");
    for (unsigned k = 0; k < n; k++) {
        hone_buf_puts(out, ".TP\n.B ");
        put_roff(o[k].name, strlen(o[k].name), out);
        if (o[k].arg) {
            hone_buf_puts(out, " ");
            put_roff(o[k].arg, strlen(o[k].arg), out);
        }
        hone_buf_puts(out, "\n");
        put_roff(o[k].help, strlen(o[k].help), out);
        hone_buf_puts(out, "\n");
    }
    hone_buf_puts(out, ".TP\n.B \\-\\-help\nthe same as text\n.SH DESCRIPTION\n");
    put_paragraphs(c->text, out);
    hone_buf_puts(out, ".SH SEE ALSO\n.BR hone (1)\n");
}

/* ---- the command --------------------------------------------------------------------------- */

static int run(int argc, char **argv, const cli_command *self)
{
    bool man = false;
    const cli_option options[] = {
        {"--man", CLI_FLAG, NULL, &man, "the command's man page, for man(1)", 0},
    };
    const char *pos[2];
    unsigned n;
    int code;
    if (!CLI_PARSE(self, argc, argv, options, pos, &n, &code))
        return code;
    if (n == 0 && man)
        return cli_usage(self, "--man needs a command");
    if (n == 0) {
        cli_overview(stdout);
        return 0;
    }
    const cli_command *c = cli_command_find(pos[0]);
    if (!c)
        return cli_usage(self, "unknown command '%s'", pos[0]);
    if (man) {
        hone_buf page = {0};
        cli_describe(c, put_page, &page);
        fputs(page.s, stdout);
        hone_buf_free(&page);
        return 0;
    }
    char option[] = "--help", *ask[] = {n > 1 ? (char *)(uintptr_t)pos[1] : option, option, NULL};
    return c->run(n > 1 ? 2 : 1, ask, c);
}

const cli_command cli_help = {
    .name = "help",
    .synopsis = "[COMMAND [VERB]] [--man]",
    .summary = "the commands, or what one of them does",
    .text = "With --man a page for `man -l -`, which is also installed as hone-COMMAND(1).\n\n"
            "  hone help query\n"
            "  hone help net run\n"
            "  hone help query --man\n\n"
            "exit codes: 0 good, 2 no such command\n",
    .run = run,
};
