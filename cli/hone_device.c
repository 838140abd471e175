/* hone-device: a measuring worker alone. Needs libzmq, libseccomp and libc, no LLVM; a static one
 * (cmake/board.cmake) needs nothing. */
#include "libcall/libcall.h"
#include "workers/workers.h"

#include <getopt.h>

static const char usage[] =
    "usage: hone-device (--connect ENDPOINT | --listen ENDPOINT) [options]\n"
    "\n"
    "Measures candidate kernels for a hone coordinator, each in a sandboxed process.\n"
    "\n"
    "  --connect ENDPOINT  go to the coordinator there: tcp://host:port or ipc://path\n"
    "  --listen ENDPOINT   wait for a coordinator there\n"
    "  --key FILE          this device's key, made by `hone keygen FILE`\n"
    "  --allow FILE        public keys of coordinators: lines '<public key> <name>'\n"
    "  --insecure-loopback tcp on this machine without keys: any of its users may connect\n"
    "  --label WORD        a service finds this device by label=WORD; repeat for more, 16 at most\n"
    "  --spool DIR         keep results there until they are acknowledged, also over a restart\n"
    "  --candidate-lib NAME=TEXT\n"
    "                      kernels may call this library, as TEXT says; repeat for more\n"
    "  --runtime node | node:relaxed | node:threads | browser:HOST:PORT\n"
    "                      measure modules of WebAssembly, by Node or by a page that is opened "
    "there\n"
    "  --sandbox on|off    off: kernels are not confined, as where there is no seccomp (default "
    "on)\n"
    "  --describe          print what this machine is, as text for `hone tune --target`\n"
    "  --verbose           say more\n"
    "  --help, --version\n"
    "\n"
    "Over tcp both --key and --allow are needed. With --connect, the line of the allow\n"
    "file named as the host is the coordinator's key; a single line is taken whatever its name.\n"
    "\n"
    "Exit code: 0 told to stop, 1 failed or turned away, 2 bad usage or input, 3 file not found.\n";

enum {
    OPT_CONNECT = 256,
    OPT_LISTEN,
    OPT_KEY,
    OPT_ALLOW,
    OPT_INSECURE,
    OPT_LABEL,
    OPT_SPOOL,
    OPT_LIBRARY,
    OPT_RUNTIME,
    OPT_SANDBOX,
    OPT_DESCRIBE,
    OPT_VERBOSE,
    OPT_HELP,
    OPT_VERSION
};

static const struct option options[] = {
    {"connect", required_argument, NULL, OPT_CONNECT},
    {"listen", required_argument, NULL, OPT_LISTEN},
    {"key", required_argument, NULL, OPT_KEY},
    {"allow", required_argument, NULL, OPT_ALLOW},
    {"insecure-loopback", no_argument, NULL, OPT_INSECURE},
    {"label", required_argument, NULL, OPT_LABEL},
    {"spool", required_argument, NULL, OPT_SPOOL},
    {"candidate-lib", required_argument, NULL, OPT_LIBRARY},
    {"runtime", required_argument, NULL, OPT_RUNTIME},
    {"sandbox", required_argument, NULL, OPT_SANDBOX},
    {"describe", no_argument, NULL, OPT_DESCRIBE},
    {"verbose", no_argument, NULL, OPT_VERBOSE},
    {"help", no_argument, NULL, OPT_HELP},
    {"version", no_argument, NULL, OPT_VERSION},
    {NULL, 0, NULL, 0},
};

static int failed(hone_status s, const hone_error *err)
{
    fprintf(stderr, "hone-device: %s\n", err->message);
    return hone_status_exit_code(s);
}

static int describe(const char *runtime)
{
    hone_target here;
    hone_error err = {0};
    hone_status s = runtime ? hone_target_named(hone_nursery_runtime_target(runtime), &here, &err)
                            : hone_target_host(&here, &err);
    if (s != HONE_OK)
        return failed(s, &err);
    char *text = hone_target_text(&here);
    puts(text);
    free(text);
    return 0;
}

static int bad_usage(const char *what)
{
    fprintf(stderr, "hone-device: %s; see hone-device --help\n", what);
    return hone_status_exit_code(HONE_E_USAGE);
}

int main(int argc, char **argv)
{
    const char *labels[17] = {0};
    unsigned n_labels = 0;
    hone_libcall_library libraries[HONE_LIBCALL_MAX];
    hone_worker_options o = {.roles = HONE_ROLE_RUN, .labels = labels, .libraries = libraries};
    hone_error err = {0};
    bool describes = false;
    hone_log_set_name("hone-device");
    for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        switch (c) {
        case OPT_CONNECT:
            o.connect = optarg;
            break;
        case OPT_LISTEN:
            o.listen = optarg;
            break;
        case OPT_KEY:
            o.key_file = optarg;
            break;
        case OPT_ALLOW:
            o.allow_file = optarg;
            break;
        case OPT_INSECURE:
            o.insecure_loopback = true;
            break;
        case OPT_LABEL:
            if (n_labels + 1 == HONE_LEN(labels))
                return bad_usage("more than 16 labels");
            labels[n_labels++] = optarg;
            break;
        case OPT_SPOOL:
            o.spool = optarg;
            break;
        case OPT_LIBRARY:
            if (o.n_libraries == HONE_LIBCALL_MAX)
                return bad_usage("too many libraries");
            if (hone_libcall_load(optarg, &libraries[o.n_libraries], NULL, &err) != HONE_OK)
                return failed(err.status, &err);
            o.n_libraries++;
            break;
        case OPT_RUNTIME:
            o.runtime = optarg;
            if (!hone_nursery_knows_runtime(optarg))
                return bad_usage(
                    "--runtime is node, node:relaxed, node:threads or browser:HOST:PORT");
            break;
        case OPT_SANDBOX:
            o.sandbox = optarg;
            if (strcmp(optarg, "on") != 0 && strcmp(optarg, "off") != 0)
                return bad_usage("--sandbox is on or off");
            break;
        case OPT_DESCRIBE:
            describes = true;
            break;
        case OPT_VERBOSE:
            hone_log_set_level(HONE_LOG_INFO);
            break;
        case OPT_HELP:
            fputs(usage, stdout);
            return 0;
        case OPT_VERSION:
            printf("hone-device %s\n", HONE_VERSION);
            return 0;
        default: /* getopt has said what is wrong */
            return hone_status_exit_code(HONE_E_USAGE);
        }
    }
    if (optind < argc)
        return bad_usage("it takes options only");
    if (describes)
        return describe(o.runtime);
    if (o.runtime && o.n_libraries)
        return bad_usage("a module calls no library: --runtime or --candidate-lib");
    if (!o.connect == !o.listen)
        return bad_usage("give either --connect or --listen");
    hone_status s = hone_worker_run(&o, &err);
    for (unsigned k = 0; k < o.n_libraries; k++)
        hone_libcall_library_free(&libraries[k]);
    return s == HONE_OK ? 0 : failed(s, &err);
}
