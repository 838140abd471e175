/* Inside of a lookup. Private to the folder.
 *
 *   lookup.c    the ladder: which rung answers, and what is said of it
 *   pool.c      candidates, and what the cost model says of them
 *   residual.c  kernels of near sizes, and how the model erred there
 *   guard.c     what follows for the default; share.c what is expected of an answer
 *   miss.c      what the logs have instead
 *   library.c   what was measured of library calls (library.h); no rung
 *   sizes.c     what is asked for a range of sizes; size_choice.c which variants such a function
 * has exact.c, class.c, nearest.c, model.c, default.c: a rung each */
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
    double handicap;  /* of that, where it is less sure than others */
    unsigned source;  /* a number of the rung's */
} candidate;
typedef HONE_VEC(candidate) pool;

/* What a rung has. */
typedef struct finding {
    bool looked, found;
    char *what;    /* one sentence: what it is, or why there is none */
    char *refused; /* by q->accept: why; NULL: it was not */
    hone_sched sched;
    bool as_written;
    double cost;              /* NaN: not predicted yet */
    unsigned log;             /* number of the one it is from, of class */
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

/* A trace of a near kernel. */
typedef struct near_trace {
    hone_trace trace; /* no instructions: it cannot be used */
    int64_t clock_ns;
} near_trace;

#define HONE_LOOKUP__NOTED 4

/* A kernel of near sizes that was tuned, and what its records say. */
typedef struct near_kernel {
    hone_db *db;
    neighbour of; /* owned */
    bool here;    /* for the target and threads asked for */
    bool known;   /* program and target can be read */
    hone_program program;
    hone_target target;
    HONE_VEC(near_trace) fastest; /* the best first */
    /* What the session that tuned it noted: hashes of the default's trace, and of those that were
     * made of other sizes' best. */
    uint64_t defaults[HONE_LOOKUP__NOTED], nears[HONE_LOOKUP__NOTED];
    unsigned n_defaults, n_nears;
    int64_t default_ns; /* clock of the default there; 0: it was not measured */
    double favour;      /* as of hone_lookup_near */
    hone_sched sched;   /* to work with */
} near_kernel;

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
    hone_sched sched;           /* to work with */
    HONE_VEC(kin) kin;          /* met so far */
    HONE_VEC(near_kernel) near; /* that rung nearest has taken from, at most HONE_LOOKUP_NEAR */
    finding found[HONE_RUNG_COUNT];
} lookup;

/* Before and after anything else. hone_lookup__end in any case. What hone_intrin_set_add returns.
 */
hone_status hone_lookup__begin(const hone_lookup_question *q, lookup *ret,
                               hone_error *err) HONE_NODISCARD;
void hone_lookup__end(lookup *l);

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
/* What the model is to know of a program. */
void hone_lookup__extract(lookup *l, hone_program *p, hone_features *ret);
/* The schedule in l->sched joins the pool, unless its program is there. */
void hone_lookup__pool_add(lookup *l, pool *p, unsigned source);
/* Makes of a trace of this kernel, at whatever sizes and for whatever target, what it can be here,
 * and adds that. HONE_E_INTERRUPTED. */
hone_status hone_lookup__pool_adapt(lookup *l, pool *p, const hone_trace *t, unsigned source,
                                    hone_error *err) HONE_NODISCARD;
/* Handicaps of a pool whose first is the default, and which has no others: a candidate is as good
 * as the less sure of model and draft says, seen from the default. A model that was learned
 * elsewhere has never seen most of a space, and the best of hundreds by its word is often one of
 * its errors. HONE_E_MODEL. */
hone_status hone_lookup__pool_doubt(lookup *l, pool *p, hone_error *err) HONE_NODISCARD;
/* Predicts what each costs, and takes the cheapest that passes the verifier: ret->sched, cost and
 * found. *ret_source may be NULL. HONE_E_MODEL, HONE_E_INTERRUPTED. */
hone_status hone_lookup__pool_take(lookup *l, pool *p, finding *ret, unsigned *ret_source,
                                   hone_error *err) HONE_NODISCARD;
void hone_lookup__pool_free(pool *p);
/* Sets f->cost of a finding, if it is not known yet. HONE_E_MODEL, and what a space returns. */
hone_status hone_lookup__predict(lookup *l, finding *f, hone_error *err) HONE_NODISCARD;

/* ---- default.c ---------------------------------------------------------------------------------
 */

/* It is the program as written, by this sentence, which it takes. */
void hone_lookup__as_written(lookup *l, finding *ret, char *what);

/* ---- residual.c --------------------------------------------------------------------------------
 */

#define HONE_LOOKUP__JUDGED 4 /* schedules of a near kernel that the model is asked about */

/* A kernel of the log with its `most` fastest traces. hone_lookup__near_free in any case. What a
 * database returns. */
hone_status hone_lookup__near_open(const lookup *l, const neighbour *x, uint32_t most,
                                   near_kernel *ret, hone_error *err) HONE_NODISCARD;
void hone_lookup__near_free(near_kernel *k);
/* Finds out how long the default took there, and by how much the model favours what was measured
 * over it. What a database and a space return, HONE_E_MODEL. */
hone_status hone_lookup__near_judge(lookup *l, near_kernel *k, hone_error *err) HONE_NODISCARD;
/* The least clock of those n traces there; 0: none has a good result. What a database returns. */
hone_status hone_lookup__near_least(const near_kernel *k, const uint64_t *hashes, unsigned n,
                                    int64_t *ret_ns, hone_error *err) HONE_NODISCARD;
/* Clock of the fastest; 0: there is none. */
static inline int64_t hone_lookup__near_best(const near_kernel *k)
{
    return k->fastest.n ? k->fastest.v[0].clock_ns : 0;
}

/* ---- guard.c -----------------------------------------------------------------------------------
 */

/* By how much at least, as ln of a ratio, an answer that was not measured is faster than the
 * default: what the model says, `predicted`, where nothing is known of near sizes. Pure. */
double hone_lookup__gain(const hone_lookup_near *v, uint32_t n, double predicted);

/* ---- share.c -----------------------------------------------------------------------------------
 */

/* Of the speed of the best schedule, at other sizes that are so far (as in hone_lookup_near). */
typedef struct hone_lookup__seen {
    double share, far;
} hone_lookup__seen;
/* The share to be expected, in hundredths: the geometric mean of what hone's lists showed and of
 * what was seen. Pure. */
double hone_lookup__share(double shipped, const hone_lookup__seen *v, uint32_t n);
/* The same for what was found on a rung; *ret_from (the caller's in any case) says from what. What
 * a database and a space return. */
hone_status hone_lookup__expect(lookup *l, hone_rung r, double shipped, double *ret,
                                char **ret_from, hone_error *err) HONE_NODISCARD;

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
