/* Summaries of tunes as text. */
#include "cli/tune_text.h"

static json_int_t whole(const json_t *j, const char *key)
{
    return json_integer_value(json_object_get(j, key));
}

static double number(const json_t *j, const char *key)
{
    return json_number_value(json_object_get(j, key));
}

static bool is(const json_t *j, const char *key)
{
    return json_is_true(json_object_get(j, key));
}

/* "matmul M=64 on znver5, 1 thread" */
static void title_line(const char *what, const json_t *s)
{
    const char *cpu = json_string_value(json_object_get(s, "cpu"));
    json_int_t threads = whole(s, "threads");
    printf("%s on %s, %lld thread%s\n", what, cpu ? cpu : "?", (long long)threads,
           threads == 1 ? "" : "s");
}

/* "library  openblas 1.2 ms, 0.95 of the best's time" */
static void library_line(const json_t *l)
{
    char time[32];
    const char *name = json_string_value(json_object_get(l, "name")),
               *reason = json_string_value(json_object_get(l, "reason")),
               *status = json_string_value(json_object_get(l, "status"));
    double ratio = number(l, "over_best");
    printf("  library  %s: ", name);
    if (strcmp(status, "OK") == 0) {
        cli_format_ns((double)whole(l, "time_ns"), time);
        printf("%s", time);
        if (ratio > 0)
            printf(", %.2f of the best schedule's time%s", ratio, ratio < 1 ? ": it wins" : "");
        puts("");
        return;
    }
    hone_status st = hone_status_parse(status);
    printf("%s%s%s%s\n", st < HONE_STATUS_COUNT ? "rejected: " : "",
           st < HONE_STATUS_COUNT ? hone_status_text(st) : status, reason ? ": " : "",
           reason ? reason : "");
}

void cli_summary_text(const char *kernel, const char *log, const json_t *s)
{
    char best[32], first[32];
    json_int_t best_ns = whole(s, "best_ns"), default_ns = whole(s, "default_ns");
    title_line(kernel, s);
    if (best_ns) {
        cli_format_ns((double)best_ns, best);
        printf("  best     %s, %.1f GFLOP/s, checked: errors up to %.2g of what rounding may do\n",
               best, number(s, "gflops"), number(s, "max_error"));
    } else {
        printf("  best     none: %s\n",
               whole(s, "trials") ? "no candidate gave a right result" : "nothing was tried");
    }
    if (default_ns) {
        cli_format_ns((double)default_ns, first);
        printf("  default  %s as written (%.1fx)\n", first,
               (double)default_ns / (double)(best_ns ? best_ns : default_ns));
    }
    size_t k_library;
    json_t *library;
    json_array_foreach(json_object_get(s, "libraries"), k_library, library) library_line(library);
    printf("  trials   %lld: %lld ok, %lld rejected", (long long)whole(s, "trials"),
           (long long)whole(s, "ok"), (long long)whole(s, "rejected"));
    const json_t *by = json_object_get(s, "rejected_by");
    for (int k = 0; k < HONE_STATUS_COUNT; k++)
        if (whole(by, hone_status_name((hone_status)k)))
            printf(", %lld %s", (long long)whole(by, hone_status_name((hone_status)k)),
                   hone_status_text((hone_status)k));
    if (whole(s, "known"))
        printf("; %lld more were in the log", (long long)whole(s, "known"));
    if (whole(s, "failed"))
        printf("\n  trouble  %lld attempts failed, %lld candidates set aside",
               (long long)whole(s, "failed"), (long long)whole(s, "set_aside"));
    printf("\n  time     %.1f s (search %.1f, build %.1f, run %.1f)%s\n", number(s, "wall_s"),
           number(s, "search_s"), number(s, "build_s"), number(s, "run_s"),
           is(s, "interrupted") ? ", interrupted: run the same command to go on"
           : is(s, "exhausted") ? ", every candidate of the space has been tried"
                                : "");
    printf("  log      %s\n", log);
}

/* Of what is known, as it is told: whole nanoseconds. */
static double sum_of(const json_t *by)
{
    double sum = 0;
    for (size_t k = 0; k < json_array_size(by); k++) {
        const json_t *t = json_array_get(by, k);
        sum += number(t, "runs") * number(t, "best_ns");
    }
    return sum;
}

static void task_line(const json_t *t, double total_ns)
{
    char text[32];
    double best = number(t, "best_ns"), runs = number(t, "runs");
    const char *error = json_string_value(json_object_get(t, "error"));
    cli_format_ns(best, text);
    printf("  %5.1f %%  %8s  %5g  %6lld  %s%s%s\n", total_ns > 0 ? 100 * runs * best / total_ns : 0,
           best > 0 ? text : "-", runs, (long long)whole(t, "trials"),
           json_string_value(json_object_get(t, "task")), error ? ": " : "", error ? error : "");
}

void cli_list_summary_text(const char *log, const json_t *s)
{
    char text[32];
    double total_ns = number(s, "total_ns");
    const json_t *by = json_object_get(s, "by_task");
    title_line(json_string_value(json_object_get(s, "name")), s);
    puts("   share      time  times  trials  kernel");
    for (size_t k = 0; k < json_array_size(by); k++)
        task_line(json_array_get(by, k), sum_of(by));
    cli_format_ns(total_ns, text);
    printf("  total    %s", text);
    if (whole(s, "without"))
        printf(", and %lld of %lld kernels have no schedule yet", (long long)whole(s, "without"),
               (long long)whole(s, "tasks"));
    printf("\n  trials   %lld in %.1f s%s\n  log      %s\n", (long long)whole(s, "trials"),
           number(s, "wall_s"),
           is(s, "interrupted") ? ", interrupted: run the same command to go on" : "", log);
}
