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

const engine = makeEngine(() => Number(process.hrtime.bigint()), `node ${process.version}`, false);
for (;;) {
  const message = readAll(readAll(4).readUInt32LE(0));
  const [status, bytes] = engine(String.fromCharCode(message[0]), message.subarray(1));
  const head = Buffer.alloc(5);
  head.writeUInt32LE(bytes.length + 1);
  head[4] = status;
  writeAll(head);
  writeAll(bytes);
}
