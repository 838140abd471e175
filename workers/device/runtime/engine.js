// Runs modules that are measured, in Node and in a page's worker alike. makeEngine gives a function
// that answers requests (docs/WASM.md has the table): of an operation's letter and its bytes it makes
// [status, bytes or text]. `now` is a clock in nanoseconds; `tiers`: code is made better while it runs,
// so that it has to run for a while before its time says anything. `enlist(who, number, message)`, where
// there is one, has another thread call makeMember's function with the message.
function makeEngine(now, about, tiers, enlist) {
  const OK = 0, UNLOADABLE = 1, TRAP = 2, BOUNDS = 3, NONZERO = 4;
  const PATTERN = 0x5c, AROUND = 4096, WARM_NS = 3e7, STACK = 1 << 20, READY_MS = 30000;
  const READY = 2, OVER = 3, MAY_SLEEP = 5; // targets/wasm32_shared.ll: hone_rt_crew
  const kernels = [];

  class Failure extends Error {
    constructor(status, text) {
      super(text);
      this.status = status;
    }
  }

  const numbers = (bytes, n) => {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    return Array.from({ length: n }, (_, k) => view.getUint32(4 * k, true));
  };
  const number = (x) => {
    const bytes = new Uint8Array(8);
    new DataView(bytes.buffer).setFloat64(0, x, true);
    return bytes;
  };

  // who, number of arguments, {is output, bytes, packed bytes} of each; the module
  function load(bytes) {
    const [who, n] = numbers(bytes, 2), words = numbers(bytes, 2 + 3 * n).slice(2);
    const args = Array.from({ length: n }, (_, k) => ({
      isOutput: words[3 * k] !== 0, bytes: words[3 * k + 1], packed: words[3 * k + 2] }));
    if (who === 0) kernels.forEach(dismiss);
    if (who === 0) kernels.length = 0;
    let exports, module, shared;
    try {
      module = new WebAssembly.Module(bytes.subarray(8 + 12 * n));
      shared = sharedMemory(module);
      exports = new WebAssembly.Instance(module, shared ? { env: { memory: shared } } : {}).exports;
    } catch (e) {
      throw new Failure(UNLOADABLE, e.message);
    }
    const { memory = shared, hone_kernel, hone_pack, hone_rt, __heap_base, hone_rt_crew } = exports;
    const packs = args.some((a) => a.packed);
    if (!memory || !hone_kernel || !hone_rt || !__heap_base || (packs && !hone_pack) ||
        (shared && !hone_rt_crew))
      throw new Failure(UNLOADABLE, 'an export is missing');
    const others = shared ? new Int32Array(memory.buffer)[hone_rt.value / 4 + 1] - 1 : 0;
    const sizes = [...args.map((a) => a.bytes), ...args.map((a) => a.packed), 12 * n,
                   ...Array(others).fill(STACK)];
    const start = __heap_base.value;
    let end = start;
    const at = sizes.map((size) => {
      const from = Math.ceil((end + AROUND) / 64) * 64;
      end = from + size + AROUND;
      return from;
    });
    const pages = Math.ceil((end - memory.buffer.byteLength) / 65536);
    try {
      if (pages > 0) memory.grow(pages);
    } catch (e) {
      throw new Failure(UNLOADABLE, `no memory for its arguments: ${e.message}`);
    }
    new Uint8Array(memory.buffer).fill(PATTERN, start, end); // stacks, too: they are in no way clean
    const words32 = new Uint32Array(memory.buffer, at[2 * n], 3 * n);
    args.forEach((a, k) => {
      words32[k] = a.packed ? at[n + k] : at[k];
      words32[n + k] = a.packed ? at[k] : 0;
      words32[2 * n + k] = a.packed ? at[n + k] : 0;
    });
    kernels[who] = { args, n, at, sizes, start, packs, memory, hone_kernel, hone_pack,
                     rt: hone_rt.value, inputs: null, warm: !tiers, crew: null };
    if (others > 0) gather(kernels[who], who, module, hone_rt_crew.value / 4, others);
    return new Uint8Array(0);
  }

  // The memory of a module whose threads share it, which is all that a module may import.
  function sharedMemory(module) {
    const all = WebAssembly.Module.imports(module);
    if (all.length === 0) return undefined;
    if (all.length > 1 || all[0].kind !== 'memory' || all[0].module !== 'env' || !enlist)
      throw new Error('it imports something');
    return new WebAssembly.Memory({ initial: 32, maximum: 32768, shared: true });
  }

  function gather(kernel, who, module, at, others) {
    const words = new Int32Array(kernel.memory.buffer), { memory } = kernel;
    kernel.crew = { words, at };
    words[at + MAY_SLEEP] = 1;
    for (let k = 0; k < others; k++)
      enlist(who, k, { module, memory, id: k + 1, top: kernel.at[2 * kernel.n + 1 + k] + STACK });
    for (let there; (there = Atomics.load(words, at + READY)) < others;)
      if (Atomics.wait(words, at + READY, there, READY_MS) === 'timed-out')
        throw new Failure(UNLOADABLE, 'a thread does not start');
  }

  function dismiss({ crew }) {
    if (!crew) return;
    Atomics.store(crew.words, crew.at + OVER, 1);
    Atomics.add(crew.words, crew.at, 1);
    Atomics.notify(crew.words, crew.at);
  }

  const memoryOf = (kernel) => new Uint8Array(kernel.memory.buffer);

  function put(kernel, isOutput, bytes) {
    let from = 0;
    kernel.args.forEach((a, k) => {
      if (a.isOutput !== isOutput) return;
      memoryOf(kernel).set(bytes.subarray(from, from + a.bytes), kernel.at[k]);
      from += a.bytes;
    });
    if (from !== bytes.length) throw new Error('arguments of other sizes');
  }

  function guarded(what, body) {
    let rc;
    try {
      rc = body();
    } catch (e) {
      if (e instanceof Failure) throw e;
      const bounds = e instanceof WebAssembly.RuntimeError && /out of bounds/.test(e.message);
      throw new Failure(bounds ? BOUNDS : TRAP, `${what} ${e.message}`);
    }
    if (rc !== 0) throw new Failure(NONZERO, String(rc));
  }

  // who; inputs
  function data(bytes) {
    const kernel = kernels[numbers(bytes, 1)[0]], tables = kernel.at[2 * kernel.n];
    kernel.inputs = bytes.slice(4);
    put(kernel, false, kernel.inputs);
    kernel.args.forEach((a, k) => {
      const at = kernel.at[kernel.n + k];
      memoryOf(kernel).fill(0xff, at, at + a.packed);
    });
    if (kernel.packs)
      guarded('packing', () => kernel.hone_pack(tables + 4 * kernel.n, tables + 8 * kernel.n,
                                                kernel.rt));
    return new Uint8Array(0);
  }

  function callTimes(kernel, calls) {
    const { hone_kernel, rt } = kernel, args = kernel.at[2 * kernel.n];
    let rc = 0;
    const start = now();
    for (let k = 0; k < calls; k++) rc |= hone_kernel(args, rt);
    const ns = now() - start;
    if (rc !== 0) throw new Failure(NONZERO, String(rc));
    return ns;
  }

  function inspect(kernel) {
    const memory = memoryOf(kernel), { at, sizes } = kernel;
    for (let k = 0, from = kernel.start; k < at.length; from = at[k] + sizes[k], k++)
      for (let i = from; i < at[k]; i++)
        if (memory[i] !== PATTERN) throw new Failure(BOUNDS, 'a byte beside an argument was written');
    let from = 0;
    kernel.args.forEach((a, k) => {
      if (a.isOutput) return;
      for (let i = 0; i < a.bytes; i++)
        if (memory[at[k] + i] !== kernel.inputs[from + i])
          throw new Failure(BOUNDS, `byte ${i} of an input was written`);
      from += a.bytes;
    });
  }

  // who; outputs as they are before; answers with outputs
  function call(bytes) {
    const kernel = kernels[numbers(bytes, 1)[0]];
    put(kernel, true, bytes.subarray(4));
    guarded('it', () => kernel.hone_kernel(kernel.at[2 * kernel.n], kernel.rt));
    inspect(kernel);
    const memory = memoryOf(kernel), outputs = kernel.args.filter((a) => a.isOutput);
    const all = new Uint8Array(outputs.reduce((x, a) => x + a.bytes, 0));
    let to = 0;
    kernel.args.forEach((a, k) => {
      if (!a.isOutput) return;
      all.set(memory.subarray(kernel.at[k], kernel.at[k] + a.bytes), to);
      to += a.bytes;
    });
    return all;
  }

  // who, calls; outputs as they are before, or nothing; answers with nanoseconds
  function time(bytes) {
    const [who, calls] = numbers(bytes, 2), kernel = kernels[who];
    if (bytes.length > 8) put(kernel, true, bytes.subarray(8));
    let ns = 0;
    guarded('it', () => {
      for (const start = now(); !kernel.warm && now() - start < WARM_NS;) callTimes(kernel, 1);
      kernel.warm = true;
      ns = callTimes(kernel, calls);
      return 0;
    });
    return number(ns);
  }

  function resolution() {
    let best = Infinity;
    for (let k = 0; k < 64; k++) {
      const a = now();
      let b = now();
      while (b === a) b = now();
      best = Math.min(best, b - a);
    }
    return number(best);
  }

  const text = (s) => new TextEncoder().encode(s);
  const operations = { H: () => text(about), L: load, D: data, C: call, T: time, K: resolution };
  return (letter, bytes) => {
    try {
      return [OK, operations[letter](bytes)];
    } catch (e) {
      return [e instanceof Failure ? e.status : TRAP, text(e.message)];
    }
  };
}

// What a thread of a kernel does with what it is given.
function makeMember() {
  const TRAPPED = 4; // targets/wasm32_shared.ll: hone_rt_crew
  return ({ module, memory, id, top }) => {
    const { exports } = new WebAssembly.Instance(module, { env: { memory } });
    exports.__stack_pointer.value = top;
    try {
      exports.hone_rt_work(id);
    } catch (e) {
      Atomics.store(new Int32Array(memory.buffer), exports.hone_rt_crew.value / 4 + TRAPPED, 1);
    }
  };
}
