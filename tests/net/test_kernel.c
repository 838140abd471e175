/* Kernel text of operators: run by the interpreter it computes what the reference evaluation
 * does. */
#include "kernel_test.h"

#define F32 2e-6
#define F16 2e-3
#define BF16 1.6e-2

static void check_all(const kernel_case *cases, size_t n)
{
    for (size_t k = 0; k < n; k++)
        check_kernel(&cases[k]);
}

static void elementwise(void **state)
{
    (void)state;
    static const char *const of_floats[] = {
        "Abs",   "Ceil",  "Celu",        "Cosh",      "Elu",      "Erf",
        "Exp",   "Floor", "HardSigmoid", "HardSwish", "Identity", "LeakyRelu",
        "Neg",   "Relu",  "Round",       "Selu",      "Shrink",   "Sigmoid",
        "Sign",  "Sinh",  "Softplus",    "Softsign",  "Tanh",     "ThresholdedRelu",
        "Asinh", "Sin",   "Cos",         "Tan",       "Atan"};
    for (size_t k = 0; k < HONE_LEN(of_floats); k++)
        check_kernel(&(kernel_case){of_floats[k], 16, "f32[3,17]", NULL, 1, 4e-6});
    static const kernel_case cases[] = {
        {"Abs", 13, "i8[5]", NULL, 1, 0},
        {"Mish", 18, "f32[17]@-40..40", NULL, 1, F32},
        {"Acos", 7, "f32[5]=-1,-0.5,0,0.25,1", NULL, 1, F32},
        {"Asin", 7, "f32[5]=-1,-0.5,0,0.25,1", NULL, 1, F32},
        {"Acosh", 9, "f32[9]@1..7", NULL, 1, F32},
        {"Atanh", 9, "f32[1]=0.3", NULL, 1, F32},
        {"Neg", 13, "i32[2,3]", NULL, 1, 0},
        {"Sign", 13, "u8[7]", NULL, 1, 0},
        {"Log", 13, "f32[9]@1..7", NULL, 1, F32},
        {"Sqrt", 13, "f64[9]@1..7", NULL, 1, 1e-12},
        {"Exp", 13, "f16[9]", NULL, 1, F16},
        {"Reciprocal", 13, "f32[9]@1..7", NULL, 1, F32},
        {"Not", 7, "bool[9]", NULL, 1, 0},
        {"IsNaN", 13, "f32[3]=nan,1,inf", NULL, 1, 0},
        {"IsInf", 10, "f32[3]=-inf,1,inf", "detect_negative=0", 1, 0},
        {"Cast", 13, "f32[17]", "to=7", 1, 0},
        {"Cast", 13, "i64[17]", "to=1", 1, 0},
        {"Cast", 13, "f32[17]", "to=9", 1, 0},
        {"Cast", 13, "f32[5]=300,-300,1e20,-1e20,nan", "to=2", 1, 0},
        {"Cast", 13, "f32[5]=300,-300,1e20,-1e20,nan", "to=3", 1, 0},
        {"Cast", 13, "f32[5]=3e9,-3e9,1e20,-1e20,inf", "to=6", 1, 0},
        {"Cast", 13, "i32[4]=300,-300,127,-129", "to=3", 1, 0},
        {"Cast", 13, "bool[17]", "to=10", 1, 0},
        {"CastLike", 15, "f32[17] i32[1]", NULL, 1, 0},
        {"Clip", 13, "f32[17] f32[] f32[]=1.5", NULL, 1, 0},
        {"Clip", 13, "f32[17] - f32[]=0.25", NULL, 1, 0},
        {"Clip", 13, "i8[17] i8[]=-3", NULL, 1, 0},
        {"Clip", 6 + 1, "f32[17]", "min=0 max=6", 1, 0},
        {"Clip", 13, "f32[17]", NULL, 1, 0},
        {"Dropout", 13, "f32[17]", NULL, 2, 0},
        {"Dropout", 7, "f32[17]", NULL, 1, 0},
    };
    check_all(cases, HONE_LEN(cases));
}

static void broadcast(void **state)
{
    (void)state;
    static const kernel_case cases[] = {
        {"Add", 14, "f32[2,3,4] f32[3,1]", NULL, 1, 0},
        {"Add", 14, "f32[4] f32[2,3,4]c", NULL, 1, 0},
        {"Sub", 14, "i64[2,1] i64[1,5]", NULL, 1, 0},
        {"Mul", 14, "bf16[2,3] bf16[]", NULL, 1, BF16},
        {"Div", 14, "f32[2,3] f32[]=8", NULL, 1, 0},
        {"Div", 14, "i32[9] i32[9]@1..3", NULL, 1, 0},
        {"Pow", 13, "f32[7] f32[]=2", NULL, 1, F32},
        {"Pow", 13, "f32[7] f32[]=3", NULL, 1, F32},
        {"Pow", 13, "f32[7] f32[]=4", NULL, 1, F32},
        {"Pow", 13, "f16[7]@-3..3 f16[]=3", NULL, 1, F16},
        {"Pow", 13, "f32[7]@1..4 f32[7]", NULL, 1, F32},
        {"Pow", 13, "i32[7]@0..4 i32[7]@0..3", NULL, 1, 0},
        {"Pow", 13, "f32[7]@1..4 i64[7]@0..3", NULL, 1, F32},
        {"Mod", 13, "i32[19] i32[19]@1..5", NULL, 1, 0},
        {"Mod", 13, "i32[19] i32[19]@1..5", "fmod=1", 1, 0},
        {"Mod", 13, "f32[19] f32[19]@1..5", "fmod=1", 1, F32},
        {"PRelu", 16, "f32[2,3,4] f32[3,1]", NULL, 1, 0},
        {"Max", 13, "f32[2,3] f32[3] f32[2,1]", NULL, 1, 0},
        {"Min", 13, "i64[2,3] i64[3]", NULL, 1, 0},
        {"Min", 13, "f32[2,3]", NULL, 1, 0},
        {"Add", 14, "i64[7] i64[]=1000000", NULL, 1, 0},
        {"Mul", 14, "i32[7] i32[1]=-20000000", NULL, 1, 0},
        {"Max", 13, "i64[7] i64[]=-10000000000", NULL, 1, 0},
        {"Where", 16, "bool[9] i64[] i64[]=4000000000000000", NULL, 1, 0},
        {"Min", 13, "f32[7] f32[]=-1000000000", NULL, 1, 0},
        {"Mul", 14, "f64[7] f64[]=3000000", NULL, 1, 0},
        {"Sum", 13, "f32[2,3] f32[3] f32[]", NULL, 1, 0},
        {"Mean", 13, "f32[2,3] f32[3] f32[1,1]", NULL, 1, F32},
        {"And", 7, "bool[2,3] bool[3]", NULL, 1, 0},
        {"Or", 7, "bool[2,3] bool[3]", NULL, 1, 0},
        {"Xor", 7, "bool[2,3] bool[3]", NULL, 1, 0},
        {"Equal", 13, "i64[9]@0..2 i64[1]@0..2", NULL, 1, 0},
        {"Equal", 13, "bool[9] bool[9]", NULL, 1, 0},
        {"Greater", 13, "f32[9] f32[1]", NULL, 1, 0},
        {"GreaterOrEqual", 16, "f32[9] f32[9]", NULL, 1, 0},
        {"Less", 13, "i8[9] i8[9]", NULL, 1, 0},
        {"LessOrEqual", 16, "f32[9] f32[]=0", NULL, 1, 0},
        {"Where", 16, "bool[2,3] f32[3] f32[2,1]", NULL, 1, 0},
        {"Where", 16, "bool[9] i64[] i64[]=-1", NULL, 1, 0},
        {"Where", 16, "bool[9] bool[9] bool[9]", NULL, 1, 0},
        {"BitShift", 11, "u8[9] u8[9]@0..9", "direction=LEFT", 1, 0},
        {"BitShift", 11, "u8[9] u8[9]@0..9", "direction=RIGHT", 1, 0},
        {"BitwiseAnd", 18, "i32[9] i32[9]", NULL, 1, 0},
        {"BitwiseOr", 18, "i32[9] i32[9]", NULL, 1, 0},
        {"BitwiseXor", 18, "u8[9] u8[9]", NULL, 1, 0},
        {"BitwiseNot", 18, "u8[9]", NULL, 1, 0},
    };
    check_all(cases, HONE_LEN(cases));
}

static void products(void **state)
{
    (void)state;
    static const kernel_case cases[] = {
        {"MatMul", 13, "f32[5,7] f32[7,4]c", NULL, 1, F32},
        {"MatMul", 13, "f32[2,1,5,7] f32[3,7,4]", NULL, 1, F32},
        {"MatMul", 13, "f32[7] f32[7]", NULL, 1, F32},
        {"MatMul", 13, "f32[7] f32[2,7,4]", NULL, 1, F32},
        {"MatMul", 13, "f32[2,5,7] f32[7]", NULL, 1, F32},
        {"MatMul", 13, "i32[5,7] i32[7,4]", NULL, 1, 0},
        {"MatMul", 13, "f16[5,7] f16[7,4]", NULL, 1, F16},
        {"MatMul", 13, "bf16[1,7] bf16[7,1]", NULL, 1, BF16},
        {"Gemm", 13, "f32[5,7] f32[7,4] f32[4]", NULL, 1, F32},
        {"Gemm", 13, "f32[7,5] f32[4,7]c f32[5,1]", "transA=1 transB=1 alpha=0.5 beta=2", 1, F32},
        {"Gemm", 13, "f32[5,7] f32[7,4]", "alpha=0.25", 1, F32},
        {"Gemm", 13, "f32[5,7] f32[7,4]", NULL, 1, F32},
        {"Gemm", 13, "f16[5,7] f16[7,4] f16[]", NULL, 1, F16},
        {"Gemm", 13, "f32[5,7] f32[7,4] f32[5,4]", "beta=0", 1, F32},
        {"MatMulInteger", 10, "u8[5,7] i8[7,4]c", NULL, 1, 0},
        {"MatMulInteger", 10, "u8[5,7] i8[7,4]c u8[]", NULL, 1, 0},
        {"MatMulInteger", 10, "u8[2,5,7] u8[7,4] u8[]=3 u8[4]", NULL, 1, 0},
        {"MatMulInteger", 10, "u8[5,7] i8[7,4] - i8[]", NULL, 1, 0},
        {"QLinearMatMul", 10,
         "u8[5,7] f32[]=0.02 u8[]=7 i8[7,4]c f32[]=0.03 i8[]=-2 f32[]=0.01 "
         "u8[]=100",
         NULL, 1, -1},
        {"QLinearMatMul", 10,
         "u8[2,5,7] f32[1]=0.02 u8[1]=0 i8[7,2]c f32[2]=0.03,0.5 i8[2]=0,0 "
         "f32[1]=0.05 i8[1]=-3",
         NULL, 1, -1},
        {"Einsum", 12, "f32[1,2,3] f32[5,3,4]", "equation=...ij,...jk->...ik", 1, F32},
        {"Einsum", 12, "f32[2,1] f32[1,4]", "equation=ij,jk->ik", 1, F32},
        {"Einsum", 12, "f32[2,3,4] f32[2,4,5]", "equation=bij,bjk->bik", 1, F32},
        {"Einsum", 12, "f32[3,4]", "equation=ij->ji", 1, 0},
        {"Einsum", 12, "f32[4,4]", "equation=ii->i", 1, 0},
        {"Einsum", 12, "f32[3,4] f32[4]", "equation=ij,j", 1, F32},
        {"Einsum", 12, "f32[2,3,3] f32[2,3,5]", "equation=...ij,...jk->...ik", 1, F32},
    };
    check_all(cases, HONE_LEN(cases));
}

static void convolutions(void **state)
{
    (void)state;
    static const kernel_case cases[] = {
        {"Conv", 11, "f32[1,3,9,8] f32[4,3,3,3]c f32[4]c", "pads=1,1,1,1", 1, F32},
        {"Conv", 11, "f32[2,3,9,8] f32[4,3,3,2]", "strides=2,3", 1, F32},
        {"Conv", 11, "f32[1,1,9,8] f32[4,1,3,3]", "pads=0,1,2,0 dilations=2,1", 1, F32},
        {"Conv", 11, "f32[1,4,9] f32[6,2,3] f32[6]", "group=2 pads=1,1", 1, F32},
        {"Conv", 11, "f32[1,4,9,9] f32[4,1,3,3]", "group=4 auto_pad=SAME_UPPER strides=2,2", 1,
         F32},
        {"Conv", 11, "f32[1,4,9,9] f32[8,1,3,3]", "group=4 auto_pad=SAME_LOWER", 1, F32},
        {"Conv", 11, "f32[1,4,5,5] f32[3,4,1,1]", NULL, 1, F32},
        {"Conv", 11, "f32[1,2,4,5,6] f32[3,2,2,3,2]", "pads=1,0,1,0,1,0 strides=1,2,1", 1, F32},
        {"Conv", 11, "f16[1,3,6,6] f16[4,3,3,3] f16[4]", NULL, 1, F16},
        {"ConvInteger", 10, "u8[1,2,6,6] u8[3,2,3,3]c", NULL, 1, 0},
        {"ConvInteger", 10, "u8[1,2,6,6] u8[3,2,3,3]c u8[]=5", "pads=1,1,1,1", 1, 0},
        {"ConvInteger", 10, "u8[1,2,6,6] u8[3,2,3,3] u8[] u8[]", "pads=1,1,1,1", 1, 0},
        {"ConvInteger", 10, "u8[1,4,6,6] i8[4,1,3,3] u8[]=9 i8[4]", "group=4 pads=1,0,1,0", 1, 0},
        {"ConvInteger", 10, "u8[1,1,6,6] u8[1,1,1,1]", NULL, 1, 0},
        {"QLinearConv", 10,
         "u8[1,2,6,6] f32[]=0.02 u8[]=7 i8[3,2,3,3]c f32[3]=0.1,0.03,0.5 "
         "i8[3]=0,0,0 f32[]=0.2 "
         "u8[]=100 i32[3]",
         "pads=1,1,1,1", 1, -1},
        {"QLinearConv", 10,
         "u8[1,1,7,7] f32[]=0.02 u8[]=132 u8[1,1,1,1]c f32[1]=0.1 u8[1]=255 "
         "f32[]=0.2 u8[]=123",
         NULL, 1, -1},
        {"ConvTranspose", 11, "f32[1,2,4,5] f32[2,3,3,3]c f32[3]", NULL, 1, F32},
        {"ConvTranspose", 11, "f32[1,2,4,5] f32[2,3,3,4]", "strides=2,3 pads=1,0,0,1", 1, F32},
        {"ConvTranspose", 11, "f32[1,2,4] f32[2,3,3]", "strides=2 dilations=2 output_padding=1", 1,
         F32},
        {"ConvTranspose", 11, "f32[1,4,4] f32[4,3,3]", "group=2 pads=1,1", 1, F32},
        {"ConvTranspose", 11, "f32[1,4,4] f32[4,1,2]", "group=4 strides=2", 1, F32},
        {"ConvTranspose", 11, "f32[1,2,3,3] f32[2,2,3,3]", "strides=3,2 output_shape=10,8", 1, F32},
    };
    check_all(cases, HONE_LEN(cases));
}

static void pools(void **state)
{
    (void)state;
    static const kernel_case cases[] = {
        {"MaxPool", 12, "f32[1,3,9,8]", "kernel_shape=3,3 strides=2,2 pads=1,1,1,1", 1, 0},
        {"MaxPool", 12, "f32[1,3,9,8]", "kernel_shape=3,2 strides=2,2 ceil_mode=1", 1, 0},
        {"MaxPool", 12, "u8[1,1,9]", "kernel_shape=3 pads=1,1 dilations=2", 1, 0},
        {"MaxPool", 12, "i8[1,2,9]", "kernel_shape=3 pads=1,1", 1, 0},
        {"MaxPool", 12, "i32[1,2,9]", "kernel_shape=3 pads=1,1", 1, 0},
        {"MaxPool", 12, "i64[1,2,9]", "kernel_shape=3 pads=1,1", 1, 0},
        {"MaxPool", 12, "f32[2,3,5,6]", "kernel_shape=3,3 pads=1,1,1,1", 2, 0},
        {"MaxPool", 12, "f32[2,3,5,6]", "kernel_shape=2,2 strides=2,2 storage_order=1", 2, 0},
        {"MaxPool", 12, "f32[1,2,4,4,4]", "kernel_shape=2,2,2 auto_pad=SAME_UPPER", 1, 0},
        {"AveragePool", 11, "f32[1,1,4,4]", "kernel_shape=2,3 pads=2,0,2,1", 1, F32},
        {"AveragePool", 11, "f32[1,1,4]", "kernel_shape=2 pads=4,3 count_include_pad=1", 1, F32},
        {"MaxPool", 12, "i8[1,1,4]", "kernel_shape=2 pads=2,3", 1, 0},
        {"AveragePool", 11, "f32[1,3,9,8]", "kernel_shape=3,3 strides=2,2 pads=1,1,1,1", 1, F32},
        {"AveragePool", 11, "f32[1,3,9,8]", "kernel_shape=3,3 pads=1,0,1,2 count_include_pad=1", 1,
         F32},
        {"AveragePool", 11, "f32[1,1,9,8]", "kernel_shape=3,3 strides=2,2 ceil_mode=1", 1, F32},
        {"AveragePool", 11, "f32[1,2,8]", "kernel_shape=2 strides=2", 1, F32},
        {"AveragePool", 11, "f16[1,2,8,8]", "kernel_shape=4,4 auto_pad=SAME_LOWER", 1, F16},
        {"LpPool", 11, "f32[1,2,8]", "kernel_shape=3 strides=2 pads=1,0", 1, F32},
        {"LpPool", 11, "f32[1,2,8]", "kernel_shape=3 p=1", 1, F32},
        {"LpPool", 11, "f32[1,2,8]", "kernel_shape=3 p=3", 1, 1e-5},
        {"GlobalAveragePool", 7, "f32[2,3,5,7]", NULL, 1, F32},
        {"GlobalAveragePool", 7, "f16[2,3,5]", NULL, 1, F16},
        {"GlobalMaxPool", 7, "f32[2,3,5,7]", NULL, 1, 0},
        {"GlobalMaxPool", 7, "f32[2,3,1,1]", NULL, 1, 0},
        {"GlobalLpPool", 7, "f32[2,3,5,7]", NULL, 1, F32},
    };
    check_all(cases, HONE_LEN(cases));
}

static void rows(void **state)
{
    (void)state;
    static const kernel_case cases[] = {
        {"Softmax", 13, "f32[3,17]", NULL, 1, F32},
        {"Softmax", 13, "f32[2,5,3]", "axis=1", 1, F32},
        {"Softmax", 11, "f32[2,5,3]", "axis=1", 1, F32},
        {"Softmax", 13, "f16[3,17]", NULL, 1, F16},
        {"LogSoftmax", 13, "f32[3,17]", NULL, 1, F32},
        {"LogSoftmax", 11, "f32[2,5,3]", "axis=0", 1, F32},
        {"Hardmax", 13, "f32[3,17]", NULL, 1, 0},
        {"Hardmax", 11, "f32[3,5,2]", NULL, 1, 0},
        {"BatchNormalization", 15, "f32[2,3,5] f32[3]c f32[3] f32[3] f32[3]@1..4", NULL, 1, F32},
        {"BatchNormalization", 9, "f32[2,3] f32[3]c f32[3] f32[3] f32[3]@1..4", "epsilon=0.01", 1,
         F32},
        {"InstanceNormalization", 7, "f32[2,3,4,5] f32[3] f32[3]", NULL, 1, 1e-5},
        {"LayerNormalization", 17, "f32[2,3,16] f32[16]c f32[16]", NULL, 3, 1e-5},
        {"LayerNormalization", 17, "f32[2,3,16] f32[3,16]", "axis=1", 1, 1e-5},
        {"LayerNormalization", 17, "f16[2,16] f16[16] f16[16]", NULL, 1, 4e-3},
        {"LRN", 13, "f32[1,5,3,2]", "size=3", 1, F32},
        {"LRN", 13, "f32[1,5,3,2]", "size=4 alpha=0.5 beta=0.5 bias=2", 1, F32},
        {"LpNormalization", 7, "f32[2,3]=0,0,0,1,2,3", NULL, 1, F32},
        {"LpNormalization", 7, "f32[2,3]=0,0,0,1,2,3", "p=1", 1, F32},
        {"LpNormalization", 7, "f32[3,7]", NULL, 1, F32},
        {"LpNormalization", 7, "f32[3,7]", "axis=0 p=1", 1, F32},
        {"MeanVarianceNormalization", 13, "f32[2,3,4,5]", NULL, 1, 1e-5},
    };
    check_all(cases, HONE_LEN(cases));
}

static void reductions(void **state)
{
    (void)state;
    static const char *const ops[] = {"ReduceL1",   "ReduceL2",       "ReduceLogSumExp",
                                      "ReduceMax",  "ReduceMean",     "ReduceMin",
                                      "ReduceProd", "ReduceSumSquare"};
    for (size_t k = 0; k < HONE_LEN(ops); k++) {
        check_kernel(&(kernel_case){ops[k], 13, "f32[2,3,4]", "axes=1", 1, 1e-5});
        check_kernel(&(kernel_case){ops[k], 13, "f32[2,3,4]", "axes=0,-1 keepdims=0", 1, 1e-5});
        check_kernel(&(kernel_case){ops[k], 13, "f32[2,3]", NULL, 1, 1e-5});
        check_kernel(&(kernel_case){ops[k], 18, "f32[2,3,4] i64[1]=2", NULL, 1, 1e-5});
    }
    static const kernel_case cases[] = {
        {"ReduceLogSum", 13, "f32[2,5]@1..9", "axes=1", 1, F32},
        {"ReduceSum", 13, "f32[2,3,4] i64[2]=0,2", "keepdims=0", 1, F32},
        {"ReduceSum", 13, "f32[2,3]", "noop_with_empty_axes=1", 1, 0},
        {"ReduceSum", 13, "f16[2,30] i64[1]=1", NULL, 1, F16},
        {"ReduceSum", 11, "i64[2,3]", "axes=1", 1, 0},
        {"ReduceMax", 13, "i8[2,3]", "axes=1", 1, 0},
        {"TopK", 11, "i32[3,9]@0..4 i64[1]=4", NULL, 2, 0},
        {"TopK", 11, "f32[5,3] i64[1]=2", "axis=0 largest=0", 2, 0},
        {"TopK", 10, "f32[1,1] i64[1]=1", NULL, 2, 0},
        {"ArgMax", 13, "f32[3,7]", NULL, 1, 0},
        {"ArgMax", 13, "i8[3,7]@0..2", "axis=1 keepdims=0", 1, 0},
        {"ArgMax", 13, "i8[3,7]@0..2", "axis=-1 select_last_index=1", 1, 0},
        {"ArgMin", 13, "f32[3,7]", "axis=1", 1, 0},
        {"CumSum", 14, "f32[3,7] i64[]=1", NULL, 1, F32},
        {"CumSum", 14, "f32[3,7] i64[]=-2", "exclusive=1 reverse=1", 1, F32},
    };
    check_all(cases, HONE_LEN(cases));
}

static void shapes(void **state)
{
    (void)state;
    static const kernel_case cases[] = {
        {"Reshape", 13, "f32[2,3,4] i64[2]=4,6", NULL, 1, 0},
        {"Reshape", 13, "bool[6] i64[3]=1,2,3", NULL, 1, 0},
        {"Flatten", 13, "f32[2,3,4]", "axis=2", 1, 0},
        {"Squeeze", 13, "f32[2,1,4,1] i64[1]=1", NULL, 1, 0},
        {"Unsqueeze", 13, "f32[2,4] i64[2]=0,-1", NULL, 1, 0},
        {"Transpose", 13, "f32[2,3,4]", NULL, 1, 0},
        {"Transpose", 13, "f32[2,3,4,5]", "perm=0,2,3,1", 1, 0},
        {"Expand", 13, "f32[3,1] i64[3]=2,1,4", NULL, 1, 0},
        {"Tile", 13, "i64[2,1,3] i64[3]=2,2,3", NULL, 1, 0},
        {"Trilu", 14, "f32[2,4,5]", NULL, 1, 0},
        {"Trilu", 14, "i64[4,5] i64[]=-1", "upper=0", 1, 0},
        {"EyeLike", 9, "f32[3,4]", "k=1", 1, 0},
        {"DepthToSpace", 13, "f32[1,8,2,3]", "blocksize=2", 1, 0},
        {"DepthToSpace", 13, "f32[1,8,2,3]", "blocksize=2 mode=CRD", 1, 0},
        {"SpaceToDepth", 13, "f32[1,0,4,4]", "blocksize=2", 1, 0},
        {"Reshape", 14, "f32[2,0,3] i64[2]=0,6", "allowzero=1", 1, 0},
        {"SpaceToDepth", 13, "f32[1,2,4,6]", "blocksize=2", 1, 0},
        {"Concat", 13, "f32[2,3] f32[2,1] f32[2,4]", "axis=1", 1, 0},
        {"Concat", 13, "f32[2,3] f32[0,3] f32[1,3]", "axis=0", 1, 0},
        {"Slice", 13, "f32[5,8] i64[2]=1,-2 i64[2]=4,-8 i64[2]=0,1 i64[2]=2,-3", NULL, 1, 0},
        {"Slice", 7, "f32[5,8]", "starts=1,2 ends=100,-1", 1, 0},
        {"Split", 13, "f32[2,6] i64[3]=1,2,3", "axis=1", 3, 0},
        {"Split", 11, "f32[6]", NULL, 2, 0},
        {"Pad", 13, "f32[2,3] i64[4]=1,0,0,2 f32[]=0.5", NULL, 1, 0},
        {"Pad", 13, "f32[2,5] i64[4]=1,3,0,2", "mode=reflect", 1, 0},
        {"Pad", 13, "f32[2,3] i64[4]=3,0,1,5", "mode=edge", 1, 0},
        {"Pad", 13, "f32[4,5] i64[4]=-1,2,1,-2", NULL, 1, 0},
        {"Pad", 7, "f32[2,3]", "pads=1,0,0,2 value=2", 1, 0},
    };
    check_all(cases, HONE_LEN(cases));
}

static void gathers(void **state)
{
    (void)state;
    static const kernel_case cases[] = {
        {"Gather", 13, "f32[5,3]c i64[2,4]@-5..4", NULL, 1, 0},
        {"Gather", 13, "f32[2,5,3] i32[4]@0..4", "axis=1", 1, 0},
        {"Gather", 13, "f32[2,5,3] i64[]=-1", "axis=-1", 1, 0},
        {"GatherElements", 13, "f32[3,4] i64[2,4]@-3..2", NULL, 1, 0},
        {"GatherElements", 13, "f32[3,4] i32[3,2]@0..3", "axis=1", 1, 0},
        {"GatherND", 13, "f32[3,4,2] i64[5,2]@-3..2", NULL, 1, 0},
        {"GatherND", 13, "f32[2,4,3] i64[2,1]@0..3", "batch_dims=1", 1, 0},
        {"GatherND", 13, "f32[3,3] i64[2,2]=0,1,2,-1", NULL, 1, 0},
        {"OneHot", 11, "i64[2,3]@-4..3 i64[]=4 f32[2]", NULL, 1, 0},
        {"OneHot", 11, "i32[3]@0..3 i64[]=4 i64[2]", "axis=0", 1, 0},
        {"ReverseSequence", 10, "f32[4,3] i64[3]@1..4", NULL, 1, 0},
        {"ReverseSequence", 10, "f32[3,4] i64[3]@1..4", "batch_axis=0 time_axis=1", 1, 0},
    };
    check_all(cases, HONE_LEN(cases));
}

static void sizes(void **state)
{
    (void)state;
    static const char *const coordinates[] = {"half_pixel", "pytorch_half_pixel", "align_corners",
                                              "asymmetric"};
    static const char *const nearest[] = {"round_prefer_floor", "round_prefer_ceil", "floor",
                                          "ceil"};
    static const char *const modes[] = {"nearest", "linear", "cubic"};
    static const char *const inputs[] = {"f32[1,1,4,5] - f32[4]=1,1,2,2",
                                         "f32[1,1,4,5] - f32[4]=1,1,0.75,0.5",
                                         "f32[1,2,3,4] - - i64[4]=1,2,7,1"};
    for (unsigned k = 0; k < 4 * 4 * 3 * 3; k++) {
        char attrs[200];
        snprintf(attrs, sizeof attrs, "coordinate_transformation_mode=%s nearest_mode=%s mode=%s",
                 coordinates[k % 4], nearest[k / 4 % 4], modes[k / 16 % 3]);
        check_kernel(&(kernel_case){"Resize", 13, inputs[k / 48], attrs, 1, 1e-5});
    }
    static const kernel_case cases[] = {
        {"Resize", 10, "f32[1,1,4,5] f32[4]=1,1,2,3", NULL, 1, 0},
        {"Resize", 10, "f32[1,1,9,5] f32[4]=1,1,0.6,1.5", NULL, 1, 0},
        {"Resize", 13, "f32[1,1,3,3] - f32[4]=1,1,0.5,0.5",
         "mode=linear coordinate_transformation_mode=pytorch_half_pixel", 1, 1e-5},
        {"Resize", 13, "f32[1,1,4,4] - f32[4]=1,1,2,2", "mode=cubic exclude_outside=1", 1, 1e-5},
        {"Resize", 13, "f32[2,3] - f32[2]=1,1", NULL, 1, 0},
        {"Upsample", 9, "f32[1,1,2,2] f32[4]=1,1,2,3", NULL, 1, 0},
        {"Upsample", 7, "f32[1,1,2,2]", "scales=1,1,2,2 mode=bilinear", 1, F32},
    };
    check_all(cases, HONE_LEN(cases));
}

static void quantised(void **state)
{
    (void)state;
    static const kernel_case cases[] = {
        {"QuantizeLinear", 13, "f32[2,9] f32[]=0.0625 u8[]=128", NULL, 1, 0},
        {"QuantizeLinear", 13, "f32[2,9] f32[]=0.5", NULL, 1, 0},
        {"QuantizeLinear", 13, "f32[2,3,4] f32[3]=0.5,0.25,0.125 i8[3]=1,-2,0", NULL, 1, 0},
        {"DequantizeLinear", 13, "u8[2,9] f32[]=0.0625 u8[]=128", NULL, 1, 0},
        {"DequantizeLinear", 13, "i8[2,3] f32[2]=0.5,0.25 i8[2]=1,2", "axis=0", 1, 0},
        {"DequantizeLinear", 13, "i32[5] f32[]=0.5", NULL, 1, 0},
        {"DynamicQuantizeLinear", 11, "f32[3,17]", NULL, 3, -1},
    };
    check_all(cases, HONE_LEN(cases));
}

/* Images with their channels last, in memory: uses mean the same. */
static void channels_last(void **state)
{
    (void)state;
    static const uint8_t last[HONE_MAX_DIMS] = {0, 2, 3, 1};
    static const kernel_case cases[] = {
        {"Conv", 11, "f32[2,3,9,8] f32[4,3,3,3]c f32[4]", "pads=1,1,1,1 strides=2,2", 1, F32},
        {"Conv", 11, "f32[1,4,9,9] f32[4,1,3,3]", "group=4 pads=1,1,1,1", 1, F32},
        {"Conv", 11, "f32[1,4,9,9] f32[8,1,3,2]c f32[8]", "group=4 strides=2,1", 1, F32},
        {"ConvTranspose", 11, "f32[1,2,4,5] f32[2,3,3,3] f32[3]", "strides=2,2", 1, F32},
        {"ConvInteger", 10, "u8[1,2,6,6] u8[3,2,3,3] u8[] u8[]", "pads=1,1,1,1", 1, 0},
        {"MaxPool", 12, "f32[2,3,5,6]", "kernel_shape=3,3 pads=1,1,1,1", 2, 0},
        {"AveragePool", 11, "f32[1,3,9,8]", "kernel_shape=3,3 strides=2,2 pads=1,1,1,1", 1, F32},
        {"GlobalAveragePool", 7, "f32[2,3,5,7]", NULL, 1, F32},
        {"BatchNormalization", 15, "f32[2,3,5,4] f32[3] f32[3] f32[3] f32[3]@1..4", NULL, 1, F32},
        {"InstanceNormalization", 7, "f32[2,3,4,5] f32[3] f32[3]", NULL, 1, 1e-5},
        {"LRN", 13, "f32[1,5,3,2]", "size=3", 1, F32},
        {"Add", 14, "f32[2,3,4,5] f32[3,1,1]", NULL, 1, 0},
        {"Mul", 14, "f32[2,3,4,5] f32[2,3,1,1]", NULL, 1, 0},
        {"Softmax", 13, "f32[2,3,4,5]", "axis=1", 1, F32},
        {"ReduceMean", 13, "f32[2,3,4,5]", "axes=2,3", 1, F32},
        {"Concat", 13, "f32[1,3,4,5] f32[1,2,4,5]", "axis=1", 1, 0},
        {"Reshape", 13, "f32[2,3,4,5] i64[2]=2,60", NULL, 1, 0},
        {"Flatten", 13, "f32[2,3,4,5]", NULL, 1, 0},
        {"Pad", 13, "f32[1,2,3,4] i64[8]=0,1,1,0,0,0,2,1", NULL, 1, 0},
        {"Resize", 13, "f32[1,2,4,5] - f32[4]=1,1,2,2", "mode=linear", 1, F32},
        {"Transpose", 13, "f32[2,3,4,5]", "perm=0,2,3,1", 1, 0},
        {"Identity", 13, "f32[2,3,4,5]", NULL, 1, 0},
    };
    for (size_t k = 0; k < HONE_LEN(cases); k++)
        check_kernel_in_order(&cases[k], last, HONE_NET_WAY_DIRECT);
}

/* Images that are no whole number of tiles, padding on any side, several images. */
static void winograd(void **state)
{
    (void)state;
    static const uint8_t last[HONE_MAX_DIMS] = {0, 2, 3, 1};
    static const kernel_case cases[] = {
        {"Conv", 11, "f32[1,3,8,8] f32[4,3,3,3]c f32[4]c", "pads=1,1,1,1", 1, 1e-4},
        {"Conv", 11, "f32[2,3,9,7] f32[4,3,3,3]c f32[4]", "pads=1,1,1,1", 1, 1e-4},
        {"Conv", 11, "f32[3,1,6,11] f32[2,1,3,3]c", NULL, 1, 1e-4},
        {"Conv", 11, "f32[1,2,5,6] f32[3,2,3,3]c", "pads=0,2,1,0", 1, 1e-5},
        {"Conv", 11, "f32[1,2,3,3] f32[3,2,3,3]c", NULL, 1, 1e-4},
        {"Conv", 11, "f32[1,2,1,2] f32[3,2,3,3]c", "pads=3,2,3,2", 1, 1e-5},
    };
    for (size_t k = 0; k < HONE_LEN(cases); k++) {
        check_kernel_in_order(&cases[k], last, HONE_NET_WAY_WINOGRAD2);
        check_kernel_in_order(&cases[k], last, HONE_NET_WAY_WINOGRAD4);
    }
}

/* What it is not for is written as ever. */
static void not_winograd(void **state)
{
    (void)state;
    static const uint8_t last[HONE_MAX_DIMS] = {0, 2, 3, 1}, plain[HONE_MAX_DIMS] = {0, 1, 2, 3};
    static const kernel_case cases[] = {
        {"Conv", 11, "f32[1,3,8,8] f32[4,3,3,3]c", "strides=2,1", 1, 0},
        {"Conv", 11, "f32[1,3,8,8] f32[4,3,3,3]c", "dilations=1,2", 1, 0},
        {"Conv", 11, "f32[1,3,8,8] f32[4,3,3,2]c", NULL, 1, 0},
        {"Conv", 11, "f32[1,3,8,8] f32[4,3,3,3]", NULL, 1, 0},
        {"Conv", 11, "f32[1,4,8,8] f32[4,2,3,3]c", "group=2", 1, 0},
        {"Conv", 11, "f16[1,3,8,8] f16[4,3,3,3]c", NULL, 1, 0},
        {"Conv", 11, "f32[1,3,8,8] f32[4,3,3,3]c", NULL, 1, 0}, /* in ONNX's order */
    };
    for (size_t i = 0; i < HONE_LEN(cases); i++) {
        const uint8_t *order = i + 1 < HONE_LEN(cases) ? last : plain;
        test_use u;
        hone_error err;
        test_make(&u, &cases[i]);
        hone_net_kernel *k = hone_net_kernel_new("other");
        hone_net_buffer in[] = {hone_net_kernel_input(k, u.use.in[0]),
                                hone_net_kernel_input(k, u.use.in[1])};
        hone_net_buffer out[] = {hone_net_kernel_output(k, &u.out[0])};
        hone_net_kernel_order(k, out[0], order);
        hone_net_kernel_prefer(k, HONE_NET_WAY_WINOGRAD4);
        assert_int_equal(hone_net_kernel_add(k, &u.use, in, out, &err), HONE_OK);
        assert_false(hone_net_kernel_preferred(k));
        hone_net_kernel_free(k);
        test_drop(&u);
    }
}

/* ---- several uses in one kernel -------------------------------------------------------------- */

static void one_kernel_of_three(void **state)
{
    (void)state;
    static const kernel_case conv = {"Conv",         11, "f32[1,2,5,5] f32[3,2,3,3]c",
                                     "pads=1,1,1,1", 1,  F32};
    static const kernel_case add = {"Add", 14, "f32[1,3,5,5] f32[1,3,5,5]", NULL, 1, F32};
    static const kernel_case relu = {"Relu", 14, "f32[1,3,5,5]", NULL, 1, F32};
    test_use c, a, r;
    hone_error err;
    test_make(&c, &conv);
    test_make(&a, &add);
    test_make(&r, &relu);
    hone_net_kernel *k = hone_net_kernel_new("three");
    hone_net_buffer x[] = {hone_net_kernel_input(k, &c.known[0]),
                           hone_net_kernel_input(k, &c.known[1])};
    hone_net_buffer sum[] = {hone_net_kernel_temp(k, &c.out[0]),
                             hone_net_kernel_input(k, &a.known[1])};
    hone_net_buffer more[] = {hone_net_kernel_temp(k, &a.out[0])};
    hone_net_buffer y[] = {hone_net_kernel_output(k, &r.out[0])};
    hone_net_buffer unused = hone_net_kernel_input(k, &a.known[0]);
    assert_int_equal(hone_net_kernel_add(k, &c.use, x, sum, &err), HONE_OK);
    assert_int_equal(hone_net_kernel_add(k, &a.use, sum, more, &err), HONE_OK);
    assert_int_equal(hone_net_kernel_add(k, &r.use, more, y, &err), HONE_OK);
    assert_true(hone_net_kernel_has(k, x[0]) && hone_net_kernel_has(k, y[0]));
    assert_false(hone_net_kernel_has(k, unused));
    char *text = hone_net_kernel_text(k);
    hone_net_kernel_free(k);
    /* by the reference, one after the other */
    c.out[0].data = test_room(&c.out[0]);
    a.out[0].data = test_room(&a.out[0]);
    r.out[0].data = test_room(&r.out[0]);
    assert_int_equal(c.op->eval(&c.full, &err), HONE_OK);
    memcpy(a.in[0].data, c.out[0].data, (size_t)hone_tensor_bytes(&c.out[0]));
    assert_int_equal(a.op->eval(&a.full, &err), HONE_OK);
    memcpy(r.in[0].data, a.out[0].data, (size_t)hone_tensor_bytes(&a.out[0]));
    assert_int_equal(r.op->eval(&r.full, &err), HONE_OK);
    void *got = test_room(&r.out[0]);
    test_run(text, (void *[]){c.in[0].data, c.in[1].data, a.in[1].data, got}, 4);
    test_same(&relu, text, &r.out[0], got);
    free(got);
    free(text);
    test_drop(&c);
    test_drop(&a);
    test_drop(&r);
}

static void text_of_a_kernel(void **state)
{
    (void)state;
    static const kernel_case conv = {
        "Conv", 11, "f32[1,2,5,5] f32[3,2,3,3]c f32[3]", "pads=1,1,1,1 strides=2,2", 1, 0};
    test_use u;
    hone_net_kernel_of_use k;
    hone_error err;
    test_make(&u, &conv);
    assert_int_equal(hone_net_kernel_make("conv", &u.use, &k, &err), HONE_OK);
    assert_string_equal(k.text, "kernel conv() {\n"
                                "  input x1: f32[1, 2, 5, 5]\n"
                                "  const input x2: f32[3, 2, 3, 3]\n"
                                "  input x3: f32[3]\n"
                                "  output y4: f32[1, 3, 3, 3]\n"
                                "  temp t5: f32[1, 2, 7, 7]\n"
                                "  temp t6: f32[1, 3, 3, 3]\n"
                                "\n"
                                "  t5[i0, i1, i2, i3] = select(i2 >= 1 and i2 < 6 and i3 "
                                ">= 1 and i3 < 6, "
                                "x1[i0, i1, i2 - 1, i3 - 1], 0)\n"
                                "  t6[i0, i1, i2, i3] = sum(k0 < 2, k1 < 3, k2 < 3) "
                                "t5[i0, k0, i2*2 + k1, i3*2 + k2] * x2[i1, k0, k1, k2]\n"
                                "  y4[i0, i1, i2, i3] = t6[i0, i1, i2, i3] + x3[i1]\n"
                                "}\n");
    assert_int_equal(k.args.n, 4);
    assert_true(!k.args.v[2].is_output && k.args.v[2].at == 2 && k.args.v[3].is_output);
    hone_net_kernel_of_use_free(&k);
    test_drop(&u);
}

/* What Gather reads lies inside of the table, whatever the indices are. */
static void any_index(void **state)
{
    (void)state;
    static const kernel_case gather = {"Gather", 13, "f32[3] i64[5]@0..2", NULL, 1, 0};
    const int64_t far[] = {INT64_MAX, INT64_MIN, -4, 3, -1};
    const float want[] = {0.75f, 0.25f, 0.25f, 0.75f, 0.75f};
    float table[] = {0.25f, 0.5f, 0.75f}, got[5];
    test_use u;
    hone_net_kernel_of_use k;
    hone_error err;
    test_make(&u, &gather);
    assert_int_equal(hone_net_kernel_make("gather", &u.use, &k, &err), HONE_OK);
    test_run(k.text, (void *[]){table, (void *)far, got}, 3);
    assert_memory_equal(got, want, sizeof want);
    hone_net_kernel_of_use_free(&k);
    test_drop(&u);
}

static void refusals(void **state)
{
    (void)state;
    static const struct {
        kernel_case c;
        const char *message;
    } cases[] = {
        {{"NonZero", 13, "f32[2]c", NULL, 1, 0}, "NonZero 'node': there is no kernel of it"},
        {{"Resize", 13, "f32[4] f32[2]=0,1 f32[1]=2",
          "coordinate_transformation_mode=tf_crop_and_resize", 1, 0},
         "tf_crop_and_resize has no kernel"},
        {{"Erf", 13, "i32[2]", NULL, 1, 0}, "there is no kernel of it for i32"},
    };
    for (size_t i = 0; i < HONE_LEN(cases); i++) {
        test_use u;
        hone_net_kernel_of_use k;
        hone_error err = {0};
        test_make(&u, &cases[i].c);
        assert_int_equal(hone_net_kernel_make("refused", &u.use, &k, &err), HONE_E_UNSUPPORTED);
        if (!strstr(err.message, cases[i].message))
            fail_msg("%s", err.message);
        assert_string_equal(err.where, "node");
        test_drop(&u);
    }
}

/* Temporaries that find no room are told of at the end of the use. */
static void too_many_buffers(void **state)
{
    (void)state;
    static const kernel_case softmax = {"Softmax", 13, "f32[3,17]", NULL, 1, 0};
    test_use u;
    hone_error err;
    test_make(&u, &softmax);
    hone_net_kernel *k = hone_net_kernel_new("full");
    hone_net_buffer x[] = {hone_net_kernel_input(k, &u.known[0])};
    hone_net_buffer y[] = {hone_net_kernel_output(k, &u.out[0])};
    for (int n = 4; n < HONE_NET_KERNEL_MAX_BUFFERS; n++)
        assert_true(hone_net_kernel_temp(k, &u.out[0]).i);
    assert_int_equal(hone_net_kernel_add(k, &u.use, x, y, &err), HONE_E_LIMIT);
    assert_false(hone_net_kernel_temp(k, &u.out[0]).i);
    hone_net_kernel_free(k);
    test_drop(&u);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(elementwise),
        cmocka_unit_test(broadcast),
        cmocka_unit_test(products),
        cmocka_unit_test(convolutions),
        cmocka_unit_test(pools),
        cmocka_unit_test(rows),
        cmocka_unit_test(reductions),
        cmocka_unit_test(shapes),
        cmocka_unit_test(gathers),
        cmocka_unit_test(sizes),
        cmocka_unit_test(quantised),
        cmocka_unit_test(channels_last),
        cmocka_unit_test(winograd),
        cmocka_unit_test(not_winograd),
        cmocka_unit_test(one_kernel_of_three),
        cmocka_unit_test(any_index),
        cmocka_unit_test(text_of_a_kernel),
        cmocka_unit_test(refusals),
        cmocka_unit_test(too_many_buffers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
