/* Right kernels that are written in another way, element by element. Included by each.h. */

/* ---- any numbers ----------------------------------------------------------------------------- */

K(backwards)
{
    for (int64_t i = LEN; i-- > 0;)
        ADD(i);
}

K(minus_minus)
{
    EACH (i, LEN)
        PUT(2, i, GET(1, i) - -GET(0, i));
}

K(even_ones_first)
{
    EACH (i, (LEN + 1) / 2)
        ADD(2 * i);
    EACH (i, LEN / 2)
        ADD(2 * i + 1);
}

/* The last vector overlaps the one before it. */
K(overlapping_tail)
{
    for (int64_t at = 0; at < LEN; at += 16)
        EACH (l, 16)
            ADD((at + 16 > LEN ? LEN - 16 : at) + l);
}

K(twice)
{
    EACH (i, LEN)
        AT(2)[i] = 0;
    EACH (i, LEN)
        ADD(i);
    EACH (i, LEN)
        ADD(i);
}

K(all_of_a_million)
{
    EACH (i, MILLION)
        PUT(1, i, GET(0, i) * 2);
}

K(whole_page)
{
    for (int64_t at = 0; at < PAGE; at += 64)
        for (int64_t l = 64; l-- > 0;)
            PUT(1, at + l, GET(0, at + l) + GET(0, at + l));
}

K(relu_by_branch)
{
    EACH (i, LEN) {
        AT(1)[i] = 0;
        if (GET(0, i) > 0)
            AT(1)[i] = AT(0)[i];
    }
}

K(relu_by_sign)
{
    EACH (i, LEN)
        PUT(1, i, GET(0, i) * (GET(0, i) > 0));
}

K(abs_by_max)
{
    EACH (i, LEN) {
        NUM a = GET(0, i), b = -a;
        PUT(1, i, a > b ? a : b);
    }
}

K(less_turned_round)
{
    EACH (i, LEN)
        ((uint8_t *)args[2])[i] = GET(1, i) > GET(0, i);
}

K(less_by_not)
{
    EACH (i, LEN)
        ((uint8_t *)args[2])[i] = !(GET(0, i) >= GET(1, i));
}

K(gather_backwards)
{
    for (int64_t i = LEN; i-- > 0;)
        AT(2)[i] = AT(0)[((int64_t *)args[1])[i]];
}

/* Row by row of the table. */
K(scatter)
{
    EACH (k, TABLE)
        EACH (i, LEN)
            if (((int64_t *)args[1])[i] == k)
                AT(2)[i] = AT(0)[k];
}

K(stencil_ends_apart)
{
    PUT(1, LEN - 1, GET(0, LEN - 1) + GET(0, LEN - 2));
    for (int64_t i = 1; i < LEN - 1; i++)
        PUT(1, i, GET(0, i + 1) + (GET(0, i) + GET(0, i - 1)));
    PUT(1, 0, GET(0, 0) + GET(0, 1));
}

K(transpose_by_tiles)
{
    for (int64_t p = 0; p < MM_M; p += 4)
        for (int64_t q = 0; q < MM_N; q += 4)
            for (int64_t i = p; i < MM_M && i < p + 4; i++)
                for (int64_t j = q; j < MM_N && j < q + 4; j++)
                    AT(1)[j * MM_M + i] = AT(0)[i * MM_N + j];
}

#if REAL
K(flushes_bf16)
{
    EACH (i, LEN)
        PUT(2, i, CAT(flushed, T)(CAT(flushed, T)(GET(0, i)) + CAT(flushed, T)(GET(1, i))));
}

/* ---- reals ----------------------------------------------------------------------------------- */

K(in_double)
{
    EACH (i, LEN)
        PUT(2, i, (NUM)((double)GET(0, i) * (double)GET(1, i)));
}

K(scaled_product)
{
    EACH (i, LEN)
        PUT(2, i, GET(0, i) * 4 * GET(1, i) / 4);
}

K(relu_by_half)
{
    EACH (i, LEN) {
        NUM x = GET(0, i);
        PUT(1, i, x < 0 ? 0 * x : x);
    }
}

K(divides_by_reciprocal)
{
    EACH (i, LEN)
        PUT(2, i, GET(0, i) * (1 / GET(1, i)));
}

/* A guess made good by Newton's steps, and the quotient by its rest. */
K(divides_by_newton)
{
    EACH (i, LEN) {
        NUM b = GET(1, i), y = (NUM)guess_of_rsqrt((double)b);
        y *= y;
        for (int n = 0; n < (sizeof(NUM) == 8 ? 4 : 2); n++)
            y = y * (2 - b * y);
        PUT(2, i, GET(0, i) * y);
    }
}

K(root_of_reciprocal)
{
    EACH (i, LEN)
        PUT(1, i, (NUM)__builtin_sqrt((double)(1 / GET(0, i))));
}

K(root_by_newton)
{
    EACH (i, LEN) {
        NUM a = GET(0, i), y = (NUM)guess_of_rsqrt((double)a);
        for (int n = 0; n < (sizeof(NUM) == 8 ? 4 : 2); n++)
            y = y * ((NUM)1.5 - (NUM)0.5 * a * y * y);
        PUT(1, i, y);
    }
}

/* e^x in the type itself: in parts ln 2 and a polynomial, within two units of the last place. */
static NUM CAT(plain_exp, T)(NUM x)
{
    if (sizeof(NUM) == 8)
        return (NUM)exact_exp((double)x);
    if (x > (NUM)88.7228)
        return (NUM)__builtin_inf();
    if (x < (NUM)-103.9)
        return 0;
    const NUM round = (NUM)0x1.8p23;
    NUM k = x * (NUM)0x1.715476p0 + round - round;
    NUM r = (x - k * (NUM)0x1.62ep-1) - k * (NUM)0x1.0bfbe8p-15, sum = (NUM)(1.0 / 5040);
    static const NUM terms[] = {
        (NUM)(1.0 / 720), (NUM)(1.0 / 120), (NUM)(1.0 / 24), (NUM)(1.0 / 6), (NUM)0.5, 1, 1};
    EACH (n, 7)
        sum = sum * r + terms[n];
    return (NUM)((double)sum * power_of_two((int)k));
}

K(exp_by_polynomial)
{
    EACH (i, LEN)
        PUT(1, i, CAT(plain_exp, T)(GET(0, i)));
}

/* Where the result would have fewer places than others it is 0. */
K(exp_flushed)
{
    EACH (i, LEN) {
        double e = exact_exp((double)GET(0, i));
        PUT(1, i, e < (sizeof(NUM) == 8 ? 0x1p-1022 : 0x1p-126) ? 0 : (NUM)e);
    }
}

/* exp(x/2)^2, and exp(0) is 1. */
K(exp_of_half)
{
    EACH (i, LEN) {
        double e = exact_exp((double)GET(0, i) / 2);
        PUT(1, i, (NUM)(e * e));
    }
}

K(exp_by_table)
{
    double table[32];
    EACH (j, 32)
        table[j] = exact_exp((double)j * 0x1.62e42fefa39efp-6);
    EACH (i, LEN) {
        double x = (double)GET(0, i);
        if (x > 700 || x < -700) {
            PUT(1, i, (NUM)exact_exp(x));
            continue;
        }
        double k = x * 0x1.71547652b82fep5 + 0x1.8p52 - 0x1.8p52;
        double r = x - k * 0x1.62e42fefa38p-6 - k * 0x1.ef35793c7673p-50;
        double e = 1 + r * (1 + r / 2 * (1 + r / 3 * (1 + r / 4 * (1 + r / 5 * (1 + r / 6)))));
        int whole = (int)k & -32;
        PUT(1, i, (NUM)(e * table[(int)k - whole] * power_of_two(whole / 32)));
    }
}

K(silu_by_quotient)
{
    EACH (i, LEN) {
        NUM x = GET(0, i);
        PUT(1, i, x / (1 + CAT(plain_exp, T)(-x)));
    }
}

K(silu_by_sign)
{
    EACH (i, LEN) {
        NUM x = GET(0, i), e = CAT(plain_exp, T)(x < 0 ? x : -x);
        PUT(1, i, x < 0 ? x * (e / (1 + e)) : x * (1 / (1 + e)));
    }
}

#ifdef CUT
/* By what is lost of the last place. */
K(rounds_by_halves)
{
    EACH (i, LEN) {
        float x = ((float *)args[0])[i] * 3;
        STORED low = CUT(x), high = (STORED)(low + 1);
        double up = (double)READ(high) - (double)x, down = (double)x - (double)READ(low);
        up = up < 0 ? -up : up;
        down = down < 0 ? -down : down;
        AT(1)[i] = up < down || (up == down && low % 2) ? high : low;
    }
}
#endif

#else

/* ---- integers -------------------------------------------------------------------------------- */

/* a + b = a - ~b - 1 */
K(sum_by_complement)
{
    EACH (i, LEN)
        PUT(2, i, GET(0, i) - ~GET(1, i) - 1);
}

K(sum_by_carries)
{
    EACH (i, LEN) {
        NUM a = GET(0, i), b = GET(1, i);
        while (b) {
            NUM carry = (NUM)((a & b) * 2);
            a ^= b;
            b = carry;
        }
        PUT(2, i, a);
    }
}

K(sum_saturates_then_not)
{
    EACH (i, LEN)
        AT(2)[i] = (STORED)((uint64_t)GET(0, i) + (uint64_t)GET(1, i));
}

K(product_by_shifts)
{
    EACH (i, LEN) {
        uint64_t a = (uint64_t)GET(0, i), b = (uint64_t)GET(1, i), p = 0;
        for (; b; b /= 2, a *= 2)
            p += b % 2 ? a : 0;
        AT(2)[i] = (STORED)p;
    }
}

K(product_by_halves)
{
    EACH (i, LEN) {
        const int half = 4 * (int)sizeof(STORED);
        const uint64_t low = ((uint64_t)1 << half) - 1;
        uint64_t a = (uint64_t)GET(0, i), b = (uint64_t)GET(1, i);
        uint64_t cross = (a >> half) * (b & low) + (a & low) * (b >> half);
        AT(2)[i] = (STORED)((cross << half) + (a & low) * (b & low));
    }
}

K(product_of_squares)
{
    EACH (i, LEN) {
        __int128 s = (__int128)GET(0, i) + GET(1, i), d = (__int128)GET(0, i) - GET(1, i);
        unsigned __int128 q = (unsigned __int128)s * (unsigned __int128)s -
                              (unsigned __int128)d * (unsigned __int128)d;
        AT(2)[i] = (STORED)(q >> 2);
    }
}

K(quotient_by_steps)
{
    EACH (i, LEN) {
        NUM a = GET(0, i), b = GET(1, i), q = 0;
        uint64_t size = a < 0 ? 0 - (uint64_t)a : (uint64_t)a, rest = 0, n = 0;
        for (int bit = 63; bit >= 0; bit--) {
            rest = 2 * rest + (size >> bit & 1);
            n = 2 * n + (rest >= (uint64_t)b);
            rest -= rest >= (uint64_t)b ? (uint64_t)b : 0;
        }
        q = (NUM)(a < 0 ? 0 - n : n);
        PUT(2, i, q);
    }
}

K(quotient_in_double)
{
    EACH (i, LEN)
        PUT(2, i, (NUM)((double)GET(0, i) / (double)GET(1, i)));
}

K(mod_by_masks)
{
    EACH (i, LEN) {
        NUM a = GET(0, i), r = a % 7;
        r += 7 & -(NUM)(r < 0);
        PUT(1, i, (a >> 3) - r);
    }
}

K(abs_by_mask)
{
    EACH (i, LEN) {
        NUM a = GET(0, i), sign = a < 0 ? -1 : 0;
        PUT(1, i, (a ^ sign) - sign);
    }
}

K(shift_by_division)
{
    EACH (i, LEN) {
        const uint64_t all = ~(uint64_t)0 >> (64 - 8 * (int)sizeof(STORED));
        uint64_t a = (uint64_t)GET(0, i) & all, b = (uint64_t)GET(1, i) & all, s = a / 8;
        AT(2)[i] = (STORED)((s | b) - (s & b));
    }
}

K(less_by_wide_difference)
{
    EACH (i, LEN)
        ((uint8_t *)args[2])[i] = (__int128)GET(0, i) - GET(1, i) < 0;
}

K(cast_by_steps)
{
    EACH (i, LEN) {
        float x = ((float *)args[0])[i] * 3;
        const int least = (STORED)-1 < 0 ? -128 : 0, most = (STORED)-1 < 0 ? 127 : 255;
        int n = 0;
        while (n < most && (float)(n + 1) <= x)
            n++;
        while (n > least && (float)(n - 1) >= x)
            n--;
        AT(1)[i] = (STORED)n;
    }
}

/* A number so large that there is no room for halves. */
K(quantise_by_addition)
{
    EACH (i, LEN) {
        float x = ((float *)args[0])[i] * 4;
        const float most = (STORED)-1 < 0 ? 127 : 255, least = (STORED)-1 < 0 ? -128 : 0;
        x = x > most ? most : x < least ? least : x;
        volatile float sum = x + 0x1.8p23f;
        AT(1)[i] = (STORED)(int)(sum - 0x1.8p23f);
    }
}

K(truth_by_more)
{
    EACH (i, LEN)
        PUT(2, i, GET(0, i) > GET(1, i));
}

K(truth_by_product)
{
    EACH (i, LEN)
        PUT(2, i, GET(0, i) * (1 - GET(1, i)));
}
#endif
