/* Trees read from XGBoost's bytes: what they predict, against the booster that wrote them, and by
 * hand; and what is refused.
 *
 * Reader's map: bytes by hand; predictions; what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "costmodel/trees.h"
#include "tests/costmodel/simulated.h"

/* ---- bytes by hand --------------------------------------------------------------------------- */

static void put_key(hone_buf *b, const char *key)
{
    const char head[] = {'U', (char)strlen(key)};
    hone_buf_add(b, head, 2);
    hone_buf_puts(b, key);
}

static void put_word(hone_buf *b, const char *key, const char *word)
{
    const char head[] = {'S', 'U', (char)strlen(word)};
    put_key(b, key);
    hone_buf_add(b, head, 3);
    hone_buf_puts(b, word);
}

static void put_integers(hone_buf *b, const char *key, const int *v, unsigned n)
{
    const char head[] = {'[', '$', 'l', '#', 'i', (char)n};
    put_key(b, key);
    hone_buf_add(b, head, sizeof head);
    for (unsigned k = 0; k < n; k++)
        for (int shift = 24; shift >= 0; shift -= 8)
            hone_buf_add(b, &(char){(char)((unsigned)v[k] >> shift)}, 1);
}

static void put_floats(hone_buf *b, const char *key, const float *v, unsigned n)
{
    int bits[8];
    memcpy(bits, v, n * sizeof *v);
    put_integers(b, key, bits, n);
    char *letter = b->s + b->n - 4 * n - 4;
    assert_int_equal(*letter, 'l');
    *letter = 'd';
}

/* What differs from a sound model of two rows of features: feature 1 against 0.5, then, on the
 * right, feature 0 against 3. */
typedef struct flaw {
    const char *booster, *objective, *width, *targets, *base;
    const char *left_out; /* key */
    int left, right, feature, kind;
    unsigned n; /* nodes of one array */
} flaw;

static const flaw sound = {"gbtree", "reg:squarederror", "2", "1", "0.25", "", 1, 2, 1, 0, 5};

static void put_tree(hone_buf *b, const flaw *f)
{
    const int left[] = {f->left, -1, 3, -1, -1}, right[] = {f->right, -1, 4, -1, -1},
              feature[] = {f->feature, 0, 0, 0, 0}, missing[] = {1, 0, 0, 0, 0},
              kind[] = {f->kind, 0, 0, 0, 0};
    const float value[] = {0.5F, 10, 3, 20, 40};
    hone_buf_puts(b, "{");
    put_integers(b, "default_left", missing, 5);
    put_integers(b, "ignored", missing, 3);
    put_integers(b, "left_children", left, 5);
    put_integers(b, "right_children", right, f->n);
    if (strcmp(f->left_out, "split_conditions") != 0)
        put_floats(b, "split_conditions", value, 5);
    put_integers(b, "split_indices", feature, 5);
    put_integers(b, "split_type", kind, 5);
    hone_buf_puts(b, "}");
}

static void put_model(hone_buf *b, const flaw *f)
{
    hone_buf_puts(b, "{");
    put_key(b, "learner");
    hone_buf_puts(b, "{");
    put_key(b, "attributes");
    hone_buf_puts(b, "{}");
    put_key(b, "gradient_booster");
    hone_buf_puts(b, "{");
    put_key(b, "model");
    hone_buf_puts(b, "{");
    put_key(b, "trees");
    hone_buf_puts(b, "[");
    put_tree(b, f);
    put_tree(b, &sound);
    hone_buf_puts(b, "]}");
    if (strcmp(f->left_out, "name") != 0)
        put_word(b, "name", f->booster);
    hone_buf_puts(b, "}");
    put_key(b, "learner_model_param");
    hone_buf_puts(b, "{");
    put_word(b, "base_score", f->base);
    put_word(b, "num_feature", f->width);
    put_word(b, "num_target", f->targets);
    hone_buf_puts(b, "}");
    put_key(b, "objective");
    hone_buf_puts(b, "{");
    put_word(b, "name", f->objective);
    hone_buf_puts(b, "}}");
    put_key(b, "version");
    hone_buf_puts(b, "[#i\3i\1i\7i\4}");
}

static bool is_read(const flaw *f)
{
    hone_buf b = {0};
    hone_costmodel__trees t;
    put_model(&b, f);
    bool ret = hone_costmodel__trees_read(b.s, b.n, 2, &t);
    assert_int_equal(ret, t.roots.n == 2);
    assert_int_equal(ret, t.nodes.n == 10);
    hone_costmodel__trees_free(&t);
    hone_buf_free(&b);
    return ret;
}

/* ---- predictions ----------------------------------------------------------------------------- */

static void by_hand(void **state)
{
    (void)state;
    static const struct {
        float row[2], want;
    } cases[] = {{{9, 0}, 20.25F},
                 {{9, 0.5F}, 80.25F},
                 {{2, 0.5F}, 40.25F},
                 {{3, 7}, 80.25F},
                 {{9, NAN}, 20.25F},
                 {{NAN, 1}, 80.25F},
                 {{-INFINITY, INFINITY}, 40.25F}};
    hone_buf b = {0};
    hone_costmodel__trees t;
    put_model(&b, &sound);
    assert_true(hone_costmodel__trees_read(b.s, b.n, 2, &t));
    for (unsigned k = 0; k < HONE_LEN(cases); k++) {
        float got = 0;
        hone_costmodel__trees_predict(&t, cases[k].row, 2, 1, &got);
        if (got < cases[k].want || got > cases[k].want)
            fail_msg("case %u: %g, not %g", k, (double)got, (double)cases[k].want);
    }
    hone_costmodel__trees_free(&t);
    hone_buf_free(&b);
}

/* XGBoost's own word on rows it was not trained on, bit by bit. */
static void as_xgboost_says(void **state)
{
    (void)state;
    enum { LEARN = 60, ASK = 40 };
    hone_size sizes[] = {{"M", 64}, {"N", 96}, {"K", 80}};
    hone_error err = {0};
    static hone_features f[LEARN + ASK];
    const hone_features *ask[ASK];
    double a[ASK], b[ASK];
    for (unsigned kind = 0; kind < 2; kind++) {
        hone_space *sp = simulated_space("matmul", sizes, 3, 2);
        hone_sched s = {0};
        hone_rng rng;
        hone_buf bytes = {0};
        hone_costmodel__trees t;
        hone_rng_seed(&rng, 3);
        const hone_model_options o = {
            .kind = kind ? HONE_MODEL_PRIOR : HONE_MODEL_ON_DRAFT, .seed = 1, .threads = 1};
        hone_model *m = hone_model_new(&o), *again = hone_model_new(&o);
        for (unsigned k = 0; k < LEARN + ASK;) {
            if (hone_space_sample(sp, &rng, &s, NULL) != HONE_OK)
                continue;
            hone_features_extract(&s.prog, &sp->target, 2, NULL, &f[k]);
            double ns = simulated_ns(&f[k], hone_trace_hash(&s.trace), 1, 0.02);
            if (k < LEARN)
                hone_model_add(m, 7, &f[k], ns);
            else
                ask[k - LEARN] = &f[k];
            k++;
        }
        assert_int_equal(hone_model_train(m, &err), HONE_OK);
        assert_int_equal(hone_model_bytes(m, &bytes, &err), HONE_OK);
        const char *body = strchr(bytes.s, '\n') + 1;
        assert_true(hone_costmodel__trees_read(body, (size_t)(bytes.s + bytes.n - body),
                                               HONE_N_FEATURES, &t));
        assert_true(t.roots.n >= 60);
        hone_costmodel__trees_free(&t);
        assert_int_equal(hone_model_parse(again, bytes.s, bytes.n, "bytes", &err), HONE_OK);
        /* a number that is missing, and some that no tree has seen */
        f[LEARN].v.v[3] = NAN;
        for (unsigned k = 0; k < HONE_N_FEATURES; k++)
            f[LEARN + 1].v.v[k] = k % 2 ? 1e30F : -5;
        assert_int_equal(hone_model_predict(m, ask, ASK, a, &err), HONE_OK);
        assert_int_equal(hone_model_predict(again, ask, ASK, b, &err), HONE_OK);
        assert_memory_equal(a, b, sizeof a);
        /* what it goes by is XGBoost's to say */
        double gain[HONE_N_FEATURES], same[HONE_N_FEATURES];
        assert_true(hone_model_gains(m, gain) && hone_model_gains(again, same));
        assert_memory_equal(gain, same, sizeof gain);
        /* it can be trained again */
        for (unsigned k = 0; k < LEARN; k++)
            hone_model_add(again, 7, &f[k], 1000 + k);
        assert_int_equal(hone_model_train(again, &err), HONE_OK);
        assert_int_equal(hone_model_predict(again, ask, ASK, b, &err), HONE_OK);
        assert_true(memcmp(a, b, sizeof a) != 0);
        hone_model_free(m);
        hone_model_free(again);
        hone_buf_free(&bytes);
        hone_sched_fini(&s);
        hone_space_free(sp);
    }
    for (unsigned k = 0; k < LEARN + ASK; k++)
        hone_features_free(&f[k]);
}

/* ---- what is refused ------------------------------------------------------------------------- */

static void what_is_not_read_here(void **state)
{
    (void)state;
    assert_true(is_read(&sound));
    flaw f = sound;
#define REFUSED(field, x)          \
    do {                           \
        f = sound;                 \
        f.field = (x);             \
        assert_false(is_read(&f)); \
    } while (0)
    REFUSED(booster, "dart");
    REFUSED(objective, "binary:logistic");
    REFUSED(width, "3");
    REFUSED(width, "");
    REFUSED(targets, "2");
    REFUSED(base, "[1E0]");
    REFUSED(base, "inf");
    REFUSED(left_out, "name");
    REFUSED(left_out, "split_conditions");
    REFUSED(left, 0); /* a circle */
    REFUSED(left, 4); /* its right child would be behind the end */
    REFUSED(left, -2);
    REFUSED(right, 3);
    REFUSED(feature, 2);
    REFUSED(feature, -1);
    REFUSED(kind, 1);
    REFUSED(n, 4);
#undef REFUSED
}

/* Each beginning, in memory that ends there, and each byte changed: refused, or read and usable. */
static void cut_and_changed(void **state)
{
    (void)state;
    hone_buf b = {0};
    hone_costmodel__trees t;
    put_model(&b, &sound);
    for (size_t n = 0; n < b.n; n++) {
        char *cut = hone_xmalloc(n + 1);
        memcpy(cut, b.s, n);
        char *exact = memcpy(hone_xmalloc(n ? n : 1), cut, n);
        assert_false(hone_costmodel__trees_read(exact, n, 2, &t));
        free(exact);
        free(cut);
    }
    for (size_t n = 0; n < b.n; n++)
        for (int bit = 0; bit < 8; bit++) {
            const float row[] = {1, NAN};
            float out;
            b.s[n] ^= (char)(1 << bit);
            if (hone_costmodel__trees_read(b.s, b.n, 2, &t))
                hone_costmodel__trees_predict(&t, row, 2, 1, &out);
            hone_costmodel__trees_free(&t);
            b.s[n] ^= (char)(1 << bit);
        }
    hone_buf_free(&b);
}

/* As deep as it likes: the reader's own stack is bounded. */
static void too_deep(void **state)
{
    (void)state;
    enum { DEEP = 100000 };
    hone_costmodel__trees t;
    hone_buf b = {0};
    hone_buf_puts(&b, "{");
    put_key(&b, "x");
    for (unsigned k = 0; k < DEEP; k++)
        hone_buf_puts(&b, "[");
    assert_false(hone_costmodel__trees_read(b.s, b.n, 2, &t));
    hone_buf_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(by_hand),
        cmocka_unit_test(as_xgboost_says),
        cmocka_unit_test(what_is_not_read_here),
        cmocka_unit_test(cut_and_changed),
        cmocka_unit_test(too_deep),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
