/* Any text as a rule file: accepted or refused; what is accepted makes a space whose candidates
 * verify. */
#include "space/space.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char kernel[] = "kernel m(M = 6, N = 8, K = 5) {\n"
                             "  input A: f32[M, K]\n  input B: f32[K, N]\n  output C: f32[M, N]\n"
                             "  C[i, j] = sum(k < K) A[i, k] * B[k, j]\n}\n";

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const hone_target target = {.cores = 2,
                                       .vector_bytes = 16,
                                       .vector_registers = 16,
                                       .fma_latency = 4,
                                       .fma_per_cycle = 1,
                                       .cache_line = 64,
                                       .l1_bytes = 32768,
                                       .l2_bytes = 1 << 18};
    static hone_program base;
    if (!base.stmts.n)
        HONE_ASSERT(hone_workload_parse("m", kernel, sizeof kernel - 1, NULL, NULL, 0, &base,
                                        NULL) == HONE_OK);
    hone_log_set_level(HONE_LOG_ERROR);
    hone_custom_rules *rules = hone_custom_rules_new();
    hone_error err;
    hone_space *sp;
    hone_status st = hone_custom_rules_parse(rules, "f", (const char *)data, size, &err);
    HONE_ASSERT(st == HONE_OK || st == HONE_E_INPUT);
    if (st == HONE_OK &&
        hone_space_new(&base,
                       &(hone_space_options){.target = &target, .threads = 2, .rules = rules}, &sp,
                       &err) == HONE_OK) {
        hone_sched s = {0};
        for (uint32_t k = 0; k < sp->seeds.n; k++)
            if (hone_space_finish(sp, &sp->seeds.v[k], &s, &err) == HONE_OK && !s.prog.overflow &&
                hone_verify(&s.prog, &err) != HONE_OK) {
                fprintf(stderr, "%s\n", err.message);
                abort();
            }
        hone_sched_fini(&s);
        hone_space_free(sp);
    }
    hone_custom_rules_free(rules);
    return 0;
}
