/* hone: finds the command and runs it. */
#include "cli/cli.h"

#include "codegen/codegen.h"

#include <errno.h>
#include <signal.h>

static const cli_command *const commands[] = {&cli_tune,   &cli_tasks,  &cli_replay, &cli_explain,
                                              &cli_report, &cli_query,  &cli_model,  &cli_show,
                                              &cli_worker, &cli_keygen, &cli_db};

static void usage(FILE *to)
{
    fputs("hone finds the fastest correct version of a tensor kernel for this machine.\n\n"
          "usage: hone COMMAND ...\n\n",
          to);
    for (unsigned k = 0; k < HONE_LEN(commands); k++)
        fprintf(to, "  %-8s %s\n", commands[k]->name, commands[k]->summary);
    fputs(
        "\n`hone COMMAND --help` explains each one. A first run:\n\n"
        "  hone tune matmul -D M=512 -D N=512 -D K=512 --trials 64\n"
        "  hone query matmul -D M=512 -D N=512 -D K=512 --emit library -o out --name my_matmul\n\n"
        "exit codes: 0 good, 1 failed, 2 bad input, 3 not found\n",
        to);
}

int main(int argc, char **argv)
{
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); /* a limit on file sizes is an error of the write, told as such */
    const char *debug = getenv("HONE_DEBUG");
    if (debug && *debug)
        hone_log_set_level(HONE_LOG_DEBUG);
    if (argc < 2) {
        usage(stderr);
        return 2;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 ||
        strcmp(argv[1], "help") == 0) {
        usage(stdout);
        return 0;
    }
    if (strcmp(argv[1], "--version") == 0) {
        printf("hone %s, space version %d, %s\n", HONE_VERSION, HONE_SPACE_VERSION,
               hone_codegen_version());
        return 0;
    }
    for (unsigned k = 0; k < HONE_LEN(commands); k++)
        if (strcmp(argv[1], commands[k]->name) == 0) {
            int code = commands[k]->run(argc - 2, argv + 2, commands[k]);
            errno = 0;
            if ((fflush(stdout) != 0 || ferror(stdout)) && code == 0) {
                if (errno != EPIPE) /* a reader that has seen enough, as `head`, is no news */
                    fprintf(stderr, "hone: cannot write to standard output: %s\n",
                            errno ? strerror(errno) : "an earlier write failed");
                code = 1;
            }
            return code;
        }
    fprintf(stderr, "hone: unknown command '%s' (see `hone --help`)\n", argv[1]);
    return 2;
}
