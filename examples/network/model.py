#!/usr/bin/env python3
"""How edges.onnx was made: a network that finds the edges of a picture. Needs numpy.

    python3 model.py FOLDER      writes FOLDER/model.onnx
"""
import os
import sys

import numpy as np

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "bench"))
import networks  # its writer of ONNX files

SIZE = 64


def main():
    g = networks.Graph("edges", False)
    image = g.value(11, "image", networks.FLOAT, (1, 1, SIZE, SIZE))
    row = np.array([1, 4, 6, 4, 1]) / 16
    blur = g.constant(np.outer(row, row).astype(np.float32)[None, None])
    sobel = np.outer([1, 2, 1], [-1, 0, 1]) / 4
    slopes = g.constant(np.stack([sobel, sobel.T]).astype(np.float32)[:, None])
    x = g.node("Conv", image, blur, pads=[2, 2, 2, 2])
    x = g.node("Conv", x, slopes, pads=[1, 1, 1, 1])
    x = g.node("Mul", x, x)
    x = g.node("ReduceSum", x, g.ints(1), keepdims=1)
    x = g.node("Sqrt", x)
    x = g.node("MaxPool", x, kernel_shape=[2, 2], strides=[2, 2])
    g.parts.append(networks.part(1, b"".join(
        [networks.part(1, x), networks.part(2, "edges"), networks.part(4, "Relu")])))
    g.output("edges", 1, 1, SIZE // 2, SIZE // 2)
    g.save(sys.argv[1])


main()
