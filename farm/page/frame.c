/* The page for people: a frame with its style and script and the chart library put in, once. */
#include "farm/page/internal.h"

/* The assembler looks for them in the include folders, of which the source root is one. */
#define PART(name, file)                  \
    __asm__(".pushsection .rodata\n"      \
            "hone_farm_page_" #name ":\n" \
            ".incbin \"" file "\"\n"      \
            ".byte 0\n"                   \
            ".popsection\n");             \
    extern const char hone_farm_page_##name[]

PART(frame, "farm/page/page.html");
PART(style, "farm/page/page.css");
PART(script, "farm/page/page.js");
PART(report_style, "cli/report/page.css");
PART(chart_style, "cli/report/uPlot.min.css");
PART(chart_script, "cli/report/uPlot.iife.min.js");
PART(chart_licence, "cli/report/uPlot.LICENSE");

/* The frame names its parts as @part@, on a line of their own. */
char *hone_page__frame(size_t *ret_n)
{
    const hone_frame_part parts[] = {{"@chart-style@\n", hone_farm_page_chart_style},
                                     {"@report-style@\n", hone_farm_page_report_style},
                                     {"@style@\n", hone_farm_page_style},
                                     {"@chart-licence@\n", hone_farm_page_chart_licence},
                                     {"@chart-script@\n", hone_farm_page_chart_script},
                                     {"@script@\n", hone_farm_page_script}};
    hone_buf page = {0};
    hone_buf_frame(&page, hone_farm_page_frame, parts, HONE_LEN(parts));
    *ret_n = page.n;
    return hone_buf_take(&page);
}
