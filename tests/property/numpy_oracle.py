#!/usr/bin/env python3
"""Computes programs again, from what docs/IR.md and docs/LANGUAGE.md say alone, and compares.

Standard input is a row of cases, as test_numpy.c writes them (read_case has the form): an
unscheduled program as text, its inputs, what hone's interpreter and machine code made of them, and
what hone's oracle says. Nothing of hone is used here: the text is read by a parser of its own, and
evaluated in two ways.

  written  each operation in the dtype it is written in, each sum in the order of its loops: what
           the interpreter must have computed, bit for bit, where no elementary function is involved
  exact    floats in f64, integers modulo 2^64: what machine code must lie around, within the bound
           that the oracle gives; the oracle's own value must lie there too

Zeros of both signs are equal; a NaN is any NaN. Exit status 1: something disagrees."""

import math
import re
import sys

import numpy as np

INTS = {"i64": 64, "i32": 32, "i16": 16, "i8": 8, "u8": 8}
FLOATS = ("f64", "f32", "f16", "bf16")
STORED = {"f64": np.float64, "f32": np.float32, "f16": np.float16, "bf16": np.uint16,
          "i64": np.int64, "i32": np.int32, "i16": np.int16, "i8": np.int8, "u8": np.uint8,
          "bool": np.uint8}
FUNCTIONS = ("exp", "log", "sqrt", "tanh", "sigmoid", "erf", "pow", "sin", "cos",
             "atan")  # all but sqrt: stated places
TOLERANCE = 2.0  # bounds of oracles are of first order

# ---- reading ------------------------------------------------------------------------------------

TOKEN = re.compile(r"\s*(?:#[^\n]*|(\d+\.\d*(?:e[-+]?\d+)?|\d+e[-+]?\d+|\d+)|([A-Za-z_][\w.]*)|"
                   r"`([^`]*)`|(\"[^\"]*\")|(//|<<|>>|==|!=|<=|>=|\.\.|[-+*/%&|^<>()\[\]{},:=@?]))")


class Reader:
    """Expressions become tuples (operation, dtype or None, ...): see resolve."""

    LEVELS = (("or",), ("and",), ("==", "!=", "<", "<=", ">", ">="), ("|",), ("^",), ("&",),
              ("<<", ">>"), ("+", "-"), ("*", "/", "//", "%"))

    def __init__(self, text):
        self.tokens, self.at, at = [], 0, 0
        text = text.rstrip()
        while at < len(text):
            m = TOKEN.match(text, at)
            if not m:
                raise SyntaxError("program text: " + text[at:at + 40])
            at = m.end()
            if m.group(m.lastindex or 0).strip() and m.lastindex:
                kind = "number name name text sign".split()[m.lastindex - 1]
                self.tokens.append((kind, m.group(m.lastindex)))
        self.tokens.append(("end", ""))
        self.buffers, self.nests, self.lets = {}, [], {}

    def peek(self, word=None):
        return self.tokens[self.at][1] if word is None else self.tokens[self.at][1] == word

    def take(self, word=None):
        kind, text = self.tokens[self.at]
        if word is not None and text != word:
            raise SyntaxError("'%s' instead of '%s'" % (text, word))
        self.at += 1
        return text

    def accept(self, word):
        if self.peek(word):
            self.at += 1
            return True
        return False

    def listed(self, one, close):
        ret = []
        while not self.accept(close):
            ret.append(one())
            self.accept(",")
        return ret

    def number(self):
        minus = self.accept("-")
        x = self.take()
        return -float(x) if minus else float(x)

    def annotations(self):
        while self.accept("@"):
            self.take()
            self.take("=")
            self.accept("-")
            self.take()

    def program(self):
        self.take("program")
        self.take()
        self.annotations()
        self.take("{")
        while self.peek("buffer"):
            self.buffer()
        while not self.accept("}"):
            self.statement([])
        return self

    def buffer(self):
        self.take()
        name = self.take()
        self.take(":")
        dtype = self.take()
        self.take("[")
        shape = self.listed(lambda: int(self.take()), "]")
        role = self.take() if self.peek() in ("input", "output") else "temporary"
        self.accept("const")
        if self.accept("in"):
            self.number()
            self.take("..")
            self.number()
        self.buffers[name] = (dtype, shape, role)

    def statement(self, loops):
        if self.accept("for"):
            name = self.take()
            self.take("in")
            extent = int(self.take())
            self.annotations()
            self.take("{")
            self.statement(loops + [(name, extent)])
            self.take("}")
            return
        self.take("block")
        name = self.take()
        self.take("(")
        iters = self.listed(self.iteration, ")")
        self.annotations()
        if [i[2:] for i in iters] != loops:
            raise SyntaxError("block '%s' is not one of an unscheduled program" % name)
        self.take("{")
        self.lets = {}
        while self.accept("let"):
            let = self.take()
            self.take("=")
            self.lets[let] = self.expr()
        init = self.expr() if self.accept("init") else None
        out = self.take()
        self.take("[")
        index = self.listed(self.expr, "]")
        self.take("=")
        value = self.expr()
        self.take("}")
        dtype = self.buffers[out][0]
        self.nests.append((iters, init and resolve(init, dtype), out,
                           [resolve(i, "i64") for i in index], resolve(value, dtype)))

    def iteration(self):
        """(reduced, variable, loop, extent)"""
        reduced = self.accept("reduce")
        name = self.take()
        self.take(":")
        extent = int(self.take())
        self.take("=")
        return reduced, name, self.take(), extent

    def expr(self, level=0):
        if level == len(self.LEVELS):
            return self.unary()
        a = self.expr(level + 1)
        while self.tokens[self.at][0] in ("sign", "name") and self.peek() in self.LEVELS[level]:
            op = self.take()
            b = self.expr(level + 1)
            if op in (">", ">="):
                a = ({">": "<", ">=": "<="}[op], "bool", b, a)
            else:
                known = "bool" if level < 3 else a[1] or b[1]
                a = (op, known, a, b)
        return a

    def unary(self):
        if self.accept("-"):
            a = self.unary()
            return ("constant", a[1], -a[2]) if a[0] == "constant" else ("neg", a[1], a)
        if self.accept("("):
            a = self.expr()
            self.take(")")
            return a
        kind, word = self.tokens[self.at]
        self.at += 1
        if word == "fast" and self.tokens[self.at][0] == "name" and self.tokens[self.at + 1][1] == "(":
            word = self.take()  # of the same meaning
        if kind == "number":
            return ("constant", None, int(word) if word.isdigit() else float(word))
        if word in ("inf", "nan"):
            return ("constant", None, float(word))
        if word in ("true", "false"):
            return ("constant", "bool", word == "true")
        if self.accept("["):
            return ("load", self.buffers[word][0], word,
                    [resolve(i, "i64") for i in self.listed(self.expr, "]")])
        if word in self.lets:
            return self.lets[word]
        if not self.accept("("):
            return ("variable", "i64", word)
        args = self.listed(self.expr, ")")
        if word in STORED:
            a = args[0]
            if a[0] == "constant" and a[1] is None:
                return ("constant", word, a[2])
            return ("cast", word, resolve(a, default(a)))
        if word == "not":
            return ("not", "bool", args[0])
        known = next((a[1] for a in args[word == "select":] if a[1]), None)
        return (word, known) + tuple(args)


def default(e):
    """The dtype of what is made of constants alone."""
    if e[1]:
        return e[1]
    if e[0] == "constant":
        return "f32" if isinstance(e[2], float) else "i64"
    return "f32" if "f32" in [default(a) for a in e[2:] if not a[1]] else "i64"


def resolve(e, dtype):
    """e where this dtype is asked for: constants take it, everything else has it."""
    if e[0] in ("load", "variable", "cast"):
        if e[1] != dtype:
            raise SyntaxError("%s where %s is asked for" % (e[1], dtype))
        return e
    if e[0] == "constant":
        return ("constant", e[1] or dtype, e[2])
    if e[0] in ("==", "!=", "<", "<="):
        of = e[2][1] or e[3][1] or default(e)
        of = default(e[2]) if not of else of
        return (e[0], "bool", resolve(e[2], of), resolve(e[3], of))
    if e[0] == "select":
        return ("select", dtype, resolve(e[2], "bool"), resolve(e[3], dtype), resolve(e[4], dtype))
    return (e[0], dtype) + tuple(resolve(a, dtype) for a in e[2:])


# ---- numbers ------------------------------------------------------------------------------------

def wrap(dtype, x):
    """x modulo 2^bits, as int64."""
    bits = INTS[dtype]
    if bits == 64:
        return x
    x = x & ((1 << bits) - 1)
    return x if dtype == "u8" else np.where(x >> (bits - 1) != 0, x - (1 << bits), x)


def by_python(fn, *args):
    """Elementwise on Python's own integers, which have no end; the result modulo 2^64."""
    def one(*a):
        r = int(fn(*(int(x) for x in a))) & ((1 << 64) - 1)
        return r - (1 << 64) if r >> 63 else r
    return np.vectorize(one, otypes=[np.int64])(*args)


def to_bf16(x):
    """f32 rounded to bf16, as f32."""
    x = np.asarray(x, np.float32)
    bits = x.view(np.uint32).astype(np.int64)
    bits = (bits + 0x7fff + (bits >> 16 & 1)) >> 16 << 16
    return np.where(np.isnan(x), x, np.asarray(bits, np.uint32).view(np.float32))


def extreme(largest, a, b):
    """IEEE 754-2019 maximumNumber, minimumNumber: a number before NaN, -0 before +0."""
    if a.dtype.kind != "f":
        return np.maximum(a, b) if largest else np.minimum(a, b)
    r = np.maximum(a, b) if largest else np.minimum(a, b)
    r = np.where(np.isnan(a), b, np.where(np.isnan(b), a, r))  # also for signalling NaN
    zeros = (a == 0) & (b == 0)
    minus = np.signbit(a) & np.signbit(b) if largest else np.signbit(a) | np.signbit(b)
    return np.where(zeros, np.where(minus, -r * 0 - 0.0, abs(r)).astype(r.dtype), r)


def shift(left, bits):
    def one(x, by):
        x &= (1 << bits) - 1
        return 0 if by < 0 or by >= bits else x << by if left else x >> by
    return one


def cut(a, b):
    q = abs(a) // abs(b)
    return q if (a < 0) == (b < 0) else -q


FLOAT_OPS = {"+": np.add, "-": np.subtract, "*": np.multiply, "/": np.divide}
INT_OPS = {"+": np.add, "-": np.subtract, "*": np.multiply, "&": np.bitwise_and,
           "|": np.bitwise_or, "^": np.bitwise_xor}
COMPARE = {"==": np.equal, "!=": np.not_equal, "<": np.less, "<=": np.less_equal}
LIBRARY = {"exp": np.exp, "log": np.log, "sqrt": np.sqrt, "tanh": np.tanh, "pow": np.power,
           "abs": np.abs, "floor": np.floor, "ceil": np.ceil, "round": np.rint, "neg": np.negative,
           "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
           "erf": lambda x: np.vectorize(math.erf, otypes=[np.float64])(x).astype(x.dtype)}


def turned(f):
    return lambda x: np.where(np.abs(x) <= 2.0**27, f(np.where(np.isfinite(x), x, 0)),
                              np.nan).astype(x.dtype)


LIBRARY.update({"sin": turned(np.sin), "cos": turned(np.cos), "atan": np.arctan})


# ---- evaluating ---------------------------------------------------------------------------------

class Machine:
    """Arrays of a dtype are kept as int64, bool, f64, or f32 (f32 and 16 bits, when written)."""

    def __init__(self, buffers, exact):
        self.exact = exact
        self.buffers, self.data, self.env = buffers, {}, {}

    def kept(self, dtype):
        if dtype in INTS or dtype == "bool":
            return np.int64 if dtype in INTS else np.bool_
        return np.float64 if self.exact or dtype == "f64" else np.float32

    def put(self, name, array):
        """An input as it is stored."""
        dtype, shape, _ = self.buffers[name]
        if dtype == "bf16":
            array = (array.astype(np.uint32) << 16).view(np.float32)
        self.data[name] = array.astype(self.kept(dtype)).reshape(shape)

    def rounded(self, dtype, x):
        """What storing x of this dtype keeps of it."""
        if dtype in INTS:
            return wrap(dtype, x)
        if dtype == "f16":
            x = x.astype(np.float32).astype(np.float16)
        elif dtype == "bf16":
            x = to_bf16(x)
        return self.computed(dtype, x).astype(self.kept(dtype))

    def computed(self, dtype, x):
        """What an operation of this dtype gives: in f64, all that is below f32's infinity."""
        if self.exact and dtype in FLOATS and dtype != "f64":
            narrow = np.asarray(x).astype(np.float32)
            return np.where(np.isinf(narrow), narrow, x)
        return x

    def cast(self, to, of, x):
        if to == "bool":
            return x != 0
        if to in FLOATS:
            if of not in FLOATS and not self.exact and to != "f64":
                x = x.astype(np.float32)
            x = x.astype(np.float64 if self.exact or to == "f64" else np.float32)
            if (of not in FLOATS or of == "f64") and self.exact and to != "f64":
                x = x.astype(np.float32).astype(np.float64)
            return x if to in ("f64", "f32") and of not in FLOATS else self.rounded(to, x)
        if of not in FLOATS:
            return wrap(to, x.astype(np.int64))
        bits = INTS[to]
        lo, hi = (0, 255) if to == "u8" else (-(1 << (bits - 1)), (1 << (bits - 1)) - 1)
        x = np.trunc(np.where(np.isnan(x), 0, x).astype(np.float64))
        ret = np.where((x > lo) & (x < hi), x, 0).astype(np.int64)
        return np.where(x >= hi, np.int64(hi), np.where(x <= lo, np.int64(lo), ret))

    def load(self, name, index, mask):
        data = self.data[name]
        at = []
        for i, extent in zip(index, data.shape):
            i = self.eval(i, mask)
            if np.any(mask & ((i < 0) | (i >= extent))):
                raise IndexError("an index of '%s' is outside of it" % name)
            at.append(np.clip(i, 0, extent - 1))
        return data[tuple(at)]

    def eval(self, e, mask):
        """Elements where mask is false are not evaluated: what stands there means nothing."""
        op, dtype = e[0], e[1]
        if op == "constant":
            if dtype in FLOATS:
                return self.rounded(dtype, np.asarray(e[2], np.float64)) if dtype != "f32" else \
                    np.asarray(np.float32(e[2]), self.kept(dtype))
            return np.asarray(e[2], self.kept(dtype))
        if op == "variable":
            return self.env[e[2]]
        if op == "load":
            return self.load(e[2], e[3], mask)
        if op == "select":
            c = self.eval(e[2], mask)
            return np.where(c, self.eval(e[3], mask & c), self.eval(e[4], mask & ~c))
        if op == "cast":
            return self.cast(dtype, e[2][1], self.eval(e[2], mask))
        a = self.eval(e[2], mask)
        if op in ("and", "or"):
            return a & self.eval(e[3], mask & a) if op == "and" else \
                a | self.eval(e[3], mask & ~a)
        if op == "not":
            return ~a
        b = [self.eval(x, mask) for x in e[3:]]
        return self.operation(op, e[2][1], mask, a, *b)

    def operation(self, op, dtype, mask, a, b=None):
        if op in COMPARE:
            return COMPARE[op](a, b)
        if op in ("min", "max"):
            return extreme(op == "max", a, b)
        if dtype in FLOATS:
            x = (FLOAT_OPS.get(op) or LIBRARY[op])(*((a,) if b is None else (a, b)))
            return self.computed(dtype, x)
        if op in INT_OPS:
            return wrap(dtype, INT_OPS[op](a, b))
        if op in ("/", "//", "%"):
            a, b, used = np.broadcast_arrays(a, b, mask)
            if np.any(used & (b == 0)):
                raise ZeroDivisionError("an integer is divided by zero")
            if op != "/" and dtype == "i64" and np.all(b > 0):
                return (np.floor_divide if op == "//" else np.mod)(a, b)
            fn = {"/": cut, "//": lambda x, y: x // y, "%": lambda x, y: x % y}[op]
            return wrap(dtype, by_python(fn, a, np.where(b == 0, 1, b)))
        bits = INTS[dtype]
        fn = {"<<": shift(True, bits), ">>": shift(False, bits), "abs": abs,
              "neg": lambda x: -x,
              "popcount": lambda x: bin(x & ((1 << bits) - 1)).count("1")}[op]
        return wrap(dtype, by_python(fn, *((a,) if b is None else (a, b))))

    def nest(self, iters, init, out, index, value):
        dtype, shape, _ = self.buffers[out]
        spatial = [i for i in iters if not i[0]]
        order = spatial + [i for i in iters if i[0]]
        sizes = [i[3] for i in order]
        grid = np.ogrid[tuple(slice(n) for n in sizes)] if sizes else []
        self.env = {i[1]: g for i, g in zip(order, grid)}
        if [i[2] for i in index] != [i[1] for i in spatial]:
            raise SyntaxError("'%s' is not stored in the order of its loops" % out)
        mask = np.ones(sizes, np.bool_)
        if init is None:
            ret = np.broadcast_to(self.eval(value, mask), shape)
        else:
            op = value[0]
            if value[2][:3] != ("load", dtype, out) or value[2][3] != index:
                raise SyntaxError("'%s' is no reduction" % out)
            terms = np.broadcast_to(self.eval(value[3], mask), sizes).reshape(tuple(shape) + (-1,))
            ret = np.broadcast_to(self.eval(init, mask.reshape(-1)[:1]), shape)
            ret = self.reduce(op, dtype, ret, terms)
        self.data[out] = self.rounded(dtype, np.asarray(ret))

    def reduce(self, op, dtype, ret, terms):
        ret = self.rounded(dtype, ret.astype(self.kept(dtype)))
        if self.exact and op == "+" and dtype in FLOATS:
            return self.computed(dtype, ret + np.sum(terms, axis=-1, dtype=np.float64))
        for k in range(terms.shape[-1]):
            if self.exact and dtype in FLOATS and op == "*":
                ret = ret * terms[..., k]
                continue
            ret = self.operation(op, dtype, np.True_, ret, terms[..., k])
            if not self.exact:
                ret = self.rounded(dtype, ret)
        return ret


# ---- comparing ----------------------------------------------------------------------------------

def as_f64(dtype, array):
    if dtype == "bf16":
        array = (array.astype(np.uint32) << 16).view(np.float32)
    return array.astype(np.float64)


class Tally:
    def __init__(self):
        self.cases = self.bad = self.elements = self.identical = self.exact = self.vague = 0
        self.nans = self.infinities = 0
        self.worst, self.bad_seeds = {}, set()

    def complain(self, case, who, text):
        self.bad += 1
        if self.bad <= 100:
            print("seed %d: %s: %s" % (case["seed"], who, text))
            if not self.bad_seeds:
                print(case["text"])
        self.bad_seeds.add(case["seed"])

    def check_equal(self, case, who, name, got, want):
        """Of what is computed exactly or in one order."""
        same = (got == want) | ((got != got) & (want != want))
        if not np.all(same):
            k = int(np.argmin(same))
            self.complain(case, who, "%s[%d] = %r, should be %r; %d of %d differ" %
                          (name, k, got[k], want[k], np.sum(~same), got.size))

    def check_near(self, case, who, name, got, want, bound, tolerance):
        with np.errstate(all="ignore"):
            off = np.abs(got - want)
            fine = (got == want) | (np.isnan(got) & np.isnan(want)) | (bound == np.inf)
            ratio = np.where(fine, 0, np.where(bound > 0, off / bound, np.inf))
            ratio = np.where(np.isnan(ratio) | (~fine & np.isinf(want)), np.inf, ratio)
        if ratio.size:
            self.worst[who] = max(self.worst.get(who, 0.0), float(np.max(ratio)))
        if np.any(ratio > tolerance):
            k = int(np.argmax(ratio))
            self.complain(case, who, "%s[%d] = %.17g, should be %.17g +- %.3g; %d of %d differ" %
                          (name, k, got[k], want[k], bound[k], np.sum(ratio > tolerance), got.size))

    def check(self, case):
        self.cases += 1
        reader = Reader(case["text"]).program()
        runs = []
        for exact in (False, True):
            m = Machine(reader.buffers, exact)
            for name, array in case["input"].items():
                m.put(name, array)
            for nest in reader.nests:
                m.nest(*nest)
            runs.append(m.data)
        one_way = not any(t in case["text"] for t in (f + "(" for f in FUNCTIONS if f != "sqrt"))
        for name, (dtype, _, role) in reader.buffers.items():
            if role == "output":
                self.check_output(case, name, dtype, one_way, *(r[name].reshape(-1) for r in runs))

    def check_output(self, case, name, dtype, one_way, written, exact):
        bound = case["bound"].get(name)
        value = case["value"][name]
        self.elements += exact.size
        got = {who: case[who][name] for who in ("interpreter", "plain", "scheduled")
               if name in case.get(who, {})}
        if dtype not in FLOATS and bound is None:
            for who, x in dict(got, oracle=value).items():
                self.check_equal(case, who, name, x.astype(np.int64), exact.astype(np.int64))
            self.exact += exact.size
            return
        if one_way:
            x = got["interpreter"]
            x = as_f64(dtype, x) if dtype in FLOATS else x.astype(np.int64)
            self.check_equal(case, "interpreter as written", name, x,
                             written.astype(x.dtype))
            self.identical += exact.size
        want = exact.astype(np.float64)
        bound = np.zeros(want.size) if bound is None else bound
        self.nans += int(np.sum(np.isnan(want)))
        self.infinities += int(np.sum(np.isinf(want)))
        self.exact += int(np.sum(bound == 0))
        self.vague += int(np.sum(~(bound < 0.5 * np.abs(want)) & (bound > 0)))
        noise = np.where(np.isfinite(want), np.abs(want) * 2.0 ** -48, 0)
        self.check_near(case, "oracle", name, value.astype(np.float64), want,
                        bound + noise, 1.0)
        for who, x in got.items():
            self.check_near(case, who, name, as_f64(dtype, x), want, bound + noise, TOLERANCE)


def read_case(f):
    """`case SEED BYTES`, the text, then `array WHAT NAME DTYPE COUNT` and its bytes, then `end`.
    WHAT: input; interpreter, plain, scheduled (outputs); value, bound (the oracle's)."""
    head = f.readline().split()
    if not head:
        return None
    case = {"seed": int(head[1]), "text": f.read(int(head[2])).decode(), "bound": {}, "value": {},
            "input": {}}
    while True:
        head = f.readline().decode().split()
        if head[0] == "end":
            return case
        _, what, name, dtype, count = head
        kind = np.dtype(STORED[dtype])
        data = np.frombuffer(f.read(int(count) * kind.itemsize), kind)
        case.setdefault(what, {})[name] = data


def main():
    np.seterr(all="ignore")
    tally = Tally()
    while True:
        case = read_case(sys.stdin.buffer)
        if case is None:
            break
        try:
            tally.check(case)
        except (SyntaxError, IndexError, ZeroDivisionError, KeyError) as e:
            tally.complain(case, "program", "%s: %s" % (type(e).__name__, e))
    print("%d kernels, %d elements: %d compared bit for bit with the interpreter; %d without room, "
          "%d whose bound says little, %d NaN, %d infinite; worst, in bounds: %s; %d kernels disagree" %
          (tally.cases, tally.elements, tally.identical, tally.exact, tally.vague, tally.nans,
           tally.infinities,
           ", ".join("%s %.3g" % w for w in sorted(tally.worst.items())) or "none", len(tally.bad_seeds)))
    sys.stdout.flush()
    sys.exit(1 if tally.bad or not tally.cases else 0)


if __name__ == "__main__":
    main()
