// A CSMS on PORT and a station that connects to URL, both on LIBRARY; each text that one of them sends or receives is
// printed as a JSON line, as the WebSocket library `ws` below both handed it over.
// Usage: node peers.mjs FOLDER_WITH_NODE_MODULES LIBRARY PORT URL plain|deflate
import { createRequire } from 'node:module';
const [folder, library, port, url, way] = process.argv.slice(2);
const require = createRequire(folder + '/index.js');
const WebSocket = require('ws');

const print = (line) => process.stdout.write(JSON.stringify(line) + '\n');
const side = (socket) => (socket._isServer ? 'csms' : 'station');
const { send, emit } = WebSocket.prototype;
WebSocket.prototype.send = function (data, ...rest) {
  print({ side: side(this), did: 'sent', text: data.toString() });
  return send.call(this, data, ...rest);
};
WebSocket.prototype.emit = function (event, data, ...rest) {
  if (event === 'message') print({ side: side(this), did: 'received', text: data.toString() });
  return emit.call(this, event, data, ...rest);
};

const now = () => new Date().toISOString();
const perMessageDeflate = way === 'deflate' ? { threshold: 0 } : false;
const answers = {
  BootNotification: () => ({ status: 'Accepted', interval: 60, currentTime: now() }),
  Heartbeat: () => ({ currentTime: now() }),
  StatusNotification: () => ({}),
  Authorize: () => ({ idTagInfo: { status: 'Accepted' } }),
  StartTransaction: () => ({ transactionId: 4711, idTagInfo: { status: 'Accepted' } }),
  MeterValues: () => ({}),
  StopTransaction: () => ({}),
};

async function day(call, callStation) {
  const status = (state) =>
    call('StatusNotification', { connectorId: 1, errorCode: 'NoError', status: state, timestamp: now() });
  await call('BootNotification', { chargePointVendor: 'Example Node', chargePointModel: 'Modèle é' });
  await status('Available');
  await status('Preparing');
  await call('Authorize', { idTag: '04A2B3C4' });
  const { transactionId } = await call('StartTransaction', { connectorId: 1, idTag: '04A2B3C4', meterStart: 10, timestamp: now() });
  await status('Charging');
  await new Promise((done) => setTimeout(done, 600)); // time for a ping
  for (let n = 0; n < 5; n += 1) {
    await call('MeterValues', { connectorId: 1, transactionId, meterValue: [{ timestamp: now(), sampledValue: [{ value: String(10 + n) }] }] });
  }
  await callStation('RemoteStopTransaction', { transactionId });
  await call('StopTransaction', { transactionId, meterStop: 20, timestamp: now(), reason: 'Remote' });
  await status('Available');
  await call('Heartbeat', {});
}

async function onOcppRpc() {
  const { RPCServer, RPCClient } = require('ocpp-rpc');
  const server = new RPCServer({ protocols: ['ocpp1.6'], pingIntervalMs: 500, wssOptions: { perMessageDeflate } });
  const arrived = new Promise((done) => server.on('client', (client) => {
    for (const [action, answer] of Object.entries(answers)) client.handle(action, answer);
    done(client);
  }));
  await server.listen(Number(port), '127.0.0.1');
  const station = new RPCClient({
    endpoint: url, identity: 'NODE 1', protocols: ['ocpp1.6'], reconnect: false, pingIntervalMs: 400, wsOpts: { perMessageDeflate },
  });
  station.handle('RemoteStopTransaction', () => ({ status: 'Accepted' }));
  await station.connect();
  const client = await arrived;
  await day((...all) => station.call(...all), (...all) => client.call(...all));
  await station.close({ code: 1000, reason: 'done' });
  await server.close();
}

async function onOcppWsIo() {
  const { OCPPServer, OCPPClient } = require('ocpp-ws-io');
  const options = { protocols: ['ocpp1.6'], logging: false, compression: way === 'deflate' ? { threshold: 0 } : false };
  const server = new OCPPServer({ ...options });
  server.auth((context) => context.accept({}));
  const arrived = new Promise((done) => server.on('client', (client) => {
    for (const [action, answer] of Object.entries(answers)) client.handle('ocpp1.6', action, answer);
    done(client);
  }));
  await server.listen(Number(port), '127.0.0.1');
  const station = new OCPPClient({ ...options, endpoint: url, identity: 'NODE 1', reconnect: false });
  station.handle('ocpp1.6', 'RemoteStopTransaction', () => ({ status: 'Accepted' }));
  await station.connect();
  const client = await arrived;
  await day((...all) => station.call('ocpp1.6', ...all), (...all) => client.call('ocpp1.6', ...all));
  await station.close({ code: 1000, reason: 'done' });
  await server.close();
}

await (library === 'ocpp-rpc' ? onOcppRpc() : onOcppWsIo());
process.exit(0);
