/* Inside of a lookup. Private to the folder.
 *
 *   lookup.c    the ladder: which rung answers, and what is said of it
 *   pool.c      candidates, and what the cost model says of them
 *   miss.c      what the logs have instead
 *   exact.c, class.c, nearest.c, model.c, default.c: a rung each */
#ifndef HONE_TUNER_LOOKUP_INTERNAL_H
#define HONE_TUNER_LOOKUP_INTERNAL_H

#include "costmodel/costmodel.h"
#include "tuner/lookup/lookup.h"
#include "tuner/near.h"

/* A candidate of a rung, and where it comes from. */
typedef struct candidate {
    hone_trace trace; /* finished */
    hone_features features;
    uint64_t program; /* hash */
    double cost;      /* ln of the predicted time, up to a constant of the kernel */
    unsigned source;  /* a number of the rung's */
} candidate;
typedef HONE_VEC(candidate) pool;

/* What a rung has. */
typedef struct finding {
    bool looked, found;
    char *what; /* one sentence: what it is, or why there is none */
    hone_sched sched;
    bool as_written;
    double cost;              /* NaN: not predicted yet */
    hone_intrin_set *intrins; /* of exact, where the record brings its own; NULL: the question's */
    hone_db_record record;
    char *from_target, *from_sizes;
    int32_t from_threads;
} finding;

/* A target of the logs, against the one asked for. Features take a while to compare. */
typedef struct kin {
    char *text;
    bool usable; /* hone_lookup__compatible */
    int apart;   /* hone_lookup__targets_apart, of a usable one */
} kin;

typedef struct lookup {
    const hone_lookup_question *q;
    uint64_t hash; /* of the program */
    char *target_text;
    hone_intrin_set *intrins; /* the question's with hone's own */
    hone_space *space;        /* NULL: not made yet */
    hone_model *prior, *model;
    const char *model_name; /* for people */
    hone_machine machine;   /* of drafts, when a log has `measured` it; else the preset's */
    bool measured;
    hone_sched sched;  /* to work with */
    HONE_VEC(kin) kin; /* met so far */
    finding found[HONE_RUNG_COUNT];
} lookup;

/* Looks at a rung: fills *ret, whose `what` is always set with HONE_OK. HONE_E_*: the lookup fails.
 */
typedef hone_status rung_find(lookup *l, finding *ret, hone_error *err);
#define HONE_RUNG(name, share, meaning) rung_find hone_lookup__##name;
#include "tuner/lookup/rungs.def"
#undef HONE_RUNG

/* ---- pool.c ------------------------------------------------------------------------------------
 */

/* Makes space and model, if that was not done yet. */
hone_status hone_lookup__prepare(lookup *l, hone_error *err) HONE_NODISCARD;
/* The schedule in l->sched joins the pool, unless its program is there. */
void hone_lookup__pool_add(lookup *l, pool *p, unsigned source);
/* Makes of a trace of this kernel, at whatever sizes and for whatever target, what it can be here,
 * and adds that. HONE_E_INTERRUPTED. */
hone_status hone_lookup__pool_adapt(lookup *l, pool *p, const char *trace, unsigned source,
                                    hone_error *err) HONE_NODISCARD;
/* Predicts what each costs, and takes the cheapest that passes the verifier: ret->sched, cost and
 * found. *ret_source may be NULL. HONE_E_MODEL, HONE_E_INTERRUPTED. */
hone_status hone_lookup__pool_take(lookup *l, pool *p, finding *ret, unsigned *ret_source,
                                   hone_error *err) HONE_NODISCARD;
void hone_lookup__pool_free(pool *p);
/* Sets f->cost of a finding, if it is not known yet. HONE_E_MODEL, and what a space returns. */
hone_status hone_lookup__predict(lookup *l, finding *f, hone_error *err) HONE_NODISCARD;

/* ---- class.c -----------------------------------------------------------------------------------
 */

/* May a schedule that was made for this target be used on the one asked for: the same architecture
 * and system, no feature that the one asked for lacks, vectors no wider and no more registers? */
bool hone_lookup__compatible(const hone_target *asked, const hone_target *made_for);
/* How far two targets are apart, for the first of those that are compatible: features of the one
 * asked for that the other lacks, and what else differs; 0: the same. */
int hone_lookup__targets_apart(const hone_target *asked, const hone_target *made_for);
/* Both of a target's text, found out once in a lookup; one that cannot be read is not usable. */
kin hone_lookup__kin(lookup *l, const char *text);
/* Adds "znver4 and 2 threads", of a target's text. */
void hone_lookup__put_target(const char *text, int32_t threads, hone_buf *ret);

/* ---- miss.c ------------------------------------------------------------------------------------
 */

/* One line: this kernel for other targets, or others of its name. The caller frees it. */
char *hone_lookup__miss(const lookup *l);

#endif
