"""What the nodes of bench/networks.py compute, by numpy alone: test data for the networks that owes nothing
to hone."""
import math

import numpy as np

ERF = np.vectorize(math.erf, otypes=[np.float64])


def windows(x, kernel, stride, pads, fill):
    """[n, c, kh, kw, oh, ow] of an image: what each tap sees; pads are before and after."""
    top, left, bottom, right = pads
    x = np.pad(x, ((0, 0), (0, 0), (top, bottom), (left, right)), constant_values=fill)
    w = np.lib.stride_tricks.sliding_window_view(x, kernel, axis=(2, 3))
    return w[:, :, ::stride, ::stride].transpose(0, 1, 4, 5, 2, 3)


def convolve(x, w, bias, a):
    seen = windows(x, w.shape[2:], a["strides"][0], a.get("pads", [0] * 4), 0)
    group, n = a.get("group", 1), w.shape[0]
    seen = seen.reshape(x.shape[0], group, -1, *seen.shape[2:])
    w = w.reshape(group, n // group, -1, *w.shape[2:])
    y = np.einsum("bgcklhw,gnckl->bgnhw", seen, w, optimize=True).reshape(x.shape[0], n, *seen.shape[-2:])
    return y if bias is None else y + bias[:, None, None]


def pool(x, a):
    k, s, pads = a["kernel_shape"][0], a["strides"][0], list(a.get("pads", [0] * 4))
    if a.get("ceil_mode"):
        for side in (2, 3):
            pads[side] += -(x.shape[side] - k) % s
    return windows(x, (k, k), s, pads, -np.inf).max(axis=(2, 3))


def channels(v):
    return v[:, None, None]


def normalise(x, scale, bias, mean, variance, a):
    return channels(scale) * (x - channels(mean)) / np.sqrt(channels(variance) + a["epsilon"]) + channels(bias)


def softmax(x):
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def reshape(x, shape):
    return x.reshape([x.shape[k] if d == 0 else d for k, d in enumerate(shape)])


OPERATORS = {
    "Add": lambda a, x, y: x + y,
    "BatchNormalization": lambda a, *v: normalise(*v, a),
    "Clip": lambda a, x, lo, hi: np.clip(x, lo, hi),
    "Concat": lambda a, *v: np.concatenate(v, a["axis"]),
    "Conv": lambda a, x, w, b=None: convolve(x, w, b, a),
    "Div": lambda a, x, y: x / y,
    "Erf": lambda a, x: ERF(x),
    "Flatten": lambda a, x: x.reshape(x.shape[0], -1),
    "Gather": lambda a, x, i: np.take(x, i, a["axis"]),
    "Gemm": lambda a, x, w, b: x @ w.T + b,
    "GlobalAveragePool": lambda a, x: x.mean((2, 3), keepdims=True),
    "Less": lambda a, x, y: x < y,
    "MatMul": lambda a, x, y: x @ y,
    "MaxPool": lambda a, x: pool(x, a),
    "Mul": lambda a, x, y: x * y,
    "Not": lambda a, x: ~x,
    "Pow": lambda a, x, y: x ** y,
    "Range": lambda a, x, y, z: np.arange(x, y, z),
    "ReduceMean": lambda a, x: x.mean(tuple(a["axes"]), keepdims=True),
    "Relu": lambda a, x: np.maximum(x, 0),
    "Reshape": lambda a, x, s: reshape(x, s),
    "Shape": lambda a, x: np.array(x.shape),
    "Softmax": lambda a, x: softmax(x),
    "Split": lambda a, x: np.split(x, 3, a["axis"]),
    "Sqrt": lambda a, x: np.sqrt(x),
    "Sub": lambda a, x, y: x - y,
    "Tanh": lambda a, x: np.tanh(x),
    "Transpose": lambda a, x: x.transpose(a["perm"]),
    "Unsqueeze": lambda a, x, axes: np.expand_dims(x, tuple(axes)),
    "Where": lambda a, c, x, y: np.where(c, x, y),
}


def evaluate(op, attributes, inputs):
    """Of arrays of float64 or int64; a list for several results."""
    return OPERATORS[op](attributes, *inputs)
