/* hone worker. */
#include "cli/libraries.h"
#include "workers/builder.h"

static int run(int argc, char **argv, const cli_command *self)
{
    hone_worker_options o = {.build_rss_limit = (int64_t)1 << 30};
    const char *role = "both";
    cli_list labels = {0}, library_files = {0};
    cli_libraries libraries = {0};
    const cli_option options[] = {
        {"--connect", CLI_TEXT, "ENDPOINT", &o.connect, "go to a waiting `hone tune`", 0},
        {"--listen", CLI_TEXT, "ENDPOINT", &o.listen, "wait for a `hone tune --worker`", 0},
        {"--key", CLI_TEXT, "FILE", &o.key_file, "secret key (hone keygen)", 0},
        {"--allow", CLI_TEXT, "FILE", &o.allow_file, "public keys this worker obeys", 0},
        {"--insecure-loopback", CLI_FLAG, NULL, &o.insecure_loopback,
         "tcp on this machine without keys: any of its users may connect", 0},
        {"--label", CLI_LIST, "WORD", &labels,
         "a service finds this worker by label=WORD; repeat for more", 0},
        {"--spool", CLI_TEXT, "DIR", &o.spool,
         "keep results there until they are acknowledged, also over a restart", 0},
        {CLI_CANDIDATE_LIB, CLI_LIST, "NAME=TEXT", &library_files,
         "kernels that are measured may call this library (docs/LIBRARIES.md)", 0},
        {"--runtime", CLI_TEXT, "WHAT", &o.runtime,
         "measure modules, by node, node:relaxed, or a page: browser:HOST:PORT", 0},
        {"--role", CLI_TEXT, "ROLE", &role, "build, run, or both (default)", 0},
    };
    const char *pos[1];
    unsigned n;
    int code;
    if (!CLI_PARSE(self, argc, argv, options, pos, &n, &code))
        return code;
    if (n)
        return cli_usage(self, "unexpected argument '%s'", pos[0]);
    if (!o.connect == !o.listen)
        return cli_usage(self, "give either --connect or --listen");
    if (strcmp(role, "build") == 0)
        o.roles = HONE_ROLE_BUILD;
    else if (strcmp(role, "run") == 0)
        o.roles = HONE_ROLE_RUN;
    else if (strcmp(role, "both") == 0)
        o.roles = HONE_ROLE_BUILD | HONE_ROLE_RUN;
    else
        return cli_usage(self, "--role is build, run or both, not '%s'", role);
    if (o.runtime && !hone_nursery_knows_runtime(o.runtime))
        return cli_usage(
            self, "--runtime is node, node:relaxed, node:threads or browser:HOST:PORT, not '%s'",
            o.runtime);
    if (o.runtime && library_files.n)
        return cli_usage(self, "a module calls no library: --runtime or --candidate-lib");
    if (o.roles & HONE_ROLE_BUILD) {
        o.build_prepare = hone_builder_prepare;
        o.build = hone_builder_build;
        o.build_ctx = hone_builder_new();
    }
    const char *words[CLI_MAX + 1] = {0};
    memcpy(words, labels.v, labels.n * sizeof *words);
    o.labels = words;
    hone_error err = {0};
    hone_status st = cli_libraries_load(&library_files, true, &libraries, &err);
    o.libraries = libraries.v;
    o.n_libraries = libraries.n;
    if (st == HONE_OK)
        st = hone_worker_run(&o, &err);
    cli_libraries_free(&libraries);
    hone_builder_free(o.build_ctx);
    return st == HONE_OK ? 0 : cli_fail(st, &err);
}

const cli_command cli_worker = {
    .name = "worker",
    .synopsis = "--connect ENDPOINT | --listen ENDPOINT [options]",
    .summary = "build and measure candidates for a `hone tune` elsewhere",
    .text = "Measuring runs code that was sent here, so over tcp both sides need keys:\n\n"
            "  hone keygen board           # writes board (secret) and board.pub\n"
            "  hone worker --connect tcp://10.0.0.1:5555 --key board --allow coordinator.pub\n\n"
            "Each candidate runs in a sandboxed child with limits and deadlines of its own.\n"
            "`hone-device` is this worker's measuring half alone, for small machines.\n\n"
            "exit codes: 0 told to go, 1 turned away or failed, 2 bad input\n",
    .run = run,
};
