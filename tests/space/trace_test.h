/* For tests of instructions: traces from text, replayed, and the round trip of what they made. */
#ifndef HONE_TESTS_SPACE_TRACE_TEST_H
#define HONE_TESTS_SPACE_TRACE_TEST_H

#include "tests/space/prim_test.h"

#include "space/space.h"

static inline hone_trace trace_of(const char *text)
{
    hone_trace t = {0};
    hone_error err;
    if (hone_trace_parse(text, strlen(text), &t, &err) != HONE_OK)
        fail_msg("%s in\n%s", err.message, text);
    return t;
}

/* Replays the text on base; what it did is written, read and replayed again with the same outcome,
 * and computes what base computes. */
static inline void replay_text(const hone_program *base, const char *text, hone_sched *s)
{
    hone_error err = {0};
    hone_trace t = trace_of(text);
    hone_status st = hone_trace_replay(&t, base, s, NULL, false, &err);
    if (st != HONE_OK)
        fail_msg("%s: %s", hone_status_name(st), err.message);
    char *once = hone_trace_text(&s->trace), *twice;
    hone_trace u = trace_of(once);
    assert_true(hone_trace_hash(&u) == hone_trace_hash(&s->trace));
    hone_sched again = {0};
    assert_int_equal(hone_trace_replay(&u, base, &again, NULL, false, &err), HONE_OK);
    twice = hone_trace_text(&again.trace);
    assert_string_equal(once, twice);
    assert_true(hone_program_hash(&again.prog) == hone_program_hash(&s->prog));
    check_same(base, &s->prog);
    free(once);
    free(twice);
    hone_trace_free(&t);
    hone_trace_free(&u);
    hone_sched_fini(&again);
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

#endif
