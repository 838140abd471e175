/* hone: finds the command and runs it. */
#include "cli/cli.h"

#include "codegen/codegen.h"

#include <errno.h>
#include <signal.h>

/* Why standard output takes no more, once a write to it has failed: errno, which is lost with what
 * that write was of. So another byte is tried. 0: it takes more again. */
static int why_not(void)
{
    errno = 0;
    if (fflush(stdout) != 0 && errno)
        return errno;
    clearerr(stdout);
    errno = 0;
    putchar('\n');
    return fflush(stdout) != 0 ? errno : 0;
}

int main(int argc, char **argv)
{
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); /* a limit on file sizes is an error of the write, told as such */
    const char *debug = getenv("HONE_DEBUG");
    if (debug && *debug)
        hone_log_set_level(HONE_LOG_DEBUG);
    if (argc < 2) {
        cli_overview(stderr);
        return 2;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
        cli_overview(stdout);
        return 0;
    }
    if (strcmp(argv[1], "--version") == 0) {
        printf("hone %s, space version %d, %s\n", HONE_VERSION, HONE_SPACE_VERSION,
               hone_codegen_version());
        return 0;
    }
    const cli_command *c = cli_command_find(argv[1]);
    if (c) {
        int code = c->run(argc - 2, argv + 2, c);
        errno = 0;
        if ((fflush(stdout) != 0 || ferror(stdout)) && code == 0) {
            int why = errno ? errno : why_not();
            if (why != EPIPE) /* a reader that has seen enough, as `head`, is no news */
                fprintf(stderr, "hone: cannot write to standard output: %s\n",
                        why ? strerror(why) : "an earlier write failed");
            code = 1;
        }
        return code;
    }
    fprintf(stderr, "hone: unknown command '%s' (see `hone --help`)\n", argv[1]);
    return 2;
}
