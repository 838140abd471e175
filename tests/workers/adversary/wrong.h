/* Wrong kernels, element by element. Included by each.h. */

#define ADD(i) PUT(2, i, GET(0, i) + GET(1, i))
#define MUL(i) PUT(2, i, GET(0, i) * GET(1, i))
#define EACH(i, n) for (int64_t i = 0; i < (n); i++)

/* ---- add: what is written, where, and what of ------------------------------------------------ */

K(nothing)
{
    (void)args;
}

K(zeros)
{
    EACH (i, LEN)
        AT(2)[i] = 0;
}

K(ones)
{
    EACH (i, LEN)
        PUT(2, i, 1);
}

K(half)
{
    EACH (i, LEN / 2)
        ADD(i);
}

K(no_last)
{
    EACH (i, LEN - 1)
        ADD(i);
}

K(no_first)
{
    EACH (i, LEN - 1)
        ADD(i + 1);
}

/* Whole vectors of 16 alone. */
K(no_tail)
{
    EACH (i, LEN / 16 * 16)
        ADD(i);
}

K(tail_twice)
{
    EACH (i, LEN)
        ADD(i);
    EACH (i, 3)
        PUT(2, LEN - 3 + i, READ(AT(2)[LEN - 3 + i]) + GET(1, LEN - 3 + i));
}

K(writes_behind)
{
    EACH (i, LEN + 1)
        PUT(2, i, i < LEN ? GET(0, i) + GET(1, i) : 0);
}

K(writes_before)
{
    EACH (i, LEN)
        ADD(i);
    PUT(2, -1, 0);
}

K(writes_an_input)
{
    EACH (i, LEN)
        ADD(i);
    AT(0)[0] = AT(0)[1];
}

K(swaps_lanes)
{
    EACH (i, LEN)
        ADD(i);
    STORED x = AT(2)[501];
    AT(2)[501] = AT(2)[502];
    AT(2)[502] = x;
}

K(shifted)
{
    EACH (i, LEN)
        PUT(2, i, GET(0, i) + GET(1, i + 1 < LEN ? i + 1 : i));
}

K(stale)
{
    static NUM sums[LEN];
    EACH (i, LEN)
        PUT(2, i, sums[i] += GET(0, i) + GET(1, i));
}

/* What is there already, where that is more: it does not set its output to begin with. */
K(more_than_there_was)
{
    EACH (i, LEN) {
        NUM x = GET(0, i) + GET(1, i), y = GET(2, i);
        AT(2)[i] = y > x ? AT(2)[i] : (STORED)ROUND(x);
    }
}

K(less_than_there_was)
{
    EACH (i, LEN) {
        NUM x = GET(0, i) + GET(1, i), y = GET(2, i);
        AT(2)[i] = y < x ? AT(2)[i] : (STORED)ROUND(x);
    }
}

/* Adds to what is there. */
K(on_top)
{
    EACH (i, LEN)
        PUT(2, i, GET(2, i) + GET(0, i) + GET(1, i));
}

/* Right for three calls. */
K(tires)
{
    static int calls;
    EACH (i, LEN)
        ADD(i);
    if (++calls > 3)
        AT(2)[7] = AT(2)[8];
}

/* ---- reads outside --------------------------------------------------------------------------- */

K(reads_behind)
{
    volatile STORED *A = AT(0);
    EACH (i, PAGE + 1) {
        STORED x = A[i];
        if (i < PAGE)
            PUT(1, i, (NUM)READ(x) + (NUM)READ(x));
    }
}

K(reads_before)
{
    volatile STORED *A = AT(0);
    EACH (i, PAGE + 1) {
        STORED x = A[i - 1];
        if (i > 0)
            PUT(1, i - 1, (NUM)READ(x) + (NUM)READ(x));
    }
}

/* ---- one element of a million ---------------------------------------------------------------- */

K(one_of_a_million)
{
    EACH (i, MILLION)
        PUT(1, i, GET(0, i) + GET(0, i));
    AT(1)[777777] = AT(1)[777776];
}

/* By its last place. */
K(last_place_of_one)
{
    EACH (i, MILLION)
        PUT(1, i, GET(0, i) + GET(0, i));
    *(uint8_t *)&AT(1)[MILLION - 2] ^= 1;
}

/* ---- products -------------------------------------------------------------------------------- */

K(small_ones)
{
    EACH (i, LEN) {
        NUM a = GET(0, i), b = GET(1, i);
        PUT(2, i, (a > 127 ? 127 : a < -127 ? -127 : a) * b);
    }
}

K(not_negative)
{
    EACH (i, LEN) {
        NUM a = GET(0, i), b = GET(1, i);
        PUT(2, i, (a < 0 ? -a : a) * b);
    }
}

/* ---- any type -------------------------------------------------------------------------------- */

K(less_or_equal)
{
    EACH (i, LEN)
        ((uint8_t *)args[2])[i] = GET(0, i) <= GET(1, i);
}

K(relu_of_one)
{
    EACH (i, LEN)
        PUT(1, i, GET(0, i) > 0 ? GET(0, i) : GET(0, i) == 0);
}

K(relu_leaks)
{
    EACH (i, LEN)
        PUT(1, i, GET(0, i) > 0 ? GET(0, i) : GET(0, i) < -3 ? GET(0, i) : 0);
}

K(gather_last_row)
{
    EACH (i, LEN) {
        int64_t k = ((int64_t *)args[1])[i];
        AT(2)[i] = AT(0)[k < TABLE - 1 ? k : TABLE - 2];
    }
}

K(gather_by_bytes)
{
    EACH (i, LEN)
        AT(2)[i] = AT(0)[((int64_t *)args[1])[i] & 255];
}

K(stencil_unguarded)
{
    volatile STORED *A = AT(0);
    EACH (i, LEN) {
        STORED left = A[i - 1];
        NUM a = i ? (NUM)READ(left) : 0, b = GET(0, i), c = i < LEN - 1 ? GET(0, i + 1) : 0;
        PUT(1, i, a + b + c);
    }
}

K(stencil_round)
{
    EACH (i, LEN)
        PUT(1, i, GET(0, (i + LEN - 1) % LEN) + GET(0, i) + GET(0, (i + 1) % LEN));
}

K(stencil_repeats_its_end)
{
    EACH (i, LEN)
        PUT(1, i, GET(0, i ? i - 1 : 0) + GET(0, i) + (i < LEN - 1 ? GET(0, i + 1) : 0));
}

K(transpose_swaps)
{
    EACH (i, MM_M)
        EACH (j, MM_N)
            AT(1)
    [j * MM_M + (i == 6 && j % 2 == 0 ? 7 : i == 7 && j % 2 == 0 ? 6 : i)] = AT(0)[i * MM_N + j];
}

K(transpose_not)
{
    EACH (i, MM_M * MM_N)
        AT(1)[i] = AT(0)[i];
}
