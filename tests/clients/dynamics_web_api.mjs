// dynamics-web-api against the simulated Dataverse.
//
// Logs in with client credentials, reads, filters, pages, expands, counts, follows changes,
// writes under ETags and alternate keys, provokes errors, and asserts what comes back.
// Needs dynamics-web-api 2.5.0, found from the working directory (its node_modules).
//
// Environment: DATAVERSE_URL, DATAVERSE_TENANT, DATAVERSE_CLIENT_ID,
// DATAVERSE_CLIENT_SECRET. The environment holds at least 1,000 people. Last line:
// `N operations ok`. Exit code 1 on a failure.

import { randomUUID } from 'node:crypto';
import { createRequire } from 'node:module';
import { join } from 'node:path';

const require = createRequire(join(process.cwd(), 'package.json'));
const { DynamicsWebApi } = require('dynamics-web-api');

const { DATAVERSE_URL: URL, DATAVERSE_TENANT, DATAVERSE_CLIENT_ID, DATAVERSE_CLIENT_SECRET } = process.env;
const JOHN = '49b0be2e-d01c-ed11-b83e-000d3a570000';
const run = randomUUID().slice(0, 8);
let operations = 0;

function done(name, condition, seen) {
  if (!condition) throw new Error(`${name}: not as expected: ${JSON.stringify(seen)}`);
  operations += 1;
  console.log(`ok ${name}`);
}

async function refused(name, status, call, text) {
  let error;
  try {
    await call();
  } catch (thrown) {
    error = thrown;
  }
  const fits = error?.status === status && (!text || error.message.includes(text));
  done(name, fits, { status: error?.status, code: error?.code, message: error?.message });
}

// A batch that ended early: what was done before, and then the refusal.
async function ends(name, before, status, call) {
  let told;
  try {
    await call();
  } catch (thrown) {
    told = thrown;
  }
  const fits = Array.isArray(told) && told.length === before + 1 && told[before].status === status;
  done(name, fits, told);
}

async function token(secret) {
  const body = new URLSearchParams({
    grant_type: 'client_credentials',
    client_id: DATAVERSE_CLIENT_ID,
    client_secret: secret,
    scope: `${URL}/.default`,
  });
  const answer = await fetch(`${URL}/${DATAVERSE_TENANT}/oauth2/v2.0/token`, { method: 'POST', body });
  return { status: answer.status, body: await answer.json() };
}

async function main() {
  const wrong = await token('wrong');
  done('a wrong secret is refused', wrong.status === 401 && wrong.body.error_codes[0] === 7000215, wrong);
  const granted = await token(DATAVERSE_CLIENT_SECRET);
  done('login', granted.body.token_type === 'Bearer' && granted.body.expires_in === 3599, granted);
  const config = { serverUrl: URL, dataApi: { version: '9.2' } };
  const anonymous = new DynamicsWebApi({ ...config, onTokenRefresh: async () => 'none' });
  await refused('a token that is none is refused', 401, () => anonymous.callFunction({ functionName: 'WhoAmI' }));
  const api = new DynamicsWebApi({ ...config, onTokenRefresh: async () => granted.body.access_token });

  const me = await api.callFunction({ functionName: 'WhoAmI' });
  done('who am I', /^[0-9a-f-]{36}$/.test(me.UserId) && me.OrganizationId, me);
  const roles = (select) =>
    api.retrieve({
      collection: 'systemusers',
      key: me.UserId,
      select: ['systemuserid'],
      expand: [{ property: 'systemuserroles_association', select }],
    });
  const own = await roles(['name', '_roletemplateid_value']);
  done('own security roles', own.systemuserid === me.UserId && own.systemuserroles_association[0].name === 'Tieline', own);
  await refused('a role has no such column', 400, () => roles(['nothing']), "'nothing'");
  const john = await api.retrieve({
    collection: 'contacts',
    key: JOHN,
    select: ['fullname', 'telephone1', 'new_tier'],
    expand: [{ property: 'parentcustomerid_account', select: ['name'] }],
    includeAnnotations: '*',
  });
  done('one record', john.fullname === 'John Doe' && john.telephone1 === '(555) 019-9999', john);
  done('over a lookup', john.parentcustomerid_account.name === 'Acme Corporation', john);
  done('a choice has a label', john.new_tier_Formatted === 'Gold' && john.new_tier === 100000002, john);
  await refused('nobody', 404, () => api.retrieve({ collection: 'contacts', key: JOHN.replace('49b', '48b') }), 'Does Not Exist');
  await refused('no such column', 400, () => api.retrieve({ collection: 'contacts', key: JOHN, select: ['nothing'] }), "'nothing'");
  await refused('no such table', 404, () => api.retrieve({ collection: 'contats', key: JOHN }), "segment 'contats'");
  const same = await api.retrieve({ collection: 'contacts', key: JOHN, select: ['fullname'], ifnonematch: john['@odata.etag'] });
  done('not modified', same == null, same ?? null);

  const filter = (text, more) => api.retrieveMultiple({ collection: 'contacts', select: ['fullname'], filter: text, ...more });
  const typed = await filter("telephone1 eq '(555) 019-9999'");
  done('a number as typed', typed.value.length === 1 && typed.value[0].contactid === JOHN, typed);
  const none = await filter("telephone1 eq '+15550199999'");
  done('a typed phone is not its E.164 form', none.value.length === 0, none);
  const both = await filter("startswith(telephone1,'555.019.9999') or emailaddress1 eq 'JOHN.DOE@example.com'");
  done('begins with, or equals in any case', both.value.length === 2, both);
  const quote = await filter("lastname eq 'O''Neil'");
  done('a quote is doubled', quote.value.length === 0, quote);
  const wild = await filter("contains(telephone1,'5%5%5%0%1%9%8')");
  done('wildcards', wild.value.some((one) => one.fullname === 'Maria Garcia'), wild);
  await refused('unlike types are refused', 400, () => filter('telephone1 eq 5'));
  const sorted = await filter(null, { orderBy: ['lastname desc'], top: 3, count: true });
  const names = sorted.value.map((one) => one.fullname.split(' ').pop());
  done('sorted, the first three, and how many', names.length === 3 && names[0] >= names[1] && sorted.oDataCount > 1000, sorted);

  const page = await filter(null, { maxPageSize: 100 });
  done('a page', page.value.length === 100 && page.oDataNextLink.includes('$skiptoken='), page.oDataNextLink);
  const all = await api.retrieveAll({ collection: 'contacts', select: ['fullname'], maxPageSize: 400 });
  const ids = new Set(all.value.map((one) => one.contactid));
  done('all pages', ids.size === all.value.length && ids.size === sorted.oDataCount, ids.size);
  const count = await api.count({ collection: 'contacts' });
  done('count', count === ids.size, count);

  const tracked = await api.retrieveMultiple({ collection: 'leads', select: ['fullname'], trackChanges: true });
  done('changes begin with everything', tracked.value.length > 50 && tracked.oDataDeltaLink, tracked.oDataDeltaLink);
  const lead = await api.create({ collection: 'leads', data: { firstname: 'Ann', lastname: run }, returnRepresentation: true });
  done('made', lead.fullname === `Ann ${run}`, lead);
  const since = await api.retrieveMultiple({ collection: 'leads' }, tracked.oDataDeltaLink);
  done('what came since', since.value.length === 1 && since.value[0].leadid === lead.leadid, since);
  await api.deleteRecord({ collection: 'leads', key: lead.leadid });
  const gone = await api.retrieveMultiple({ collection: 'leads' }, since.oDataDeltaLink);
  done('and what was deleted', gone.value.length === 1 && gone.value[0].reason === 'deleted' && gone.value[0].id === lead.leadid, gone);
  await refused(
    'changes take no filter',
    400,
    () => api.retrieveMultiple({ collection: 'leads', filter: 'statecode eq 0', trackChanges: true }),
  );

  const key = `externaluseridentifier='${run}'`;
  const upsert = (data, more) =>
    api.upsert({ collection: 'contacts', key, data, returnRepresentation: true, select: ['contactid', 'lastname'], ...more });
  const first = await upsert({ lastname: 'One' });
  const second = await upsert({ lastname: 'Two' });
  done('an upsert by an alternate key', first.contactid === second.contactid && second.lastname === 'Two', second);
  done('a version a change', first['@odata.etag'] !== second['@odata.etag'], second);
  const made = await upsert({ lastname: 'Three' }, { ifnonematch: '*' });
  const still = await api.retrieve({ collection: 'contacts', key, select: ['lastname'] });
  done('there already: not changed', made == null && still.lastname === 'Two', { made, still });
  const other = await upsert({ lastname: 'x' }, { key: `externaluseridentifier='${run}-x'`, ifmatch: '*' });
  done('not there: not made', other == null, other ?? null);
  await refused(
    'a key in the body as well',
    400,
    () => upsert({ externaluseridentifier: run, lastname: 'x' }),
  );
  await refused(
    'no alternate key',
    400,
    () => api.upsert({ collection: 'contacts', key: "new_caseref='CAS-00001'", data: { lastname: 'x' } }),
  );
  const stale = await api.update({
    collection: 'contacts', key: first.contactid, data: { lastname: 'Four' }, ifmatch: first['@odata.etag'],
  });
  const kept = await api.retrieve({ collection: 'contacts', key: first.contactid, select: ['lastname'] });
  done('a version that is old changes nothing', stale === false && kept.lastname === 'Two', { stale, kept });
  await refused(
    'too long a text',
    400,
    () => api.update({ collection: 'contacts', key: first.contactid, data: { firstname: 'x'.repeat(51) } }),
    'firstname',
  );
  await refused(
    'the same key twice',
    412,
    () => api.create({ collection: 'contacts', data: { externaluseridentifier: run, lastname: 'x' } }),
    'matching key values',
  );
  const call = await api.create({
    collection: 'phonecalls',
    data: {
      subject: 'A call',
      directioncode: false,
      'regardingobjectid_contact_phonecall@odata.bind': `contacts(${first.contactid})`,
      phonecall_activity_parties: [{ 'partyid_contact@odata.bind': `contacts(${first.contactid})`, participationtypemask: 1 }],
    },
  });
  const regarding = await api.retrieve({ collection: 'phonecalls', key: call, select: ['_regardingobjectid_value', 'statecode'] });
  done('a phone call on a record', regarding._regardingobjectid_value === first.contactid && regarding.statecode === 0, regarding);
  const deleted = await api.deleteRecord({ collection: 'contacts', key: first.contactid });
  await refused('deleted', 404, () => api.retrieve({ collection: 'contacts', key: first.contactid, select: ['lastname'] }));
  done('and told so', deleted === undefined || deleted === null || deleted === true, deleted);

  const keyed = (at) => `externaluseridentifier='${run}-b${at}'`;
  const many = async (rows, more) => {
    api.startBatch();
    for (const row of rows) row();
    return api.executeBatch(more);
  };
  const make = (at, data, more) => () =>
    api.upsert({ collection: 'contacts', key: keyed(at), data, returnRepresentation: true, select: ['contactid', 'lastname'], inChangeSet: false, ...more });
  const whole = await many([make(1, { lastname: 'One' }), make(2, { lastname: 'Two' }), make(3, { lastname: 'Three' })]);
  done('many in one request, answered in their order', whole.map((one) => one.lastname).join() === 'One,Two,Three', whole);
  const held = await many([
    () => api.retrieve({ collection: 'contacts', key: keyed(2), select: ['lastname'] }),
    () => api.count({ collection: 'contacts' }),
  ]);
  done('reading in one request', held[0].lastname === 'Two' && held[1] === count + 3, held);
  const etag = whole[0]['@odata.etag'];
  const some = await many(
    [
      make(1, { lastname: 'Uno' }, { ifmatch: etag }),
      make(2, { nothing: 'x' }),
      make(3, { lastname: 'Tre' }, { ifmatch: etag }),
      make(4, { lastname: 'Four' }),
    ],
    { continueOnError: true },
  );
  const statuses = some.map((one) => one.status ?? one.lastname);
  done('one that is refused spoils no other', statuses.join() === 'Uno,400,412,Four', statuses);
  await ends('without the preference the first refusal ends the batch', 1, 400, () =>
    many([make(5, { lastname: 'Five' }), make(2, { nothing: 'x' }), make(6, { lastname: 'Six' })]),
  );
  const ended = await many(
    [5, 6].map((at) => () => api.retrieve({ collection: 'contacts', key: keyed(at), select: ['lastname'] })),
    { continueOnError: true },
  );
  done('what came before it stays', ended[0].lastname === 'Five' && ended[1].status === 404, ended);
  const set = (data) => () => api.upsert({ collection: 'contacts', key: keyed(data.at), data: { lastname: data.name, ...data.more } });
  await ends('a change set is done as a whole', 0, 400, () =>
    many([set({ at: 1, name: 'x' }), set({ at: 7, name: 'x' }), set({ at: 2, name: 'x', more: { nothing: 1 } })]),
  );
  const undone = await many(
    [1, 7].map((at) => () => api.retrieve({ collection: 'contacts', key: keyed(at), select: ['lastname'] })),
    { continueOnError: true },
  );
  done('or not at all', undone[0].lastname === 'Uno' && undone[1].status === 404, undone);
  await many([set({ at: 1, name: 'Set' }), set({ at: 2, name: 'Set' })]);
  const both2 = await many([1, 2].map((at) => () => api.retrieve({ collection: 'contacts', key: keyed(at), select: ['lastname'] })));
  done('a change set that fits', both2.every((one) => one.lastname === 'Set'), both2);
  await many([1, 2, 3, 4, 5].map((at) => () => api.deleteRecord({ collection: 'contacts', key: keyed(at), inChangeSet: false })));
  const left = await api.count({ collection: 'contacts' });
  done('deleted in one request', left === count, left);

  const columns = await api.retrieveEntities({
    select: ['LogicalName'],
    filter: "LogicalName eq 'contact'",
    expand: [
      { property: 'Attributes', select: ['LogicalName', 'AttributeType'] },
      { property: 'ManyToOneRelationships', select: ['ReferencedEntity', 'ReferencingEntityNavigationPropertyName'] },
    ],
  });
  const kinds = Object.fromEntries(columns.value[0].Attributes.map((one) => [one.LogicalName, one.AttributeType]));
  const ways = columns.value[0].ManyToOneRelationships.map((one) => one.ReferencingEntityNavigationPropertyName);
  done('what its columns are', kinds.lastname === 'String' && kinds.new_tier === 'Picklist' && kinds.parentcustomerid === 'Lookup', kinds);
  done('and its lookups', ways.includes('parentcustomerid_account'), ways);
  const tables = await api.retrieveEntities({ select: ['LogicalName', 'EntitySetName'], filter: "LogicalName eq 'contact'" });
  done('what a table is', tables.value.length === 1 && tables.value[0].EntitySetName === 'contacts', tables);
  console.log(`${operations} operations ok`);
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
