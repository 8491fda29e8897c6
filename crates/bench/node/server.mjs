// The caller look-up as a typical integrator writes it from the public guides, written with care:
// one Fastify process, a keep-alive pool to the CRM, prepared statements on SQLite in WAL mode.
//
// POST /api/v1/genesys/lookup: normalise the number, look for an agent's override, ask the CRM within what is left of
// the deadline, upsert the call, answer. Settings come from the environment; `{"url": …}` is printed once it listens.

import { createHmac } from 'node:crypto';
import Fastify from 'fastify';
import { parsePhoneNumberFromString } from 'libphonenumber-js/max';
import { Crm } from './crm.mjs';
import { Store } from './store.mjs';

const settings = {
  port: Number(process.env.PORT ?? 0),
  key: process.env.API_KEY ?? 'demo',
  hashKey: process.env.HASH_KEY ?? 'bench',
  deadlineMs: Number(process.env.DEADLINE_MS ?? 300),
  region: process.env.REGION ?? 'US',
};

const store = new Store({
  file: process.env.DB ?? ':memory:',
  synchronous: process.env.SYNCHRONOUS ?? 'NORMAL',
});
const crm = new Crm({
  url: process.env.CRM_URL,
  clientId: process.env.CRM_CLIENT_ID,
  clientSecret: process.env.CRM_CLIENT_SECRET,
  version: process.env.CRM_VERSION ?? 'v67.0',
  connections: Number(process.env.CRM_CONNECTIONS ?? 128),
});

const body = {
  type: 'object',
  required: ['fromNumber', 'callId'],
  properties: {
    fromNumber: { type: 'string', maxLength: 256 },
    toNumber: { type: 'string', maxLength: 256 },
    callId: { type: 'string', minLength: 1, maxLength: 128 },
    type: { type: 'string', enum: ['inbound', 'outbound'] },
    userId: { type: 'string' },
    queueId: { type: 'string' },
  },
};
const answer = {
  200: {
    type: 'object',
    properties: {
      externalId: { type: 'string' },
      name: { type: 'string' },
      email: { type: 'string' },
      data: { type: 'object', additionalProperties: true },
      status: { type: 'string' },
      source: { type: 'string' },
      asOf: { type: 'string' },
    },
  },
};

function normalise(raw) {
  const cleaned = raw.replace(/^(tel|sips?):/i, '').replace(/[@;].*$/, '');
  const phone = parsePhoneNumberFromString(cleaned, settings.region);
  return phone?.isPossible() ? phone : null;
}

function fallback(number) {
  return 'PHONE:' + createHmac('sha256', settings.hashKey).update(number).digest('hex').slice(0, 32);
}

async function lookUp(call, deadline) {
  const phone = normalise(call.type === 'outbound' ? (call.toNumber ?? '') : call.fromNumber);
  if (!phone) return { externalId: 'UNKNOWN', status: 'unknown', source: 'none', number: null };
  const number = phone.number;
  const override = store.override(number);
  if (override) return { externalId: override.external_id, name: override.name, status: 'hit', source: 'directory', number };
  try {
    const left = deadline - performance.now();
    const contact = await crm.findByPhone(phone, AbortSignal.timeout(Math.max(1, Math.ceil(left))));
    if (!contact) return { externalId: fallback(number), status: 'miss', source: 'crm', number };
    return { externalId: `CRM:${contact.id}`, name: contact.name, email: contact.email, data: contact.data, status: 'hit', source: 'crm', number };
  } catch {
    return { externalId: fallback(number), status: 'partial', source: 'none', number };
  }
}

const app = Fastify({ logger: false, bodyLimit: 64 * 1024 });

app.addHook('onRequest', async (request, reply) => {
  if (request.url === '/healthz') return;
  const given = request.headers['x-api-key'] ?? request.headers.authorization?.replace(/^Bearer /, '');
  if (given !== settings.key) return reply.code(401).send({ error: { code: 'auth.key_wrong' } });
});

app.get('/healthz', async () => 'ok');

app.post('/api/v1/genesys/lookup', { schema: { body, response: answer } }, async (request) => {
  const arrived = performance.now();
  const call = request.body;
  const found = await lookUp(call, arrived + settings.deadlineMs);
  const earlier = store.remember({
    callId: call.callId,
    number: found.number,
    externalId: found.externalId,
    status: found.status,
    source: found.source,
    tookMs: performance.now() - arrived,
  });
  return {
    externalId: found.externalId,
    name: found.name,
    email: found.email,
    data: { ...found.data, previousInteractionCount: earlier },
    status: found.status,
    source: found.source,
    asOf: new Date().toISOString(),
  };
});

await crm.start();
const url = await app.listen({ port: settings.port, host: '127.0.0.1' });
process.stdout.write(JSON.stringify({ url }) + '\n');

for (const signal of ['SIGTERM', 'SIGINT']) {
  process.once(signal, async () => {
    await app.close();
    await crm.stop();
    store.close();
    process.exit(0);
  });
}
