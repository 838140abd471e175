/* Reader's map: sizes and arguments; inputs; work; products of matrices; agreement. */
#include "bench/versus.h"

#include "ir/builtin.h"

#include <math.h>

#define MAX_KERNEL_FILE (1 << 20)

int64_t versus_size(const problem *p, const char *name, int64_t otherwise)
{
    for (uint32_t k = 0; k < p->n_sizes; k++)
        if (strcmp(p->sizes[k].name, name) == 0)
            return p->sizes[k].value;
    return otherwise;
}

const tensor *versus_arg(const problem *p, const char *name)
{
    for (uint32_t k = 0; k < p->n_args; k++)
        if (strcmp(p->args[k].name, name) == 0)
            return &p->args[k];
    return NULL;
}

void *versus_buffer(int64_t bytes)
{
    size_t n = ((size_t)bytes + 63) / 64 * 64;
    void *p = aligned_alloc(64, n ? n : 64);
    if (!p) {
        fprintf(stderr, "bench_versus: out of memory\n");
        exit(1);
    }
    memset(p, 0, n);
    return p;
}

/* ---- inputs ---------------------------------------------------------------------------------- */

static uint16_t bf16_of(float x)
{
    uint32_t b;
    memcpy(&b, &x, sizeof b);
    return (uint16_t)((b + 0x7FFF + (b >> 16 & 1)) >> 16);
}

/* For |x| in [2^-14, 1], which has all bits the format can take; below it 0. */
static uint16_t f16_of(float x)
{
    uint32_t b;
    memcpy(&b, &x, sizeof b);
    uint32_t sign = b >> 16 & 0x8000, rest = b & 0x7FFFFFFF;
    if (rest < 0x38800000)
        return (uint16_t)sign;
    return (uint16_t)(sign | (rest - 0x38000000 + 0xFFF + (rest >> 13 & 1)) >> 13);
}

static float float_of_bf16(uint16_t x)
{
    uint32_t b = (uint32_t)x << 16;
    float f;
    memcpy(&f, &b, sizeof f);
    return f;
}

static double float_of_f16(uint16_t x)
{
    int e = x >> 10 & 31, m = x & 1023;
    double v = e == 31 ? (m ? NAN : INFINITY) : e ? ldexp(1024 + m, e - 25) : ldexp(m, -24);
    return x & 0x8000 ? -v : v;
}

/* Floats in [-1, 1). i8 in [-63, 63]: two products with u8 fit 16 bits, where the instructions that
 * processors without VNNI have for it saturate. Other integers: any bits. */
static void fill(tensor *t, uint64_t seed)
{
    hone_rng g;
    hone_rng_seed(&g, seed);
    for (int64_t k = 0; k < t->elements; k++) {
        float f = (float)(hone_rng_double(&g) * 2 - 1);
        switch (t->dtype) {
        case HONE_F64:
            ((double *)t->data)[k] = (double)f;
            break;
        case HONE_F32:
            ((float *)t->data)[k] = f;
            break;
        case HONE_F16:
            ((uint16_t *)t->data)[k] = f16_of(f);
            break;
        case HONE_BF16:
            ((uint16_t *)t->data)[k] = bf16_of(f);
            break;
        case HONE_I64:
            ((uint64_t *)t->data)[k] = hone_rng_u64(&g);
            break;
        case HONE_I32:
            ((uint32_t *)t->data)[k] = (uint32_t)hone_rng_u64(&g);
            break;
        case HONE_I16:
            ((uint16_t *)t->data)[k] = (uint16_t)hone_rng_u64(&g);
            break;
        case HONE_I8:
            ((int8_t *)t->data)[k] = (int8_t)((int)hone_rng_below(&g, 127) - 63);
            break;
        case HONE_U8:
            ((uint8_t *)t->data)[k] = (uint8_t)hone_rng_u64(&g);
            break;
        default:
            ((uint8_t *)t->data)[k] = (uint8_t)hone_rng_below(&g, 2);
            break;
        }
    }
}

static double value(const tensor *t, const void *data, int64_t k)
{
    switch (t->dtype) {
    case HONE_F64:
        return ((const double *)data)[k];
    case HONE_F32:
        return (double)((const float *)data)[k];
    case HONE_F16:
        return float_of_f16(((const uint16_t *)data)[k]);
    case HONE_BF16:
        return (double)float_of_bf16(((const uint16_t *)data)[k]);
    case HONE_I64:
        return (double)((const int64_t *)data)[k];
    case HONE_I32:
        return (double)((const int32_t *)data)[k];
    case HONE_I16:
        return (double)((const int16_t *)data)[k];
    case HONE_I8:
        return (double)((const int8_t *)data)[k];
    default:
        return (double)((const uint8_t *)data)[k];
    }
}

/* ---- agreement ------------------------------------------------------------------------------- */

double versus_difference(const problem *p, const void *got, const void *want)
{
    double most = 0;
    for (int64_t k = 0; k < p->out->elements; k++) {
        double g = value(p->out, got, k), w = value(p->out, want, k);
        double e = g == w ? 0 : fabs(g - w) / fmax(1, fabs(w));
        most = isnan(e) ? INFINITY : fmax(most, e);
    }
    return most;
}

/* f32 sums of a few thousand products differ by 1e-5, by a fast algorithm (Winograd) 1e-4; results
 * of 16 bits by the rounding of their last place; integers not at all. */
double versus_tolerance(const problem *p)
{
    switch (p->out->dtype) {
    case HONE_F64:
        return 1e-9;
    case HONE_F32:
        return 1e-3;
    case HONE_F16:
        return 4e-3;
    case HONE_BF16:
        return 3e-2;
    default:
        return 0;
    }
}

/* ---- work ------------------------------------------------------------------------------------ */

static bool begins(const char *s, const char *with)
{
    return strncmp(s, with, strlen(with)) == 0;
}

static bool is_of_bits(const problem *p)
{
    return strcmp(p->kernel, "matmul_b1") == 0 || strcmp(p->kernel, "matmul_b2") == 0;
}

/* Operations of sums of products are 2 per product and output, padded taps included: what a library
 * (or Winograd's algorithm) saves is to its credit. 0: not such a kernel. */
static double products(const problem *p)
{
    double out = (double)p->out->elements;
    const tensor *f = versus_arg(p, "F");
    if (is_of_bits(p))
        return 2 * out * (double)(p->args[0].elements / versus_size(p, "M", 1)) * 32 *
               (strcmp(p->kernel, "matmul_b2") == 0 ? 2 : 1);
    if (strcmp(p->kernel, "attention") == 0)
        return 4 * out * (double)versus_size(p, "L", 1);
    if (strcmp(p->kernel, "attention_causal") == 0) /* the keys that queries see */
        return 2 * out * (double)(versus_size(p, "L", 1) + 1);
    if (begins(p->kernel, "conv2d_transposed"))
        return 2 * (double)p->args[0].elements * (double)f->elements /
               (double)versus_size(p, "CI", 1);
    if (f && begins(p->kernel, "depthwise"))
        return 2 * out * (double)f->elements / (double)versus_size(p, "C", 1);
    if (f && begins(p->kernel, "capsule"))
        return 2 * out * (double)(f->elements / versus_size(p, "CO", 1) / versus_size(p, "CAP", 1));
    if (f && begins(p->kernel, "conv2d_group"))
        return 2 * out * (double)(f->elements / versus_size(p, "CO", 1));
    if (f && begins(p->kernel, "conv"))
        return 2 * out * (double)(f->elements / versus_size(p, "CO", 1));
    product g;
    if (versus_product(p, &g))
        return 2 * out * (double)g.k;
    return 0;
}

static void count_work(problem *p, hone_program *program)
{
    p->flops = products(p);
    p->counts_products = p->flops > 0;
    if (!p->counts_products)
        p->flops = (double)hone_program_flops(program);
    hone_program_least_work(program, p->work);
    for (uint32_t k = 0; k < p->n_args; k++)
        *(p->args[k].output ? &p->write_bytes : &p->read_bytes) += (double)p->args[k].bytes;
    p->unit = is_of_bits(p)                   ? UNIT_BITS
              : p->args[0].dtype == HONE_U8   ? UNIT_U8I8
              : p->args[0].dtype == HONE_BF16 ? UNIT_BF16
                                              : UNIT_F32;
}

/* ---- products of matrices -------------------------------------------------------------------- */

static bool is_float_or_wide(const problem *p)
{
    return p->out->dtype == HONE_F32 || p->out->dtype == HONE_I32 || p->out->dtype == HONE_F16;
}

bool versus_product(const problem *p, product *ret)
{
    static const char *const plain[] = {"matmul",      "dense",       "gemm",
                                        "matmul_u8i8", "matmul_bf16", "matmul_f16"};
    const tensor *a = &p->args[0], *b = &p->args[1];
    if (p->n_args != 3 || !is_float_or_wide(p))
        return false;
    product g = {.outer = {1, 1}, .a_col = 1, .b_col = 1, .a = a, .b = b};
    bool known = false;
    for (size_t k = 0; k < HONE_LEN(plain); k++)
        known |= strcmp(p->kernel, plain[k]) == 0;
    if (known) {
        g.m = a->shape[0], g.k = a->shape[1], g.n = b->shape[1];
    } else if (strcmp(p->kernel, "batch_matmul") == 0) {
        g.outer[1] = a->shape[0];
        g.m = a->shape[1], g.k = a->shape[2], g.n = b->shape[2];
        g.a_outer[1] = g.m * g.k, g.b_outer[1] = g.k * g.n, g.c_outer[1] = g.m * g.n;
    } else if (strcmp(p->kernel, "transpose_batch_matmul") == 0) {
        int64_t l = a->shape[1], h = a->shape[2], d = a->shape[3];
        g.outer[0] = a->shape[0], g.outer[1] = h;
        g.m = g.n = l, g.k = d;
        g.a_outer[0] = g.b_outer[0] = l * h * d, g.c_outer[0] = h * l * l;
        g.a_outer[1] = g.b_outer[1] = d, g.c_outer[1] = l * l;
        g.a_row = g.b_col = h * d, g.b_row = 1;
    } else if (begins(p->kernel, "conv2d_nhwc") || begins(p->kernel, "conv3d_ndhwc")) {
        int64_t ci = b->shape[b->n_dims - 2], co = b->shape[b->n_dims - 1];
        if (b->elements != ci * co || versus_size(p, "stride", 1) != 1 ||
            a->elements / ci != p->out->elements / co)
            return false; /* not 1 x 1 */
        g.m = a->elements / ci, g.k = ci, g.n = co;
    } else {
        return false;
    }
    g.a_row = g.a_row ? g.a_row : g.k;
    g.b_row = g.b_row ? g.b_row : g.n;
    g.c_row = g.n;
    *ret = g;
    return true;
}

/* ---- the kernel's text ------------------------------------------------------------------------
 */

/* "matmul", "my.hone", "my.hone:name", as hone itself takes them. */
static hone_status parse_kernel(const char *arg, const problem *p, hone_program *program,
                                hone_error *err)
{
    const char *dot = strstr(arg, ".hone");
    size_t n;
    if (!dot) {
        const char *text = hone_builtin_text(&n);
        return hone_workload_parse("built-in", text, n, arg, p->sizes, p->n_sizes, program, err);
    }
    char *path = hone_xasprintf("%.*s", (int)(dot + 5 - arg), arg), *text = NULL;
    hone_status st = hone_file_read(path, MAX_KERNEL_FILE, &text, &n, err);
    if (st == HONE_OK)
        st = hone_workload_parse(path, text, n, dot[5] == ':' ? dot + 6 : NULL, p->sizes,
                                 p->n_sizes, program, err);
    free(text);
    free(path);
    return st;
}

hone_status versus_problem(const char *arg, problem *p, hone_error *err)
{
    hone_program program = {0};
    hone_status st = parse_kernel(arg, p, &program, err);
    if (st != HONE_OK)
        return st;
    snprintf(p->kernel, sizeof p->kernel, "%s", hone_sym_text(&program, program.name));
    p->n_args = hone_program_n_args(&program);
    if (p->n_args > VERSUS_MAX_ARGS)
        return hone_fail(err, HONE_E_LIMIT, "%s has more than %d arguments", p->kernel,
                         VERSUS_MAX_ARGS);
    for (uint32_t k = 0; k < p->n_args; k++) {
        const hone_buffer_row *b = hone_buffer_at(&program, (hone_buffer){k + 1});
        tensor *t = &p->args[k];
        *t = (tensor){.dtype = (hone_dtype)b->dtype,
                      .n_dims = b->n_dims,
                      .elements = 1,
                      .output = b->role == HONE_OUTPUT,
                      .constant = b->is_const};
        snprintf(t->name, sizeof t->name, "%s", hone_sym_text(&program, b->name));
        for (int d = 0; d < b->n_dims; d++)
            t->elements *= t->shape[d] = b->shape[d];
        t->bytes = t->elements * hone_dtype_bytes(t->dtype);
        if (t->output && p->out)
            return hone_fail(err, HONE_E_INPUT, "%s has more than one output", p->kernel);
        if (t->output)
            p->out = t;
    }
    count_work(p, &program);
    hone_program_fini(&program);
    return HONE_OK;
}

void versus_memory(problem *p)
{
    for (uint32_t k = 0; k < p->n_args; k++) {
        tensor *t = &p->args[k];
        t->data = versus_buffer(t->bytes);
        if (!t->output)
            fill(t, k + 1);
    }
}
