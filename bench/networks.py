#!/usr/bin/env python3
"""Makes the networks that are compared, as ONNX models with random weights (seeded): what they compute
says nothing, how long they take does. Needs numpy and nothing of ONNX.

    bench/networks.py FOLDER [NAME...]     all of them, or those named, each as FOLDER/NAME/model.onnx
      --small   narrow ones, for tests
      --data    with test_data_set_0, computed by numpy
      --sets N  with inputs alone, N sets of them, in FOLDER/NAME/inputs

resnet50 (He et al., 2015), mobilenetv2 (Sandler et al., 2018), squeezenet (1.1; Iandola et al., 2016),
bert (base, 128 tokens; Devlin et al., 2018), vit (B/16; Dosovitskiy et al., 2020), gpt2 (small, prefill of
128 tokens; Radford et al., 2019). Norms, GELU and attention are written out as exporters write them."""
import os
import sys

import numpy as np

import network_data

FLOAT, INT64 = 1, 7


# ---- protobuf, by ONNX's field numbers

def varint(v):
    v &= (1 << 64) - 1
    out = bytearray()
    while v >= 128:
        out.append(v & 127 | 128)
        v >>= 7
    return bytes(out) + bytes([v])


def number(field, v):
    return varint(field << 3) + varint(v)


def part(field, v):
    v = v.encode() if isinstance(v, str) else v
    return varint(field << 3 | 2) + varint(len(v)) + v


def attribute(name, v):
    out = part(1, name)
    if isinstance(v, int):
        return out + number(3, v) + number(20, 2)
    if isinstance(v, float):
        return out + varint(2 << 3 | 5) + np.float32(v).tobytes() + number(20, 1)
    return out + b"".join(number(8, x) for x in v) + number(20, 7)


def tensor(name, array):
    body = [number(1, d) for d in array.shape]
    body += [number(2, {"float32": FLOAT, "int64": INT64}[array.dtype.name]), part(8, name)]
    return b"".join(body) + part(9, array.tobytes())


def write(folder, name, content):
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, name), "wb") as f:
        f.write(content)


class Graph:
    """Nodes, weights, inputs and outputs as they are added; values are their names."""

    def __init__(self, name, data, seed=1):
        self.name, self.parts, self.made = name, [], 0
        self.rng = np.random.default_rng(seed)
        self.known = {} if data else None  # what each value holds
        self.inputs, self.outputs = [], []
        self.drawn = []  # what draws each input

    def node(self, op, *inputs, outputs=1, **attributes):
        names = [f"t{self.made + k}" for k in range(outputs)]
        self.made += outputs
        body = [part(1, x) for x in inputs] + [part(2, x) for x in names] + [part(4, op)]
        body += [part(5, attribute(k, v)) for k, v in attributes.items()]
        self.parts.append(part(1, b"".join(body)))
        if self.known is not None:
            made = network_data.evaluate(op, attributes, [self.known[x] for x in inputs])
            for name, array in zip(names, [made] if outputs == 1 else made):
                self.know(name, array)
        return names[0] if outputs == 1 else names

    def constant(self, array):
        array = np.asarray(array)
        name = f"c{self.made}"
        self.made += 1
        self.parts.append(part(5, tensor(name, array)))
        self.know(name, array)
        return name

    def know(self, name, array):
        """Floats are computed as doubles, and rounded at each node as the model's are."""
        if self.known is not None:
            real = array.dtype.kind == "f"
            self.known[name] = array.astype(np.float32).astype(np.float64) if real else array

    def weights(self, *shape):
        """Random, and such that sums over all axes but the first keep their size."""
        fan = max(1, int(np.prod(shape[1:])))
        v = self.rng.standard_normal(shape, dtype=np.float32)
        return self.constant(v * np.float32((2 / fan) ** 0.5))

    def near(self, value, n, by=0.1):
        v = value + by * self.rng.standard_normal(n, dtype=np.float32)
        return self.constant(v.astype(np.float32))

    def ints(self, *values):
        return self.constant(np.array(values, dtype=np.int64))

    def scalar(self, value):
        return self.constant(np.float32(value))

    def value(self, field, name, kind, shape):
        dims = b"".join(part(1, number(1, d)) for d in shape)
        self.parts.append(part(field, part(1, name) + part(2, part(1, number(1, kind) + part(2, dims)))))
        return name

    def image(self, *shape):
        array = self.rng.standard_normal(shape, dtype=np.float32)
        self.inputs.append(("image", array))
        self.drawn.append(lambda rng: rng.standard_normal(shape, dtype=np.float32))
        self.know("image", array)
        return self.value(11, "image", FLOAT, shape)

    def tokens(self, name, below, *shape):
        array = self.rng.integers(below, size=shape)
        self.inputs.append((name, array))
        self.drawn.append(lambda rng: rng.integers(below, size=shape))
        self.know(name, array)
        return self.value(11, name, INT64, shape)

    def output(self, name, *shape):
        self.outputs.append(name)
        self.value(12, name, FLOAT, shape)

    def save(self, folder, opset=13):
        graph = b"".join(self.parts) + part(2, self.name)
        write(folder, "model.onnx", number(1, 8) + part(8, number(2, opset)) + part(7, graph))
        if self.known is None:
            return
        data = os.path.join(folder, "test_data_set_0")
        for k, (name, array) in enumerate(self.inputs):
            write(data, f"input_{k}.pb", tensor(name, array))
        for k, name in enumerate(self.outputs):
            write(data, f"output_{k}.pb", tensor(name, self.known[name].astype(np.float32)))

    def save_sets(self, folder, n):
        for s in range(n):
            rng = np.random.default_rng(1000 + s)
            for k, draw in enumerate(self.drawn):
                write(os.path.join(folder, "inputs", f"test_data_set_{s}"), f"input_{k}.pb",
                      tensor(self.inputs[k][0], draw(rng)))


# ---- images

def convolution(g, x, c, n, k, stride=1, group=1, bias=False):
    inputs = [x, g.weights(n, c // group, k, k)] + ([g.near(0, n)] if bias else [])
    return g.node("Conv", *inputs, kernel_shape=[k, k], strides=[stride, stride], pads=[k // 2] * 4,
                  group=group)


def normalised(g, x, c, n, k, stride=1, group=1):
    y = convolution(g, x, c, n, k, stride, group)
    scale, mean = g.near(1, n), g.near(0, n)
    variance = g.constant(np.abs(1 + 0.1 * g.rng.standard_normal(n)).astype(np.float32))
    return g.node("BatchNormalization", y, scale, g.near(0, n), mean, variance, epsilon=1e-5)


def classify(g, x, c, n):
    x = g.node("Flatten", g.node("GlobalAveragePool", x), axis=1)
    g.output(g.node("Gemm", x, g.weights(n, c), g.near(0, n), transB=1), 1, n)


def resnet50(small, data):
    g = Graph("resnet50", data)
    width, blocks, size = (8, [1, 1, 1, 1], 32) if small else (64, [3, 4, 6, 3], 224)
    x = g.node("Relu", normalised(g, g.image(1, 3, size, size), 3, width, 7, 2))
    x = g.node("MaxPool", x, kernel_shape=[3, 3], strides=[2, 2], pads=[1] * 4)
    c = width
    for stage, n in enumerate(blocks):
        m = width << stage
        for block in range(n):
            stride = 2 if stage and not block else 1
            y = g.node("Relu", normalised(g, x, c, m, 1))
            y = g.node("Relu", normalised(g, y, m, m, 3, stride))
            y = normalised(g, y, m, 4 * m, 1)
            x = x if block else normalised(g, x, c, 4 * m, 1, stride)
            x, c = g.node("Relu", g.node("Add", y, x)), 4 * m
    classify(g, x, c, 10 if small else 1000)
    return g


def mobilenetv2(small, data):
    g = Graph("mobilenetv2", data)
    size, by = (32, 4) if small else (224, 1)
    bounds = g.scalar(0), g.scalar(6)

    def clipped(*args):
        return g.node("Clip", normalised(g, *args), *bounds)

    c = 32 // by
    x = clipped(g.image(1, 3, size, size), 3, c, 3, 2)
    for t, n, repeats, stride in [(1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2),
                                  (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1)]:
        n //= by
        for k in range(1 if small else repeats):
            s, wide = (stride, t * c) if k == 0 else (1, t * c)
            y = clipped(x, c, wide, 1) if t > 1 else x
            y = normalised(g, clipped(y, wide, wide, 3, s, wide), wide, n, 1)
            x, c = (g.node("Add", x, y) if s == 1 and c == n else y), n
    classify(g, clipped(x, c, 1280 // by, 1), 1280 // by, 10 if small else 1000)
    return g


def squeezenet(small, data):
    g = Graph("squeezenet", data)
    size, by = (64, 4) if small else (224, 1)

    def pooled(x):
        return g.node("MaxPool", x, kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1)

    x = g.image(1, 3, size, size)
    weights = g.weights(64 // by, 3, 3, 3)
    x = g.node("Relu", g.node("Conv", x, weights, g.near(0, 64 // by), kernel_shape=[3, 3], strides=[2, 2]))
    c = 64 // by
    for k, (s, e) in enumerate([(16, 64), (16, 64), (32, 128), (32, 128), (48, 192), (48, 192), (64, 256),
                                (64, 256)]):
        s, e = s // by, e // by
        x = pooled(x) if k in (0, 2, 4) else x
        x = g.node("Relu", convolution(g, x, c, s, 1, bias=True))
        wide = [g.node("Relu", convolution(g, x, s, e, k, bias=True)) for k in (1, 3)]
        x, c = g.node("Concat", *wide, axis=1), 2 * e
    n = 10 if small else 1000
    x = g.node("GlobalAveragePool", g.node("Relu", convolution(g, x, c, n, 1, bias=True)))
    g.output(g.node("Flatten", x), 1, n)
    return g


# ---- tokens

def layer_norm(g, x, n):
    d = g.node("Sub", x, g.node("ReduceMean", x, axes=[-1]))
    v = g.node("ReduceMean", g.node("Pow", d, g.scalar(2)), axes=[-1])
    y = g.node("Div", d, g.node("Sqrt", g.node("Add", v, g.scalar(1e-5))))
    return g.node("Add", g.node("Mul", y, g.near(1, n)), g.near(0, n))


def linear(g, x, c, n):
    return g.node("Add", g.near(0, n), g.node("MatMul", x, g.node("Transpose", g.weights(n, c), perm=[1, 0])))


def gelu(g, x):
    y = g.node("Erf", g.node("Div", x, g.scalar(2 ** 0.5)))
    return g.node("Mul", g.node("Mul", x, g.node("Add", y, g.scalar(1))), g.scalar(0.5))


def gelu_tanh(g, x):
    y = g.node("Mul", g.node("Pow", x, g.scalar(3)), g.scalar(0.044715))
    y = g.node("Tanh", g.node("Mul", g.node("Add", x, y), g.scalar((2 / np.pi) ** 0.5)))
    return g.node("Mul", g.node("Mul", x, g.scalar(0.5)), g.node("Add", y, g.scalar(1)))


def attention(g, x, n, heads, tokens, causal=False):
    """Of shapes that are computed, as exporters have them."""
    shape = g.node("Shape", x)
    batch = g.node("Gather", shape, g.ints(0), axis=0)
    split = g.node("Concat", batch, g.ints(-1), g.ints(heads), g.ints(n // heads), axis=0)
    joined = g.node("Concat", batch, g.ints(-1), g.ints(n), axis=0)
    if causal:
        parts = g.node("Split", linear(g, x, n, 3 * n), outputs=3, axis=2)
    else:
        parts = [linear(g, x, n, n) for _ in range(3)]
    q, k, v = [g.node("Transpose", g.node("Reshape", p, split), perm=perm)
               for p, perm in zip(parts, ([0, 2, 1, 3], [0, 2, 3, 1], [0, 2, 1, 3]))]
    s = g.node("Div", g.node("MatMul", q, k), g.scalar((n // heads) ** 0.5))
    if causal:
        s = g.node("Where", g.causal, s, g.scalar(-1e9))
    o = g.node("Transpose", g.node("MatMul", g.node("Softmax", s, axis=-1), v), perm=[0, 2, 1, 3])
    return linear(g, g.node("Reshape", o, joined), n, n)


def causal_mask(g, tokens):
    place = g.node("Range", g.constant(np.int64(0)), g.constant(np.int64(tokens)), g.constant(np.int64(1)))
    rows = g.node("Unsqueeze", place, g.ints(1))
    return g.node("Not", g.node("Less", rows, place))


def sizes(small, tokens):
    return (32, 2, 2, 8, 50) if small else (768, 12, 12, tokens, 30522)


def bert(small, data):
    g = Graph("bert", data)
    n, heads, layers, tokens, words = sizes(small, 128)
    x = g.node("Gather", g.weights(words, n), g.tokens("words", words, 1, tokens), axis=0)
    kinds = g.node("Gather", g.weights(2, n), g.tokens("kinds", 2, 1, tokens), axis=0)
    x = layer_norm(g, g.node("Add", g.node("Add", x, kinds), g.weights(1, tokens, n)), n)
    for _ in range(layers):
        x = layer_norm(g, g.node("Add", x, attention(g, x, n, heads, tokens)), n)
        y = linear(g, gelu(g, linear(g, x, n, 4 * n)), 4 * n, n)
        x = layer_norm(g, g.node("Add", x, y), n)
    g.output(x, 1, tokens, n)
    return g


def gpt2(small, data):
    g = Graph("gpt2", data)
    n, heads, layers, tokens, words = sizes(small, 128)
    words = words if small else 50257
    table = g.weights(words, n)
    g.causal = causal_mask(g, tokens)
    x = g.node("Add", g.node("Gather", table, g.tokens("words", words, 1, tokens), axis=0), g.weights(1, tokens, n))
    for _ in range(layers):
        x = g.node("Add", x, attention(g, layer_norm(g, x, n), n, heads, tokens, causal=True))
        x = g.node("Add", x, linear(g, gelu_tanh(g, linear(g, layer_norm(g, x, n), n, 4 * n)), 4 * n, n))
    x = layer_norm(g, x, n)
    g.output(g.node("MatMul", x, g.node("Transpose", table, perm=[1, 0])), 1, tokens, words)
    return g


def vit(small, data):
    g = Graph("vit", data)
    n, heads, layers, _, _ = sizes(small, 0)
    side, size = (2, 32) if small else (14, 224)
    image = g.image(1, 3, size, size)
    x = g.node("Conv", image, g.weights(n, 3, 16, 16), g.near(0, n), kernel_shape=[16, 16], strides=[16, 16])
    x = g.node("Transpose", g.node("Reshape", x, g.ints(0, n, -1)), perm=[0, 2, 1])
    x = g.node("Add", g.node("Concat", g.weights(1, 1, n), x, axis=1), g.weights(1, side * side + 1, n))
    for _ in range(layers):
        x = g.node("Add", x, attention(g, layer_norm(g, x, n), n, heads, side * side + 1))
        x = g.node("Add", x, linear(g, gelu(g, linear(g, layer_norm(g, x, n), n, 4 * n)), 4 * n, n))
    x = g.node("Gather", layer_norm(g, x, n), g.constant(np.int64(0)), axis=1)
    classes = 10 if small else 1000
    g.output(g.node("Gemm", x, g.weights(classes, n), g.near(0, classes), transB=1), 1, classes)
    return g


NETWORKS = {f.__name__: f for f in (resnet50, mobilenetv2, squeezenet, bert, vit, gpt2)}


def main(args):
    sets = 0
    if "--sets" in args[:-1]:
        at = args.index("--sets")
        sets = int(args[at + 1])
        del args[at : at + 2]
    small, data = "--small" in args, "--data" in args
    args = [a for a in args if a not in ("--small", "--data")]
    if not args or args[0].startswith("-") or any(a not in NETWORKS for a in args[1:]):
        sys.exit(f"usage: networks.py FOLDER [NAME...] [--small] [--data] [--sets N]; there are {', '.join(NETWORKS)}")
    for name in args[1:] or NETWORKS:
        g = NETWORKS[name](small, data)
        g.save(os.path.join(args[0], name))
        g.save_sets(os.path.join(args[0], name), sets)


if __name__ == "__main__":
    main(sys.argv[1:])
