/* hone serve. */
#include "cli/query_service.h"
#include "codegen/codegen.h"
#include "farm/service.h"

#include <signal.h>

static volatile sig_atomic_t stop_asked, reload_asked;

static void on_signal(int sig)
{
    if (sig == SIGHUP)
        reload_asked = 1;
    else
        stop_asked = 1;
}

static bool stop(void *ctx)
{
    (void)ctx;
    return stop_asked;
}

static bool reload(void *ctx)
{
    (void)ctx;
    bool yes = reload_asked;
    reload_asked = 0;
    return yes;
}

static void catch_signals(void)
{
    const struct sigaction ours = {.sa_handler = on_signal}, none = {.sa_handler = SIG_IGN};
    sigaction(SIGINT, &ours, NULL);
    sigaction(SIGTERM, &ours, NULL);
    sigaction(SIGHUP, &ours, NULL);
    sigaction(SIGPIPE, &none, NULL);
}

static void ready(void *ctx)
{
    const cli_list *listen = ctx;
    for (unsigned k = 0; k < listen->n; k++)
        printf("serving at %s\n", listen->v[k]);
    fflush(stdout);
}

static int run(int argc, char **argv, const cli_command *self)
{
    cli_list listen = {0};
    int64_t idle_s = 0, builders = 0;
    hone_service_options o = {.db_path = "hone.db",
                              .builders_max = 4,
                              .llvm_version = hone_codegen_version(),
                              .query = cli_query_answer,
                              .stop = stop,
                              .reload = reload,
                              .ready = ready,
                              .ctx = &listen};
    const cli_option options[] = {
        {"--listen", CLI_LIST, "ENDPOINT", &listen,
         "where workers and clients come; repeat for more", 0},
        {"--db", CLI_TEXT, "FILE", &o.db_path,
         "the log, and the service's own state (default hone.db)", 0},
        {"--key", CLI_TEXT, "FILE", &o.key_file, "secret key, for tcp (hone keygen)", 0},
        {"--allow", CLI_TEXT, "FILE", &o.allow_file,
         "public keys with role= and share=; read again at SIGHUP", 0},
        {"--insecure-loopback", CLI_FLAG, NULL, &o.insecure_loopback,
         "tcp on this machine without keys: any of its users may connect", 0},
        {"--launch", CLI_TEXT, "CMD", &o.launch,
         "run by sh when other builders are wanted, HONE_BUILDERS of them", 0},
        {"--builders", CLI_INT, "N", &builders, "with --launch: at most so many (default 4)", 1},
        {"--builders-idle", CLI_INT, "S", &idle_s,
         "with --launch: unneeded for so many seconds they are let go (default 60)", 1},
        {"--http", CLI_TEXT, "HOST:PORT", &o.http,
         "a page to look at, with /metrics for Prometheus and /healthz", 0},
        {"--http-token-file", CLI_TEXT, "FILE", &o.http_token_file,
         "with --http: only who has the token in it; needed beyond this machine", 0},
    };
    const char *pos[1];
    unsigned n;
    int code;
    hone_error err = {0};
    if (!CLI_PARSE(self, argc, argv, options, pos, &n, &code))
        return code;
    if (n)
        return cli_usage(self, "unexpected argument '%s'", pos[0]);
    if (o.http_token_file && !o.http)
        return cli_usage(self, "--http-token-file goes with --http");
    if (listen.n == 0)
        return cli_usage(self, "where? give --listen ENDPOINT");
    o.listen = listen.v;
    o.n_listen = listen.n;
    if ((builders || idle_s) && !o.launch)
        return cli_usage(self, "--builders and --builders-idle go with --launch");
    if (builders)
        o.builders_max = builders;
    if (idle_s > 1000000000 || o.builders_max > 100000)
        return cli_usage(self, "--builders at most 100000, --builders-idle at most 1000000000");
    hone_farm_limits_init(&o.limits);
    if (idle_s)
        o.limits.builder_idle_ms = idle_s * 1000;
    catch_signals();
    hone_status st = hone_service_run(&o, &err);
    return st == HONE_OK ? 0 : cli_fail(st, &err);
}

const cli_command cli_serve = {
    .name = "serve",
    .synopsis = "--listen ENDPOINT [options]",
    .summary = "share builders and devices among many people and jobs",
    .text = "Workers (`hone worker`, `hone-device`) and clients connect to it. Over tcp everybody "
            "is a key,\n"
            "and the allow file says what each may do:\n\n"
            "  hone keygen farm\n"
            "  cat ann.pub pi4.pub b1.pub > allow    # and a role= behind each name\n"
            "  hone serve --listen tcp://*:5555 --db farm.db --key farm --allow allow\n\n"
            "What is acknowledged is on the disk: after a crash or a restart it goes on with its\n"
            "jobs. SIGTERM ends it, SIGHUP reads the allow file again.\n\n"
            "exit codes: 0 told to end, 1 failed, 2 bad input, 3 a file is not there\n",
    .run = run,
};
