/* hone completion: what a shell needs to complete hone's commands and options, out of their tables.
 */
#include "cli/cli.h"

/* ---- bash ---------------------------------------------------------------------------------- */

static void bash_options(void *ctx, const cli_command *c, const cli_option *o, unsigned n)
{
    (void)ctx;
    printf("    %s) words='", c->name);
    for (unsigned k = 0; k < n; k++)
        printf("%s ", o[k].name);
    puts("--help' ;;");
}

static void bash(void)
{
    puts("# hone completion bash: source it, or install it where bash-completion looks.\n"
         "_hone()\n{\n"
         "    local cur=${COMP_WORDS[COMP_CWORD]} words=\n"
         "    COMPREPLY=()\n"
         "    if [ \"$COMP_CWORD\" = 1 ]; then");
    printf("        words='--help --version");
    for (unsigned k = 0; cli_command_at(k); k++)
        printf(" %s", cli_command_at(k)->name);
    puts("'\n        COMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n        return\n    fi\n"
         "    case ${COMP_WORDS[1]} in");
    for (unsigned k = 0; cli_command_at(k); k++)
        cli_describe(cli_command_at(k), bash_options, NULL);
    puts("    esac\n"
         "    case $cur in\n"
         "    -*) COMPREPLY=($(compgen -W \"$words\" -- \"$cur\")) ;;\n"
         "    *) COMPREPLY=($(compgen -f -- \"$cur\")) ;;\n"
         "    esac\n}\n"
         "complete -o filenames -F _hone hone");
}

/* ---- zsh ----------------------------------------------------------------------------------- */

/* In single quotes; `also` is escaped by a backslash. */
static void quoted(const char *text, const char *also)
{
    for (; *text; text++) {
        if (*text == '\'')
            fputs("'\\''", stdout);
        else if (strchr(also, *text))
            printf("\\%c", *text);
        else
            putchar(*text);
    }
}

static void zsh_options(void *ctx, const cli_command *c, const cli_option *o, unsigned n)
{
    (void)ctx;
    printf("    %s)\n        _arguments -s", c->name);
    for (unsigned k = 0; k < n; k++) {
        bool again = o[k].kind == CLI_SIZE || o[k].kind == CLI_LIST;
        printf(" \\\n            '%s%s%s[", again ? "*" : "", o[k].name,
               o[k].arg && o[k].name[1] == '-' ? "=" : "");
        quoted(o[k].help, "[]");
        putchar(']');
        if (o[k].arg) {
            putchar(':');
            quoted(o[k].arg, ":");
            fputs(strstr(o[k].arg, "FILE") || strstr(o[k].arg, "PATH") ? ":_files" : ":", stdout);
        }
        putchar('\'');
    }
    puts(" \\\n            '--help[this text]' '*:file:_files'\n        ;;");
}

static void zsh(void)
{
    puts("#compdef hone\n# hone completion zsh: a file _hone in a folder of $fpath.\n"
         "_hone()\n{\n    local -a commands\n    commands=(");
    for (unsigned k = 0; cli_command_at(k); k++) {
        printf("        '%s:", cli_command_at(k)->name);
        quoted(cli_command_at(k)->summary, ":");
        puts("'");
    }
    puts("    )\n"
         "    if ((CURRENT == 2)); then\n        _describe command commands\n        return\n    "
         "fi\n"
         "    local command=$words[2]\n    shift words\n    ((CURRENT--))\n"
         "    case $command in");
    for (unsigned k = 0; cli_command_at(k); k++)
        cli_describe(cli_command_at(k), zsh_options, NULL);
    puts("    esac\n}\n"
         "if [ \"$funcstack[1]\" = _hone ]; then _hone \"$@\"; else compdef _hone hone; fi");
}

/* ---- fish ---------------------------------------------------------------------------------- */

static void fish_options(void *ctx, const cli_command *c, const cli_option *o, unsigned n)
{
    (void)ctx;
    for (unsigned k = 0; k < n; k++) {
        bool is_long = o[k].name[1] == '-';
        printf("complete -c hone -n '__fish_seen_subcommand_from %s' -%c %s%s -d '", c->name,
               is_long ? 'l' : 's', o[k].name + (is_long ? 2 : 1), o[k].arg ? " -r" : "");
        for (const char *p = o[k].help; *p; p++)
            printf(*p == '\'' || *p == '\\' ? "\\%c" : "%c", *p);
        puts("'");
    }
}

static void fish(void)
{
    puts("# hone completion fish: a file hone.fish in a folder of completions.\n"
         "complete -c hone -n __fish_use_subcommand -f -l help -d 'what hone is'\n"
         "complete -c hone -n __fish_use_subcommand -f -l version -d 'its version'");
    for (unsigned k = 0; cli_command_at(k); k++) {
        printf("complete -c hone -n __fish_use_subcommand -f -a %s -d '", cli_command_at(k)->name);
        for (const char *p = cli_command_at(k)->summary; *p; p++)
            printf(*p == '\'' || *p == '\\' ? "\\%c" : "%c", *p);
        puts("'");
    }
    for (unsigned k = 0; cli_command_at(k); k++)
        cli_describe(cli_command_at(k), fish_options, NULL);
}

/* ---- the command --------------------------------------------------------------------------- */

static int run(int argc, char **argv, const cli_command *self)
{
    static const struct {
        const char *name;
        void (*print)(void);
    } shells[] = {{"bash", bash}, {"zsh", zsh}, {"fish", fish}};
    const char *pos[1];
    unsigned n, k = 0;
    int code;
    if (!cli_parse(self, argc, argv, NULL, 0, pos, HONE_LEN(pos), &n, &code))
        return code;
    while (n == 1 && k < HONE_LEN(shells) && strcmp(pos[0], shells[k].name) != 0)
        k++;
    if (n != 1 || k == HONE_LEN(shells))
        return cli_usage(self, "for which shell: bash, zsh or fish?");
    shells[k].print();
    return 0;
}

const cli_command cli_completion = {
    .name = "completion",
    .synopsis = "bash|zsh|fish",
    .summary = "what a shell needs to complete hone's commands and options",
    .text =
        "For bash, `. <(hone completion bash)`; for zsh it is a file _hone in a folder of $fpath;\n"
        "for fish ~/.config/fish/completions/hone.fish. Packages install all three.\n\n"
        "  hone completion bash\n\n"
        "exit codes: 0 good, 2 another shell\n",
    .run = run,
};
