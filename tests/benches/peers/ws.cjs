// A server on the npm package `ws` for the benchmarks. README.md of the benchmarks has the commands
// that install and measure it.
//
//     node ws.cjs PORT echo|room|compressed-echo|compressed-room|windowed-echo
//
// Level 1 and the threshold of 1 KiB are those of ws-core.

'use strict';

const { WebSocketServer } = require('ws');

const LEVEL = 1;
const MAX_MESSAGE_BYTES = 2 << 20;

// The base-2 logarithm of a window of 4 KiB.
const WINDOW_BITS = 12;

const [port, task] = process.argv.slice(2);

const common = { threshold: 1 << 10, zlibDeflateOptions: { level: LEVEL } };
const perMessage = { ...common, serverNoContextTakeover: true, clientNoContextTakeover: true };
const windowed = { ...common, serverMaxWindowBits: WINDOW_BITS, clientMaxWindowBits: WINDOW_BITS };

const tasks = {
  echo: { isRoom: false, compression: false },
  room: { isRoom: true, compression: false },
  'compressed-echo': { isRoom: false, compression: perMessage },
  'compressed-room': { isRoom: true, compression: perMessage },
  'windowed-echo': { isRoom: false, compression: windowed },
};

const chosen = tasks[task];
if (!(Number(port) > 0) || !chosen) {
  console.error(`usage: node ws.cjs PORT ${Object.keys(tasks).join('|')}`);
  process.exit(2);
}

const server = new WebSocketServer({
  host: '127.0.0.1',
  port: Number(port),
  path: '/bench',
  maxPayload: MAX_MESSAGE_BYTES,
  backlog: 1024,
  perMessageDeflate: chosen.compression,
});

server.on('connection', (connection) => {
  connection.on('error', () => connection.terminate());
  connection.on('message', (message, isBinary) => {
    const receivers = chosen.isRoom ? server.clients : [connection];
    for (const receiver of receivers) {
      receiver.send(message, { binary: isBinary });
    }
  });
});
