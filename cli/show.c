/* hone show: a kernel's program as text. */
#include "cli/cli.h"
#include "space/space.h"

static int run(int argc, char **argv, const cli_command *self)
{
    cli_sizes sizes = {0};
    cli_list intrin_files = {0};
    const char *trace_path = NULL;
    const cli_option options[] = {
        {"-D", CLI_SIZE, "NAME=INT", &sizes, "size of the kernel; repeat for each", 0},
        {"--trace", CLI_TEXT, "FILE", &trace_path, "show the program after this trace", 0},
        {"--intrin", CLI_LIST, "FILE", &intrin_files, "tensor intrinsics that the trace uses", 0},
    };
    const char *pos[1];
    unsigned n;
    int code;
    if (!CLI_PARSE(self, argc, argv, options, pos, &n, &code))
        return code;
    if (n != 1)
        return cli_usage(self, "which kernel? a built-in's name or FILE.hone[:name]");
    hone_error err = {0};
    cli_kernel k = {0};
    hone_trace t = {0};
    hone_sched s = {0};
    hone_buf out = {0};
    char *text = NULL;
    size_t len = 0;
    hone_status st = cli_kernel_load(pos[0], &sizes, &k, &err);
    const hone_program *p = &k.program;
    hone_intrin_set *intrins = hone_intrin_set_new();
    if (st == HONE_OK)
        st = cli_intrins_load(&intrin_files, intrins, &err);
    s.intrins = intrins;
    if (st == HONE_OK && trace_path) {
        st = hone_file_read(trace_path, HONE_MAX_TRACE_BYTES, &text, &len, &err);
        hone_error why = {0};
        if (st == HONE_OK && hone_trace_parse(text, len, &t, &why) != HONE_OK)
            st = hone_fail(&err, why.status, "%.200s: %.700s", trace_path, why.message);
        if (st == HONE_OK)
            st = hone_trace_replay(&t, &k.program, &s, NULL, false, &err);
        p = &s.prog;
    }
    if (st == HONE_OK) {
        hone_program_print(p, &out);
        fputs(out.s, stdout);
    }
    hone_buf_free(&out);
    free(text);
    hone_trace_free(&t);
    hone_sched_fini(&s);
    hone_intrin_set_free(intrins);
    cli_kernel_free(&k);
    return st == HONE_OK ? 0 : cli_fail(st, &err);
}

const cli_command cli_show = {
    .name = "show",
    .synopsis = "KERNEL [-D NAME=INT]... [--trace FILE]",
    .summary = "print a kernel's program, before or after a trace",
    .text = "  hone show matmul -D M=64 -D N=64 -D K=64\n"
            "  hone query matmul -D M=64 -D N=64 -D K=64 --emit trace -o t.json\n"
            "  hone show matmul -D M=64 -D N=64 -D K=64 --trace t.json\n\n"
            "exit codes: 0 good, 1 the trace does not apply, 2 bad input, 3 no such file\n",
    .run = run,
};
