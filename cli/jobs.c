/* hone jobs: what a service has to do, and what each job waits for. */
#include "cli/service.h"

static void print_job(const json_t *j, bool why)
{
    char age[32], best[32] = "-", trials[48] = "-";
    json_int_t budget = json_integer_value(json_object_get(j, "budget"));
    json_int_t done = json_integer_value(json_object_get(j, "trials"));
    double best_ns = json_number_value(json_object_get(j, "best_ns"));
    cli_format_seconds(json_number_value(json_object_get(j, "age_s")), age);
    if (best_ns > 0)
        cli_format_ns(best_ns, best);
    if (json_object_get(j, "trials"))
        snprintf(trials, sizeof trials, budget ? "%lld/%lld" : "%lld", (long long)done,
                 (long long)budget);
    printf("%6lld  %-12s %-10s %-11s %8s %9s %10s  %s\n",
           (long long)json_integer_value(json_object_get(j, "job")), cli_word(j, "user"),
           cli_word(j, "state"), cli_word(j, "class"), age, trials, best, cli_word(j, "title"));
    const json_t *wait = json_object_get(j, "wait"), *because = json_object_get(j, "because");
    if (why && wait)
        printf("        waits: %s (%s)\n", cli_word(wait, "text"), cli_word(wait, "reason"));
    else if (why && because)
        printf("        ended: %s (%s)\n", cli_word(because, "text"), cli_word(because, "reason"));
}

static void print_jobs(const json_t *jobs, bool why)
{
    if (json_array_size(jobs) == 0) {
        puts("no jobs");
        return;
    }
    puts("   JOB  USER         STATE      CLASS            AGE    TRIALS       BEST  KERNEL");
    for (size_t k = 0; k < json_array_size(jobs); k++)
        print_job(json_array_get(jobs, k), why);
}

static int run(int argc, char **argv, const cli_command *self)
{
    cli_service s = {0};
    bool all = false, why = false;
    const cli_option options[] = {
        {"--why", CLI_FLAG, NULL, &why, "say of each what it waits for, or why it has ended", 0},
        {"--all", CLI_FLAG, NULL, &all, "also those that have ended long ago", 0},
        CLI_SERVICE_OPTIONS(&s),
    };
    const char *pos[1];
    unsigned n;
    int code;
    if (!CLI_PARSE(self, argc, argv, options, pos, &n, &code))
        return code;
    long long job = n ? cli_job_number(pos[0]) : 0;
    if (n && !job)
        return cli_usage(self, "a job is a number, not '%s'", pos[0]);
    hone_error err = {0};
    json_t *jobs = NULL, *request = json_pack("{s:b}", "all", all);
    if (job)
        json_object_set_new(request, "job", json_integer(job));
    cli_catch_signals();
    hone_status st = cli_service_open(&s, &err);
    if (st == HONE_OK)
        st = cli_service_list(&s, "jobs", request, "jobs", &jobs, &err);
    else
        json_decref(request);
    if (st == HONE_OK && s.json)
        cli_print_json(json_pack("{s:O}", "jobs", jobs));
    else if (st == HONE_OK)
        print_jobs(jobs, why || job);
    json_decref(jobs);
    cli_service_close(&s);
    return st == HONE_OK ? 0 : cli_fail(st, &err);
}

const cli_command cli_jobs = {
    .name = "jobs",
    .synopsis = "[JOB] [options]",
    .summary = "list the jobs of a service, and what each waits for",
    .text = "Of others' jobs you see who they are of, and their state.\n\n"
            "  hone jobs --why\n"
            "  hone jobs 12 --json\n\n" CLI_SERVICE_EXIT_CODES,
    .run = run,
};
