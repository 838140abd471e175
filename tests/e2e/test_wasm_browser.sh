#!/bin/bash
# A page in a browser is a device: kernels are tuned in it.
# shellcheck disable=SC2086,SC2154,SC2317
. "$2/tests/cli/lib.sh"

command -v wasm-ld-19 >/dev/null || command -v wasm-ld >/dev/null || skip "no wasm-ld (lld-19)"
command -v node >/dev/null || skip "no node"
browser=$(command -v chromium || command -v chromium-browser) || skip "no chromium"

refuse 2 "HOST:PORT" "$BUILD/hone-device" --connect "ipc://$T/pool" --runtime browser:8090

"$BUILD/hone-device" --connect "ipc://$T/pool" --runtime browser:127.0.0.1:0 >device.out 2>device.err </dev/null &
started+=($!)
for _ in $(seq 600); do
    grep -q 'open http' device.err && break
    sleep 0.1
done
url=$(sed -n 's,.*open \(http://[^ ]*\) .*,\1,p' device.err)
ok "it says where the page is" [ -n "$url" ]

# another site's page is no device
cat >stranger.mjs <<END
import net from 'node:net';
const { host, hostname, port } = new URL('$url');
const socket = net.connect(Number(port), hostname, () => socket.write(
  'GET /run HTTP/1.1\r\nHost: ' + host + '\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n' +
  'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nOrigin: http://other.example\r\n\r\n'));
let said = '';
socket.on('data', (x) => (said += x));
socket.on('error', () => {});
socket.on('close', () => console.log(said.includes('101') ? 'taken' : 'refused'));
END
run 0 node stranger.mjs
says refused

"$browser" --headless=new --no-sandbox --disable-gpu --disable-dev-shm-usage --user-data-dir="$T/profile" \
    --disable-background-timer-throttling --disable-renderer-backgrounding "$url" >browser.log 2>&1 </dev/null &
page=$!
started+=("$page")
for _ in $(seq 3000); do
    grep -q 'a page is open' device.err && break
    sleep 0.1
done
ok "the page is a device" grep -q 'a page is open' device.err
run 0 timeout 600 "$HONE" tune matmul $small --target wasm32 --trials 8 --db w.db --no-calibrate \
    --listen "ipc://$T/pool" --json
says '"best_ns":'
ok "the log says what ran it" grep -aq 'runtime=HeadlessChrome/' w.db
run 0 "$HONE" query matmul $small --target wasm32 --db w.db --require exact --emit wasm -o out1

# a page of one's own: isolated it has threads, else one
run 0 "$HONE" query matmul $small --target wasm32-threads --threads 2 --db none.db --emit wasm -o web --name mm
cp "$SRC/tests/cli/product.mjs" web
cat >web/index.html <<'END'
<!doctype html><script type="module">
let said;
try {
  const { load } = await import('./mm.mjs'), { wrong } = await import('./product.mjs');
  const f = await load();
  said = `${wrong(f, 20)} wrong, ${f.threads} threads`;
} catch (e) { said = String(e); }
await fetch('/said', { method: 'POST', body: said });
if (crossOriginIsolated) location = '/plain.html';
</script>
END
cat >server.mjs <<'END'
import http from 'node:http';
import { readFileSync } from 'node:fs';
const types = { '/index.html': 'text/html', '/plain.html': 'text/html', '/mm.mjs': 'text/javascript',
  '/product.mjs': 'text/javascript', '/mm.wasm': 'application/wasm' };
let answers = 0;
http.createServer((request, response) => {
  if (request.method === 'POST') {
    let all = '';
    request.on('data', (x) => (all += x));
    request.on('end', () => {
      console.log(all);
      response.end();
      if (++answers === 2) setTimeout(() => process.exit(0), 100);
    });
    return;
  }
  const type = types[request.url];
  const isolates = request.url === '/plain.html' ? {} : {
    'Cross-Origin-Opener-Policy': 'same-origin', 'Cross-Origin-Embedder-Policy': 'require-corp' };
  response.writeHead(type ? 200 : 404, { 'Content-Type': type || 'text/plain', ...isolates });
  response.end(type ? readFileSync('web' + request.url.replace('plain', 'index')) : '');
}).listen(0, '127.0.0.1', function () { console.error(`port ${this.address().port}`); });
END
timeout 600 node server.mjs >said.out 2>server.err </dev/null &
server=$!
started+=("$server")
for _ in $(seq 600); do
    grep -q '^port' server.err && break
    sleep 0.1
done
"$browser" --headless=new --no-sandbox --disable-gpu --disable-dev-shm-usage --user-data-dir="$T/profile2" \
    "http://127.0.0.1:$(sed -n 's/^port //p' server.err)/index.html" >browser2.log 2>&1 </dev/null &
second=$!
started+=("$second")
wait "$server"
ok "threads in a page: $(cat said.out)" [ "$(cat said.out)" = "0 wrong, 2 threads
0 wrong, 1 threads" ]
kill "$second"

# they write to their folders until they are gone
kill "$page"
for _ in $(seq 300); do
    rm -rf "$T/profile" "$T/profile2" 2>/dev/null && break
    sleep 0.1
done
all_done
