/* Wrong kernels that only reals have, or only integers. Included by each.h. */

#if REAL

/* ---- reals ----------------------------------------------------------------------------------- */

K(nans)
{
    EACH (i, LEN)
        PUT(2, i, (NUM)__builtin_nan(""));
}

K(infinities)
{
    EACH (i, LEN)
        PUT(2, i, GET(0, i) + GET(1, i) < 0 ? -(NUM)__builtin_inf() : (NUM)__builtin_inf());
}

/* To 0, that is; elsewhere it is nothing. */
K(adds_a_denormal)
{
    const STORED least = sizeof(STORED) == 2   ? 1
                         : sizeof(STORED) == 4 ? (STORED)0x1p-149
                                               : (STORED)0x1p-1074;
    EACH (i, LEN) {
        ADD(i);
        if (AT(2)[i] == 0)
            AT(2)[i] = least;
    }
}

static NUM CAT(flushed, T)(NUM x)
{
    const NUM normal = sizeof(STORED) == 8 ? (NUM)0x1p-1022 : (NUM)0x1p-126;
    const NUM least = (NUM)READ(1) != 1 && (NUM)READ(1) > (NUM)0x1p-30 ? (NUM)0x1p-14 : normal;
    return (x < 0 ? -x : x) < least ? 0 : x;
}

K(flushes)
{
    EACH (i, LEN)
        PUT(2, i, CAT(flushed, T)(CAT(flushed, T)(GET(0, i)) + CAT(flushed, T)(GET(1, i))));
}

/* Of one factor there are four places. */
K(powers_of_two)
{
    EACH (i, LEN) {
        bits b = {.f = (float)GET(1, i)};
        b.u &= 0xfff80000;
        PUT(2, i, GET(0, i) * (NUM)b.f);
    }
}

K(below_one)
{
    EACH (i, LEN) {
        NUM a = GET(0, i), b = GET(1, i);
        PUT(2, i, (a > 1 ? 1 : a < -1 ? -1 : a) * b);
    }
}

K(wrong_for_zero)
{
    EACH (i, LEN)
        PUT(2, i, GET(0, i) * GET(1, i) * (GET(1, i) / GET(1, i)));
}

/* Where there are fewer places than the type has. */
K(in_single)
{
    EACH (i, LEN)
        PUT(2, i, (float)GET(0, i) * (float)GET(1, i));
}

K(in_bf16)
{
    EACH (i, LEN)
        PUT(2, i, from_bf16(to_bf16((float)GET(0, i))) * GET(1, i));
}

#ifdef CUT
K(cuts_product)
{
    EACH (i, LEN)
        AT(2)[i] = CUT(GET(0, i) * GET(1, i));
}

K(cuts_cast)
{
    EACH (i, LEN)
        AT(1)[i] = CUT(((float *)args[0])[i] * 3);
}

/* Halves go away from zero. */
K(rounds_up)
{
    EACH (i, LEN) {
        float x = ((int16_t *)args[0])[i], cut = READ(CUT(x));
        STORED low = CUT(x), high = (STORED)(low + 1);
        AT(1)[i] = x != cut && x - cut == READ(high) - x ? high : ROUND(x);
    }
}

K(never_infinite)
{
    const STORED most = (STORED)(ROUND((float)__builtin_inf()) - 1);
    EACH (i, LEN) {
        STORED x = ROUND(GET(0, i) * GET(1, i));
        AT(2)
        [i] = x == most + 1 ? most : x == (STORED)(0x8000 + most + 1) ? (STORED)(0x8000 + most) : x;
    }
}
#endif

/* One Newton step short. */
K(guess_of_quotient)
{
    EACH (i, LEN) {
        double y = guess_of_rsqrt((double)GET(1, i));
        PUT(2, i, (NUM)(GET(0, i) * y * y));
    }
}

K(guess_of_root)
{
    EACH (i, LEN)
        PUT(1, i, (NUM)guess_of_rsqrt((double)GET(0, i)));
}

K(root_alone)
{
    EACH (i, LEN)
        PUT(1, i, (NUM)__builtin_sqrt((double)GET(0, i)));
}

/* 1e-4 of the result. */
K(rough_exp)
{
    EACH (i, LEN) {
        double x = (double)GET(0, i), off = i % 2 ? 1 + 1e-4 : 1 - 1e-4;
        PUT(1, i, (NUM)(exact_exp(x) * (x == 0 ? 1 : off)));
    }
}

/* A polynomial that needs its argument made small first. */
K(exp_near_zero)
{
    EACH (i, LEN) {
        double x = (double)GET(0, i), sum = 1;
        for (int n = 12; n > 0; n--)
            sum = 1 + sum * x / n;
        PUT(1, i, (NUM)sum);
    }
}

/* The last term of the polynomial is left out. */
K(exp_term_short)
{
    EACH (i, LEN) {
        double x = (double)GET(0, i);
        double k = x * 0x1.71547652b82fep0 + 0x1.8p52 - 0x1.8p52, r = x - k * 0x1.62e42fefa39efp-1;
        double e = 1 + r * (1 + r / 2 * (1 + r / 3 * (1 + r / 4)));
        PUT(1, i, (NUM)(x > 700 ? exact_exp(x) : e * exact_exp(k * 0x1.62e42fefa39efp-1)));
    }
}

K(hard_silu)
{
    EACH (i, LEN) {
        NUM x = GET(0, i), s = x / 6 + (NUM)0.5;
        PUT(1, i, x * (s < 0 ? 0 : s > 1 ? 1 : s));
    }
}

K(silu_by_tanh_guess)
{
    EACH (i, LEN) {
        double x = (double)GET(0, i), h = x / 2;
        double t = h > 3 ? 1 : h < -3 ? -1 : h * (27 + h * h) / (27 + 9 * h * h);
        PUT(1, i, (NUM)(x * (0.5 + 0.5 * t)));
    }
}

/* Bits compared as if they were integers. */
K(less_by_bits)
{
    EACH (i, LEN) {
        const char *a = (const char *)&AT(0)[i], *b = (const char *)&AT(1)[i];
        int64_t x = 0, y = 0;
        __builtin_memcpy(&x, a, sizeof(STORED));
        __builtin_memcpy(&y, b, sizeof(STORED));
        int up = 64 - 8 * (int)sizeof(STORED);
        ((uint8_t *)args[2])[i] = (int64_t)((uint64_t)x << up) < (int64_t)((uint64_t)y << up);
    }
}

#else

/* ---- integers -------------------------------------------------------------------------------- */

K(flips_last_bit)
{
    EACH (i, LEN)
        AT(2)[i] = (STORED)((GET(0, i) + GET(1, i)) ^ (i == 600));
}

K(most_saturates)
{
    const int64_t most = sizeof(STORED) == 8   ? INT64_MAX
                         : sizeof(STORED) == 4 ? INT32_MAX
                         : sizeof(STORED) == 2 ? INT16_MAX
                         : (STORED)-1 < 0      ? INT8_MAX
                                               : UINT8_MAX;
    const int64_t least = (STORED)-1 < 0 ? -most - 1 : 0;
    EACH (i, LEN) {
        __int128 x = (__int128)GET(0, i) + GET(1, i);
        AT(2)[i] = (STORED)(x > most ? most : x < least ? least : x);
    }
}

/* By a shift. */
K(powers_of_two)
{
    EACH (i, LEN) {
        NUM a = GET(0, i), b = GET(1, i), s = 1;
        while (s < (b < 0 ? -b : b) && s < 64)
            s *= 2;
        PUT(2, i, a * (b < 0 ? -s : b ? s : 0));
    }
}

K(below_one)
{
    EACH (i, LEN) {
        NUM a = GET(0, i), b = GET(1, i);
        PUT(2, i, (a > 4 ? 4 : a < -4 ? -4 : a) * b);
    }
}

K(saturated_product)
{
    EACH (i, LEN) {
        __int128 x = (__int128)GET(0, i) * GET(1, i);
        const int bits = 8 * (int)sizeof(STORED) - ((STORED)-1 < 0);
        const __int128 most = ((__int128)1 << bits) - 1, least = (STORED)-1 < 0 ? -most - 1 : 0;
        AT(2)[i] = (STORED)(x > most ? most : x < least ? least : x);
    }
}

K(product_in_single)
{
    EACH (i, LEN) {
        float x = (float)GET(0, i) * (float)GET(1, i);
        AT(2)[i] = x >= 0x1p63f || x < -0x1p63f ? 0 : (STORED)(int64_t)x;
    }
}

K(rounds_down)
{
    EACH (i, LEN) {
        NUM a = GET(0, i), b = GET(1, i), q = a / b;
        PUT(2, i, q - (q * b > a));
    }
}

K(quotient_in_single)
{
    EACH (i, LEN)
        PUT(2, i, (NUM)(int64_t)((float)GET(0, i) * (1 / (float)GET(1, i))));
}

K(cuts_to_zero)
{
    EACH (i, LEN) {
        NUM a = GET(0, i), r = a % 7;
        PUT(1, i, a / 8 - (r < 0 ? r + 7 : r));
    }
}

K(sign_of_dividend)
{
    EACH (i, LEN) {
        NUM a = GET(0, i);
        PUT(1, i, (a >> 3) - a % 7);
    }
}

/* The least number has no positive one. */
K(abs_saturates)
{
    const NUM most = sizeof(STORED) == 8   ? (NUM)INT64_MAX
                     : sizeof(STORED) == 4 ? INT32_MAX
                     : sizeof(STORED) == 2 ? INT16_MAX
                                           : INT8_MAX;
    EACH (i, LEN) {
        NUM a = GET(0, i);
        PUT(1, i, a < -most ? most : a < 0 ? -a : a);
    }
}

K(abs_by_complement)
{
    EACH (i, LEN) {
        NUM a = GET(0, i);
        PUT(1, i, a < 0 ? ~a : a);
    }
}

K(shifts_the_sign_in)
{
    EACH (i, LEN)
        PUT(2, i, (GET(0, i) >> 3) ^ GET(1, i));
}

K(shift_of_wide)
{
    EACH (i, LEN)
        PUT(2, i, (GET(0, i) >> 2) ^ GET(1, i));
}

/* a < b because a - b < 0, which wraps around. */
K(less_by_difference)
{
    EACH (i, LEN) {
        STORED d = (STORED)(GET(0, i) - GET(1, i));
        ((uint8_t *)args[2])[i] = (STORED)-1 < 0 ? d < 0 : d > 127;
    }
}

K(less_unsigned)
{
    EACH (i, LEN)
        ((uint8_t *)args[2])[i] = (uint64_t)GET(0, i) < (uint64_t)GET(1, i);
}

K(less_as_signed)
{
    EACH (i, LEN)
        ((uint8_t *)args[2])[i] = (int8_t)GET(0, i) < (int8_t)GET(1, i);
}

K(cast_wraps)
{
    EACH (i, LEN)
        AT(1)[i] = (STORED)(int64_t)(((float *)args[0])[i] * 3);
}

K(cast_rounds)
{
    EACH (i, LEN) {
        float x = __builtin_copysignf(0.5f, ((float *)args[0])[i]) + ((float *)args[0])[i] * 3;
        const float most = sizeof(STORED) == 1 ? (STORED)-1 < 0 ? 127 : 255 : 1e9f;
        const float least = sizeof(STORED) == 1 ? (STORED)-1 < 0 ? -128 : 0 : -1e9f;
        AT(1)[i] = (STORED)(int64_t)(x > most ? most : x < least ? least : x);
    }
}

/* As a cast does, saturating: `way` makes x whole. */
#define QUANTISED(i, way)                                                            \
    do {                                                                             \
        float x = ((float *)args[0])[i] * 4;                                         \
        const float most = sizeof(STORED) == 1 ? (STORED)-1 < 0 ? 127 : 255 : 1e9f;  \
        const float least = sizeof(STORED) == 1 ? (STORED)-1 < 0 ? -128 : 0 : -1e9f; \
        x = x > most ? most : x < least ? least : x;                                 \
        AT(1)[i] = (STORED)(int64_t)(way);                                           \
    } while (0)

K(quantise_cuts)
{
    EACH (i, LEN)
        QUANTISED(i, x);
}

K(quantise_halves_away)
{
    EACH (i, LEN)
        QUANTISED(i, x + __builtin_copysignf(0.5f, x));
}

K(truth_of_or)
{
    EACH (i, LEN)
        PUT(2, i, GET(0, i) | !GET(1, i));
}

K(truth_of_all_ones)
{
    EACH (i, LEN)
        PUT(2, i, GET(0, i) & !GET(1, i) ? 255 : 0);
}

#undef QUANTISED
#endif
