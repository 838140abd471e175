/* Any text: the reader accepts or refuses it; what it accepts prints and reads back the same, and a
 * replay of it either is refused or leaves a program that verifies. */
#include "space/space.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char kernel[] = "program mbr {\n"
                             "  buffer A: f32[12, 8] input\n"
                             "  buffer B: f32[8, 10] input\n"
                             "  buffer D: f32[12, 10] output\n"
                             "  buffer C: f32[12, 10]\n"
                             "  for i in 12 {\n"
                             "    for j in 10 {\n"
                             "      for k in 8 {\n"
                             "        block C(vi: 12 = i, vj: 10 = j, reduce vk: 8 = k) {\n"
                             "          init 0.0\n"
                             "          C[vi, vj] = C[vi, vj] + A[vi, vk] * B[vk, vj]\n"
                             "        }\n"
                             "      }\n"
                             "    }\n"
                             "  }\n"
                             "  for i_1 in 12 {\n"
                             "    for j_1 in 10 {\n"
                             "      block D(vi: 12 = i_1, vj: 10 = j_1) {\n"
                             "        D[vi, vj] = max(C[vi, vj], 0.0)\n"
                             "      }\n"
                             "    }\n"
                             "  }\n"
                             "}\n";

static void check(hone_program *p)
{
    hone_error err = {0};
    if (!p->overflow && hone_verify(p, &err) != HONE_OK) {
        hone_buf text = {0};
        hone_program_print(p, &text);
        fprintf(stderr, "%s in\n%s", err.message, text.s);
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static hone_space space;
    if (!space.base.stmts.n)
        HONE_ASSERT(hone_program_parse(kernel, sizeof kernel - 1, &space.base, NULL) == HONE_OK);

    hone_trace t = {0}, again = {0};
    hone_sched s = {0};
    hone_rng rng;
    hone_error err;
    if (hone_trace_parse((const char *)data, size, &t, &err) == HONE_OK) {
        char *text = hone_trace_text(&t);
        HONE_ASSERT(hone_trace_parse(text, strlen(text), &again, NULL) == HONE_OK);
        char *text2 = hone_trace_text(&again);
        HONE_ASSERT(strcmp(text, text2) == 0);
        HONE_ASSERT(hone_trace_hash(&t) == hone_trace_hash(&again));
        free(text);
        free(text2);

        hone_rng_seed(&rng, size);
        /* a refused replay leaves what did apply, which must be sound too */
        hone_status st = hone_trace_replay(&t, &space.base, &s, &rng, false, &err);
        HONE_ASSERT(st == HONE_OK || hone_status_is_reject(st) || st == HONE_E_INPUT);
        check(&s.prog);
        if (st == HONE_OK && !s.prog.overflow) {
            uint64_t program = hone_program_hash(&s.prog);
            hone_trace_copy(&again, &s.trace);
            HONE_ASSERT(hone_trace_replay(&again, &space.base, &s, NULL, false, &err) == HONE_OK);
            HONE_ASSERT(hone_program_hash(&s.prog) == program);
            HONE_ASSERT(hone_trace_hash(&s.trace) == hone_trace_hash(&again));
        }
        for (int k = 0; k < 3 && hone_space_mutate(&space, &t, &rng); k++)
            if (hone_trace_replay(&t, &space.base, &s, &rng, false, NULL) == HONE_OK)
                check(&s.prog);
    }
    hone_trace_free(&t);
    hone_trace_free(&again);
    hone_sched_fini(&s);
    return 0;
}
