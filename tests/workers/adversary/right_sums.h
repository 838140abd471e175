/* Right kernels that reduce in another way: orders, widths, forms. Included by each.h. */

/* ---- sums ------------------------------------------------------------------------------------ */

#define ROWS_OF(...)  \
    EACH (i, SUM_M) { \
        WIDE s = 0;   \
        __VA_ARGS__;  \
        SUM(1, i, s); \
    }
#define IT(k) ((WIDE)X(i, k, SUM_K))

K(sum_reversed)
{
    ROWS_OF(for (int64_t k = SUM_K; k-- > 0;) s += IT(k));
}

K(sum_from_the_middle)
{
    ROWS_OF(EACH (k, SUM_K) s += IT((k + SUM_K / 2) % SUM_K));
}

static WIDE CAT(sum_of, T)(const WIDE *x, int64_t n)
{
    return n == 1 ? x[0] : CAT(sum_of, T)(x, n / 2) + CAT(sum_of, T)(x + n / 2, n - n / 2);
}

K(sum_in_pairs)
{
    ROWS_OF(WIDE x[SUM_K]; EACH (k, SUM_K) x[k] = IT(k); s = CAT(sum_of, T)(x, SUM_K));
}

#define LANES(n) \
    ROWS_OF(WIDE lane[n] = {0}; EACH (k, SUM_K) lane[k % (n)] += IT(k); EACH (l, n) s += lane[l])

K(sum_in_4)
{
    LANES(4);
}

K(sum_in_8)
{
    LANES(8);
}

K(sum_in_16)
{
    LANES(16);
}

/* A chunk after the other, each from 0. */
K(sum_in_blocks)
{
    ROWS_OF(for (int64_t at = 0; at < SUM_K; at += 32) {
        WIDE part = 0;
        for (int64_t k = at; k < SUM_K && k < at + 32; k++)
            part += IT(k);
        s += part;
    });
}

/* Those that are positive, then the others: as far apart as an order can be. */
K(sum_by_signs)
{
    ROWS_OF(WIDE low = 0; EACH (k, SUM_K) {
        if (IT(k) > 0)
            s += IT(k);
        else
            low += IT(k);
    } s += low);
}

K(sum_of_few)
{
    ROWS_OF(EACH (k, SUM_K) if (AT(0)[i * SUM_K + k] != 0) s += IT(k));
}

#if REAL
K(sum_in_double)
{
    EACH (i, SUM_M) {
        double s = 0;
        EACH (k, SUM_K)
            s += (double)IT(k);
        PUT(1, i, (NUM)s);
    }
}

K(sum_by_kahan)
{
    ROWS_OF(WIDE lost = 0; EACH (k, SUM_K) {
        volatile WIDE y = IT(k) - lost, t = s + y, u = t - s;
        lost = u - y;
        s = t;
    });
}

K(sum_by_neumaier)
{
    ROWS_OF(WIDE lost = 0; EACH (k, SUM_K) {
        WIDE x = IT(k);
        volatile WIDE t = s + x, u;
        if ((s < 0 ? -s : s) >= (x < 0 ? -x : x)) {
            u = s - t;
            lost += u + x;
        } else {
            u = x - t;
            lost += u + s;
        }
        s = t;
    } s += lost);
}

/* What is rounded at each step may be rounded less often. */
K(steps_in_single)
{
    EACH (i, SUM_M) {
        NUM s = 0;
        EACH (k, SUM_K)
            s += X(i, k, SUM_K);
        PUT(1, i, s);
    }
}

K(steps_in_4)
{
    EACH (i, SUM_M) {
        NUM lane[4] = {0};
        EACH (k, SUM_K)
            lane[k % 4] = (NUM)READ((STORED)ROUND(lane[k % 4] + X(i, k, SUM_K)));
        PUT(1, i, (lane[0] + lane[1]) + (lane[2] + lane[3]));
    }
}
#else
K(sum_unsigned)
{
    EACH (i, SUM_M) {
        uint64_t s = 0;
        EACH (k, SUM_K)
            s += (uint64_t)IT(k);
        SUM(1, i, s);
    }
}
#endif

/* ---- dot products ---------------------------------------------------------------------------- */

#define PAIR(k) ((WIDE)GET(0, k) * (WIDE)GET(1, k))

K(dot_in_16)
{
    WIDE lane[16] = {0}, s = 0;
    EACH (k, DOT)
        lane[k % 16] += PAIR(k);
    EACH (l, 16)
        s += lane[l];
    SUM(2, 0, s);
}

K(dot_in_halves)
{
    WIDE low = 0, high = 0;
    EACH (k, DOT / 2)
        low += PAIR(k);
    for (int64_t k = DOT / 2; k < DOT; k++)
        high += PAIR(k);
    SUM(2, 0, low + high);
}

/* Of columns: k and k + 100 are neighbours. */
K(dot_by_strides)
{
    WIDE s = 0;
    EACH (l, 100)
        for (int64_t k = l; k < DOT; k += 100)
            s += PAIR(k);
    SUM(2, 0, s);
}

/* ---- extremes and products ------------------------------------------------------------------- */

K(max_from_first)
{
    EACH (i, MAX_M) {
        NUM m = X(i, 0, MAX_K);
        for (int64_t k = 1; k < MAX_K; k++)
            m = X(i, k, MAX_K) > m ? X(i, k, MAX_K) : m;
        PUT(1, i, m);
    }
}

K(max_from_last)
{
    EACH (i, MAX_M) {
        NUM m = X(i, MAX_K - 1, MAX_K);
        for (int64_t k = MAX_K - 1; k-- > 0;)
            if (m < X(i, k, MAX_K))
                m = X(i, k, MAX_K);
        PUT(1, i, m);
    }
}

K(max_in_pairs)
{
    EACH (i, MAX_M) {
        NUM a = X(i, 0, MAX_K), b = X(i, 1, MAX_K), c = X(i, 2, MAX_K), d = X(i, 3, MAX_K);
        NUM e = X(i, 4, MAX_K), p = a > b ? a : b, q = c > d ? c : d, m = p > q ? p : q;
        PUT(1, i, e > m ? e : m);
    }
}

K(product_reversed)
{
    EACH (i, MAX_M) {
        WIDE p = 1;
        for (int64_t k = MAX_K; k-- > 0;)
            p *= (WIDE)X(i, k, MAX_K);
        SUM(1, i, p);
    }
}

K(product_in_pairs)
{
    EACH (i, MAX_M) {
        WIDE a = (WIDE)X(i, 0, MAX_K) * (WIDE)X(i, 4, MAX_K);
        WIDE b = (WIDE)X(i, 1, MAX_K) * (WIDE)X(i, 2, MAX_K) * (WIDE)X(i, 3, MAX_K);
        SUM(1, i, a * b);
    }
}

/* ---- matrices -------------------------------------------------------------------------------- */

#define MATMUL(...)                 \
    EACH (i, MM_M)                  \
        EACH (j, MM_N) {            \
            WIDE s = 0;             \
            __VA_ARGS__;            \
            SUM(2, i *MM_N + j, s); \
        }

/* Rows of B added up, in memory. */
K(matmul_by_rows)
{
    EACH (i, MM_M) {
        WIDE row[MM_N] = {0};
        EACH (k, MM_N)
            EACH (j, MM_N)
                row[j] += TERM(i, j, k);
        EACH (j, MM_N)
            SUM(2, i * MM_N + j, row[j]);
    }
}

K(matmul_backwards)
{
    MATMUL(for (int64_t k = MM_N; k-- > 0;) s += TERM(i, j, k));
}

K(matmul_two_steps)
{
    MATMUL(for (int64_t k = 0; k < MM_N - 1; k += 2) s += TERM(i, j, k) + TERM(i, j, k + 1);
           s += TERM(i, j, MM_N - 1));
}

K(matmul_packed)
{
    static WIDE b[MM_N * MM_N];
    EACH (k, MM_N)
        EACH (j, MM_N)
            b[j * MM_N + k] = (WIDE)GET(1, k * MM_N + j);
    MATMUL(EACH (k, MM_N) s += (WIDE)GET(0, i * MM_N + k) * b[j * MM_N + k])
}

K(matmul_by_tiles)
{
    for (int64_t at = 0; at < MM_N; at += 16)
        EACH (i, MM_M)
            for (int64_t j = at; j < MM_N && j < at + 16; j++) {
                WIDE s[4] = {0};
                EACH (k, MM_N)
                    s[k % 4] += TERM(i, j, k);
                SUM(2, i * MM_N + j, (s[0] + s[2]) + (s[1] + s[3]));
            }
}

/* Nothing is added for a factor of 0. */
K(matmul_sparse)
{
    MATMUL(EACH (k, MM_N) if (GET(0, i * MM_N + k) != 0) s += TERM(i, j, k));
}

K(linear_from_bias)
{
    EACH (i, MM_M)
        EACH (j, MM_N) {
            WIDE s = (WIDE)GET(2, j);
            EACH (k, MM_N)
                s += TERM(i, j, k);
            SUM(3, i * MM_N + j, s);
        }
}

K(linear_in_halves)
{
    EACH (i, MM_M)
        EACH (j, MM_N) {
            WIDE s = 0, t = (WIDE)GET(2, j);
            EACH (k, MM_N / 2)
                s += TERM(i, j, k);
            for (int64_t k = MM_N / 2; k < MM_N; k++)
                t += TERM(i, j, k);
            SUM(3, i * MM_N + j, s + t);
        }
}

#if REAL
/* One rounding for product and sum. */
K(matmul_fused)
{
#if defined(__FP_FAST_FMA) && defined(__FP_FAST_FMAF)
#define FUSED(a, b, c) \
    (sizeof(WIDE) == 8 ? (WIDE)__builtin_fma(a, b, c) : (WIDE)__builtin_fmaf(a, b, c))
#else
#define FUSED(a, b, c) ((WIDE)((double)(a) * (double)(b) + (double)(c)))
#endif
    MATMUL(EACH (k, MM_N) s = FUSED((WIDE)GET(0, i * MM_N + k), (WIDE)GET(1, k * MM_N + j), s))
#undef FUSED
}

K(matmul_in_double)
{
    EACH (i, MM_M)
        EACH (j, MM_N) {
            double s = 0;
            EACH (k, MM_N)
                s += (double)GET(0, i * MM_N + k) * (double)GET(1, k * MM_N + j);
            PUT(2, i * MM_N + j, (NUM)s);
        }
}
#else
K(matmul_by_nibbles)
{
    MATMUL(WIDE high = 0; EACH (k, MM_N) {
        NUM a = GET(0, i * MM_N + k);
        s += (WIDE)(a & 15) * (WIDE)GET(1, k * MM_N + j);
        high += (WIDE)(a >> 4) * (WIDE)GET(1, k * MM_N + j);
    } s += high * 16);
}

/* One factor is made positive, and what that adds is taken away again. */
K(matmul_offset)
{
    MATMUL(WIDE more = 0; EACH (k, MM_N) {
        s += ((WIDE)GET(0, i * MM_N + k) + 128) * (WIDE)GET(1, k * MM_N + j);
        more += (WIDE)GET(1, k * MM_N + j);
    } s -= 128 * more);
}

/* There are places enough. */
K(matmul_in_single)
{
    EACH (i, MM_M)
        EACH (j, MM_N) {
            float s = 0;
            EACH (k, MM_N)
                s += (float)GET(0, i * MM_N + k) * (float)GET(1, k * MM_N + j);
            SUM(2, i * MM_N + j, s);
        }
}

K(sum_of_16_bits)
{
    ROWS_OF(for (int64_t at = 0; at < SUM_K; at += 64) {
        int16_t part = 0;
        for (int64_t k = at; k < SUM_K && k < at + 64; k++)
            part = (int16_t)(part + X(i, k, SUM_K));
        s += part;
    });
}
#endif

#undef ROWS_OF
#undef LANES
#undef MATMUL
#undef PAIR
#undef IT
