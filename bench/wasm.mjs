// Kernels for WebAssembly against ONNX Runtime Web's operators, in Node, in turns; bench/README.md says
// how. Both get their inputs by a copy into their memory and give their result by a copy out of it, as
// ONNX Runtime Web does in any case; constant inputs, a filter here, are given once. One thread each.
//
//   node bench/wasm.mjs [--build DIR] [--db FILE] [--trials N] [--time SECONDS] [--untuned] [--busy]
//
// --busy: by processor time, for a machine that others use as well.
//
// npm installs onnxruntime-web into DB.files unless it is there; ORT_WEB=FOLDER names one that is.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import os from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const options = { build: join(root, 'build/release'), db: '', trials: '96', time: '3' };
let untuned = false, busy = false;
for (let k = 2; k < process.argv.length; k++) {
  const word = process.argv[k].replace(/^--/, '');
  if (word === 'untuned') untuned = true;
  else if (word === 'busy') busy = true;
  else if (word in options && k + 1 < process.argv.length) options[word] = process.argv[++k];
  else {
    console.error(`wasm.mjs: unknown option ${process.argv[k]}`);
    process.exit(2);
  }
}
const db = resolve(options.db || join(options.build, 'wasm.db')), files = `${db}.files`;
const hone = join(resolve(options.build), 'hone');

// ---- ONNX models: the few messages of onnx.proto that one operator needs --------------------------

const varint = (x) => {
  const bytes = [];
  for (; x > 127; x = Math.floor(x / 128)) bytes.push((x % 128) + 128);
  return Buffer.from([...bytes, x]);
};
const int = (field, x) => Buffer.concat([varint(field * 8), varint(x)]);
const bytes = (field, x) => {
  const b = Buffer.from(x);
  return Buffer.concat([varint(field * 8 + 2), varint(b.length), b]);
};
const message = (field, ...parts) => bytes(field, Buffer.concat(parts));
const value = (field, name, dims) =>
  message(field, bytes(1, name), message(2, message(1, int(1, 1), message(2,
    ...dims.map((d) => message(1, int(1, d)))))));
const ints = (name, list) =>
  message(5, bytes(1, name), ...list.map((x) => int(8, x)), int(20, 7));

function model(op, inputs, constants, output, attributes) {
  const names = [...inputs, ...constants].map((x) => bytes(1, x.name));
  const node = message(1, ...names, bytes(2, output.name), bytes(4, op), ...attributes);
  const initializers = constants.map((x) => message(5, ...x.dims.map((d) => int(1, d)), int(2, 1),
    bytes(8, x.name), bytes(9, Buffer.from(x.data.buffer, x.data.byteOffset, x.data.byteLength))));
  const graph = message(7, node, bytes(2, 'g'), ...initializers,
    ...inputs.map((x) => value(11, x.name, x.dims)), value(12, output.name, output.dims));
  return Buffer.concat([int(1, 8), graph, message(8, int(2, 17))]);
}

// ---- rows ----------------------------------------------------------------------------------------

const random = (n) => Float32Array.from({ length: n }, () => Math.random() - 0.5);
const size = (dims) => dims.reduce((x, y) => x * y, 1);

// `from` of dims d, axes in the order `to`
function transposed(from, d, to) {
  const stride = d.map((_, k) => size(d.slice(k + 1))), out = new Float32Array(from.length);
  const walk = (k, at, base) => {
    if (k === to.length) {
      out[at] = from[base];
      return at + 1;
    }
    for (let i = 0; i < d[to[k]]; i++) at = walk(k + 1, at, base + i * stride[to[k]]);
    return at;
  };
  walk(0, 0, 0);
  return out;
}

function matmul(M, N, K) {
  const a = random(M * K), b = random(K * N);
  return { name: 'matmul', sizes: { M, N, K }, ours: { A: a, B: b }, fixed: {}, result: 'C', op: 'MatMul',
           theirs: [{ name: 'a', dims: [M, K], data: a }, { name: 'b', dims: [K, N], data: b }],
           constants: [], output: { name: 'c', dims: [M, N] }, attributes: [], back: (x) => x };
}

function conv(H, CI, CO, R, stride, pad) {
  const W = H, S = R, x = random(H * W * CI), f = random(R * S * CI * CO);
  const HO = Math.floor((H + 2 * pad - R) / stride) + 1;
  return { name: 'conv2d_nhwc', sizes: { N: 1, H, W, CI, CO, R, S, stride, pad, dilation: 1 }, ours: { X: x },
           fixed: { F: f }, result: 'Y', op: 'Conv',
           theirs: [{ name: 'x', dims: [1, CI, H, W], data: transposed(x, [1, H, W, CI], [0, 3, 1, 2]) }],
           constants: [{ name: 'f', dims: [CO, CI, R, S], data: transposed(f, [R, S, CI, CO], [3, 2, 0, 1]) }],
           output: { name: 'y', dims: [1, CO, HO, HO] },
           attributes: [ints('strides', [stride, stride]), ints('pads', [pad, pad, pad, pad]),
                        ints('kernel_shape', [R, S])],
           back: (y) => transposed(y, [1, CO, HO, HO], [0, 2, 3, 1]) };
}

function softmax(M, N) {
  const x = random(M * N);
  return { name: 'softmax', sizes: { M, N }, ours: { X: x }, fixed: {}, result: 'Y', op: 'Softmax',
           theirs: [{ name: 'x', dims: [M, N], data: x }], constants: [],
           output: { name: 'y', dims: [M, N] }, attributes: [], back: (y) => y };
}

const rows = [matmul(128, 128, 128), matmul(256, 256, 256), matmul(512, 512, 512), matmul(1, 1024, 1024),
              conv(56, 64, 64, 1, 1, 0), conv(28, 128, 128, 3, 1, 1), conv(14, 256, 256, 3, 1, 1),
              conv(112, 3, 32, 3, 2, 1), softmax(256, 1000), softmax(1024, 1024), softmax(3072, 128)];

// ---- both sides ----------------------------------------------------------------------------------

async function openOrt() {
  let folder = process.env.ORT_WEB;
  if (!folder) {
    folder = join(files, 'node_modules/onnxruntime-web');
    mkdirSync(files, { recursive: true });
    if (!existsSync(folder))
      execFileSync('npm', ['install', '--ignore-scripts', '--no-audit', '--no-fund', '--prefix', files,
                           'onnxruntime-web'], { stdio: 'inherit' });
  }
  const ort = await import(pathToFileURL(join(folder, 'dist/ort.node.min.mjs')));
  ort.env.wasm.numThreads = 1;
  return ort;
}

async function openOurs(row, k) {
  const sizes = Object.entries(row.sizes).flatMap(([name, x]) => ['-D', `${name}=${x}`]);
  const common = [row.name, ...sizes, '--target', 'wasm32', '--db', db];
  if (!untuned)
    execFileSync(hone, ['tune', ...common, '--trials', options.trials], { stdio: ['ignore', 'ignore', 'inherit'] });
  const folder = join(files, `row${k}`);
  execFileSync(hone, ['query', ...common, '--emit', 'wasm', '-o', folder, '--name', 'f'],
               { stdio: ['ignore', 'ignore', 'inherit'] });
  const f = await (await import(pathToFileURL(join(folder, 'f.mjs')))).load();
  for (const [name, data] of Object.entries(row.fixed)) f.args[name].set(data);
  return f;
}

async function openTheirs(ort, row) {
  const session = await ort.InferenceSession.create(
    model(row.op, row.theirs, row.constants, row.output, row.attributes), { executionProviders: ['wasm'] });
  const feeds = {};
  for (const x of row.theirs) feeds[x.name] = new ort.Tensor('float32', x.data, x.dims);
  return async () => (await session.run(feeds))[row.output.name].data;
}

const median = (x) => {
  const s = Float64Array.from(x).sort();
  return s.length % 2 ? s[s.length >> 1] : (s[s.length / 2 - 1] + s[s.length / 2]) / 2;
};

async function compare(ort, row, k) {
  const f = await openOurs(row, k), run = await openTheirs(ort, row);
  const out = new Float32Array(size(row.output.dims));
  const ours = async () => {
    for (const [name, data] of Object.entries(row.ours)) f.args[name].set(data);
    f.run();
    out.set(f.args[row.result]);
    return out;
  };
  const want = row.back(Float32Array.from(await run())), got = await ours();
  const most = want.reduce((x, y) => Math.max(x, Math.abs(y)), 0);
  const apart = want.reduce((x, y, i) => Math.max(x, Math.abs(y - got[i])), 0) / most;
  if (!(apart < 1e-4)) throw new Error(`${row.name}: results are ${apart} apart`);
  const processor = ({ user, system }) => user + system;
  const now = busy ? () => processor(process.cpuUsage()) : () => Number(process.hrtime.bigint()) / 1e3;
  const timed = async (call, n) => {
    const start = now();
    for (let i = 0; i < n; i++) await call();
    return (now() - start) / n / 1e3;
  };
  for (let until = Date.now() + 500; Date.now() < until;) (await run(), await ours()); // until code is as good as it gets
  const n = [run, ours].map(() => 1);
  for (const [i, call] of [run, ours].entries()) n[i] = Math.min(1000, Math.ceil(5 / Math.max(0.001, await timed(call, 3))));
  const samples = [[], []];
  for (let until = Date.now() + 1000 * Number(options.time); Date.now() < until || samples[0].length < 5;) {
    const first = Math.random() < 0.5 ? 0 : 1;
    for (const i of [first, 1 - first]) samples[i].push(await timed([run, ours][i], n[i]));
  }
  const ratios = samples[0].map((x, i) => x / samples[1][i]).sort((a, b) => a - b);
  const at = (q) => ratios[Math.min(ratios.length - 1, Math.floor(q * ratios.length))];
  const title = `${row.name} ${Object.entries(row.sizes).map(([a, b]) => `${a}=${b}`).join(' ')}`;
  console.log(`${title.padEnd(72)} ${median(samples[1]).toFixed(3).padStart(9)} ${median(samples[0]).toFixed(3)
    .padStart(9)} ${median(ratios).toFixed(3).padStart(7)}  [${at(0.25).toFixed(2)} ${at(0.75).toFixed(2)}]  ${
    apart.toExponential(0)}`);
  return median(ratios);
}

const ort = await openOrt();
console.log(`node ${process.version}, onnxruntime-web ${ort.env.versions.web}, ${os.cpus()[0].model}, load ${
  os.loadavg()[0].toFixed(1)}${busy ? ', processor time' : ''}`);
console.log(`${''.padEnd(72)} ${'hone ms'.padStart(9)} ${'ORT ms'.padStart(9)} ${'ratio'.padStart(7)}  quartiles    apart`);
const all = [];
for (const [k, row] of rows.entries()) all.push(await compare(ort, row, k));
console.log(`${all.length} rows: geometric mean ${Math.exp(all.reduce((x, y) => x + Math.log(y), 0) / all.length)
  .toFixed(3)}, worst ${Math.min(...all).toFixed(3)}, load ${os.loadavg()[0].toFixed(1)}`);
