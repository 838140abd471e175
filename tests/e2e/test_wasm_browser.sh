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

# it writes to its folder until it is gone
kill "$page"
for _ in $(seq 300); do
    rm -rf "$T/profile" 2>/dev/null && break
    sleep 0.1
done
all_done
