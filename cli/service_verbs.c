/* Commands that say one thing to a service about one job or device: hone cancel, pause, resume,
 * drain, reserve, release. */
#include "cli/service.h"

/* ---- jobs ------------------------------------------------------------------------------------ */

static void print_done(const json_t *answer, void *ctx)
{
    (void)answer;
    puts(ctx);
}

static int run_job(int argc, char **argv, const cli_command *self)
{
    cli_service s = {0};
    const cli_option options[] = {CLI_SERVICE_OPTIONS(&s)};
    const char *pos[1];
    unsigned n;
    int code;
    if (!CLI_PARSE(self, argc, argv, options, pos, &n, &code))
        return code;
    long long job = n == 1 ? cli_job_number(pos[0]) : 0;
    if (!job)
        return cli_usage(self, "which job? Its number, as `hone jobs` shows it");
    char said[64];
    snprintf(said, sizeof said, "job %lld: %s", job,
             strcmp(self->name, "cancel") == 0  ? "it ends"
             : strcmp(self->name, "pause") == 0 ? "paused"
                                                : "goes on");
    return cli_service_once(&s, self->name, json_pack("{s:I}", "job", (json_int_t)job), print_done,
                            said);
}

const cli_command cli_cancel = {
    .name = "cancel",
    .synopsis = "JOB [options]",
    .summary = "end a job of a service",
    .text = "What was measured stays in the service's log.\n\n"
            "  hone cancel 12 --service tcp://farm:5555 --key me --allow "
            "farm.pub\n\n" CLI_SERVICE_EXIT_CODES,
    .run = run_job,
};

const cli_command cli_pause = {
    .name = "pause",
    .synopsis = "JOB [options]",
    .summary = "let a job of a service rest until it is resumed",
    .text = "Units in hand are finished, no others begin. A job that is paused for a week ends.\n\n"
            "  hone pause 12\n\n" CLI_SERVICE_EXIT_CODES,
    .run = run_job,
};

const cli_command cli_resume = {
    .name = "resume",
    .synopsis = "JOB [options]",
    .summary = "let a paused job of a service go on",
    .text = "  hone resume 12\n\n" CLI_SERVICE_EXIT_CODES,
    .run = run_job,
};

/* ---- devices --------------------------------------------------------------------------------- */

static const char *device_of(const cli_command *self, const char **pos, unsigned n)
{
    if (n == 1 && *pos[0])
        return pos[0];
    cli_usage(self, "which device? Its name, as `hone devices` shows it");
    return NULL;
}

static int say_device(cli_service *s, const char *verb, const char *device, int64_t seconds,
                      const char *what)
{
    char *clean = hone_text_clean(device), *said = hone_xasprintf("%s: %s", clean, what);
    json_t *request = json_pack("{s:o}", "name", hone_json_string(device));
    if (seconds)
        json_object_set_new(request, "for_s", json_integer(seconds));
    int code = cli_service_once(s, verb, request, print_done, said);
    free(said);
    free(clean);
    return code;
}

static int run_drain(int argc, char **argv, const cli_command *self)
{
    cli_service s = {0};
    int64_t seconds = 0;
    bool end = false, retire = false;
    const cli_option options[] = {
        {"--for", CLI_INT, "SECONDS", &seconds, "so long (default: a day)", 1},
        {"--end", CLI_FLAG, NULL, &end, "it takes units again; also one that was retired", 0},
        {"--retire", CLI_FLAG, NULL, &retire, "for good", 0},
        CLI_SERVICE_OPTIONS(&s),
    };
    const char *pos[1];
    unsigned n;
    int code;
    if (!CLI_PARSE(self, argc, argv, options, pos, &n, &code))
        return code;
    if (end + retire + (seconds > 0) > 1)
        return cli_usage(self, "give one of --for, --end and --retire");
    const char *device = device_of(self, pos, n);
    if (!device)
        return 2;
    return say_device(&s,
                      end      ? "open"
                      : retire ? "retire"
                               : "drain",
                      device, seconds,
                      end      ? "takes units again"
                      : retire ? "retired"
                               : "takes no more units");
}

const cli_command cli_drain = {
    .name = "drain",
    .synopsis = "DEVICE [--for SECONDS | --end | --retire] [options]",
    .summary = "let a device of a service finish what it has and take no more",
    .text = "For an administrator's key.\n\n"
            "  hone drain pi4 --for 3600\n"
            "  hone drain pi4 --end\n\n" CLI_SERVICE_EXIT_CODES,
    .run = run_drain,
};

static int run_reserve(int argc, char **argv, const cli_command *self)
{
    cli_service s = {0};
    int64_t seconds = 0;
    const cli_option options[] = {
        {"--for", CLI_INT, "SECONDS", &seconds, "so long; it ends by itself", 1},
        CLI_SERVICE_OPTIONS(&s),
    };
    const char *pos[1];
    unsigned n;
    int code;
    if (!CLI_PARSE(self, argc, argv, options, pos, &n, &code))
        return code;
    const char *device = device_of(self, pos, n);
    if (!device)
        return 2;
    if (!seconds)
        return cli_usage(self, "for how long? Give --for SECONDS");
    return say_device(&s, "reserve", device, seconds, "reserved");
}

const cli_command cli_reserve = {
    .name = "reserve",
    .synopsis = "DEVICE --for SECONDS [options]",
    .summary = "have a device of a service for your own jobs for a while",
    .text = "At most two hours; and for others than administrators, of equal devices a quarter, "
            "but one\n"
            "where there are fewer than four. Builders cannot be reserved.\n\n"
            "  hone reserve pi4 --for 1800\n\n" CLI_SERVICE_EXIT_CODES,
    .run = run_reserve,
};

static int run_release(int argc, char **argv, const cli_command *self)
{
    cli_service s = {0};
    const cli_option options[] = {CLI_SERVICE_OPTIONS(&s)};
    const char *pos[1];
    unsigned n;
    int code;
    if (!CLI_PARSE(self, argc, argv, options, pos, &n, &code))
        return code;
    const char *device = device_of(self, pos, n);
    return device ? say_device(&s, "release", device, 0, "free for all") : 2;
}

const cli_command cli_release = {
    .name = "release",
    .synopsis = "DEVICE [options]",
    .summary = "end a reservation before its time",
    .text = "  hone release pi4\n\n" CLI_SERVICE_EXIT_CODES,
    .run = run_release,
};
