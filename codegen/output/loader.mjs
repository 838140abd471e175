// Loads the module and calls it, in Node and in browsers:
//
//   const f = await load();              // or load(bytes), load(module), load(await fetch(url))
//   f.args.A.set(a);                     // typed arrays in the module's memory; f16, bf16 as bits
//   f.run();
//   use(f.args.C);
//
// Of a kernel for threads, load(source, { threads: N }) takes N instead of as many as it was made for, and
// f.end() ends them.
//
// Inputs that the kernel takes packed are packed by the first run; when such a one has changed since,
// call f.pack(). Ask f.args again after a run: where memory has grown, older arrays are empty.

const arrays = {
  f64: Float64Array, f32: Float32Array, f16: Uint16Array, bf16: Uint16Array, i64: BigInt64Array,
  i32: Int32Array, i16: Int16Array, i8: Int8Array, u8: Uint8Array, bool: Uint8Array,
};

async function compile(source) {
  if (source instanceof WebAssembly.Module) return source;
  if (source instanceof URL && source.protocol === 'file:')
    return WebAssembly.compile(await (await import('node:fs/promises')).readFile(source));
  if (source instanceof URL) source = await fetch(source);
  if (typeof Response !== 'undefined' && source instanceof Response) {
    if (!source.ok) throw new Error(`${source.url}: ${source.status} ${source.statusText}`);
    source = await source.arrayBuffer();
  }
  return WebAssembly.compile(source);
}

export async function load(source = new URL(kernel.module, import.meta.url), { threads } = {}) {
  const module = await compile(source);
  const shared = kernel.shared && new WebAssembly.Memory({ initial: 32, maximum: 32768, shared: true });
  const { exports } = await WebAssembly.instantiate(module, shared ? { env: { memory: shared } } : {});
  const { memory = shared, hone_kernel, hone_pack, hone_rt, __heap_base } = exports;
  const n = kernel.args.length;
  let end = __heap_base.value;
  const take = (bytes) => {
    const at = Math.ceil(end / 64) * 64;
    end = at + bytes;
    return at;
  };
  const count = kernel.args.map((a) => a.shape.reduce((x, y) => x * y, 1));
  const at = kernel.args.map((a, k) => take(count[k] * arrays[a.type].BYTES_PER_ELEMENT));
  const packed = kernel.args.map((a) => (a.packed ? take(a.packed) : 0));
  const pointers = take(12 * n); // to arguments as the kernel takes them; to pack from; to pack to
  const tops = []; // of the stacks of other threads than the caller's
  if (shared) {
    const most = Math.min(threads ?? new Int32Array(memory.buffer)[hone_rt.value / 4 + 1], 64);
    while (tops.length + 1 < most) tops.push(take(1 << 20) + (1 << 20));
  }
  const missing = Math.ceil((end - memory.buffer.byteLength) / 65536);
  if (missing > 0) memory.grow(missing);
  const words = new Uint32Array(memory.buffer, pointers, 3 * n);
  const args = {};
  kernel.args.forEach((a, k) => {
    words[k] = packed[k] || at[k];
    words[n + k] = packed[k] ? at[k] : 0;
    words[2 * n + k] = packed[k];
    const get = () => new arrays[a.type](memory.buffer, at[k], count[k]);
    Object.defineProperty(args, a.name, { enumerable: true, get });
  });
  const check = (rc) => {
    if (rc !== 0) throw new Error(`${kernel.name}: ${rc === -1 ? 'no memory' : `returned ${rc}`}`);
  };
  let ready = !hone_pack;
  const pack = () => {
    if (hone_pack) check(hone_pack(pointers + 4 * n, pointers + 8 * n, hone_rt.value));
    ready = true;
  };
  const run = () => {
    if (!ready) pack();
    check(hone_kernel(pointers, hone_rt.value));
  };
  const crew = shared ? await gather(module, memory, exports, tops) : { threads: 1, end() {} };
  return { kernel, memory, args, pack, run, ...crew };
}
