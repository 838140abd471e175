/* hone devices: the workers of a service, their health, and what they are as targets. */
#include "cli/service.h"

static const char *doing(const json_t *j)
{
    if (json_integer_value(json_object_get(j, "leases")) == 0)
        return "-";
    return strcmp(cli_word(j, "unit"), "canary") == 0 ? "canary" : "unit";
}

/* Why it takes nothing, until when, and what ends it. */
static void print_health(const json_t *j)
{
    const json_t *left = json_object_get(j, "health_left_s");
    char text[32];
    printf("%-17s   %s", "", cli_word(json_object_get(j, "because"), "text"));
    if (left) {
        cli_format_seconds(json_number_value(left), text);
        printf("; for %s more", text);
    }
    if (*cli_word(j, "ends"))
        printf("; ends by: %s", cli_word(j, "ends"));
    puts("");
}

static void print_devices(const json_t *all)
{
    if (json_array_size(all) == 0) {
        puts("no devices");
        return;
    }
    puts("NAME              LINK     HEALTH       SCORE   DRIFT  EPOCH  ADMIN      NOW     WHAT");
    for (size_t k = 0; k < json_array_size(all); k++) {
        const json_t *j = json_array_get(all, k);
        printf("%-17s %-8s %-11s  %5lld  %+5.1f%%  %5lld  %-9s  %-6s  %s\n", cli_word(j, "name"),
               cli_word(j, "link"), cli_word(j, "health"),
               (long long)json_integer_value(json_object_get(j, "score")),
               100 * json_number_value(json_object_get(j, "drift")),
               (long long)json_integer_value(json_object_get(j, "epoch")), cli_word(j, "admin"),
               doing(j), cli_word(j, "attrs"));
        if (strcmp(cli_word(j, "health"), "good") != 0)
            print_health(j);
        if (*cli_word(j, "by")) {
            char left[32];
            cli_format_seconds(json_number_value(json_object_get(j, "admin_left_s")), left);
            printf("%-17s   %s by %s, for %s more\n", "", cli_word(j, "admin"), cli_word(j, "by"),
                   left);
        }
    }
}

static void print_target(const json_t *answer, void *ctx)
{
    (void)ctx;
    puts(cli_word(answer, "target"));
}

static int run(int argc, char **argv, const cli_command *self)
{
    cli_service s = {0};
    const char *target = NULL;
    const cli_option options[] = {
        {"--target", CLI_TEXT, "NAME", &target, "print this device's target text", 0},
        CLI_SERVICE_OPTIONS(&s),
    };
    const char *none[1];
    unsigned n;
    int code;
    if (!cli_parse(self, argc, argv, options, HONE_LEN(options), none, 0, &n, &code))
        return code;
    if (target)
        return cli_service_once(&s, "target", json_pack("{s:o}", "name", hone_json_string(target)),
                                print_target, NULL);
    hone_error err = {0};
    json_t *all = NULL;
    cli_catch_signals();
    hone_status st = cli_service_open(&s, &err);
    if (st == HONE_OK)
        st = cli_service_list(&s, "devices", NULL, "devices", &all, &err);
    if (st == HONE_OK && s.json)
        cli_print_json(json_pack("{s:O}", "devices", all));
    else if (st == HONE_OK)
        print_devices(all);
    json_decref(all);
    cli_service_close(&s);
    return st == HONE_OK ? 0 : cli_fail(st, &err);
}

const cli_command cli_devices = {
    .name = "devices",
    .synopsis = "[--target NAME] [options]",
    .summary = "list the workers of a service, or print what one is as a target",
    .text =
        "Health and score come from calibration kernels that run now and then; what is not good\n"
        "says why. A target's text is what `--target` of other commands takes.\n\n"
        "  hone devices\n"
        "  hone devices --target pi4 > pi4.json\n\n" CLI_SERVICE_EXIT_CODES,
    .run = run,
};
