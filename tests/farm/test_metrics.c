/* What a service tells Prometheus: its form, and its names (test_page.c asks promtool, where it
 * is). */
#include "desk_rows.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static bool ends_with(const char *s, const char *end)
{
    return strlen(s) >= strlen(end) && strcmp(s + strlen(s) - strlen(end), end) == 0;
}

/* Prometheus' conventions, which `promtool check metrics` asks for: of hone, or the names that all
 * processes have; counters alone end in _total; base units, written out; no kind in the name. */
static void name_is_good(const char *name, const char *kind)
{
    static const char *const kinds[] = {"counter", "gauge", "summary", "histogram"};
    static const char *const units[] = {"_ms",           "_ns",    "_us",      "_s",
                                        "_milliseconds", "_kib",   "_minutes", "_mb",
                                        "_percent",      "_count", "_sum",     "_bucket"};
    bool good = strncmp(name, "hone_", 5) == 0 || strncmp(name, "process_", 8) == 0;
    good = good && strspn(name, "abcdefghijklmnopqrstuvwxyz_") == strlen(name);
    good = good && ends_with(name, "_total") == (strcmp(kind, "counter") == 0);
    for (unsigned k = 0; k < HONE_LEN(kinds); k++)
        good = good && !strstr(name, kinds[k]);
    char *base =
        hone_xasprintf("%.*s", (int)(strlen(name) - (ends_with(name, "_total") ? 6 : 0)), name);
    for (unsigned k = 0; k < HONE_LEN(units); k++)
        good = good && !ends_with(base, units[k]);
    free(base);
    if (!good)
        fail_msg("no good name for a %s: %s", kind, name);
}

/* Each name is described once, with a sentence, and what it has stands together. */
static void names_are_good(const char *text)
{
    char *copy = hone_xstrdup(text), *save = NULL, name[128], kind[32], last[128] = "";
    char *series[2048];
    unsigned n = 0;
    for (char *line = strtok_r(copy, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        if (strncmp(line, "# HELP ", 7) == 0) {
            assert_int_equal(sscanf(line, "# HELP %127s %*s", last), 1);
            assert_true(strlen(line) > strlen("# HELP ") + strlen(last) + 5);
            char *again = hone_xasprintf("# HELP %s ", last);
            const char *first = strstr(text, again);
            assert_null(strstr(first + 1, again));
            free(again);
        } else if (sscanf(line, "# TYPE %127s %31s", name, kind) == 2) {
            assert_string_equal(name, last);
            name_is_good(name, kind);
        } else {
            *strrchr(line, ' ') = '\0';
            for (unsigned k = 0; k < n; k++)
                assert_string_not_equal(series[k], line);
            assert_true(n < HONE_LEN(series));
            series[n++] = line;
        }
    }
    free(copy);
}

static void numbers(void *ctx, hone_desk_service *ret)
{
    (void)ctx;
    ret->commits = 42;
}

static void test_metrics(void **state)
{
    (void)state;
    hone_farm *farm = desk_farm();
    hone_desk *desk = hone_desk_new(farm, &(hone_desk_port){.service = numbers}, 77);
    hone_buf b = {0};
    hone_desk_metrics(desk, &b);
    assert_non_null(strstr(b.s, "\nhone_db_commits_total 42\n"));
    assert_non_null(strstr(b.s, "\nhone_jobs{state=\"queued\",class=\"batch\"} 2\n"));
    assert_non_null(strstr(b.s, "\nhone_device_score{device=\"pi4\"} 70\n"));
    assert_non_null(strstr(b.s, "\nhone_jobs{state=\"failed\",class=\"background\"} 0\n"));
    assert_non_null(
        strstr(b.s, "\nhone_devices{link=\"offline\",health=\"good\",admin=\"open\"} 1\n"));
    names_are_good(b.s);
    unsigned series = 0;
    char type[128] = "";
    for (char *line = strtok(b.s, "\n"); line; line = strtok(NULL, "\n")) {
        if (strncmp(line, "# HELP ", 7) == 0)
            continue;
        if (strncmp(line, "# TYPE ", 7) == 0) {
            snprintf(type, sizeof type, "%.*s", (int)strcspn(line + 7, " "), line + 7);
            continue;
        }
        size_t n = strcspn(line, "{ ");
        if (n != strlen(type) || strncmp(line, type, n) != 0)
            fail_msg("'%s' is not described before it", line);
        char *end;
        strtod(strrchr(line, ' ') + 1, &end);
        assert_true(*end == '\0');
        series++;
    }
    assert_in_range(series, 60, 2000);
    hone_buf_free(&b);
    hone_desk_free(desk);
    hone_farm_free(farm);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_metrics)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
