/* The verifier: what it refuses and how it says so, what it leaves to the interpreter, and that no
 * damage to a program's arrays makes it crash. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "ir/ir.h"

static hone_program parse(const char *text)
{
    hone_program p;
    hone_error err;
    if (hone_program_parse(text, strlen(text), &p, &err) != HONE_OK)
        fail_msg("%s", err.message);
    return p;
}

/* Statements for: program t { buffer A: f32[4, 8] input  buffer X: f32[4] output  buffer T: f32[4]
 * ... }. NULL: accepted. */
static const struct {
    const char *body, *message;
} cases[] = {
    {"for i in 4 { block b(v: 4 = i) { X[v] = A[v, 7 - v] } }", NULL},
    {"", "nothing writes the output 'X'"},
    {"for i in 4 { }", "loop 'i' is empty"},
    {"for i in 4 { block b(v: 4 = i) { A[v, v] = 1 } }", "block 'b': it writes the input 'A'"},
    {"for i in 4 { block b(v: 4 = i) { X[v] = T[v] } }",
     "block 'b': it reads 'T' before anything was written there"},
    {"for i in 4 { block b(v: 4 = i) { X[v] = X[v] + 1 } }", "reads 'X' before"},
    {"for i in 4 { block b(v: 4 = i, reduce k: 1 = 0) { init 0 X[v] = X[v] + 1 } }", NULL},
    {"for i in 4 { block x(v: 4 = i) { X[v] = T[v] } } for i in 4 { block t(v: 4 = i) { T[v] = 1 } "
     "}",
     "block 'x': it reads 'T' before"},
    /* the value of the turn before */
    {"for i in 4 { block x(v: 4 = i) { X[v] = select(v < 1, 0.0, T[v - 1]) }\n"
     "block t(v: 4 = i) { T[v] = 1 } }",
     NULL},
    {"for i in 4 { block b(v: 4 = i) { X[v] = A[v, v + 5] } }",
     "block 'b': index 2 of 'A' takes values 5 to 8, but that dimension is 8"},
    {"for i in 4 { block b(v: 4 = i) { X[v] = A[v - 1, 0] } }", "takes values -1 to 2"},
    {"for i in 4 { block b(v: 4 = i) { X[v + 1] = 0 } }", "index 1 of 'X' takes values 1 to 4"},
    {"for i in 4 { block b(v: 4 = i) { X[v] = A[v, 2*v + 2] } }", "takes values 2 to 8"},
    {"for i in 4 { block b(v: 4 = i) { X[v] = A[v, 2*v + 1] } }", NULL},
    {"for i in 4 { block b(v: 4 = i) { X[v] = select(v < 2, A[v, 20], 0.0) } }", NULL},
    /* not decidable from the ranges: left to the interpreter */
    {"for i in 4 { block b(v: 4 = i) { X[v] = A[v*v % 5 % 4, 0] } }", NULL},
    {"for i in 4 { block b(v: 4 = i) { X[v] = A[v*v, 0] } }", NULL},
    {"for i in 5 { block b(v: 4 = i) { X[v] = 0 } }",
     "block 'b': iteration variable 'v' takes values 0 to 4, but its extent is 4"},
    {"for i in 5 { block b(v: 4 = i) where i < 4 { X[v] = 0 } }", NULL},
    {"for i in 5 { block b(v: 4 = i + 4) where i < 4 { X[v] = 0 } }", "takes values 4 to 8"},
    {"for i in 2 { for j in 2 { block b(v: 4 = i*2 + j) { X[v] = 0 } } }", NULL},
    {"for i in 2 { for j in 3 { block b(v: 4 = i*3 + j) { X[v] = 0 } } }", "takes values 0 to 5"},
    {"for i in 4 { block b(v: 4 = i64(A[i, 0])) { X[v] = 0 } }",
     "a binding reads a buffer; it may use variables only"},
    {"for i in 4 { block b(v: 4 = i) where A[i, 0] < 1 { X[v] = 0 } }",
     "'where' reads a buffer; it may use variables only"},
    {"for i in 4 { block b(v: 4 = 0, reduce r: 4 = i) { init 0 X[r] = X[r] + 1 } }",
     "the index stored to (reduction variables do not count) uses variable 'r'"},
    {"for i in 4 { block b(v: 4 = 0, reduce r: 4 = i) { init f32(r) X[v] = X[v] + 1 } }",
     "init (reduction variables do not count) uses variable 'r'"},
    {"for i in 2 bind blockIdx.x { for j in 2 bind threadIdx.x { block b(v: 4 = i*2 + j) { X[v] = "
     "0 } "
     "} }",
     NULL},
    {"for i in 2 bind vthread { for j in 2 { for k in 1 bind vthread { block b(v: 4 = i*2 + j) { "
     "X[v] = 0 } } } }",
     "loop 'k' has the axis vthread, which a loop around it has already"},
    {"block o(w: 4 = 3) { for i in 4 { block b(v: 4 = min(i, w)) { X[v] = 0 } } }", NULL},
};

static void test_cases(void **state)
{
    (void)state;
    for (size_t k = 0; k < HONE_LEN(cases); k++) {
        char *text =
            hone_xasprintf("program t { buffer A: f32[4, 8] input buffer X: f32[4] output\n"
                           "buffer T: f32[4]\n%s\n}",
                           cases[k].body);
        hone_program p = parse(text);
        hone_error err;
        hone_status s = hone_verify(&p, &err);
        assert_int_equal(s, hone_verify(&p, NULL));
        if (cases[k].message ? s != HONE_E_INPUT || !strstr(err.message, cases[k].message)
                             : s != HONE_OK)
            fail_msg("%s: wanted '%s', got '%s'", cases[k].body,
                     cases[k].message ? cases[k].message : "success", err.message);
        hone_program_fini(&p);
        free(text);
    }
}

static const char valid[] =
    "program t { buffer A: f32[4, 8] input const buffer X: f32[4] output buffer T: f32[4] local\n"
    "for i in 2 parallel @a=1 @b=2 { for j in 3 {\n"
    "block t(v: 4 = i*3 + j) where i*3 + j < 4 @c=\"x\" { T[v] = exp(A[v, v + 4]) * 0.5 }\n"
    "block o(w: 4 = i*2) { for k in 8 { block x(v: 4 = w, reduce r: 8 = k) {\n"
    "init 1 X[v] = X[v] + select(r < 3 and not(v == 1), A[v, r], T[v // 2]) } } } } } }";

static void test_row_damage(void **state)
{
    (void)state;
    hone_error err;
    hone_program p = parse(valid), q = {0};
    if (hone_verify(&p, &err) != HONE_OK)
        fail_msg("%s", err.message);
    hone_stmt t = hone_block_find(&p, "t"), loop = hone_stmt_at(&p, p.root)->first;
#define DAMAGED(text, ...)                                        \
    do {                                                          \
        hone_program_copy(&q, &p);                                \
        __VA_ARGS__;                                              \
        assert_int_equal(hone_verify(&q, &err), HONE_E_INPUT);    \
        if (!strstr(err.message, text))                           \
            fail_msg("wanted '%s', got '%s'", text, err.message); \
    } while (0)
    DAMAGED("no root block", q.root = loop);
    DAMAGED("no root block", q.root.i = 1000);
    DAMAGED("tree is damaged", hone_stmt_at(&q, loop)->parent = t);
    DAMAGED("tree is damaged", hone_stmt_at(&q, t)->next = t);
    DAMAGED("tree is damaged", hone_stmt_at(&q, loop)->first = loop);
    DAMAGED("was removed but is still linked", hone_stmt_at(&q, t)->kind = HONE_STMT_FREE);
    DAMAGED("loop 2 is damaged", hone_stmt_at(&q, loop)->var.i = 99999);
    DAMAGED("loop 2 is damaged", hone_stmt_at(&q, loop)->loop_kind = HONE_BOUND);
    DAMAGED("loop 2 is damaged", hone_stmt_at(&q, loop)->axis = HONE_AXIS_VTHREAD);
    DAMAGED("loop 2 is damaged", hone_stmt_at(&q, loop)->loop_kind = HONE_BOUND;
            hone_stmt_at(&q, loop)->axis = HONE_AXIS_COUNT);
    DAMAGED("runs 0 times", q.vars.v[hone_stmt_at(&q, loop)->var.i].extent = 0);
    DAMAGED("there are two blocks of this name", hone_stmt_at(&q, t)->name = hone_sym_of(&q, "x"));
    DAMAGED("there are two buffers 'A'", hone_buffer_at(&q, (hone_buffer){2})->name =
                                             hone_buffer_at(&q, (hone_buffer){1})->name);
    DAMAGED("must come before all temporaries",
            hone_buffer_at(&q, (hone_buffer){2})->role = HONE_TEMP;
            hone_buffer_at(&q, (hone_buffer){3})->role = HONE_OUTPUT;
            hone_buffer_at(&q, (hone_buffer){3})->scope = HONE_GLOBAL);
    DAMAGED("is const but no input", hone_buffer_at(&q, (hone_buffer){2})->is_const = 1);
    DAMAGED("cannot be local", hone_buffer_at(&q, (hone_buffer){2})->scope = HONE_LOCAL);
    DAMAGED("dimension 0 is -1", hone_buffer_at(&q, (hone_buffer){1})->shape[0] = -1);
    DAMAGED("its iteration variables are damaged", hone_stmt_at(&q, t)->iters = 77777);
    DAMAGED("its store is damaged", hone_stmt_at(&q, t)->out.i = 4);
    DAMAGED("annotations are damaged", q.anns.v[1].next = 1);
    DAMAGED("stores and holds statements", hone_stmt_append(&q, t, hone_loop_new(&q, "z", 2)));
    /* an operand of another dtype, and a cycle */
    hone_expr value = hone_stmt_at(&p, t)->value;
    DAMAGED("operands of the wrong dtype", q.exprs.v[value.i].dtype = HONE_F64);
    DAMAGED("damaged argument", q.args.v[q.exprs.v[value.i].args] = value);
    DAMAGED("has 1 arguments", q.exprs.v[value.i].n_args = 1);
    DAMAGED("is damaged", q.exprs.v[value.i].op = 200);
    q.overflow = true;
    hone_program_copy(&q, &p);
    q.overflow = true;
    assert_int_equal(hone_verify(&q, &err), HONE_REJECT_TOO_BIG);
    hone_program_fini(&p);
    hone_program_fini(&q);
    /* never initialised */
    assert_int_equal(hone_verify(&q, &err), HONE_E_INPUT);
}

/* Overwrites a random 32-bit word of a random array: any verdict will do. */
static void test_random_damage(void **state)
{
    (void)state;
    hone_program p = parse(valid), q = {0};
    hone_rng rng;
    hone_rng_seed(&rng, 1);
    unsigned refused = 0, n = 20000;
    for (unsigned k = 0; k < n; k++) {
        hone_program_copy(&q, &p);
        for (unsigned hits = 1 + (unsigned)hone_rng_below(&rng, 2); hits > 0; hits--) {
            struct {
                void *v;
                size_t bytes;
            } arrays[] = {
#define ARRAY(x) {q.x.v, q.x.n * sizeof *q.x.v}
                ARRAY(exprs), ARRAY(args),    ARRAY(vars), ARRAY(iters),
                ARRAY(stmts), ARRAY(buffers), ARRAY(anns), ARRAY(syms),
            };
            size_t a = hone_rng_below(&rng, HONE_LEN(arrays));
            size_t at = hone_rng_below(&rng, arrays[a].bytes / 4);
            uint32_t word = (uint32_t)hone_rng_below(&rng, 40);
            if (hone_rng_below(&rng, 4) == 0)
                word = (uint32_t)hone_rng_u64(&rng);
            memcpy((char *)arrays[a].v + 4 * at, &word, 4);
        }
        hone_error err;
        refused += hone_verify(&q, &err) != HONE_OK;
    }
    assert_true(refused > n / 4 && refused < n);
    hone_program_fini(&p);
    hone_program_fini(&q);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cases),
        cmocka_unit_test(test_row_damage),
        cmocka_unit_test(test_random_damage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
