// jsforce against the simulated Salesforce.
//
// Logs in with client credentials, queries, pages, writes, searches, reads limits,
// provokes errors, and asserts what comes back. Needs jsforce 3.10.16, found from the
// working directory (its node_modules).
//
// Environment: SF_URL, SF_CLIENT_ID, SF_CLIENT_SECRET, SF_USERNAME. The org holds at
// least 2,500 people. Last line: `N operations ok`. Exit code 1 on a failure.

import { randomInt, randomUUID } from 'node:crypto';
import { createRequire } from 'node:module';
import { join } from 'node:path';

const require = createRequire(join(process.cwd(), 'package.json'));
const { Connection } = require('jsforce');

const { SF_URL, SF_CLIENT_ID, SF_CLIENT_SECRET, SF_USERNAME } = process.env;
const run = randomUUID().slice(0, 8);
const line = String(randomInt(10_000)).padStart(4, '0');
let operations = 0;

function done(name, condition, seen) {
  if (!condition) throw new Error(`${name}: not as expected: ${JSON.stringify(seen)}`);
  operations += 1;
  console.log(`ok ${name}`);
}

async function refused(name, code, call) {
  let error;
  try {
    await call();
  } catch (thrown) {
    error = thrown;
  }
  done(name, error?.errorCode === code, { code: error?.errorCode, message: error?.message });
}

async function main() {
  const oauth2 = { loginUrl: SF_URL, clientId: SF_CLIENT_ID, clientSecret: SF_CLIENT_SECRET };
  const wrong = new Connection({ oauth2: { ...oauth2, clientSecret: 'wrong' } });
  let error;
  await wrong.authorize({ grant_type: 'client_credentials' }).catch((thrown) => (error = thrown));
  done('a wrong secret is refused', error?.name === 'invalid_client', error?.name);

  const sf = new Connection({ oauth2, instanceUrl: SF_URL, version: '67.0', maxRequest: 4 });
  const user = await sf.authorize({ grant_type: 'client_credentials' });
  done('login', user.id.startsWith('005') && user.organizationId.startsWith('00D'), user);
  const me = await sf.identity();
  done('identity', me.username === SF_USERNAME, me);
  const granted = await sf.oauth2.requestToken({ grant_type: 'client_credentials' });
  done('the scopes of the token', granted.scope.split(' ').includes('api'), granted.scope);
  const may = await sf.query('SELECT PermissionsModifyAllData, PermissionsApiEnabled FROM UserPermissionAccess LIMIT 1');
  const permissions = may.records[0];
  done(
    'own permissions',
    permissions.PermissionsApiEnabled === true && permissions.PermissionsModifyAllData === false,
    may,
  );
  await refused('no such permission', 'INVALID_FIELD', () => sf.query('SELECT PermissionsX FROM UserPermissionAccess'));
  const versions = await sf.request('/services/data');
  done('versions', versions.some((one) => one.version === '67.0'), versions);

  const john = await sf.query("SELECT Id, Name, Account.Name FROM Contact WHERE Phone = '(555) 019-9999'");
  done('query', john.totalSize === 1 && john.records[0].Account.Name === 'Acme Corporation', john);
  const none = await sf.query("SELECT Id FROM Contact WHERE Phone = '+15550199999'");
  done('a typed phone is not its E.164 form', none.totalSize === 0, none);
  const cases = await sf
    .sobject('Contact')
    .find({ Id: john.records[0].Id }, 'Id, Name')
    .include('Cases')
    .select('Case_Ref__c, Status')
    .end()
    .execute();
  done('child records', cases[0].Cases.records[0].Case_Ref__c === 'CASE-99812', cases);
  const count = await sf.query('SELECT COUNT() FROM Contact');
  done('count', count.totalSize > 2000, count);

  const first = await sf.query('SELECT Id FROM Contact');
  const ids = new Set(first.records.map((one) => one.Id));
  let page = first;
  while (!page.done) {
    page = await sf.queryMore(page.nextRecordsUrl);
    page.records.forEach((one) => ids.add(one.Id));
  }
  done('queryMore gives every row once', ids.size === count.totalSize && !first.done, ids.size);
  const all = await sf.query('SELECT Id FROM Contact', { autoFetch: true, maxFetch: 100_000 });
  done('autoFetch', all.records.length === count.totalSize, all.records.length);

  const describe = await sf.describe('Contact');
  const phone = describe.fields.find((field) => field.name === 'Phone');
  done('describe', phone.type === 'phone' && phone.length === 40, phone);
  const global = await sf.describeGlobal();
  done('describeGlobal', global.sobjects.some((one) => one.name === 'Case'), global);

  const typed = `(555) 012-${line}`;
  const external = `js-${run}`;
  const body = { External_Id__c: external, LastName: `O'Brien ${run}`, Phone: typed };
  const once = await sf.sobject('Contact').upsert({ ...body }, 'External_Id__c');
  const again = await sf.sobject('Contact').upsert({ ...body, Title: 'again' }, 'External_Id__c');
  done('upsert creates', once.success && once.created === true, once);
  done('the same upsert changes', again.success && again.created === false && again.id === once.id, again);
  const found = await sf.sobject('Contact').find({ External_Id__c: external });
  done('one record is left', found.length === 1 && found[0].Title === 'again', found);
  const quoted = await sf.sobject('Contact').find({ LastName: body.LastName });
  done('a quote in a literal', quoted.length === 1, quoted);

  const many = await sf.sobject('Contact').create([
    { LastName: `A ${run}`, Email: `a.${run}@example.com` },
    { FirstName: 'no last name' },
  ]);
  done('collections fail one by one', many[0].success && !many[1].success, many);
  done('and say why', many[1].errors[0].statusCode === 'REQUIRED_FIELD_MISSING', many[1]);
  const keyed = [1, 2, 3].map((n) => ({ External_Id__c: `many-${n}-${run}`, LastName: `M ${n}` }));
  const upserted = await sf.sobject('Contact').upsert(keyed, 'External_Id__c');
  done('upsert of many', upserted.every((one) => one.success && one.created), upserted);
  const repeated = await sf.sobject('Contact').upsert(keyed, 'External_Id__c');
  done(
    'and the same again',
    repeated.every((one, n) => !one.created && one.id === upserted[n].id),
    repeated,
  );
  const [one, two, three] = upserted.map((result) => result.id);
  const mixed = await sf.sobject('Contact').update([
    { Id: one, Title: 'changed' },
    { Id: two, Phone: '5'.repeat(41) },
    { Id: three, Title: null },
  ]);
  done('update of many, one by one', `${mixed.map((result) => result.success)}` === 'true,false,true', mixed);
  done('the fault names its field', mixed[1].errors[0].fields[0] === 'Phone', mixed[1]);
  const whole = await sf.sobject('Contact').update(
    [
      { Id: one, Title: 'all' },
      { Id: two, LastName: '' },
    ],
    { allOrNone: true },
  );
  done(
    'all or none',
    whole.every((result) => !result.success) &&
      whole[0].errors[0].statusCode === 'ALL_OR_NONE_OPERATION_ROLLED_BACK',
    whole,
  );
  const kept = await sf.sobject('Contact').retrieve([one, two, three]);
  done('retrieve of many', kept[0].Title === 'changed' && kept[1].LastName === 'M 2', kept);
  await refused('an unknown field refuses the whole request', 'INVALID_FIELD', () =>
    sf.sobject('Contact').update([
      { Id: one, Title: 'not' },
      { Id: two, Foo__c: 'x' },
    ]),
  );
  const removed = await sf.sobject('Contact').destroy([one, two, one]);
  done('destroy of many', `${removed.map((result) => result.success)}` === 'true,true,false', removed);
  done('twice is told', removed[2].errors[0].statusCode === 'ENTITY_IS_DELETED', removed[2]);
  const updated = await sf.sobject('Contact').update({ Id: many[0].id, Title: 'B' });
  done('update', updated.success, updated);
  const record = await sf.sobject('Contact').retrieve(many[0].id);
  done('retrieve', record.Title === 'B' && record.Name === `A ${run}`, record);
  const searched = await sf.search(
    `FIND {555012${line}} IN PHONE FIELDS RETURNING Contact(Id, Name, Phone), Lead(Id)`,
  );
  done('search', searched.searchRecords.some((one) => one.Id === once.id), searched);
  const start = new Date(Date.now() - 600_000);
  const changed = await sf.sobject('Contact').updated(start, new Date(Date.now() + 120_000));
  done('updated', changed.ids.includes(once.id), changed);
  const gone = await sf.sobject('Contact').destroy([many[0].id]);
  done('destroy', gone[0].success, gone);
  await refused('a deleted record says so', 'ENTITY_IS_DELETED', () =>
    sf.sobject('Contact').retrieve(many[0].id),
  );

  const statuses = await sf.query('SELECT Id, DeveloperName, MasterLabel FROM ServicePresenceStatus');
  const status = Object.fromEntries(statuses.records.map((one) => [one.DeveloperName, one.Id]));
  done('presence statuses', status.Online && status.Busy && statuses.totalSize === 6, statuses);
  const joins = await sf.query(
    "SELECT ServiceChannel.DeveloperName FROM ServiceChannelStatus WHERE ServicePresenceStatus.DeveloperName = 'Online'",
  );
  done('the channels of a status', joins.totalSize === 2 && joins.records[0].ServiceChannel.DeveloperName === 'Cases', joins);
  const play = async (what, part) => {
    const answer = await fetch(`${SF_URL}/_sim/omni/${what}`, { method: 'POST', body: JSON.stringify(part) });
    if (!answer.ok) throw new Error(`${what}: ${answer.status}`);
    return answer.status === 201 ? (await answer.json()).id : undefined;
  };
  const agent = await play('agent', { name: `Agent ${run}`, email: `agent.${run}@example.com` });
  await play('status', { user: agent, status: 'Online' });
  const shown = () =>
    sf.sobject('UserServicePresence').find(
      { UserId: agent, IsCurrentState: true },
      'Id, ServicePresenceStatus.DeveloperName, User.Username, StatusStartDate',
    );
  const [presence] = await shown();
  done(
    'what an agent shows',
    presence.ServicePresenceStatus.DeveloperName === 'Online' && presence.User.Username === `agent.${run}@example.com`,
    presence,
  );
  const closed = 'CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY';
  await refused('nobody writes a presence', closed, () =>
    sf.sobject('UserServicePresence').create({ UserId: agent, ServicePresenceStatusId: status.Busy }),
  );
  await refused('or changes one', closed, () =>
    sf.sobject('UserServicePresence').update({ Id: presence.Id, ServicePresenceStatusId: status.Busy }),
  );
  const [after] = await shown();
  done('and nothing came of it', after.Id === presence.Id && after.StatusStartDate === presence.StatusStartDate, after);
  await play('status', { user: agent, status: 'Busy' });
  const ends = await sf.query(
    `SELECT UserId, MAX(StatusEndDate) latest FROM UserServicePresence WHERE UserId = '${agent}' GROUP BY UserId`,
  );
  done('the last end by group', ends.records[0].UserId === agent && ends.records[0].latest !== null, ends);

  const limits = await sf.limits();
  done('limits', limits.DailyApiRequests.Remaining < limits.DailyApiRequests.Max, limits);
  done('limit header', sf.limitInfo.apiUsage.used > 0, sf.limitInfo);
  await refused('a bad escape', 'MALFORMED_QUERY', () =>
    sf.query("SELECT Id FROM Contact WHERE Name = 'a\\q'"),
  );
  await refused('an unknown field', 'INVALID_FIELD', () => sf.query('SELECT Foo FROM Contact'));
  await refused('an unknown object', 'INVALID_TYPE', () => sf.query('SELECT Id FROM Foo'));
  await refused('too long a phone', 'STRING_TOO_LONG', () =>
    sf.sobject('Contact').create({ LastName: 'x', Phone: '5'.repeat(41) }),
  );
  const stranger = new Connection({ instanceUrl: SF_URL, accessToken: '00D!none', version: '67.0' });
  await refused('an unknown token', 'INVALID_SESSION_ID', () => stranger.query('SELECT Id FROM User'));
}

main()
  .then(() => console.log(`${operations} operations ok`))
  .catch((error) => {
    console.error(error);
    process.exitCode = 1;
  });
