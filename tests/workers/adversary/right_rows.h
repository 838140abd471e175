/* Right kernels of whole rows: softmax and layer norm in other forms. Included by each.h, last. */

#if REAL

/* ---- rows ------------------------------------------------------------------------------------ */

#define ROW(k) ((WIDE)X(i, k, COLS))
#define EXP(x) ((WIDE)CAT(plain_exp, T)((NUM)(x)))

/* The largest so far, and the sum of what that makes of all before. */
K(softmax_online)
{
    EACH (i, ROWS) {
        WIDE m = ROW(0), s = 1;
        for (int64_t k = 1; k < COLS; k++) {
            WIDE x = ROW(k), top = x > m ? x : m;
            s = s * EXP(m - top) + EXP(x - top);
            m = top;
        }
        EACH (k, COLS)
            PUT(1, i * COLS + k, EXP(ROW(k) - m) / s);
    }
}

static WIDE CAT(row_max, T)(void *const *args, int64_t i)
{
    WIDE m = ROW(0);
    EACH (k, COLS)
        m = ROW(k) > m ? ROW(k) : m;
    return m;
}

K(softmax_by_reciprocal)
{
    EACH (i, ROWS) {
        WIDE m = CAT(row_max, T)(args, i), lane[8] = {0}, e[COLS], s = 0;
        EACH (k, COLS)
            lane[k % 8] += e[k] = EXP(ROW(k) - m);
        EACH (l, 8)
            s += lane[l];
        s = 1 / s;
        EACH (k, COLS)
            PUT(1, i * COLS + k, e[k] * s);
    }
}

/* In double throughout, and nothing kept. */
K(softmax_twice)
{
    EACH (i, ROWS) {
        double m = (double)CAT(row_max, T)(args, i), s = 0;
        for (int64_t k = COLS; k-- > 0;)
            s += exact_exp((double)ROW(k) - m);
        EACH (k, COLS)
            PUT(1, i * COLS + k, (NUM)(exact_exp((double)ROW(k) - m) / s));
    }
}

/* Of halves of the row, made one. */
K(softmax_in_halves)
{
    EACH (i, ROWS) {
        WIDE m[2], s[2] = {0, 0};
        EACH (h, 2) {
            m[h] = ROW(h * COLS / 2);
            EACH (k, COLS / 2)
                m[h] = ROW(h * COLS / 2 + k) > m[h] ? ROW(h * COLS / 2 + k) : m[h];
            EACH (k, COLS / 2)
                s[h] += EXP(ROW(h * COLS / 2 + k) - m[h]);
        }
        WIDE top = m[0] > m[1] ? m[0] : m[1];
        WIDE all = s[0] * EXP(m[0] - top) + s[1] * EXP(m[1] - top);
        EACH (k, COLS)
            PUT(1, i * COLS + k, EXP(ROW(k) - top) / all);
    }
}

/* exp(x - m - log s), the logarithm in double. */
K(softmax_by_log)
{
    EACH (i, ROWS) {
        double m = (double)CAT(row_max, T)(args, i), s = 0;
        EACH (k, COLS)
            s += exact_exp((double)ROW(k) - m);
        s = m + exact_log(s);
        EACH (k, COLS)
            PUT(1, i * COLS + k, (NUM)exact_exp((double)ROW(k) - s));
    }
}

/* Mean and variance of a row from `body`; `result` is what is stored. */
#define NORM(result, ...)                \
    EACH (i, ROWS) {                     \
        WIDE mean = 0, v = 0;            \
        __VA_ARGS__;                     \
        v += (WIDE)1e-5;                 \
        EACH (k, COLS)                   \
            PUT(1, i *COLS + k, result); \
    }
#define ROOT(x) ((WIDE)__builtin_sqrt((double)(x)))

K(norm_in_one_pass)
{
    NORM((ROW(k) - mean) / ROOT(v),
         EACH (k, COLS) {
             mean += ROW(k);
             v += ROW(k) * ROW(k);
         } mean /= COLS;
         v = v / COLS - mean * mean);
}

/* Of halves of the row, by how far their means are apart. */
K(norm_by_halves)
{
    EACH (i, ROWS) {
        WIDE m[2] = {0, 0}, v = 1e-5 * COLS, apart;
        EACH (k, COLS)
            m[k % 2] += ROW(k);
        EACH (k, COLS) {
            WIDE d = ROW(k) - m[k % 2] / (COLS / 2);
            v += d * d;
        }
        apart = (m[0] - m[1]) / (COLS / 2);
        v = ROOT((v + apart * apart * (COLS / 4)) / COLS);
        EACH (k, COLS)
            PUT(1, i * COLS + k, (ROW(k) - (m[0] + m[1]) / COLS) / v);
    }
}

#define TWO_PASSES                                                       \
    WIDE lane[4] = {0};                                                  \
    EACH (k, COLS)                                                       \
        lane[k % 4] += ROW(k);                                           \
    mean = (lane[0] + lane[1] + lane[2] + lane[3]) * (WIDE)(1.0 / COLS); \
    EACH (k, COLS)                                                       \
        v += (ROW(k) - mean) * (ROW(k) - mean);                          \
    v *= (WIDE)(1.0 / COLS)

K(norm_by_lanes)
{
    NORM((ROW(k) - mean) / ROOT(v), TWO_PASSES);
}

K(norm_by_reciprocal)
{
    NORM((ROW(k) - mean) * (1 / ROOT(v)), TWO_PASSES);
}

K(norm_in_double)
{
    EACH (i, ROWS) {
        double mean = 0, v = 0;
        EACH (k, COLS)
            mean += (double)ROW(k);
        mean /= COLS;
        EACH (k, COLS)
            v += ((double)ROW(k) - mean) * ((double)ROW(k) - mean) / COLS;
        EACH (k, COLS)
            PUT(1, i * COLS + k, (NUM)(((double)ROW(k) - mean) / __builtin_sqrt(v + 1e-5)));
    }
}

/* x r - mean r */
K(norm_folded)
{
    NORM(ROW(k) * (1 / ROOT(v)) - mean * (1 / ROOT(v)), TWO_PASSES);
}

#undef TWO_PASSES
#undef NORM
#undef ROOT
#undef ROW
#undef EXP
#endif

#undef X
#undef TERM
#undef ADD
#undef MUL
#undef EACH
