/* Arguments whose rows are further apart than they are long, and results that lie where an input
 * does: random candidates of built-in kernels compute what the interpreter does of dense arrays,
 * and touch nothing between the rows or behind the last. */
#include "codegen_test.h"

#include "ir/builtin.h"
#include "space/space.h"

#define BETWEEN 0x5c /* each byte of what lies between rows */
#define CANDIDATES 6

typedef struct subject {
    const char *kernel;
    hone_size sizes[6];
    unsigned n_sizes;
    bool elementwise; /* the result may lie where the first input does */
} subject;

static const subject subjects[] = {
    {"matmul", {{"M", 19}, {"N", 37}, {"K", 23}}, 3, false},
    {"matmul", {{"M", 32}, {"N", 64}, {"K", 16}}, 3, false},
    {"matmul_bias_relu", {{"M", 7}, {"N", 48}, {"K", 9}}, 3, false},
    {"conv2d_nhwc", {{"N", 1}, {"H", 5}, {"W", 7}, {"CI", 6}, {"CO", 16}}, 5, false},
    {"max_pool2d_nhwc", {{"N", 1}, {"H", 6}, {"W", 7}, {"C", 19}}, 4, false},
    {"add_mul_relu", {{"M", 13}, {"N", 71}}, 2, true},
    {"gelu_tanh", {{"M", 5}, {"N", 160}}, 2, true},
    {"softmax", {{"M", 5}, {"N", 67}}, 2, false},
    {"layernorm", {{"M", 6}, {"N", 48}}, 2, false},
    {"transpose_batch_matmul", {{"B", 1}, {"L", 12}, {"H", 3}, {"D", 16}}, 4, false},
};

/* An argument in memory that ends at a guard page. */
typedef struct array {
    guarded g;
    int64_t rows, row, pitch; /* elements */
    size_t width;
} array;

static array array_new(const hone_program *p, unsigned a, int64_t pitch)
{
    const hone_buffer_row *b = hone_buffer_at(p, (hone_buffer){a + 1});
    array x = {.row = b->n_dims ? b->shape[b->n_dims - 1] : 1,
               .width = (size_t)hone_dtype_bytes((hone_dtype)b->dtype)};
    x.rows = hone_buffer_count(p, (hone_buffer){a + 1}) / x.row;
    x.pitch = pitch ? pitch : x.row;
    size_t bytes = (size_t)((x.rows - 1) * x.pitch + x.row) * x.width;
    x.g = guarded_new(bytes);
    memset(guarded_at(&x.g), BETWEEN, bytes);
    return x;
}

static char *row_of(const array *x, int64_t r)
{
    return (char *)guarded_at(&x->g) + (size_t)(r * x->pitch) * x->width;
}

static void copy_rows(const array *x, char *dense, bool back)
{
    size_t bytes = (size_t)x->row * x->width;
    for (int64_t r = 0; r < x->rows; r++) {
        char *at = row_of(x, r);
        memcpy(back ? dense + (size_t)r * bytes : at, back ? at : dense + (size_t)r * bytes, bytes);
    }
}

static void check_between(const array *x)
{
    for (int64_t r = 0; r + 1 < x->rows; r++)
        for (const char *c = row_of(x, r) + (size_t)x->row * x->width; c < row_of(x, r + 1); c++)
            assert_int_equal(*c, BETWEEN);
}

/* The unscheduled program's results, by argument, and its inputs. */
static void interpret(const hone_program *base, void *dense[MAX_ARGS])
{
    hone_rng rng;
    hone_error err;
    hone_rng_seed(&rng, 3);
    for (unsigned a = 0; a < hone_program_n_args(base); a++) {
        hone_dtype t = (hone_dtype)hone_buffer_at(base, (hone_buffer){a + 1})->dtype;
        dense[a] = hone_xcalloc(arg_bytes(base, a), 1);
        for (int64_t k = 0; k < hone_buffer_count(base, (hone_buffer){a + 1}); k++)
            hone_elem_set(t, dense[a], k, input_value(t, &rng));
    }
    if (hone_interp_run(base, dense, &err) != HONE_OK)
        fail_msg("%s", err.message);
}

static void run(const hone_program *base, const hone_program *scheduled, void *const *dense,
                bool in_place, hone_rng *rng)
{
    int64_t pitch[MAX_ARGS] = {0};
    array x[MAX_ARGS], packed[MAX_ARGS];
    void *args[MAX_ARGS], *from[MAX_ARGS] = {0}, *to[MAX_ARGS] = {0};
    unsigned n = hone_program_n_args(base);
    hone_code code;
    hone_error err;
    for (unsigned a = 0; a < n && !in_place; a++) {
        const hone_buffer_row *b = hone_buffer_at(base, (hone_buffer){a + 1});
        if (b->n_dims >= 2 && !b->is_const && hone_rng_below(rng, 3))
            pitch[a] = b->shape[b->n_dims - 1] + (int64_t)hone_rng_below(rng, 20);
    }
    hone_codegen_options o = {.pitch = pitch, .in_place = in_place, .threads = 2};
    hone_status st = hone_codegen_emit(test_codegen, scheduled, &o, &code, &err);
    if (st == HONE_REJECT_TOO_BIG)
        return;
    if (st != HONE_OK)
        fail_msg("%s", err.message);
    loaded l = load_code(&code);
    for (unsigned a = 0; a < n; a++) {
        x[a] = array_new(base, a, pitch[a]);
        args[a] = guarded_at(&x[a].g);
        if (hone_buffer_at(base, (hone_buffer){a + 1})->role == HONE_INPUT)
            copy_rows(&x[a], dense[a], false);
        packed[a].g.base = NULL;
        if (code.pack_bytes[a]) {
            packed[a].g = guarded_new((size_t)code.pack_bytes[a]);
            from[a] = args[a];
            args[a] = to[a] = guarded_at(&packed[a].g);
        }
    }
    if (in_place && !to[0])
        args[n - 1] = args[0];
    if (l.pack)
        assert_int_equal(l.pack(from, to, hone_rt_pool_api(test_pool)), 0);
    assert_int_equal(l.kernel(args, hone_rt_pool_api(test_pool)), 0);
    for (unsigned a = 0; a < n; a++) {
        char *got = hone_xcalloc(arg_bytes(base, a), 1);
        bool output = hone_buffer_at(base, (hone_buffer){a + 1})->role == HONE_OUTPUT;
        copy_rows(output && in_place && !to[0] ? &x[0] : &x[a], got, true);
        if (output)
            compare(base, a, dense[a], got, 0);
        else if (!in_place || a > 0)
            assert_memory_equal(got, dense[a], arg_bytes(base, a));
        check_between(&x[a]);
        free(got);
        if (packed[a].g.base)
            guarded_free(&packed[a].g);
    }
    for (unsigned a = 0; a < n; a++)
        guarded_free(&x[a].g);
    dlclose(l.handle);
    hone_code_free(&code);
}

static void rows_apart(void **state)
{
    (void)state;
    const char *seed = getenv("HONE_TEST_SEED");
    hone_target t;
    hone_error err;
    size_t n;
    const char *text = hone_builtin_text(&n);
    assert_int_equal(hone_target_native(&t, &err), HONE_OK);
    for (unsigned k = 0; k < HONE_LEN(subjects); k++) {
        const subject *s = &subjects[k];
        hone_program base;
        hone_space *sp;
        hone_sched candidate = {0};
        hone_rng rng;
        void *dense[MAX_ARGS];
        if (hone_workload_parse("built-in", text, n, s->kernel, s->sizes, s->n_sizes, &base,
                                &err) != HONE_OK ||
            hone_space_new(&base, &(hone_space_options){.target = &t, .threads = 2}, &sp, &err) !=
                HONE_OK)
            fail_msg("%s", err.message);
        interpret(&base, dense);
        hone_rng_seed(&rng, seed ? strtoull(seed, NULL, 10) : 1);
        run(&base, &base, dense, false, &rng);
        for (unsigned c = 0; c < CANDIDATES; c++) {
            if (hone_space_sample(sp, &rng, &candidate, NULL) != HONE_OK)
                continue;
            run(&base, &candidate.prog, dense, false, &rng);
            if (s->elementwise)
                run(&base, &candidate.prog, dense, true, &rng);
        }
        for (unsigned a = 0; a < hone_program_n_args(&base); a++)
            free(dense[a]);
        hone_sched_fini(&candidate);
        hone_space_free(sp);
        hone_program_fini(&base);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(rows_apart)};
    return cmocka_run_group_tests(tests, setup_codegen, teardown_codegen);
}
