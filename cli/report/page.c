/* The pages: page.html with its style, its script, the chart library and the data put in; and
 * profile.html, which needs no charts. */
#include "cli/report/report.h"

/* The assembler looks for them in the include folders, of which the source root is one. */
#define PART(name, file)                        \
    __asm__(".pushsection .rodata\n"            \
            "hone_report_" #name ":\n"          \
            ".incbin \"cli/report/" file "\"\n" \
            ".byte 0\n"                         \
            ".popsection\n");                   \
    extern const char hone_report_##name[]

PART(frame, "page.html");
PART(style, "page.css");
PART(script, "page.js");
PART(profile_frame, "profile.html");
PART(profile_script, "profile.js");
PART(chart_style, "uPlot.min.css");
PART(chart_script, "uPlot.iife.min.js");
PART(chart_licence, "uPlot.LICENSE");

/* ASCII; and nothing in it can end the script element it stands in, or begin a comment there. */
static char *data_text(const json_t *data)
{
    char *text = json_dumps(data, JSON_COMPACT | JSON_ENSURE_ASCII | JSON_REAL_PRECISION(6));
    hone_buf b = {0};
    for (const char *s = text; *s;) {
        size_t n = strcspn(s, "<>&");
        hone_buf_add(&b, s, n);
        s += n;
        if (*s)
            hone_buf_printf(&b, "\\u%04x", (unsigned)(unsigned char)*s++);
    }
    free(text);
    return hone_buf_take(&b);
}

/* The frame names its parts as @part@, on a line of their own. */
static char *page_of(const char *frame, const hone_frame_part *parts, unsigned n, size_t *ret_n)
{
    hone_buf page = {0};
    hone_buf_frame(&page, frame, parts, n);
    *ret_n = page.n;
    return hone_buf_take(&page);
}

char *cli_report_page(const json_t *data, size_t *ret_n)
{
    char *json = data_text(data);
    const hone_frame_part parts[] = {{"@chart-style@\n", hone_report_chart_style},
                                     {"@style@\n", hone_report_style},
                                     {"@chart-licence@\n", hone_report_chart_licence},
                                     {"@chart-script@\n", hone_report_chart_script},
                                     {"@data@\n", json},
                                     {"@script@\n", hone_report_script}};
    char *page = page_of(hone_report_frame, parts, HONE_LEN(parts), ret_n);
    free(json);
    return page;
}

char *cli_profile_page(const json_t *data, size_t *ret_n)
{
    char *json = data_text(data);
    const hone_frame_part parts[] = {{"@style@\n", hone_report_style},
                                     {"@data@\n", json},
                                     {"@script@\n", hone_report_profile_script}};
    char *page = page_of(hone_report_profile_frame, parts, HONE_LEN(parts), ret_n);
    free(json);
    return page;
}
