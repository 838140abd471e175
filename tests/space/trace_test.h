/* For tests of instructions: traces from text, replayed, and the round trip of what they made. */
#ifndef HONE_TESTS_SPACE_TRACE_TEST_H
#define HONE_TESTS_SPACE_TRACE_TEST_H

#include "tests/space/prim_test.h"

#include "space/space.h"
#include "space/trace/internal.h"

/* What TVM v0.9's rules do to a product b0 in a program b1: tiles, a copy of what is written. */
#define TVM_TILES                                                                                 \
    "[\"Annotate\",[\"b0\",\"\\\"SSRSRS\\\"\"],[\"meta_schedule.tiling_structure\"],[]],"         \
    "[\"GetLoops\",[\"b0\"],[],[\"l2\",\"l3\",\"l4\"]],"                                          \
    "[\"SamplePerfectTile\",[\"l2\"],[4,64],[\"v5\",\"v6\",\"v7\",\"v8\"]],"                      \
    "[\"Split\",[\"l2\",\"v5\",\"v6\",\"v7\",\"v8\"],[1],[\"l9\",\"l10\",\"l11\",\"l12\"]],"      \
    "[\"SamplePerfectTile\",[\"l3\"],[4,64],[\"v13\",\"v14\",\"v15\",\"v16\"]],"                  \
    "[\"Split\",[\"l3\",\"v13\",\"v14\",\"v15\",\"v16\"],[1],[\"l17\",\"l18\",\"l19\",\"l20\"]]," \
    "[\"SamplePerfectTile\",[\"l4\"],[2,64],[\"v21\",\"v22\"]],"                                  \
    "[\"Split\",[\"l4\",\"v21\",\"v22\"],[1],[\"l23\",\"l24\"]],"                                 \
    "[\"Reorder\",[\"l9\",\"l17\",\"l10\",\"l18\",\"l23\",\"l11\",\"l19\",\"l24\",\"l12\","       \
    "\"l20\"],"                                                                                   \
    "[],[]],"                                                                                     \
    "[\"CacheWrite\",[\"b0\",[]],[0,\"global\"],[\"b25\"]],"                                      \
    "[\"ReverseComputeAt\",[\"b25\",\"l18\"],[1,-1],[]],"                                         \
    "[\"Annotate\",[\"b1\",64],[\"meta_schedule.parallel\"],[]],"                                 \
    "[\"Annotate\",[\"b1\",64],[\"meta_schedule.vectorize\"],[]],"                                \
    "[\"SampleCategorical\",[],[[0,16,64,512],[0.25,0.25,0.25,0.25]],[\"v26\"]],"                 \
    "[\"Annotate\",[\"b1\",\"v26\"],[\"meta_schedule.unroll_explicit\"],[]],"

static inline hone_trace trace_of(const char *text)
{
    hone_trace t = {0};
    hone_error err;
    if (hone_trace_parse(text, strlen(text), &t, &err) != HONE_OK)
        fail_msg("%s in\n%s", err.message, text);
    return t;
}

/* The schedule's trace is written, read and replayed on base with the same outcome, which computes
 * what base computes. */
static inline void check_round_trip(hone_sched *s, const hone_program *base)
{
    char *once = hone_trace_text(&s->trace), *twice;
    hone_trace t = trace_of(once);
    assert_true(hone_trace_hash(&t) == hone_trace_hash(&s->trace));
    hone_sched again = {0};
    APPLY(hone_trace_replay(&t, base, &again, NULL, false, err));
    twice = hone_trace_text(&again.trace);
    assert_string_equal(once, twice);
    assert_true(hone_program_hash(&again.prog) == hone_program_hash(&s->prog));
    check_same(base, &again.prog);
    free(once);
    free(twice);
    hone_trace_free(&t);
    hone_sched_fini(&again);
}

/* Replays the text on base, and back and forth. */
static inline void replay_text(const hone_program *base, const char *text, hone_sched *s)
{
    hone_trace t = trace_of(text);
    APPLY(hone_trace_replay(&t, base, s, NULL, false, err));
    check_round_trip(s, base);
    hone_trace_free(&t);
}

/* The last instruction of the text is refused with this status, and the program is the one before
 * it. */
static inline void replay_refused(const hone_program *base, const char *text, hone_status status)
{
    hone_error err = {0};
    hone_sched s = {0}, before = {0};
    hone_trace t = trace_of(text), prefix = t;
    assert_int_equal(hone_trace_replay(&t, base, &s, NULL, false, &err), status);
    assert_int_equal(s.trace.insts.n, t.insts.n - 1);
    assert_true(err.message[0] != '\0');
    prefix.insts.n = t.insts.n - 1;
    assert_int_equal(hone_trace_replay(&prefix, base, &before, NULL, false, &err), HONE_OK);
    assert_true(hone_program_hash(&before.prog) == hone_program_hash(&s.prog));
    hone_sched_fini(&s);
    hone_sched_fini(&before);
    hone_trace_free(&t);
}

/* Every decision of t, which is legal, is one of those that there are. */
static inline void check_members(const hone_space *sp, const hone_trace *t)
{
    hone_sched s = {0};
    hone_trace part = *t;
    part.insts.n = hone_trace_search_part(t);
    hone_space__lend(sp, &s);
    hone_space__rewind(&s, &part, &sp->base, NULL);
    for (uint32_t k = 0; k < part.insts.n; k++) {
        const hone_inst *in = &s.trace.insts.v[k];
        if (in->n_decision) {
            int64_t d[HONE_SPACE_MAX_FACTORS];
            uint32_t n = 0;
            do {
                APPLY(hone_space__next_decision(&s, in, d, &n, err));
                if (n == 0)
                    fail_msg("%s: a decision is outside", hone_inst_name(in->kind));
            } while (n != in->n_decision ||
                     memcmp(d, s.trace.ints.v + in->decision, n * sizeof *d) != 0);
        }
        APPLY(hone_space__replay_one(&s, k, err));
    }
    hone_sched_fini(&s);
}

#endif
