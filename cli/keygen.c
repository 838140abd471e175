/* hone keygen. */
#include "cli/cli.h"
#include "workers/workers.h"

static int run(int argc, char **argv, const cli_command *self)
{
    const char *pos[1];
    unsigned n;
    int code;
    if (!cli_parse(self, argc, argv, NULL, 0, pos, 1, &n, &code))
        return code;
    if (n != 1)
        return cli_usage(self, "which file?");
    hone_error err = {0};
    hone_status st = hone_keygen(pos[0], &err);
    if (st != HONE_OK)
        return cli_fail(st, &err);
    printf("%s      secret: stays on this machine, mode 0600\n"
           "%s.pub  public: goes into the other side's allow file\n",
           pos[0], pos[0]);
    return 0;
}

const cli_command cli_keygen = {
    .name = "keygen",
    .synopsis = "FILE",
    .summary = "make a key pair for workers and coordinators beyond this machine",
    .text = "Writes FILE (secret) and FILE.pub (one line for an allow file).\n\n"
            "exit codes: 0 made, 1 failed, 2 FILE exists already or bad usage\n",
    .run = run,
};
