/* Convolutions by Winograd's algorithm: Lavin and Gray, "Fast Algorithms for Convolutional Neural
 * Networks", CVPR 2016. F(m x m, 3 x 3): tiles of a x a elements of the image, a = m + 2, give m x
 * m results with a^2 products for each pair of channels instead of 9 m^2. Filter, tiles and results
 * are transformed along rows, then along columns; what is made of constant weights alone is made
 * ahead of time. Floats are a little further from the true sums than those of the plain algorithm:
 * for m = 4 some ten times.
 *
 *   P    the tiles, which overlap by two; t is (image, row of tiles, column of tiles)
 *   V    transformed         U  the filter, transformed
 *   M    V times U, a matrix product for each of a x a places
 *   E    the results of each tile */
#include "net/kernel/internal.h"

#define MAX_TILE 6

typedef struct algorithm {
    int m, a; /* results and elements of a tile, along an axis */
    double filter[MAX_TILE][3], image[MAX_TILE][MAX_TILE], result[4][MAX_TILE];
} algorithm;

static const algorithm algorithms[HONE_NET_WAYS] = {
    [HONE_NET_WAY_WINOGRAD2] = {2,
                                4,
                                {{1, 0, 0}, {.5, .5, .5}, {.5, -.5, .5}, {0, 0, 1}},
                                {{1, 0, -1, 0}, {0, 1, 1, 0}, {0, -1, 1, 0}, {0, 1, 0, -1}},
                                {{1, 1, 1, 0}, {0, 1, -1, -1}}},
    [HONE_NET_WAY_WINOGRAD4] =
        {4,
         6,
         {{1. / 4, 0, 0},
          {-1. / 6, -1. / 6, -1. / 6},
          {-1. / 6, 1. / 6, -1. / 6},
          {1. / 24, 1. / 12, 1. / 6},
          {1. / 24, -1. / 12, 1. / 6},
          {0, 0, 1}},
         {{4, 0, -5, 0, 1, 0},
          {0, -4, -4, 1, 1, 0},
          {0, 4, -4, -1, 1, 0},
          {0, -2, -1, 2, 1, 0},
          {0, 2, -1, -2, 1, 0},
          {0, 4, 0, -5, 0, 1}},
         {{1, 1, 1, 1, 1, 0}, {0, 1, -1, 2, -2, 0}, {0, 1, 1, 4, 4, 0}, {0, 1, -1, 8, -8, 1}}},
};

bool hone_nk__is_winograd(hone_nk *e, const hone_net_window *w)
{
    const hone_tensor *x = hone_net_in(e->u, 0), *f = hone_net_in(e->u, 1);
    const hone_nk_row *y = hone_nk__out(e, 0);
    if (!algorithms[hone_nk__way(e)].m || w->n != 2 || x->dtype != HONE_F32 || !f->data ||
        f->shape[1] != x->shape[1] || y->order[3] != 1 || hone_tensor_elems(&y->t) == 0)
        return false;
    for (unsigned s = 0; s < 2; s++)
        if (w->kernel[s] != 3 || w->stride[s] != 1 || w->dilation[s] != 1 || w->before[s] < 0)
            return false;
    return true;
}

/* ---- transforms ------------------------------------------------------------------------------ */

/* One row of a transform: the sum of factors times elements, which are `of` at index d. */
static void add_row(const double *factor, int n, const hone_nk_row *of, hone_nk_index x, unsigned d,
                    hone_buf *ret)
{
    bool first = true;
    for (int k = 0; k < n; k++) {
        double f = factor[k];
        if (f == 0)
            continue;
        hone_nk__set(&x, d, "%d", k);
        if (!first)
            hone_buf_puts(ret, f < 0 ? " - " : " + ");
        double size = first || f > 0 ? f : -f;
        if (size != 1)
            hone_buf_printf(ret, "%s * ", hone_nk__number(size).s);
        hone_buf_puts(ret, hone_nk__at(of, &x).s);
        first = false;
    }
}

/* A transform along an axis: `to` rows of `n` factors, pitch from one to the next. */
typedef struct pass {
    const double *rows;
    int to, n, pitch;
    unsigned axis;  /* of what is transformed, */
    unsigned index; /* and of what becomes of it */
} pass;

/* A temporary of that shape: the transform of `of`, whose other indices are x. */
static const hone_nk_row *transformed(hone_nk *e, const pass *p, const hone_nk_row *of,
                                      hone_nk_index x, const int64_t shape[4])
{
    const hone_nk_row *to = hone_nk__temp(e, HONE_F32, shape, 4);
    hone_buf b = {0};
    for (int r = 0; r < p->to; r++) {
        if (r + 1 < p->to)
            hone_buf_printf(&b, "i%u == %d ? ", p->index, r);
        add_row(p->rows + r * p->pitch, p->n, of, x, p->axis, &b);
        if (r + 1 < p->to)
            hone_buf_puts(&b, " : ");
    }
    hone_nk__stage(e, to, 4, "%s", b.s);
    hone_buf_free(&b);
    return to;
}

/* Along the first index, then along the second. */
static const hone_nk_row *transformed_twice(hone_nk *e, const pass *along, const hone_nk_row *of,
                                            const int64_t half[4], const int64_t all[4])
{
    pass p = *along;
    p.axis = p.index = 0;
    const hone_nk_row *z = transformed(e, &p, of, hone_nk__indices(4), half);
    p.axis = p.index = 1;
    return transformed(e, &p, z, hone_nk__indices(4), all);
}

/* ---- stages ---------------------------------------------------------------------------------- */

typedef struct winograd {
    const algorithm *al;
    int64_t rows, columns, tiles; /* of tiles: of an image, and all of them */
    int64_t channels, filters;
} winograd;

/* [a, a, channels, filters] */
static const hone_nk_row *put_filter(hone_nk *e, const winograd *v)
{
    int64_t a = v->al->a;
    const int64_t half[] = {a, 3, v->channels, v->filters}, all[] = {a, a, v->channels, v->filters};
    pass p = {v->al->filter[0], v->al->a, 3, 3, 2, 0};
    hone_nk_index x = {.n = 4}; /* filter, channel, row, column */
    hone_nk__set(&x, 0, "i3");
    hone_nk__set(&x, 1, "i2");
    hone_nk__set(&x, 3, "i1");
    const hone_nk_row *g = transformed(e, &p, hone_nk__in(e, 1), x, half);
    p.axis = p.index = 1;
    return transformed(e, &p, g, hone_nk__indices(4), all);
}

/* [a, a, tiles, channels] */
static const hone_nk_row *put_image(hone_nk *e, const winograd *v, const hone_net_window *w)
{
    const hone_tensor *t = hone_net_in(e->u, 0);
    int64_t a = v->al->a;
    const int64_t shape[] = {a, a, v->tiles, v->channels};
    hone_nk_text at[2] = {
        hone_nk__textf("i2 // %" PRId64 " %% %" PRId64 " * %d + i0", v->columns, v->rows, v->al->m),
        hone_nk__textf("i2 %% %" PRId64 " * %d + i1", v->columns, v->al->m)};
    hone_nk_index x = {.n = 4};
    hone_buf inside = {0};
    hone_nk__set(&x, 0, "i2 // %" PRId64, v->rows * v->columns);
    hone_nk__set(&x, 1, "i3");
    for (unsigned s = 0; s < 2; s++) {
        hone_nk__set(&x, 2 + s, "%s - %" PRId64, at[s].s, w->before[s]);
        hone_buf_printf(&inside, "%s%s >= %" PRId64 " and %s < %" PRId64, s ? " and " : "", at[s].s,
                        w->before[s], at[s].s, w->before[s] + t->shape[2 + s]);
    }
    const hone_nk_row *from = hone_nk__in(e, 0), *p = hone_nk__temp(e, HONE_F32, shape, 4);
    hone_nk__stage(e, p, 4, "select(%s, %s, 0)", inside.s, hone_nk__at(from, &x).s);
    hone_buf_free(&inside);
    const pass along = {v->al->image[0], v->al->a, v->al->a, MAX_TILE, 0, 0};
    return transformed_twice(e, &along, p, shape, shape);
}

/* [m, m, tiles, filters] of the products [a, a, tiles, filters] */
static const hone_nk_row *put_results(hone_nk *e, const winograd *v, const hone_nk_row *products)
{
    const int64_t half[] = {v->al->m, v->al->a, v->tiles, v->filters};
    const int64_t all[] = {v->al->m, v->al->m, v->tiles, v->filters};
    const pass along = {v->al->result[0], v->al->m, v->al->a, MAX_TILE, 0, 0};
    return transformed_twice(e, &along, products, half, all);
}

void hone_nk__winograd(hone_nk *e, const hone_net_window *w, const hone_nk_row *to)
{
    winograd v = {.al = &algorithms[hone_nk__way(e)],
                  .channels = hone_net_in(e->u, 1)->shape[1],
                  .filters = hone_net_in(e->u, 1)->shape[0]};
    int m = v.al->m;
    v.rows = (w->out[0] + m - 1) / m;
    v.columns = (w->out[1] + m - 1) / m;
    v.tiles = to->t.shape[0] * v.rows * v.columns;
    const hone_nk_row *u = put_filter(e, &v), *image = put_image(e, &v, w);
    const int64_t shape[] = {v.al->a, v.al->a, v.tiles, v.filters};
    const hone_nk_row *products = hone_nk__temp(e, HONE_F32, shape, 4);
    hone_nk_index a = hone_nk__indices(4), b = hone_nk__indices(4), x = {.n = 4};
    hone_nk__set(&a, 3, "k0");
    hone_nk__set(&b, 2, "k0");
    hone_nk__stage(e, products, 4, "sum(k0 < %" PRId64 ") %s * %s", v.channels,
                   hone_nk__at(image, &a).s, hone_nk__at(u, &b).s);
    const hone_nk_row *results = put_results(e, &v, products);
    hone_nk__set(&x, 0, "i2 %% %d", m);
    hone_nk__set(&x, 1, "i3 %% %d", m);
    hone_nk__set(&x, 2, "(i0*%" PRId64 " + i2 // %d)*%" PRId64 " + i3 // %d", v.rows, m, v.columns,
                 m);
    hone_nk__set(&x, 3, "i1");
    hone_nk__stage(e, to, 4, "%s", hone_nk__at(results, &x).s);
    hone_nk__take_way(e);
}
