// HubSpot's own client for Node against the simulated HubSpot.
//
// Logs in by service key and by refresh token, creates, reads, changes, searches, pages,
// merges, ties and archives records, provokes errors, and asserts what comes back. Needs
// @hubspot/api-client 13.5.0.
//
// Environment: HUBSPOT_URL, HUBSPOT_SERVICE_KEY, HUBSPOT_CLIENT_ID, HUBSPOT_CLIENT_SECRET,
// HUBSPOT_REFRESH_TOKEN. The account holds at least 300 people. Last line: `N operations ok`.

import assert from 'node:assert/strict';
import { createRequire } from 'node:module';

const require = createRequire(`${process.cwd()}/`);
const { Client } = require('@hubspot/api-client');

const url = process.env.HUBSPOT_URL;
const hubspot = new Client({ accessToken: process.env.HUBSPOT_SERVICE_KEY, basePath: url });
const { contacts, companies, objects } = hubspot.crm;
let operations = 0;

function done(name) {
  operations += 1;
  console.log(`ok ${name}`);
}

async function refused(name, status, category, call) {
  const error = await call().then(() => null, (error) => error);
  assert.ok(error, `${name}: was not refused`);
  assert.equal(error.code, status, name);
  assert.equal(error.body.category, category, name);
  done(name);
}

/** Five searches a second are allowed. */
let searches = [];
async function paced() {
  const now = Date.now();
  searches = searches.filter((at) => now - at < 1100);
  if (searches.length >= 4) {
    await new Promise((resolve) => setTimeout(resolve, 1100 - (now - searches[0])));
  }
  searches.push(Date.now());
}

async function search(api, filterGroups, more = {}) {
  await paced();
  return api.searchApi.doSearch({
    filterGroups, properties: ['email', 'phone', 'lastname'], limit: 10, after: '0', sorts: [], ...more,
  });
}

const one = (propertyName, operator, value) => ({ filters: [{ propertyName, operator, value }] });

// Who is there
const john = (await search(contacts, [one('email', 'EQ', 'john.doe@example.com')])).results[0];
assert.equal(john.properties.lastname, 'Doe');
assert.equal(john.archived, false);
assert.ok(john.updatedAt instanceof Date && !Number.isNaN(john.updatedAt.valueOf()));
done('search by e-mail');

const both = await search(contacts, [
  one('hs_searchable_calculated_phone_number', 'EQ', '5550199999'),
  { filters: [{ propertyName: 'mobilephone', operator: 'IN', values: ['+15550199999'] }] },
]);
assert.deepEqual(both.results.map((r) => r.properties.lastname).sort(), ['Doe', 'Smith']);
assert.equal(both.total, 2);
done('search by the digits of a number, in groups');

const pages = [];
let after = '0';
for (let page = 0; page < 3; page += 1) {
  const found = await search(contacts, [one('lastname', 'HAS_PROPERTY')], { limit: 100, after, sorts: ['hs_object_id'] });
  pages.push(...found.results.map((r) => Number(r.id)));
  assert.ok(found.total >= 300);
  after = found.paging.next.after;
}
assert.equal(new Set(pages).size, 300);
assert.deepEqual(pages, [...pages].sort((a, b) => a - b));
done('pages of a search, in order');

await refused('a search beyond ten thousand', 400, 'VALIDATION_ERROR', () => search(contacts, [], { after: '10000' }));
await refused('too many groups', 400, 'VALIDATION_ERROR',
  () => search(contacts, Array.from({ length: 6 }, () => one('email', 'EQ', 'x'))));
await refused('a property that is none, in a filter', 400, 'VALIDATION_ERROR',
  () => search(contacts, [one('no_such_property', 'EQ', 'x')]));

const partial = await contacts.batchApi.read({
  idProperty: 'email',
  inputs: [{ id: 'john.doe@example.com' }, { id: 'nobody@example.com' }],
  properties: ['email'], propertiesWithHistory: [],
});
assert.equal(partial.status, 'COMPLETE');
assert.equal(partial.results.length, 1);
assert.equal(partial.numErrors, 1);
assert.equal(partial.errors[0].category, 'OBJECT_NOT_FOUND');
assert.deepEqual(partial.errors[0].context.ids, ['nobody@example.com']);
done('a batch of which a part is there');

const byEmail = await contacts.basicApi.getById('jane.smith@example.com', ['phone', 'no_such'], undefined, undefined, false, 'email');
assert.equal(byEmail.properties.phone, '555.019.9999 x12');
done('read by e-mail; a property that is none is passed over');

// Changes
const made = await contacts.basicApi.create({
  properties: { email: 'Ada@Example.com', firstname: 'Ada', lastname: 'Byron', phone: '+44 20 7946 0018' },
  associations: [],
});
assert.ok(Number(made.id) > 0);
done('create');
await refused('the same e-mail twice', 409, 'CONFLICT',
  () => contacts.basicApi.create({ properties: { email: 'ada@example.com' }, associations: [] }));
await refused('a property that is none, in a write', 400, 'VALIDATION_ERROR',
  () => contacts.basicApi.create({ properties: { no_such: 'x' }, associations: [] }));

const found = await search(contacts, [one('hs_searchable_calculated_international_phone_number', 'EQ', '442079460018')]);
assert.equal(found.results[0].id, made.id);
done('a number is found by its digits with country code');

const changed = await contacts.basicApi.update(made.id, { properties: { lastname: 'Lovelace', phone: '' } });
assert.equal(changed.properties.lastname, 'Lovelace');
assert.ok(changed.updatedAt > made.updatedAt);
const reread = await contacts.basicApi.getById(made.id, ['phone', 'firstname']);
assert.equal(reread.properties.phone, null);
assert.equal(reread.properties.firstname, 'Ada');
done('update leaves the rest alone, and an empty text empties');

const input = { idProperty: 'external_number', id: 'X-1', properties: { lastname: 'Upsert' } };
const first = await contacts.batchApi.upsert({ inputs: [input] });
const second = await contacts.batchApi.upsert({ inputs: [{ ...input, properties: { firstname: 'Twice' } }] });
assert.equal(first.results[0]._new, true);
assert.equal(second.results[0]._new, false);
assert.equal(second.results[0].id, first.results[0].id);
assert.equal(second.results[0].properties.lastname, 'Upsert');
done('upsert by a unique property, twice');
await refused('upsert by a property that is not unique', 400, 'VALIDATION_ERROR',
  () => contacts.batchApi.upsert({ inputs: [{ ...input, idProperty: 'lastname' }] }));
const batch = [0, 1, 2].map((n) => ({
  idProperty: 'external_number', id: `M-${n}`, objectWriteTraceId: `t${n}`, properties: { lastname: `Many ${n}` },
}));
const made3 = (await contacts.batchApi.upsert({ inputs: batch })).results;
const idOf = (n) => made3.find((one) => one.properties.external_number === `M-${n}`).id;
const several = await contacts.batchApi.update({ inputs: [
  { id: idOf(0), objectWriteTraceId: 't0', properties: { jobtitle: 'Chief' } },
  { id: '999999999999', objectWriteTraceId: 't1', properties: { jobtitle: 'Nobody' } },
  { id: idOf(2), objectWriteTraceId: 't2', properties: { jobtitle: '' } },
] });
assert.deepEqual(several.results.map((one) => one.id).sort(), [idOf(0), idOf(2)].sort());
assert.equal(several.numErrors, 1);
assert.equal(several.errors[0].category, 'OBJECT_NOT_FOUND');
assert.deepEqual(several.errors[0].context.objectWriteTraceId, ['t1']);
done('a batch of changes tells who was not there');
await contacts.batchApi.archive({ inputs: [0, 1, 2].map((n) => ({ id: idOf(n) })) });
const remaining = await contacts.batchApi.read({ inputs: [{ id: idOf(0) }], properties: [], propertiesWithHistory: [] });
assert.equal(remaining.results.length, 0);
done('a batch is archived');

// Calls
const call = await objects.calls.basicApi.create({
  properties: { hs_timestamp: '2026-11-21T20:15:00.000Z', hs_call_title: 'A call', tieline_call_id: 'sdk-1' },
  associations: [{ to: { id: made.id }, types: [{ associationCategory: 'HUBSPOT_DEFINED', associationTypeId: 194 }] }],
});
const tied = await objects.calls.basicApi.getById(call.id, ['hs_call_title'], undefined, ['contacts']);
assert.deepEqual(tied.associations.contacts.results.map((r) => r.id), [made.id]);
done('a call is tied to its contact');

await hubspot.crm.associations.v4.basicApi.createDefault('calls', call.id, 'contacts', john.id);
await hubspot.crm.associations.v4.basicApi.archive('calls', call.id, 'contacts', made.id);
const moved = await objects.calls.basicApi.getById(call.id, [], undefined, ['contacts']);
assert.deepEqual(moved.associations.contacts.results.map((r) => r.id), [john.id]);
done('a call is tied to somebody else');

// Merges and deletions
const merged = await contacts.basicApi.merge({ primaryObjectId: made.id, objectIdToMerge: first.results[0].id });
assert.equal(merged.id, made.id);
const followed = await contacts.basicApi.getById(first.results[0].id, ['hs_merged_object_ids']);
assert.equal(followed.id, made.id);
assert.ok(followed.properties.hs_merged_object_ids.split(';').includes(first.results[0].id));
done('who was merged away answers as who stayed');

await contacts.basicApi.archive(made.id);
await refused('an archived record', 404, 'OBJECT_NOT_FOUND', () => contacts.basicApi.getById(made.id));
const archived = await contacts.basicApi.getPage(100, undefined, undefined, undefined, undefined, true);
assert.ok(archived.results.some((r) => r.id === made.id && r.archivedAt instanceof Date));
done('archived records have a list of their own');

const company = (await search(companies, [one('name', 'EQ', 'Acme Corporation')], { properties: ['name', 'erp_number'] })).results[0];
const keyed = await companies.basicApi.getById(company.properties.erp_number, ['name'], undefined, undefined, false, 'erp_number');
assert.equal(keyed.id, company.id);
done('a company by a unique property');

const property = await hubspot.crm.properties.coreApi.getByName('calls', 'tieline_call_id');
assert.equal(property.hasUniqueValue, true);
done('a property is described');

// Logging in
const { HUBSPOT_CLIENT_ID: id, HUBSPOT_CLIENT_SECRET: secret, HUBSPOT_REFRESH_TOKEN: refresh } = process.env;
const open = new Client({ basePath: url });
const token = await open.oauth.tokensApi.create('refresh_token', undefined, undefined, id, secret, refresh);
assert.equal(token.tokenType, 'bearer');
assert.equal(token.refreshToken, refresh);
const byToken = new Client({ accessToken: token.accessToken, basePath: url });
assert.equal((await byToken.crm.contacts.basicApi.getById(john.id)).id, john.id);
done('by refresh token');
const bad = await open.oauth.tokensApi.create('refresh_token', undefined, undefined, id, secret, 'wrong').catch((e) => e);
assert.equal(bad.code, 400);
assert.equal(bad.body.status, 'BAD_REFRESH_TOKEN');
done('a wrong refresh token');
const stranger = new Client({ accessToken: 'pat-na1-wrong', basePath: url });
await refused('a wrong key', 401, 'INVALID_AUTHENTICATION', () => stranger.crm.contacts.basicApi.getById(john.id));

console.log(`${operations} operations ok`);
