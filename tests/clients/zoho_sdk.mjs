// Zoho's own SDK for Node (API version 8) against the simulated Zoho CRM.
//
// Logs in by refresh token (as multipart, which is what the SDK sends), queries, lists,
// searches, creates, changes, upserts and deletes records, provokes errors, and asserts what
// comes back. Needs @zohocrm/nodejs-sdk-8.0 2.0.0.
//
// Environment: ZOHO_URL, ZOHO_CLIENT_ID, ZOHO_CLIENT_SECRET, ZOHO_REFRESH_TOKEN. The
// organization holds at least 300 people. Last line: `N operations ok`.

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

const require = createRequire(`${process.cwd()}/`);
const zoho = await import(pathToFileURL(require.resolve('@zohocrm/nodejs-sdk-8.0')));
const { Record, Coql, ParameterMap, HeaderMap } = zoho;

const url = process.env.ZOHO_URL;
// The SDK keeps its token and what it learned of the modules in files.
const folder = mkdtempSync(join(tmpdir(), 'tieline-zoho-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
const token = new zoho.OAuthBuilder()
  .clientId(process.env.ZOHO_CLIENT_ID)
  .clientSecret(process.env.ZOHO_CLIENT_SECRET)
  .refreshToken(process.env.ZOHO_REFRESH_TOKEN)
  .build();
const builder = await new zoho.InitializeBuilder();
await builder
  .environment(new zoho.Environment(url, `${url}/oauth/v2/token`, url))
  .token(token)
  .store(new zoho.FileStore(join(folder, 'tokens.txt')))
  .resourcePath(folder)
  .initialize();

let operations = 0;
function done(name) {
  operations += 1;
  console.log(`ok ${name}`);
}

async function coql(query) {
  const body = new Coql.BodyWrapper();
  body.setSelectQuery(query);
  return new Coql.CoqlOperations().getRecords(body);
}

function code(exception) {
  return exception.getCode().getValue();
}

function parameters(pairs) {
  const map = new ParameterMap();
  return Promise.all(pairs.map(([name, value]) => map.add(name, value))).then(() => map);
}

function body(values, more = (wrapper) => wrapper) {
  const record = new Record.Record();
  for (const [name, value] of Object.entries(values)) record.addKeyValue(name, value);
  const wrapper = new Record.BodyWrapper();
  wrapper.setData([record]);
  wrapper.setTrigger([]);
  more(wrapper);
  return wrapper;
}

const contacts = new Record.RecordOperations('Contacts');
const leads = new Record.RecordOperations('Leads');

// COQL
let answer = await coql("select Last_Name, Email, Phone, Account_Name.Account_Name from Contacts where Email = 'john.doe@example.com' limit 5");
assert.equal(answer.getStatusCode(), 200);
const john = answer.getObject().getData()[0];
assert.equal(john.getKeyValue('Phone'), '(555) 019-9999');
assert.equal(john.getKeyValue('Account_Name.Account_Name'), 'Acme Corporation');
assert.equal(answer.getObject().getInfo().getMoreRecords(), false);
done('COQL, with a field of a related record');

answer = await coql("select Last_Name from Contacts where Last_Name = 'O''Nobody'");
assert.equal(answer.getStatusCode(), 204);
done('COQL: nobody, with a quote in the name');

answer = await coql("select Last_Name from Contacts where ((Phone in ('(555) 019-9999', '555.019.9999 x12') or Mobile = 'x') or Email like '%@nowhere.invalid') order by Last_Name desc");
assert.deepEqual(answer.getObject().getData().map((row) => row.getKeyValue('Last_Name')), ['Smith', 'Doe']);
done('COQL: criteria in pairs, in order');

for (const [query, expected] of [
  ['select Last_Name from Contacts where id is not null and Email is not null and Phone is not null', 'SYNTAX_ERROR'],
  ['select Last_Name from Contacts', 'SYNTAX_ERROR'],
  ['select No_Such from Contacts where id is not null', 'INVALID_QUERY'],
  ["select Last_Name from Contacts where Description = 'x'", 'INVALID_QUERY'],
  ['select Last_Name from Nothing where id is not null', 'INVALID_MODULE'],
  ['select Last_Name from Contacts where id is not null limit 2001', 'LIMIT_EXCEEDED'],
]) {
  answer = await coql(query);
  assert.equal(answer.getStatusCode(), 400, query);
  assert.equal(code(answer.getObject()), expected, query);
}
done('COQL: what is refused, and by which code');

// Lists and the search
const listed = [];
for (let page = 1; page <= 2; page += 1) {
  const wanted = await parameters([
    [Record.GetRecordsParam.FIELDS, 'Last_Name,Email'], [Record.GetRecordsParam.PAGE, page],
    [Record.GetRecordsParam.PER_PAGE, 100], [Record.GetRecordsParam.SORT_BY, 'id'],
    [Record.GetRecordsParam.SORT_ORDER, 'asc'],
  ]);
  answer = await contacts.getRecords(wanted, new HeaderMap());
  assert.equal(answer.getObject().getInfo().getPerPage(), 100);
  listed.push(...answer.getObject().getData().map((row) => row.getId()));
}
assert.equal(new Set(listed.map(String)).size, 200);
done('pages of a list');

answer = await contacts.getRecords(new ParameterMap(), new HeaderMap());
assert.equal(answer.getStatusCode(), 400);
assert.equal(code(answer.getObject()), 'REQUIRED_PARAM_MISSING');
done('a list without fields is refused');

answer = await contacts.searchRecords(await parameters([[Record.SearchRecordsParam.PHONE, '5550199999']]), new HeaderMap());
assert.deepEqual(answer.getObject().getData().map((row) => row.getKeyValue('Last_Name')).sort(), ['Doe', 'Smith']);
done('search by phone, in whatever form');

answer = await leads.searchRecords(await parameters([[Record.SearchRecordsParam.CRITERIA, '((Last_Name:equals:Garcia)and(Company:starts_with:Acme))']]), new HeaderMap());
const maria = answer.getObject().getData()[0];
assert.equal(maria.getKeyValue('First_Name'), 'Maria');
done('search by criteria');

// Changes
const made = await contacts.createRecords(body({ Last_Name: 'Lovelace', First_Name: 'Ada', Email: 'ada@example.com' }), new HeaderMap());
assert.equal(made.getStatusCode(), 201);
const created = made.getObject().getData()[0];
assert.ok(created instanceof Record.SuccessResponse);
const id = BigInt(created.getDetails().get('id'));
assert.ok(created.getDetails().get('Modified_Time') instanceof Date);
done('create');

const fields = await parameters([[Record.GetRecordParam.FIELDS, 'Full_Name,Modified_By,Created_Time']]);
answer = await contacts.getRecord(id, fields, new HeaderMap());
const ada = answer.getObject().getData()[0];
assert.equal(ada.getKeyValue('Full_Name'), 'Ada Lovelace');
assert.equal(ada.getModifiedBy().getName(), 'Tieline Integration');
assert.ok(ada.getCreatedTime() instanceof Date);
done('read one');

answer = await contacts.updateRecord(id, body({ Mobile: '+1 555 019 0001' }), new HeaderMap());
assert.equal(answer.getStatusCode(), 200);
answer = await coql(`select First_Name, Mobile from Contacts where id = '${id}'`);
assert.equal(answer.getObject().getData()[0].getKeyValue('First_Name'), 'Ada');
assert.equal(answer.getObject().getData()[0].getKeyValue('Mobile'), '+1 555 019 0001');
done('update leaves the rest alone');

const keyed = (wrapper) => wrapper.setDuplicateCheckFields(['Email']);
answer = await contacts.upsertRecords(body({ Last_Name: 'King', Email: 'ada@example.com' }, keyed), new HeaderMap());
let outcome = answer.getObject().getData()[0];
assert.equal(outcome.getAction().getValue(), 'update');
assert.equal(outcome.getDuplicateField(), 'Email');
assert.equal(String(outcome.getDetails().get('id')), String(id));
answer = await contacts.upsertRecords(body({ Last_Name: 'New', Email: 'new@example.com' }, keyed), new HeaderMap());
outcome = answer.getObject().getData()[0];
assert.equal(outcome.getAction().getValue(), 'insert');
done('upsert: one that is there, and one that is not');

answer = await leads.createRecords(body({ First_Name: 'Nobody' }), new HeaderMap());
assert.equal(answer.getStatusCode(), 400);
outcome = answer.getObject().getData()[0];
assert.ok(outcome instanceof Record.APIException);
assert.equal(code(outcome), 'MANDATORY_NOT_FOUND');
assert.equal(outcome.getDetails().get('api_name'), 'Last_Name');
done('what is mandatory is told by name');

const two = body({ Last_Name: 'One' });
two.getData().push(new Record.Record());
answer = await leads.createRecords(two, new HeaderMap());
assert.equal(answer.getStatusCode(), 207);
assert.deepEqual(answer.getObject().getData().map((row) => row.getStatus().getValue()), ['success', 'error']);
done('one of two is written (207)');

const couple = body({ Last_Name: 'First' });
couple.getData().push(...body({ Last_Name: 'Second' }).getData());
answer = await contacts.createRecords(couple, new HeaderMap());
const ids = answer.getObject().getData().map((row) => BigInt(row.getDetails().get('id')));
const changes = body({ Title: 'Chief' });
changes.getData()[0].setId(ids[0]);
for (const other of [1n, ids[1]]) {
  const [row] = body({ Title: 'Deputy' }).getData();
  row.setId(other);
  changes.getData().push(row);
}
answer = await contacts.updateRecords(changes, new HeaderMap());
assert.equal(answer.getStatusCode(), 207);
assert.deepEqual(answer.getObject().getData().map((row) => row.getStatus().getValue()), ['success', 'error', 'success']);
done('many are changed, and who was not there is told in its place');
answer = await contacts.deleteRecords(
  await parameters([[Record.DeleteRecordsParam.IDS, `${ids[0]},1,${ids[1]}`]]), new HeaderMap());
assert.deepEqual(answer.getObject().getData().map((row) => row.getStatus().getValue()), ['success', 'error', 'success']);
done('many are deleted');

answer = await contacts.deleteRecord(id, new ParameterMap(), new HeaderMap());
assert.equal(answer.getObject().getData()[0].getMessage().getValue?.() ?? answer.getObject().getData()[0].getMessage(), 'record deleted');
answer = await contacts.getRecord(id, fields, new HeaderMap());
assert.equal(answer.getStatusCode(), 204);
answer = await contacts.getDeletedRecords(await parameters([[Record.GetDeletedRecordsParam.TYPE, 'all']]), new HeaderMap());
assert.ok(answer.getObject().getData().some((row) => String(row.getId()) === String(id) && row.getDeletedTime() instanceof Date));
done('what was deleted has a list of its own');

console.log(`${operations} operations ok`);
