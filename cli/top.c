/* hone top: a service on one screen. */
#include "cli/service.h"

#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

static json_int_t whole(const json_t *j, const char *key)
{
    return json_integer_value(json_object_get(j, key));
}

static double number(const json_t *j, const char *key)
{
    return json_number_value(json_object_get(j, key));
}

static void put_users(const json_t *users, hone_buf *b)
{
    double share = 0, spent = 0;
    for (size_t k = 0; k < json_array_size(users); k++) {
        share += number(json_array_get(users, k), "share");
        spent += number(json_array_get(users, k), "device_s");
    }
    hone_buf_puts(b, "USER          SHARE    USED  DEVICE TIME\n");
    for (size_t k = 0; k < json_array_size(users); k++) {
        const json_t *u = json_array_get(users, k);
        char time[32];
        cli_format_seconds(number(u, "device_s"), time);
        hone_buf_printf(b, "%-12s %5.0f %%  %4.0f %%  %11s\n", cli_word(u, "name"),
                        share > 0 ? 100 * number(u, "share") / share : 0,
                        spent > 0 ? 100 * number(u, "device_s") / spent : 0, time);
    }
}

static void put_jobs(const json_t *jobs, hone_buf *b)
{
    hone_buf_puts(b, "\n   JOB  USER         STATE          AGE  TRIALS       BEST  WHAT\n");
    for (size_t k = json_array_size(jobs); k-- > 0;) { /* the latest first */
        const json_t *j = json_array_get(jobs, k), *wait = json_object_get(j, "wait");
        char age[32], best[32] = "-", trials[32] = "-"; /* of others nothing is told */
        cli_format_seconds(number(j, "age_s"), age);
        if (json_object_get(j, "trials"))
            snprintf(trials, sizeof trials, "%lld", (long long)whole(j, "trials"));
        if (number(j, "best_ns") > 0)
            cli_format_ns(number(j, "best_ns"), best);
        const char *reason = cli_word(wait, "reason");
        bool waits = *reason && strcmp(reason, "in_flight") != 0 && strcmp(reason, "session") != 0;
        hone_buf_printf(b, "%6lld  %-12s %-10s %7s  %6s %10s  %s%s%s\n", (long long)whole(j, "job"),
                        cli_word(j, "user"), cli_word(j, "state"), age, trials, best,
                        cli_word(j, "title"), waits ? "; waits: " : "",
                        waits ? cli_word(wait, "text") : "");
    }
}

static void put_devices(const json_t *answer, hone_buf *b)
{
    const json_t *devices = json_object_get(answer, "devices");
    json_int_t all = whole(answer, "devices_in_all");
    hone_buf_puts(b, "\nDEVICE           LINK     HEALTH       SCORE  ADMIN      DOES\n");
    for (size_t k = 0; k < json_array_size(devices); k++) {
        const json_t *d = json_array_get(devices, k);
        hone_buf_printf(b, "%-16s %-8s %-12s %5lld  %-9s  %s\n", cli_word(d, "name"),
                        cli_word(d, "link"), cli_word(d, "health"), (long long)whole(d, "score"),
                        cli_word(d, "admin"),
                        whole(d, "leases") == 0                      ? "-"
                        : strcmp(cli_word(d, "unit"), "canary") == 0 ? "calibrates"
                                                                     : "works");
    }
    if (all > (json_int_t)json_array_size(devices))
        hone_buf_printf(b, "... %lld more\n", (long long)all - (long long)json_array_size(devices));
}

static char *screen(const json_t *answer)
{
    hone_buf b = {0};
    const json_t *s = json_object_get(answer, "stats");
    hone_buf_printf(&b,
                    "%lld jobs, %lld units open, %lld at work, %lld done (%lld shared), %lld tried "
                    "again\n",
                    (long long)whole(s, "jobs_live"), (long long)whole(s, "units_open"),
                    (long long)whole(s, "units_in_flight"), (long long)whole(s, "settled"),
                    (long long)whole(s, "shared"), (long long)whole(s, "retried"));
    if (*cli_word(answer, "trouble"))
        hone_buf_printf(&b, "TROUBLE: %s\n", cli_word(answer, "trouble"));
    hone_buf_puts(&b, "\n");
    put_users(json_object_get(answer, "users"), &b);
    put_jobs(json_object_get(answer, "jobs"), &b);
    put_devices(answer, &b);
    return hone_buf_take(&b);
}

/* As much of it as the terminal has rows and columns. */
static void draw(const char *text)
{
    struct winsize w = {0};
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) != 0 || w.ws_row == 0 || w.ws_col == 0)
        w = (struct winsize){.ws_row = 24, .ws_col = 80}; /* as serial lines do not say */
    fputs("\033[H", stdout);
    unsigned rows = w.ws_row > 1 ? w.ws_row - 1U : 1;
    for (unsigned r = 0; r < rows && *text; r++) {
        size_t n = strcspn(text, "\n");
        printf("%.*s\033[K\n", (int)(n < w.ws_col ? n : w.ws_col), text);
        text += n + (text[n] == '\n');
    }
    fputs("\033[J", stdout);
    fflush(stdout);
}

static hone_status show(cli_service *s, bool live, hone_error *err)
{
    json_t *answer = NULL;
    HONE_TRY(cli_service_ask(s, "top", NULL, &answer, err));
    char *text = screen(answer);
    if (s->json)
        cli_print_json(json_incref(answer));
    else if (live)
        draw(text);
    else
        fputs(text, stdout);
    free(text);
    json_decref(answer);
    return HONE_OK;
}

static int run(int argc, char **argv, const cli_command *self)
{
    cli_service s = {0};
    bool once = false;
    const cli_option options[] = {
        {"--once", CLI_FLAG, NULL, &once, "print one screen and end", 0},
        CLI_SERVICE_OPTIONS(&s),
    };
    const char *none[1];
    unsigned n;
    int code;
    if (!cli_parse(self, argc, argv, options, HONE_LEN(options), none, 0, &n, &code))
        return code;
    bool live = !once && !s.json && isatty(STDOUT_FILENO);
    once |= !live && !s.json;
    hone_error err = {0};
    cli_catch_signals();
    hone_status st = cli_service_open(&s, &err);
    if (st == HONE_OK && live)
        fputs("\033[?1049h\033[?25l", stdout); /* another screen, no cursor */
    do {
        if (st == HONE_OK)
            st = show(&s, live, &err);
        if (st == HONE_OK && !once)
            nanosleep(&(struct timespec){.tv_sec = 1}, NULL);
    } while (st == HONE_OK && !once && !cli_stopped(NULL));
    if (live)
        fputs("\033[?25h\033[?1049l", stdout);
    cli_service_close(&s);
    if (st == HONE_E_INTERRUPTED && !once) /* that is how one leaves it */
        st = HONE_OK;
    return st == HONE_OK ? 0 : cli_fail(st, &err);
}

const cli_command cli_top = {
    .name = "top",
    .synopsis = "[--once] [options]",
    .summary = "a service on one screen: users, jobs, devices, once a second",
    .text =
        "Ctrl-C ends it. Without a terminal one screen is printed. With --json every second one\n"
        "object, or one with --once.\n\n"
        "  hone top --once\n\n" CLI_SERVICE_EXIT_CODES,
    .run = run,
};
