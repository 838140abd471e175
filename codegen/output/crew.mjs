
// Threads: each worker has an instance of the module on the same memory, and a stack of its own. A page
// must be isolated for that (its answer has the headers Cross-Origin-Opener-Policy: same-origin and
// Cross-Origin-Embedder-Policy: require-corp); elsewhere the caller's thread does it all.

const node = globalThis.process?.versions?.node && (await import('node:worker_threads'));
const join = `({ module, memory, id, top }) => {
  const { exports } = new WebAssembly.Instance(module, { env: { memory } });
  exports.__stack_pointer.value = top;
  tell('ready');
  try {
    exports.hone_rt_work(id);
  } catch (e) {
    Atomics.store(new Int32Array(memory.buffer), exports.hone_rt_crew.value / 4 + 4, 1); // it has trapped
    throw e;
  }
}`;

function enlist(message) {
  const where = node ? "const { parentPort } = require('node:worker_threads'), tell = (x) => parentPort.postMessage(x);" +
                       `parentPort.once('message', ${join});`
                     : `const tell = postMessage, join = ${join}; onmessage = (e) => join(e.data);`;
  const worker = node ? new node.Worker(where, { eval: true })
                      : new Worker(URL.createObjectURL(new Blob([where], { type: 'text/javascript' })));
  worker.postMessage(message);
  const ready = new Promise((good, bad) => {
    if (node) worker.once('message', good).on('error', bad);
    else [worker.onmessage, worker.onerror] = [good, bad];
  });
  return { worker, ready };
}

// How many threads there are then, and what ends those that the caller is not.
async function gather(module, memory, { hone_rt, hone_rt_crew }, tops) {
  const words = new Int32Array(memory.buffer), crew = hone_rt_crew.value / 4;
  const able = node || globalThis.crossOriginIsolated;
  const all = able ? tops.map((top, k) => enlist({ module, memory, id: k + 1, top })) : [];
  await Promise.all(all.map((x) => x.ready));
  words[hone_rt.value / 4 + 1] = all.length + 1;
  words[crew + 5] = typeof window === 'undefined' ? 1 : 0; // a page's own thread may not sleep
  if (node) all.forEach((x) => x.worker.unref());
  const end = () => {
    words[hone_rt.value / 4 + 1] = 1;
    all.forEach((x) => x.worker.terminate());
  };
  return { threads: all.length + 1, end };
}
