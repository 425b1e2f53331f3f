// A CSMS and two stations on npm `ocpp-rpc`; every text that a side sends or receives is printed as one JSON line.
// Usage: node ocpp_rpc.mjs FOLDER_WITH_NODE_MODULES
import { createRequire } from 'node:module';
const require = createRequire(process.argv[2] + '/index.js');
const { RPCServer, RPCClient, createRPCError } = require('ocpp-rpc');

const pause = (ms) => new Promise((done) => setTimeout(done, ms));
const now = () => new Date().toISOString();

function follow(side, station, connection, peer) {
  peer.on('message', ({ message, outbound }) => {
    const text = message.toString();
    console.log(JSON.stringify({ time: now(), side, station, connection: connection(), did: outbound ? 'sent' : 'received', text }));
  });
}

const server = new RPCServer({ protocols: ['ocpp1.6', 'ocpp2.0.1'], strictMode: true, pingIntervalMs: 5000 });
server.auth((accept, reject, handshake) => {
  const good = handshake.password?.toString() === 'sixteen-letters1';
  return good ? accept({ at: `${handshake.remoteAddress}` }) : reject(401);
});
let transaction = 9000;
const callsOf = {};
server.on('client', (client) => {
  const socket = client._ws._socket;
  const end = `${socket.remoteAddress.replace('::ffff:', '')}:${socket.remotePort}`;
  follow('csms', client.identity, () => end, client);
  callsOf[client.identity] = client;
  client.handle('BootNotification', () => ({ status: 'Accepted', interval: 60, currentTime: now() }));
  client.handle('Heartbeat', () => ({ currentTime: now() }));
  client.handle('StatusNotification', () => ({}));
  client.handle('NotifyReport', () => ({}));
  client.handle('SecurityEventNotification', () => ({}));
  client.handle('Authorize', () => client.protocol === 'ocpp1.6' ? { idTagInfo: { status: 'Accepted' } } : { idTokenInfo: { status: 'Accepted' } });
  client.handle('StartTransaction', () => ({ transactionId: ++transaction, idTagInfo: { status: 'Accepted' } }));
  client.handle('StopTransaction', () => ({ idTagInfo: { status: 'Accepted' } }));
  client.handle('MeterValues', () => ({}));
  client.handle('TransactionEvent', ({ params }) => (params.idToken ? { idTokenInfo: { status: 'Accepted' } } : {}));
  client.handle(() => { throw createRPCError('NotImplemented'); });
});
await server.listen(8180, '192.168.50.1');

async function station(identity, protocol, localAddress) {
  const client = new RPCClient({
    endpoint: 'ws://192.168.50.1:8180/ocpp', identity, password: 'sixteen-letters1', protocols: [protocol],
    strictMode: true, pingIntervalMs: 4000, reconnect: false, wsOpts: { localAddress },
  });
  follow('station', identity, () => `${localAddress}:${client._ws._socket.localPort}`, client);
  await client.connect();
  return client;
}

async function day16() {
  const cp = await station('NODE-16', 'ocpp1.6', '192.168.50.12');
  cp.handle('RemoteStopTransaction', () => ({ status: 'Accepted' }));
  await cp.call('BootNotification', { chargePointVendor: 'Example Node', chargePointModel: 'EN-11', firmwareVersion: '1.0.7' });
  const status = (connectorId, state) => cp.call('StatusNotification', { connectorId, errorCode: 'NoError', status: state, timestamp: now() });
  await status(0, 'Available');
  await status(1, 'Available');
  await pause(800);
  await status(1, 'Preparing');
  await cp.call('Authorize', { idTag: '04A2B3C4' });
  const { transactionId } = await cp.call('StartTransaction', { connectorId: 1, idTag: '04A2B3C4', meterStart: 5000, timestamp: now() });
  await status(1, 'Charging');
  let meter = 5000;
  for (let n = 0; n < 8; n += 1) {
    await pause(1000);
    meter += 3;
    await cp.call('MeterValues', { connectorId: 1, transactionId, meterValue: [{ timestamp: now(), sampledValue: [
      { value: String(meter), context: 'Sample.Periodic', measurand: 'Energy.Active.Import.Register', unit: 'Wh' },
      { value: '11.04', measurand: 'Power.Active.Import', unit: 'kW' }] }] });
  }
  await callsOf['NODE-16'].call('RemoteStopTransaction', { transactionId });
  await pause(100);
  await cp.call('StopTransaction', { transactionId, meterStop: meter, timestamp: now(), reason: 'Remote' });
  await status(1, 'Finishing');
  await pause(1500);
  await status(1, 'Available');
  await pause(300);
  await cp.close({ code: 1000, reason: 'end of the recording' });
}

async function day201() {
  const cp = await station('NODE-201', 'ocpp2.0.1', '192.168.50.13');
  let report;
  cp.handle('GetBaseReport', ({ params }) => { report = params.requestId; return { status: 'Accepted' }; });
  await cp.call('BootNotification', { reason: 'PowerUp', chargingStation: { vendorName: 'Example Node', model: 'EN-22' } });
  await cp.call('SecurityEventNotification', { type: 'StartupOfTheDevice', timestamp: now() });
  const status = (state) => cp.call('StatusNotification', { timestamp: now(), connectorStatus: state, evseId: 1, connectorId: 1 });
  await status('Available');
  await callsOf['NODE-201'].call('GetBaseReport', { requestId: 1, reportBase: 'FullInventory' });
  await cp.call('NotifyReport', { requestId: report, generatedAt: now(), seqNo: 0, tbc: false, reportData: [
    { component: { name: 'ChargingStation' }, variable: { name: 'Model' },
      variableAttribute: [{ type: 'Actual', value: 'EN-22', mutability: 'ReadOnly' }] }] });
  await pause(500);
  const transactionId = 'b5f6ed2e-5d8c-4c53-8c1e-2f2a4d6f9a01';
  const idToken = { idToken: '04A2B3C5', type: 'ISO14443' };
  let seqNo = 0;
  let meter = 77000;
  const energy = (context) => [{ timestamp: now(), sampledValue: [{ value: meter, context, measurand: 'Energy.Active.Import.Register', unitOfMeasure: { unit: 'Wh' } }] }];
  const event = (eventType, triggerReason, chargingState, more = {}, info = {}) => cp.call('TransactionEvent', {
    eventType, timestamp: now(), triggerReason, seqNo: seqNo++, transactionInfo: { transactionId, chargingState, ...info }, ...more });
  await status('Occupied');
  await event('Started', 'CablePluggedIn', 'EVConnected', { evse: { id: 1, connectorId: 1 }, meterValue: energy('Transaction.Begin') });
  await cp.call('Authorize', { idToken });
  await event('Updated', 'Authorized', 'EVConnected', { idToken });
  await event('Updated', 'ChargingStateChanged', 'Charging');
  for (let n = 0; n < 6; n += 1) {
    await pause(1000);
    meter += 4;
    await event('Updated', 'MeterValuePeriodic', 'Charging', { meterValue: energy('Sample.Periodic') });
  }
  await event('Updated', 'StopAuthorized', 'EVConnected', { idToken });
  await pause(700);
  await event('Ended', 'EVCommunicationLost', 'Idle', { meterValue: energy('Transaction.End') }, { stoppedReason: 'Local' });
  await status('Available');
  await pause(300);
  await cp.close({ code: 1000, reason: 'end of the recording' });
}

await Promise.all([day16(), day201()]);
await pause(200);
await server.close();
