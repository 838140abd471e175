// The runtime in Node: requests on standard input, answers on standard output, each its length first.
const fs = require('fs');

function readAll(n) {
  const bytes = Buffer.alloc(n);
  for (let at = 0; at < n;) {
    const got = fs.readSync(0, bytes, at, n - at);
    if (got === 0) process.exit(0);
    at += got;
  }
  return bytes;
}

function writeAll(bytes) {
  for (let at = 0; at < bytes.length;) at += fs.writeSync(1, bytes, at);
}

// A module with f32x4.relaxed_madd in it: is it one?
const hasRelaxed = () => WebAssembly.validate(new Uint8Array([
  0, 0x61, 0x73, 0x6d, 1, 0, 0, 0, 1, 4, 1, 0x60, 0, 0, 3, 2, 1, 0,
  10, 16, 1, 14, 1, 1, 0x7b, 0x20, 0, 0x20, 0, 0x20, 0, 0xfd, 0x85, 2, 0x1a, 0x0b]));
if (process.argv[1] === 'relaxed' && !hasRelaxed()) {
  require('v8').setFlagsFromString('--experimental-wasm-relaxed-simd'); // Node 20
  if (!hasRelaxed()) process.exit(3);
}

// Threads last from kernel to kernel: candidate and incumbent have their own. What they print goes nowhere:
// standard output must not be touched, which would make it one that does not wait.
const crews = [];
function enlist(who, number, message) {
  const { Worker } = require('worker_threads');
  crews[who] ||= [];
  crews[who][number] ||= new Worker(
    `${makeMember}\nrequire('worker_threads').parentPort.on('message', makeMember());`,
    { eval: true, execArgv: [], stdout: true, stderr: true });
  crews[who][number].postMessage(message);
}

const engine = makeEngine(() => Number(process.hrtime.bigint()), `node ${process.version}`, false,
                          process.argv[1] === 'threads' ? enlist : null);
for (;;) {
  const message = readAll(readAll(4).readUInt32LE(0));
  const [status, bytes] = engine(String.fromCharCode(message[0]), message.subarray(1));
  const head = Buffer.alloc(5);
  head.writeUInt32LE(bytes.length + 1);
  head[4] = status;
  writeAll(head);
  writeAll(bytes);
}
