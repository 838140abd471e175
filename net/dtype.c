/* ONNX's element types, and which of them hone has. */
#include "net/internal.h"

static const struct {
    int64_t number;
    const char *text;
    hone_dtype dtype;
} types[] = {
#define HONE_ONNX_TYPE(number, name, hone) {number, #name, HONE_##hone},
#include "net/dtypes.def"
#undef HONE_ONNX_TYPE
};

hone_dtype hone_net__dtype(int64_t onnx)
{
    for (unsigned k = 0; k < HONE_LEN(types); k++)
        if (types[k].number == onnx)
            return types[k].dtype;
    return HONE_DTYPE_COUNT;
}

const char *hone_net__dtype_text(int64_t onnx)
{
    for (unsigned k = 0; k < HONE_LEN(types); k++)
        if (types[k].number == onnx)
            return types[k].text;
    return "?";
}
