"""Small networks made of what exporters write for families that bench/networks.py has not:

  forms.py BENCH FOLDER

EfficientNet, MobileNetV3, DenseNet, Inception, detectors of the YOLO family with their heads, DistilBERT; each as
FOLDER/NAME/model.onnx, narrow, with random weights. BENCH is the folder of networks.py."""

import sys

import numpy as np

sys.path.insert(0, sys.argv[1])
from networks import Graph, gelu, layer_norm, linear, part  # noqa: E402


def conv(g, x, c, n, k, stride=1, group=1, pad=None):
    pad = k // 2 if pad is None else pad
    return g.node("Conv", x, g.weights(n, c // group, k, k), g.near(0, n), kernel_shape=[k, k],
                  strides=[stride, stride], pads=[pad] * 4, group=group)


def silu(g, x):
    return g.node("Mul", x, g.node("Sigmoid", x))


def relu(g, x):
    return g.node("Relu", x)


def squeezed(g, x, c, n, act, gate):
    """Squeeze and excite."""
    s = act(g, conv(g, g.node("GlobalAveragePool", x), c, n, 1))
    return g.node("Mul", x, g.node(gate, conv(g, s, n, c, 1)))


def normal(g, x, c):
    return g.node("BatchNormalization", x, g.near(1, c), g.near(0, c), g.near(0, c), g.near(1, c))


def classified(g, x, c):
    x = g.node("Flatten", g.node("GlobalAveragePool", x), axis=1)
    give(g, g.node("Gemm", x, g.weights(10, c), g.near(0, 10), transB=1), 1, 10)


def give(g, x, *shape):
    g.parts.append(part(1, part(1, x) + part(2, "out") + part(4, "Identity")))
    g.output("out", *shape)


def efficientnet(g):
    x = silu(g, conv(g, g.image(1, 3, 32, 32), 3, 8, 3, 2))
    y = silu(g, conv(g, silu(g, conv(g, x, 8, 32, 1)), 32, 32, 3, 1, 32))
    x = g.node("Add", x, conv(g, squeezed(g, y, 32, 4, silu, "Sigmoid"), 32, 8, 1))
    y = silu(g, conv(g, silu(g, conv(g, x, 8, 48, 1)), 48, 48, 5, 2, 48))
    x = conv(g, squeezed(g, y, 48, 4, silu, "Sigmoid"), 48, 16, 1)
    x = g.node("ReduceMean", x, axes=[2, 3], keepdims=0)
    give(g, g.node("Gemm", x, g.weights(10, 16), g.near(0, 10), transB=1), 1, 10)


def mobilenetv3(g):
    def swish(x):
        return g.node("HardSwish", x)

    x = swish(conv(g, g.image(1, 3, 32, 32), 3, 16, 3, 2))
    y = swish(conv(g, swish(conv(g, x, 16, 64, 1)), 64, 64, 5, 2, 64))
    x = conv(g, squeezed(g, y, 64, 16, relu, "HardSigmoid"), 64, 24, 1)
    t = g.node("Clip", g.node("Add", x, g.scalar(3)), g.scalar(0), g.scalar(6))  # the same in parts
    classified(g, g.node("Mul", x, g.node("Div", t, g.scalar(6))), 24)


def densenet(g):
    c = 16
    x = relu(g, normal(g, conv(g, g.image(1, 3, 32, 32), 3, c, 7, 2), c))
    x = g.node("MaxPool", x, kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])
    for _ in range(3):
        y = relu(g, normal(g, conv(g, relu(g, normal(g, x, c)), c, 32, 1), 32))
        x = g.node("Concat", x, conv(g, y, 32, 8, 3), axis=1)
        c += 8
    x = conv(g, relu(g, normal(g, x, c)), c, 20, 1)
    classified(g, relu(g, normal(g, g.node("AveragePool", x, kernel_shape=[2, 2], strides=[2, 2]), 20)), 20)


def inception(g):
    def long(x, rows, columns):
        return relu(g, g.node("Conv", x, g.weights(8, 8, rows, columns), g.near(0, 8), kernel_shape=[rows, columns],
                              pads=[rows // 2, columns // 2, rows // 2, columns // 2]))

    x = relu(g, conv(g, g.image(1, 3, 35, 35), 3, 16, 3, 2, pad=0))
    pooled = g.node("AveragePool", x, kernel_shape=[3, 3], strides=[1, 1], pads=[1, 1, 1, 1], count_include_pad=1)
    x = g.node("Concat", relu(g, conv(g, x, 16, 8, 1)), relu(g, conv(g, relu(g, conv(g, x, 16, 8, 1)), 8, 12, 5)),
               long(long(relu(g, conv(g, x, 16, 8, 1)), 1, 7), 7, 1), relu(g, conv(g, pooled, 16, 8, 1)), axis=1)
    most = g.node("MaxPool", x, kernel_shape=[3, 3], strides=[2, 2])
    classified(g, g.node("Concat", most, relu(g, conv(g, x, 36, 16, 3, 2, pad=0)), axis=1), 52)


def detector(g):
    """A body with splits, pyramids of maxima and upsampling, and a head that adds up distances."""
    def halves(x, n, at):
        return g.node("Split", x, g.ints(n, at), outputs=2, axis=1)

    def pool(x):
        return g.node("MaxPool", x, kernel_shape=[5, 5], strides=[1, 1], pads=[2, 2, 2, 2])

    def part_of(x, begin, end):
        return g.node("Slice", x, g.ints(begin), g.ints(end), g.ints(1), g.ints(1))

    x = silu(g, conv(g, silu(g, conv(g, g.image(1, 3, 64, 64), 3, 16, 6, 2, pad=2)), 16, 32, 3, 2))
    a, b = halves(silu(g, conv(g, x, 32, 32, 1)), 16, 16)
    y = g.node("Add", b, silu(g, conv(g, silu(g, conv(g, b, 16, 16, 3)), 16, 16, 3)))
    x = silu(g, conv(g, g.node("Concat", a, b, y, axis=1), 48, 32, 1))
    q = silu(g, conv(g, silu(g, conv(g, x, 32, 32, 3, 2)), 32, 16, 1))
    p = silu(g, conv(g, g.node("Concat", q, pool(q), pool(pool(q)), axis=1), 48, 32, 1))
    up = g.node("Resize", p, "", g.constant(np.array([1, 1, 2, 2], dtype=np.float32)))
    x = silu(g, conv(g, g.node("Concat", up, x, axis=1), 64, 32, 3))
    heads = [g.node("Reshape", conv(g, v, 32, 19, 1), g.ints(1, 19, -1)) for v in (x, p)]
    boxes, kinds = halves(g.node("Concat", *heads, axis=2), 16, 3)
    boxes = g.node("Transpose", g.node("Reshape", boxes, g.ints(1, 4, 4, -1)), perm=[0, 2, 1, 3])
    weights = g.constant(np.arange(4, dtype=np.float32).reshape(1, 4, 1, 1))
    boxes = g.node("Conv", g.node("Softmax", boxes, axis=1), weights, kernel_shape=[1, 1])
    boxes = g.node("Reshape", boxes, g.ints(1, 4, -1))
    low = g.node("Sub", g.scalar(7.5), part_of(boxes, 0, 2))
    high = g.node("Add", g.scalar(7.5), part_of(boxes, 2, 4))
    middle = g.node("Div", g.node("Add", low, high), g.scalar(2))
    boxes = g.node("Mul", g.node("Concat", middle, g.node("Sub", high, low), axis=1), g.scalar(8))
    give(g, g.node("Concat", boxes, g.node("Sigmoid", kinds), axis=1), 1, 7, 320)


def focus(g):
    """The beginning of earlier detectors: every second pixel, LeakyRelu, Mish in parts."""
    def every_second(x, begin, axis):
        return g.node("Slice", x, g.ints(begin), g.ints(2**62), g.ints(axis), g.ints(2))

    x = g.image(1, 3, 32, 32)
    x = g.node("Concat", *[every_second(every_second(x, b, 2), a, 3) for a in (0, 1) for b in (0, 1)], axis=1)
    x = g.node("LeakyRelu", conv(g, x, 12, 16, 3), alpha=0.1)
    x = g.node("Mul", x, g.node("Tanh", g.node("Softplus", x)))
    x = g.node("InstanceNormalization", g.node("DepthToSpace", x, blocksize=2), g.near(1, 4), g.near(0, 4))
    give(g, x, 1, 4, 32, 32)


def distilbert(g):
    n, heads, tokens = 32, 2, 8

    def split(x):
        return g.node("Transpose", g.node("Reshape", linear(g, x, n, n), g.ints(1, -1, heads, n // heads)),
                      perm=[0, 2, 1, 3])

    words, mask = g.tokens("input_ids", 50, 1, tokens), g.tokens("attention_mask", 2, 1, tokens)
    length = g.node("Gather", g.node("Shape", words), g.constant(np.int64(1)), axis=0)
    places = g.node("Range", g.constant(np.int64(0)), length, g.constant(np.int64(1)))
    places = g.node("Gather", g.weights(16, n), g.node("Unsqueeze", places, g.ints(0)), axis=0)
    x = layer_norm(g, g.node("Add", g.node("Gather", g.weights(50, n), words, axis=0), places), n)
    scores = g.node("MatMul", g.node("Div", split(x), g.scalar(4)), g.node("Transpose", split(x), perm=[0, 1, 3, 2]))
    hidden = g.node("Reshape", g.node("Equal", mask, g.constant(np.int64(0))), g.ints(1, 1, 1, tokens))
    hidden = g.node("Expand", hidden, g.node("Shape", scores))
    y = g.node("MatMul", g.node("Softmax", g.node("Where", hidden, g.scalar(-3.4e38), scores), axis=3), split(x))
    y = g.node("Reshape", g.node("Transpose", y, perm=[0, 2, 1, 3]), g.ints(1, -1, n))
    x = layer_norm(g, g.node("Add", linear(g, y, n, n), x), n)
    x = layer_norm(g, g.node("Add", linear(g, gelu(g, linear(g, x, n, 64)), 64, n), x), n)
    give(g, g.node("Tanh", linear(g, g.node("Gather", x, g.constant(np.int64(0)), axis=1), n, n)), 1, n)


for make, opset in ((efficientnet, 13), (mobilenetv3, 14), (densenet, 13), (inception, 13), (detector, 13), (focus, 13),
                    (distilbert, 13)):
    graph = Graph(make.__name__, False)
    make(graph)
    graph.save(f"{sys.argv[2]}/{make.__name__}", opset)
