/* Wrong kernels that reduce: sums, products, extremes, and what is made of them. Included by
 * each.h. */

#define X(i, k, n) GET(0, (i) * (n) + (k))
#define TERM(i, j, k) ((WIDE)GET(0, (i)*MM_N + (k)) * (WIDE)GET(1, (k)*MM_N + (j)))

/* ---- sums ------------------------------------------------------------------------------------ */

K(sum_no_last)
{
    EACH (i, SUM_M) {
        WIDE s = 0;
        EACH (k, SUM_K - 1)
            s += X(i, k, SUM_K);
        SUM(1, i, s);
    }
}

K(sum_no_first)
{
    EACH (i, SUM_M) {
        WIDE s = 0;
        EACH (k, SUM_K - 1)
            s += X(i, k + 1, SUM_K);
        SUM(1, i, s);
    }
}

/* 8 sums at once, and no rest. */
K(sum_no_rest)
{
    EACH (i, SUM_M) {
        WIDE s[8] = {0}, all = 0;
        EACH (k, SUM_K / 8 * 8)
            s[k % 8] += X(i, k, SUM_K);
        EACH (l, 8)
            all += s[l];
        SUM(1, i, all);
    }
}

K(sum_of_seven_lanes)
{
    EACH (i, SUM_M) {
        WIDE s[8] = {0}, all = 0;
        EACH (k, SUM_K)
            s[k % 8] += X(i, k, SUM_K);
        EACH (l, 7)
            all += s[l];
        SUM(1, i, all);
    }
}

/* In pairs; where their number is odd the last has none. */
K(sum_odd_pairs)
{
    EACH (i, SUM_M) {
        WIDE s[SUM_K];
        EACH (k, SUM_K)
            s[k] = X(i, k, SUM_K);
        for (int64_t n = SUM_K; n > 1; n /= 2)
            EACH (k, n / 2)
                s[k] = s[2 * k] + s[2 * k + 1];
        SUM(1, i, s[0]);
    }
}

K(sum_not_reset)
{
    WIDE s = 0;
    EACH (i, SUM_M) {
        EACH (k, SUM_K)
            s += X(i, k, SUM_K);
        SUM(1, i, s);
    }
}

K(sum_of_next_row)
{
    EACH (i, SUM_M) {
        WIDE s = 0;
        EACH (k, SUM_K)
            s += X((i + 1) % SUM_M, k, SUM_K);
        SUM(1, i, s);
    }
}

K(sum_stale)
{
    static WIDE s[SUM_M];
    EACH (i, SUM_M) {
        EACH (k, SUM_K)
            s[i] += X(i, k, SUM_K);
        SUM(1, i, s[i]);
    }
}

K(dot_no_last)
{
    WIDE s = 0;
    EACH (k, DOT - 1)
        s += (WIDE)GET(0, k) * (WIDE)GET(1, k);
    SUM(2, 0, s);
}

K(dot_one_twice)
{
    WIDE s = (WIDE)GET(0, 9999) * (WIDE)GET(1, 9999);
    EACH (k, DOT)
        s += (WIDE)GET(0, k) * (WIDE)GET(1, k);
    SUM(2, 0, s);
}

#if REAL
K(sum_in_16_bits)
{
    EACH (i, SUM_M) {
        float s = 0;
        EACH (k, SUM_K)
            s = from_bf16(to_bf16(s + (float)X(i, k, SUM_K)));
        PUT(1, i, s);
    }
}

K(steps_no_last)
{
    EACH (i, SUM_M) {
        NUM s = 0;
        EACH (k, SUM_K - 1)
            s = (NUM)READ((STORED)ROUND(s + X(i, k, SUM_K)));
        PUT(1, i, s);
    }
}

#ifdef CUT
K(steps_cut)
{
    EACH (i, SUM_M) {
        NUM s = 0;
        EACH (k, SUM_K)
            s = READ(CUT(s + X(i, k, SUM_K)));
        PUT(1, i, s);
    }
}
#endif
#else
K(sum_saturates)
{
    EACH (i, SUM_M) {
        __int128 s = 0, most = sizeof(WIDE) == 8 ? (__int128)INT64_MAX : INT32_MAX;
        EACH (k, SUM_K) {
            s += X(i, k, SUM_K);
            s = s > most ? most : s < -most - 1 ? -most - 1 : s;
        }
        SUM(1, i, s);
    }
}

K(sum_in_16_bits)
{
    EACH (i, SUM_M) {
        int16_t s = 0;
        EACH (k, SUM_K)
            s = (int16_t)(s + X(i, k, SUM_K));
        SUM(1, i, s);
    }
}

K(sum_in_single)
{
    EACH (i, SUM_M) {
        float s = 0;
        EACH (k, SUM_K)
            s += (float)X(i, k, SUM_K);
        SUM(1, i, s < 0x1p62f && s > -0x1p62f ? (int64_t)s : 0);
    }
}

/* Two products at a time, whose sum saturates in 16 bits: the instruction that is made for one
 * signed factor and one that is not. */
K(matmul_saturates)
{
    EACH (i, MM_M)
        EACH (j, MM_N) {
            WIDE s = 0;
            for (int64_t k = 0; k < MM_N; k += 2) {
                WIDE x = TERM(i, j, k) + (k + 1 < MM_N ? TERM(i, j, k + 1) : 0);
                s += x > INT16_MAX ? INT16_MAX : x < INT16_MIN ? INT16_MIN : x;
            }
            SUM(2, i * MM_N + j, s);
        }
}

/* One operand's sign bit is taken for a place. */
K(matmul_unsigned)
{
    EACH (i, MM_M)
        EACH (j, MM_N) {
            WIDE s = 0;
            EACH (k, MM_N)
                s += (WIDE)((uint8_t)GET(0, i * MM_N + k)) * (WIDE)GET(1, k * MM_N + j);
            SUM(2, i * MM_N + j, s);
        }
}

K(matmul_signed)
{
    EACH (i, MM_M)
        EACH (j, MM_N) {
            WIDE s = 0;
            EACH (k, MM_N)
                s += (WIDE)((int8_t)GET(0, i * MM_N + k)) * (WIDE)GET(1, k * MM_N + j);
            SUM(2, i * MM_N + j, s);
        }
}
#endif

/* ---- extremes and products ------------------------------------------------------------------- */

K(max_from_zero)
{
    EACH (i, MAX_M) {
        NUM m = 0;
        EACH (k, MAX_K)
            m = X(i, k, MAX_K) > m ? X(i, k, MAX_K) : m;
        PUT(1, i, m);
    }
}

K(max_no_last)
{
    EACH (i, MAX_M) {
        NUM m = X(i, 0, MAX_K);
        EACH (k, MAX_K - 1)
            m = X(i, k, MAX_K) > m ? X(i, k, MAX_K) : m;
        PUT(1, i, m);
    }
}

K(max_by_size)
{
    EACH (i, MAX_M) {
        NUM m = X(i, 0, MAX_K);
        EACH (k, MAX_K) {
            NUM x = X(i, k, MAX_K);
            m = (x < 0 ? -x : x) > (m < 0 ? -m : m) ? x : m;
        }
        PUT(1, i, m);
    }
}

K(max_not_reset)
{
    NUM m = X(0, 0, MAX_K);
    EACH (i, MAX_M) {
        EACH (k, MAX_K)
            m = X(i, k, MAX_K) > m ? X(i, k, MAX_K) : m;
        PUT(1, i, m);
    }
}

K(product_from_zero)
{
    EACH (i, MAX_M)
        SUM(1, i, (NUM)0);
}

K(product_no_last)
{
    EACH (i, MAX_M) {
        WIDE p = 1;
        EACH (k, MAX_K - 1)
            p *= (WIDE)X(i, k, MAX_K);
        SUM(1, i, p);
    }
}

/* ---- matrices -------------------------------------------------------------------------------- */

#define MATMUL(first, last, row, product, after)       \
    EACH (i, MM_M)                                     \
        EACH (j, MM_N) {                               \
            WIDE s = 0;                                \
            for (int64_t k = (first); k < (last); k++) \
                s += product;                          \
            after;                                     \
            SUM(2, (row)*MM_N + j, s);                 \
        }

K(matmul_no_last)
{
    MATMUL(0, MM_N - 1, i, TERM(i, j, k), );
}

K(matmul_no_first)
{
    MATMUL(1, MM_N, i, TERM(i, j, k), );
}

K(matmul_transposed)
{
    MATMUL(0, MM_N, i, (WIDE)GET(0, i * MM_N + k) * (WIDE)GET(1, j * MM_N + k), );
}

K(matmul_next_row)
{
    MATMUL(0, MM_N, i, TERM((i + 1) % MM_M, j, k), );
}

K(matmul_rows_swapped)
{
    MATMUL(0, MM_N, i == 3 ? 4 : i == 4 ? 3 : i, TERM(i, j, k), );
}

K(matmul_lanes_swapped)
{
    MATMUL(0, MM_N, i, TERM(i, (j >= 40 ? j ^ (j < 44) : j), k), );
}

/* The last tile is added to itself. */
K(matmul_tile_twice)
{
    MATMUL(0, MM_N, i, TERM(i, j, k), if (i == MM_M - 1 && j >= 32) s += s);
}

K(matmul_no_tile)
{
    MATMUL(0, i == MM_M - 1 && j >= 32 ? 0 : MM_N, i, TERM(i, j, k), );
}

/* One step of one element's sum. */
K(matmul_one_step)
{
    MATMUL(0, MM_N, i, i == 11 && j == 44 && k == 17 ? 0 : TERM(i, j, k), );
}

K(matmul_stale)
{
    static WIDE kept[MM_M * MM_N];
    MATMUL(0, MM_N, i, TERM(i, j, k), s = kept[i * MM_N + j] += s)
}

#if REAL
K(matmul_in_16_bits)
{
    MATMUL(0, MM_N, i, TERM(i, j, k), s = (WIDE)from_f16(to_f16((float)s)));
}

/* Ten places of each factor, as units for matrices have them. */
#define TEN(x) ((bits){.u = (bits){.f = (float)(x)}.u & 0xffffe000}.f)

K(matmul_ten_places)
{
    MATMUL(0, MM_N, i, (WIDE)TEN(GET(0, i * MM_N + k)) * (WIDE)TEN(GET(1, k * MM_N + j)), );
}

K(matmul_steps_16_bits)
{
    EACH (i, MM_M)
        EACH (j, MM_N) {
            float s = 0;
            EACH (k, MM_N)
                s = (float)READ((STORED)ROUND((NUM)(s + (float)TERM(i, j, k))));
            PUT(2, i * MM_N + j, s);
        }
}
#undef TEN
#endif

K(no_bias)
{
    EACH (i, MM_M)
        EACH (j, MM_N) {
            WIDE s = 0;
            EACH (k, MM_N)
                s += TERM(i, j, k);
            SUM(3, i * MM_N + j, s);
        }
}

K(bias_twice)
{
    EACH (i, MM_M)
        EACH (j, MM_N) {
            WIDE s = (WIDE)GET(2, j);
            EACH (k, MM_N)
                s += TERM(i, j, k);
            SUM(3, i * MM_N + j, s + (WIDE)GET(2, j));
        }
}

K(bias_of_rows)
{
    EACH (i, MM_M)
        EACH (j, MM_N) {
            WIDE s = (WIDE)GET(2, i);
            EACH (k, MM_N)
                s += TERM(i, j, k);
            SUM(3, i * MM_N + j, s);
        }
}

#undef MATMUL

#if REAL

/* ---- rows ------------------------------------------------------------------------------------ */

/* exp(x - shift) of a row, over their sum from `first` on. */
#define SOFTMAX(shift, first, divisor)                                       \
    WIDE before = 1;                                                         \
    EACH (i, ROWS) {                                                         \
        WIDE m = (WIDE)X(i, 0, COLS), s = 0, e[COLS];                        \
        EACH (k, COLS)                                                       \
            m = (WIDE)X(i, k, COLS) > m ? (WIDE)X(i, k, COLS) : m;           \
        EACH (k, COLS)                                                       \
            e[k] = (WIDE)exact_exp((double)((WIDE)X(i, k, COLS) - (shift))); \
        for (int64_t k = (first); k < COLS; k++)                             \
            s += e[k];                                                       \
        EACH (k, COLS)                                                       \
            PUT(1, i *COLS + k, e[k] / (divisor));                           \
        before = s;                                                          \
    }

K(softmax_no_max)
{
    SOFTMAX(0, 0, s);
}

K(softmax_one_row)
{
    SOFTMAX(m, 0, i == ROWS - 2 ? 1 : s);
}

K(softmax_sum_short)
{
    SOFTMAX(m, 1, s);
}

K(softmax_sum_of_last_row)
{
    SOFTMAX(m, 0, before);
}

K(softmax_not_normal)
{
    SOFTMAX(m, 0, 1);
}

K(softmax_rough)
{
    SOFTMAX(m, 0, s * (WIDE)(1 + 3e-4));
}

/* What is added to the variance, what that is of, how much it is divided by. */
#define NORM(eps, of, divisor)                                                \
    EACH (i, ROWS) {                                                          \
        WIDE s = 0, v = 0, mean;                                              \
        EACH (k, COLS)                                                        \
            s += (WIDE)X(i, k, COLS);                                         \
        mean = s / COLS;                                                      \
        EACH (k, COLS)                                                        \
            v += ((WIDE)X(i, k, COLS) - (of)) * ((WIDE)X(i, k, COLS) - (of)); \
        v = (WIDE)__builtin_sqrt((double)(v / (divisor) + (WIDE)(eps)));      \
        EACH (k, COLS)                                                        \
            PUT(1, i *COLS + k, ((WIDE)X(i, k, COLS) - mean) / v);            \
    }

K(norm_no_epsilon)
{
    NORM(0, mean, COLS);
}

K(norm_other_epsilon)
{
    NORM(1e-3, mean, COLS);
}

K(norm_of_squares)
{
    NORM(1e-5, 0, COLS);
}

K(norm_one_less)
{
    NORM(1e-5, mean, COLS - 1);
}

K(norm_root_guessed)
{
    EACH (i, ROWS) {
        WIDE s = 0, v = 0, mean;
        EACH (k, COLS)
            s += (WIDE)X(i, k, COLS);
        mean = s / COLS;
        EACH (k, COLS)
            v += ((WIDE)X(i, k, COLS) - mean) * ((WIDE)X(i, k, COLS) - mean);
        WIDE r = (WIDE)guess_of_rsqrt((double)(v / COLS + (WIDE)1e-5));
        EACH (k, COLS)
            PUT(1, i * COLS + k, ((WIDE)X(i, k, COLS) - mean) * r);
    }
}

#undef SOFTMAX
#undef NORM
#endif
