// Runs kernels that were made for WebAssembly: what runner.c is for boards, in Node. Its argument is a
// file of lines as described there. Each argument lies between bytes that must stay as they are, inputs
// must, too, and what a kernel does beyond its memory ends it. Prints "begin N", then "done N" or what
// is wrong.
import { readFileSync, writeFileSync } from 'node:fs';
import { Worker } from 'node:worker_threads';

const PATTERN = 0x5c, AROUND = 4096, STACK = 1 << 20;

function fail(what) {
  console.log(`failed: ${what}`);
  process.exit(1);
}

function place(start, sizes) {
  let end = start;
  return sizes.map((n) => {
    const at = Math.ceil((end + AROUND) / 64) * 64;
    end = at + n + AROUND;
    return at;
  });
}

// Where threads share the memory, another one with an instance of its own; returns when it waits for work.
async function join(module, memory, crew, top) {
  const worker = new Worker(`
    require('node:worker_threads').parentPort.once('message', ({ module, memory, top }) => {
      const { exports } = new WebAssembly.Instance(module, { env: { memory } });
      exports.__stack_pointer.value = top;
      exports.hone_rt_work(1);
    });`, { eval: true });
  worker.on('error', (e) => fail(`a thread ended with ${e.message}`));
  worker.postMessage({ module, memory, top });
  const words = new Int32Array(memory.buffer), ready = crew / 4 + 2;
  words[crew / 4 + 5] = 1;
  while (Atomics.load(words, ready) < 1)
    if (Atomics.wait(words, ready, 0, 60000) === 'timed-out') fail('a thread does not start');
  return worker;
}

async function run(job) {
  const module = new WebAssembly.Module(readFileSync(job.so)), imports = WebAssembly.Module.imports(module);
  const shared = imports.length === 1 && imports[0].kind === 'memory' &&
    new WebAssembly.Memory({ initial: 32, maximum: 32768, shared: true });
  if (imports.length && !shared) fail('the module imports something');
  const { exports } = new WebAssembly.Instance(module, shared ? { env: { memory: shared } } : {});
  const { memory = shared, hone_kernel, hone_pack, hone_rt, __heap_base } = exports;
  if (!hone_kernel || !memory || !hone_rt || (job.pack && !hone_pack)) fail('an export is missing');
  const n = job.args.length, start = __heap_base.value;
  const sizes = [...job.args.map((a) => a.bytes), ...job.args.map((a) => a.packed), 12 * n,
                 ...(shared ? [STACK] : [])];
  const at = place(start, sizes), end = at.at(-1) + sizes.at(-1) + AROUND;
  const pages = Math.ceil((end - memory.buffer.byteLength) / 65536);
  if (pages > 0) memory.grow(pages);
  const bytes = () => new Uint8Array(memory.buffer);
  bytes().fill(PATTERN, start, end);
  job.args.forEach((a, k) => bytes().set(a.data, at[k]));
  const words = new Uint32Array(memory.buffer, at[2 * n], 3 * n);
  job.args.forEach((a, k) => {
    words[k] = a.packed ? at[n + k] : at[k];
    words[n + k] = a.packed ? at[k] : 0;
    words[2 * n + k] = a.packed ? at[n + k] : 0;
  });
  const tables = at[2 * n];
  if (shared && new Int32Array(memory.buffer)[hone_rt.value / 4 + 1] !== job.threads)
    fail('it is for another number of threads');
  const worker = shared && (await join(module, memory, exports.hone_rt_crew.value, at[2 * n + 1] + STACK));
  if (job.pack && hone_pack(tables + 4 * n, tables + 8 * n, hone_rt.value) !== 0)
    fail('hone_pack returned an error');
  for (let times = 0; times < 2; times++)
    if (hone_kernel(tables, hone_rt.value) !== 0) fail('the kernel returned an error');
  if (worker) await worker.terminate();
  const now = bytes();
  for (let k = 0, from = start; k < at.length; from = at[k] + sizes[k], k++)
    for (let i = from; i < at[k]; i++)
      if (now[i] !== PATTERN) fail('a byte outside of an argument was written');
  job.args.forEach((a, k) => {
    if (!a.isOutput && Buffer.compare(now.subarray(at[k], at[k] + a.bytes), a.data) !== 0)
      fail('an input was written');
  });
  const outputs = job.args.map((a, k) => (a.isOutput ? now.subarray(at[k], at[k] + a.bytes) : []));
  writeFileSync(job.out, Buffer.concat(outputs.map((x) => Buffer.from(x))));
}

let job, number = 0;
for (const line of readFileSync(process.argv[2], 'utf8').split('\n')) {
  const words = line.split(' ');
  if (words[0] === 'kernel') {
    job = { so: words[1], threads: Number(words[2]), pack: words[3] === '1', out: words[5], args: [] };
    console.log(`begin ${number}`);
  } else if (words[0] === 'in' || words[0] === 'out') {
    const data = readFileSync(words[2]);
    if (data.length !== Number(words[1])) fail("an argument's file");
    job.args.push({ isOutput: words[0] === 'out', bytes: data.length, data,
                    packed: Number(words[3]) });
  } else if (words[0] === 'run') {
    await run(job);
    console.log(`done ${number++}`);
  } else if (line !== '') {
    fail('a line of the plan');
  }
}
