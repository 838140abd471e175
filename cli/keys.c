/* hone keys: who may talk to a service, and as what. */
#include "cli/service.h"

/* The line of a .pub file: 40 characters of key, then a name. */
static hone_status read_pub(const char *path, char key[64], char name[64], hone_error *err)
{
    char *text = NULL;
    size_t n;
    HONE_TRY(hone_file_read(path, 1 << 16, &text, &n, err));
    bool found = false;
    for (char *line = text; line && !found;) {
        char *next = strchr(line, '\n');
        if (next)
            *next++ = '\0';
        if (*line && *line != '#')
            found = sscanf(line, "%63s %63s", key, name) == 2 && strlen(key) == 40;
        line = next;
    }
    free(text);
    return found ? HONE_OK
                 : hone_fail(err, HONE_E_INPUT,
                             "%.200s: no line with a public key and a name: give a .pub file of "
                             "`hone keygen`",
                             path);
}

static hone_status read_roles(const char *arg, json_t **ret, hone_error *err)
{
    char *text = hone_xstrdup(arg), *save = NULL;
    static const char *const known[] = {"user", "device", "builder", "admin"};
    *ret = json_array();
    hone_status st = HONE_OK;
    if (!*text)
        st = hone_fail(err, HONE_E_USAGE, "--role is user, device, builder or admin, not ''");
    for (char *w = strtok_r(text, ",", &save); w && st == HONE_OK; w = strtok_r(NULL, ",", &save)) {
        unsigned k = 0;
        while (k < HONE_LEN(known) && strcmp(known[k], w) != 0)
            k++;
        if (k == HONE_LEN(known))
            st = hone_fail(err, HONE_E_USAGE,
                           "--role is user, device, builder or admin, not '%.60s'", w);
        json_array_append_new(*ret, hone_json_string(w));
    }
    free(text);
    return st;
}

static void print_said(const json_t *answer, void *ctx)
{
    (void)answer;
    puts(ctx);
}

static void print_keys(const json_t *all)
{
    puts("NAME              SHARE  DEVICE TIME  ROLES");
    for (size_t k = 0; k < json_array_size(all); k++) {
        const json_t *j = json_array_get(all, k), *roles = json_object_get(j, "roles");
        char spent[32];
        cli_format_seconds(json_number_value(json_object_get(j, "device_s")), spent);
        printf("%-17s %5lld  %11s ", cli_word(j, "name"),
               (long long)json_integer_value(json_object_get(j, "share")), spent);
        for (size_t r = 0; r < json_array_size(roles); r++)
            printf(" %s", json_string_value(json_array_get(roles, r)));
        puts(json_is_true(json_object_get(j, "revoked")) ? "  revoked" : "");
    }
}

static int list_keys(cli_service *s)
{
    hone_error err = {0};
    json_t *all = NULL;
    cli_catch_signals();
    hone_status st = cli_service_open(s, &err);
    if (st == HONE_OK)
        st = cli_service_list(s, "keys", NULL, "keys", &all, &err);
    if (st == HONE_OK && s->json)
        cli_print_json(json_pack("{s:O}", "keys", all));
    else if (st == HONE_OK)
        print_keys(all);
    json_decref(all);
    cli_service_close(s);
    return st == HONE_OK ? 0 : cli_fail(st, &err);
}

static int run(int argc, char **argv, const cli_command *self)
{
    cli_service s = {0};
    const char *role = NULL, *as = NULL;
    int64_t share = 0, day = 0, max_jobs = 0;
    const cli_option options[] = {
        {"--role", CLI_TEXT, "ROLE", &role, "add: user, device, builder or admin; or several: a,b",
         0},
        {"--share", CLI_INT, "N", &share, "add: its part of the devices among users (default 1)",
         1},
        {"--name", CLI_TEXT, "NAME", &as, "add: called so (default: the name in the file)", 0},
        {"--day", CLI_INT, "SECONDS", &day,
         "add: device time a day; what is beyond goes behind all others", 1},
        {"--max-jobs", CLI_INT, "N", &max_jobs, "add: jobs at once", 1},
        CLI_SERVICE_OPTIONS(&s),
    };
    const char *pos[2];
    unsigned n;
    int code;
    if (!CLI_PARSE(self, argc, argv, options, pos, &n, &code))
        return code;
    const char *what = n ? pos[0] : "";
    bool add = strcmp(what, "add") == 0, revoke = strcmp(what, "revoke") == 0;
    if (!add && !revoke && !(strcmp(what, "list") == 0 && n == 1))
        return cli_usage(self, "give add FILE.pub, revoke NAME, or list");
    if (!add && (role || share || as || day || max_jobs))
        return cli_usage(self, "--role, --share, --name, --day and --max-jobs belong to add");
    if (!add && !revoke)
        return list_keys(&s);
    if (n != 2)
        return cli_usage(self, add ? "add takes a .pub file" : "revoke takes a key's name");
    if (add && !role)
        return cli_usage(self, "what may it do? Give --role user, device, builder or admin");
    char said[160], key[64], name[64];
    if (revoke) {
        char *clean = hone_text_clean(pos[1]);
        snprintf(said, sizeof said, "%.100s: revoked", clean);
        free(clean);
        return cli_service_once(&s, "key_revoke",
                                json_pack("{s:o}", "name", hone_json_string(pos[1])), print_said,
                                said);
    }
    hone_error err = {0};
    json_t *roles = NULL;
    hone_status st = read_pub(pos[1], key, name, &err);
    if (st == HONE_OK)
        st = read_roles(role, &roles, &err);
    if (st != HONE_OK) {
        json_decref(roles);
        return cli_fail(st, &err);
    }
    json_t *request = json_pack("{s:o, s:o, s:o}", "name", hone_json_string(as ? as : name), "key",
                                hone_json_string(key), "roles", roles);
    if (share)
        json_object_set_new(request, "share", json_integer(share));
    if (day)
        json_object_set_new(request, "day_s", json_integer(day));
    if (max_jobs)
        json_object_set_new(request, "max_jobs", json_integer(max_jobs));
    snprintf(said, sizeof said, "%.60s: may take part as %.60s", as ? as : name, role);
    return cli_service_once(&s, "key_add", request, print_said, said);
}

const cli_command cli_keys = {
    .name = "keys",
    .synopsis = "add FILE.pub --role ROLE | revoke NAME | list [options]",
    .summary = "let a key take part in a service, or take that back",
    .text =
        "For an administrator's key. A key that is added again is changed; a name is one key. A\n"
        "revoked one is refused at its next message, and what its worker has in hand is given\n"
        "to others. What is said here holds, also against the allow file of the service.\n\n"
        "  hone keys add ann.pub --role user --share 2\n"
        "  hone keys add rack1.pub --role device,builder\n"
        "  hone keys revoke ann\n\n" CLI_SERVICE_EXIT_CODES,
    .run = run,
};
