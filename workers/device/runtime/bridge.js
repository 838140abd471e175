// The runtime in a page: requests on standard input go to the page over a WebSocket (RFC 6455), answers
// come back the same way. Descriptor 3 is a socket that listens. The page is served here, too; there is
// one at a time, and the latest counts. When it goes while it owes an answer, so does this.
const http = require('http'), crypto = require('crypto');
const engine = process.argv[1], MOST = 2 ** 31;

const page = `<!doctype html><meta charset="utf-8"><title>hone: a device</title>
<style>body{font:16px/1.5 system-ui;margin:3rem auto;max-width:40rem;padding:0 1rem}</style>
<h1>This page measures kernels</h1><p>as long as it is open and in front. <output id="o"></output>
<script>
const out = document.getElementById('o');
let worker, done = 0;
function connect() {
  const socket = new WebSocket('ws://' + location.host + '/run');
  socket.binaryType = 'arraybuffer';
  worker = new Worker('worker.js');
  worker.onmessage = (e) => {
    out.textContent = 'Requests answered: ' + ++done;
    if (socket.readyState === 1) socket.send(e.data);
  };
  socket.onmessage = (e) => worker.postMessage(e.data, [e.data]);
  socket.onclose = () => { worker.terminate(); setTimeout(connect, 200); };
}
connect();
</script>`;

const glue = `
const browser = /(Firefox|Edg|OPR|\\w*Chrome|Version)\\/[\\d.]+/.exec(navigator.userAgent);
const answer = makeEngine(() => performance.now() * 1e6, browser ? browser[0] : 'a browser', true);
onmessage = (e) => {
  const message = new Uint8Array(e.data);
  const [status, bytes] = answer(String.fromCharCode(message[0]), message.subarray(1));
  const all = new Uint8Array(bytes.length + 1);
  all[0] = status;
  all.set(bytes, 1);
  postMessage(all.buffer, [all.buffer]);
};`;

const files = { '/': ['text/html; charset=utf-8', page], '/worker.js': ['text/javascript', engine + glue] };
const server = http.createServer((request, response) => {
  const file = request.method === 'GET' && files[request.url];
  // Isolated from other sites, a page has a clock of 5 microseconds instead of 100.
  response.writeHead(file ? 200 : 404, {
    'Content-Type': file ? file[0] : 'text/plain', 'Cross-Origin-Opener-Policy': 'same-origin',
    'Cross-Origin-Embedder-Policy': 'require-corp', 'Cross-Origin-Resource-Policy': 'same-origin' });
  response.end(file ? file[1] : 'not here\n');
});

let socket = null, owed = 0;
const waiting = [];

function frame(op, bytes) {
  const n = bytes.length, head = Buffer.alloc(n < 126 ? 2 : n < 65536 ? 4 : 10);
  head[0] = 0x80 | op;
  head[1] = n < 126 ? n : n < 65536 ? 126 : 127;
  if (head.length === 4) head.writeUInt16BE(n, 2);
  if (head.length === 10) head.writeBigUInt64BE(BigInt(n), 2);
  return Buffer.concat([head, bytes]);
}

function flush() {
  while (socket && waiting.length) {
    owed++;
    socket.write(frame(2, waiting.shift()));
  }
}

function answer(bytes) {
  const head = Buffer.alloc(4);
  head.writeUInt32LE(bytes.length);
  owed--;
  process.stdout.write(Buffer.concat([head, bytes]));
}

// Takes what has come apart; `parts` are the frames of a message that is not complete.
function reader(from) {
  let buffer = Buffer.alloc(0), parts = [];
  return (chunk) => {
    buffer = buffer.length ? Buffer.concat([buffer, chunk]) : chunk;
    while (buffer.length >= 2) {
      const op = buffer[0] & 15, short = buffer[1] & 127;
      const at = short === 127 ? 10 : short === 126 ? 4 : 2;
      if (buffer.length < at + 4) return;
      const n = at === 10 ? Number(buffer.readBigUInt64BE(2)) : at === 4 ? buffer.readUInt16BE(2) : short;
      if (!(buffer[1] & 128) || n > MOST) return from.destroy();
      if (buffer.length < at + 4 + n) return;
      const data = Buffer.from(buffer.subarray(at + 4, at + 4 + n));
      for (let k = 0; k < n; k++) data[k] ^= buffer[at + (k & 3)];
      const last = (buffer[0] & 128) !== 0;
      buffer = buffer.subarray(at + 4 + n);
      if (op === 8) return from.destroy();
      if (op === 9) from.write(frame(10, data));
      if (op > 2) continue;
      parts.push(data);
      if (last) {
        if (owed !== 1) return from.destroy(); // it was not asked
        answer(Buffer.concat(parts));
        parts = [];
      }
    }
  };
}

server.on('upgrade', (request, from, first) => {
  const key = request.headers['sec-websocket-key'];
  // No page of another site may be the device.
  if (request.url !== '/run' || !key || request.headers.origin !== `http://${request.headers.host}`)
    return from.destroy();
  const accept = crypto.createHash('sha1').update(key + '258EAFA5-E914-47DA-95CA-C5AB0DC85B11');
  from.write('HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n' +
             `Sec-WebSocket-Accept: ${accept.digest('base64')}\r\n\r\n`);
  if (socket && owed) process.exit(1);
  if (socket) socket.destroy();
  socket = from;
  process.stderr.write('hone: a page is open\n');
  from.setNoDelay(true);
  from.on('error', () => {});
  from.on('close', () => {
    if (socket !== from) return;
    if (owed) process.exit(1);
    socket = null;
  });
  const read = reader(from);
  if (first.length) read(first);
  from.on('data', read);
  flush();
});

server.on('error', (e) => {
  process.stderr.write(`hone: the page cannot be served: ${e.message}\n`);
  process.exit(1);
});
server.listen({ fd: 3 });

let input = Buffer.alloc(0);
process.stdin.on('data', (chunk) => {
  input = input.length ? Buffer.concat([input, chunk]) : chunk;
  while (input.length >= 4 && input.length >= 4 + input.readUInt32LE(0)) {
    const n = input.readUInt32LE(0);
    waiting.push(input.subarray(4, 4 + n));
    input = input.subarray(4 + n);
  }
  flush();
});
process.stdin.on('end', () => process.exit(0));
