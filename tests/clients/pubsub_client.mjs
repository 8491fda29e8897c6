// salesforce-pubsub-api-client against the simulated Pub/Sub API.
//
// Subscribes over TLS, lets the org change over REST, and asserts the events that the client
// decodes: headers, values, changed and nulled fields, replay and refusals. Needs
// salesforce-pubsub-api-client 5.5.2 and underscore (which it forgets to name), found from the
// working directory (its node_modules).
//
// Environment: SF_URL, SF_CLIENT_ID, SF_CLIENT_SECRET, SF_PUBSUB (host:port with TLS, of a
// certificate that nobody knows). Last line: `N operations ok`. Exit code 1 on a failure.

import { randomUUID } from 'node:crypto';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

const require = createRequire(join(process.cwd(), 'package.json'));
// What Node resolves for `require` is the CommonJS form, whose class stands one step deeper.
const { default: found } = await import(pathToFileURL(require.resolve('salesforce-pubsub-api-client')));
const PubSubApiClient = found.default ?? found;

const { SF_URL, SF_CLIENT_ID, SF_CLIENT_SECRET, SF_PUBSUB } = process.env;
const TOPIC = '/data/ContactChangeEvent';
const SILENT = { debug() {}, info() {}, warn() {}, error() {} };
const run = randomUUID().slice(0, 8);
let operations = 0;

function done(name, condition, seen) {
  if (!condition) {
    const shown = JSON.stringify(seen, (_, value) => (typeof value === 'bigint' ? `${value}` : value));
    throw new Error(`${name}: not as expected: ${shown}`);
  }
  operations += 1;
  console.log(`ok ${name}`);
}

const asked = new URLSearchParams({
  grant_type: 'client_credentials', client_id: SF_CLIENT_ID, client_secret: SF_CLIENT_SECRET,
});
const granted = await (await fetch(`${SF_URL}/services/oauth2/token`, { method: 'POST', body: asked })).json();
const [org, user] = granted.id.split('/').slice(-2);

/** One request of the REST API, with a tag of its own if wanted. */
async function rest(method, path, body, client) {
  const headers = { authorization: `Bearer ${granted.access_token}`, 'content-type': 'application/json' };
  if (client) headers['sforce-call-options'] = `client=${client}`;
  const answer = await fetch(`${SF_URL}/services/data/v67.0/${path}`, {
    method, headers, body: body && JSON.stringify(body),
  });
  const text = await answer.text();
  return text ? JSON.parse(text) : null;
}

async function connect(accessToken = granted.access_token) {
  const client = new PubSubApiClient({
    authType: 'user-supplied', accessToken, instanceUrl: 'https://localhost', organizationId: org,
    pubSubEndpoint: SF_PUBSUB, rejectUnauthorizedSsl: false,
  }, SILENT);
  await client.connect();
  return client;
}

/** What a subscription tells, to be waited for one by one. */
function listener() {
  const told = [];
  const waiting = [];
  const hear = (subscription, kind, data) => {
    told.push({ kind, data, info: subscription });
    for (const wake of waiting.splice(0)) wake();
  };
  const next = async (wanted) => {
    const until = Date.now() + 30_000;
    for (;;) {
      const at = told.findIndex(({ kind }) => wanted.includes(kind));
      if (at >= 0) return told.splice(at, 1)[0];
      const left = until - Date.now();
      if (left <= 0) throw new Error(`nothing of ${wanted} came, but ${JSON.stringify(told.map((one) => one.kind))}`);
      await Promise.race([
        new Promise((wake) => waiting.push(wake)),
        new Promise((wake) => setTimeout(wake, left)),
      ]);
    }
  };
  return { hear, next };
}

async function refused(name, code, accessToken, subscribe) {
  const client = await connect(accessToken);
  const { hear, next } = listener();
  subscribe(client, hear);
  const { data } = await next(['error']);
  const error = data.cause ?? data;
  done(name, error.code === code, { code: error.code, message: error.message });
  client.close();
  return error;
}

const same = (left, right) => JSON.stringify([...left].sort()) === JSON.stringify([...right].sort());

async function main() {
  const client = await connect();
  const { hear, next } = listener();
  client.subscribe(TOPIC, hear);
  const quiet = await next(['grpcKeepalive', 'grpcKeepAlive']);
  done('a quiet subscription is told where it is', quiet.info.lastReplayId > 0, quiet);

  const person = {
    FirstName: 'Ann', LastName: `Lee ${run}`, Email: `ann.${run}@example.com`, Phone: '+1 555 0100', MailingCity: 'Oslo',
    Birthdate: '1990-02-03',
  };
  const { id } = await rest('POST', 'sobjects/Contact', person, `Client-${run}`);
  const created = (await next(['event'])).data;
  const head = created.payload.ChangeEventHeader;
  done('a new record is an event', head.changeType === 'CREATE' && head.entityName === 'Contact' && same(head.recordIds, [id]), head);
  done('who has made it', head.commitUser === user && head.changeOrigin === `com/salesforce/api/rest/67.0;client=Client-${run}`, head);
  done('a transaction has a number, a time and a key',
    Number(head.commitNumber) > 0 && Math.abs(Number(head.commitTimestamp) - Date.now()) < 600_000 && head.transactionKey.length > 0, head);
  done('a new record changes no field', head.changedFields.length === 0 && head.nulledFields.length === 0, head);
  const name = created.payload.Name.PersonName ?? created.payload.Name;
  const city = created.payload.MailingAddress;
  const part = (value) => value?.string ?? value;
  done('plain values', created.payload.Email === person.Email && created.payload.Phone === person.Phone, created.payload);
  done('parts of a name', part(name.FirstName) === 'Ann' && part(name.LastName) === person.LastName, created.payload.Name);
  done('parts of an address', part((city.Address ?? city).City) === 'Oslo', city);
  done('a day', Number(created.payload.Birthdate) === Date.UTC(1990, 1, 3) / 86_400_000, created.payload.Birthdate);

  await rest('PATCH', `sobjects/Contact/${id}`, { FirstName: 'Anna', Phone: null, Department: 'Sales' });
  const updated = (await next(['event'])).data;
  const update = updated.payload.ChangeEventHeader;
  done('an update is an event', update.changeType === 'UPDATE' && update.changeOrigin === 'com/salesforce/api/rest/67.0', update);
  done('changed fields are those that changed',
    same(update.changedFields, ['LastModifiedDate', 'Phone', 'Department', 'Name.FirstName']), update.changedFields);
  done('nulled fields are those that are empty now', same(update.nulledFields, ['Phone']), update.nulledFields);
  done('only what changed has a value',
    updated.payload.Department === 'Sales' && updated.payload.Phone === null && updated.payload.Email === null, updated.payload);

  const pair = { allOrNone: true, records: [
    { attributes: { type: 'Contact' }, LastName: 'Taken back' }, { attributes: { type: 'Contact' }, FirstName: 'No last name' },
  ] };
  await rest('POST', 'composite/sobjects', pair);
  await rest('DELETE', `sobjects/Contact/${id}`);
  const deleted = (await next(['event'])).data;
  const end = deleted.payload.ChangeEventHeader;
  done('what was taken back is no event, and a deletion is one',
    end.changeType === 'DELETE' && same(end.recordIds, [id]) && deleted.payload.Email === null, end);
  done('replay ids go up', created.replayId < updated.replayId && updated.replayId < deleted.replayId, deleted.replayId);
  client.close();

  const omni = await connect();
  const agents = listener();
  omni.subscribe('/data/UserServicePresenceChangeEvent', agents.hear);
  await agents.next(['grpcKeepalive', 'grpcKeepAlive']);
  const play = async (what, body) => {
    const told = await fetch(`${SF_URL}/_sim/omni/${what}`, { method: 'POST', body: JSON.stringify(body) });
    return told.status === 201 ? (await told.json()).id : told.status;
  };
  const agent = await play('agent', { name: `Agent ${run}`, email: `agent.${run}@example.com` });
  await play('status', { user: agent, status: 'Online' });
  const online = (await agents.next(['event'])).data.payload;
  done('who logs in has a new presence',
    online.ChangeEventHeader.changeType === 'CREATE' && online.UserId === agent && online.IsCurrentState === true, online);
  await play('log-out', { user: agent });
  const over = (await agents.next(['event'])).data.payload;
  done('who logs out ends it', same(over.ChangeEventHeader.recordIds, online.ChangeEventHeader.recordIds)
    && over.ChangeEventHeader.changedFields.includes('StatusEndDate') && over.IsCurrentState === false, over);
  omni.close();

  const again = await connect();
  const replay = listener();
  again.subscribeFromReplayId(TOPIC, replay.hear, 1, created.replayId);
  const first = (await replay.next(['event'])).data;
  done('a replay begins after its id', first.replayId === updated.replayId, first.replayId);
  const last = await replay.next(['lastEvent']);
  done('no more comes than was asked for', last.info.receivedEventCount === 1, last.info);
  again.requestAdditionalEvents(TOPIC, 1);
  const second = (await replay.next(['event'])).data;
  done('and more when more is asked for', second.replayId === deleted.replayId, second.replayId);
  again.close();

  const whole = await connect();
  const all = listener();
  whole.subscribeFromEarliestEvent(TOPIC, all.hear, 3);
  const types = [];
  for (let at = 0; at < 3; at += 1) types.push((await all.next(['event'])).data.payload.ChangeEventHeader.changeType);
  done('the earliest events are kept', same(types, ['CREATE', 'UPDATE', 'DELETE']), types);
  whole.close();

  const error = await refused('a replay id that is kept no more', 3, undefined, (one, hear) => one.subscribeFromReplayId(TOPIC, hear, 1, 7));
  const code = error.metadata?.get('error-code')?.[0];
  done('says so by its code', code === 'sfdc.platform.eventbus.grpc.subscription.fetch.replayid.corrupted', code);
  await refused('a topic that is not there', 5, undefined, (one, hear) => one.subscribe('/data/NothingChangeEvent', hear, 1));
  await refused('a session that is none', 16, 'wrong', (one, hear) => one.subscribe(TOPIC, hear, 1));
  console.log(`${operations} operations ok`);
}

main().then(() => process.exit(0), (error) => {
  console.error(error);
  process.exit(1);
});
