// Genesys' own JavaScript SDK against the simulated Genesys Cloud.
//
// Logs in, writes, finds, enriches and merges contacts, and updates a call, and
// asserts what comes back. Needs purecloud-platform-client-v2 262.0.0, found from
// the working directory (its node_modules).
//
// Environment: GC_URL, GC_CLIENT_ID, GC_CLIENT_SECRET, GC_WIDGET_ID, GC_CONVERSATION
// (the id of a call in progress). Last line: `N operations ok`. Exit code 1 on a failure.

import { randomInt, randomUUID } from 'node:crypto';
import { createRequire } from 'node:module';
import { join } from 'node:path';

const require = createRequire(join(process.cwd(), 'package.json'));
const gc = require('purecloud-platform-client-v2');

const run = randomUUID().slice(0, 8);
const digits = String(randomInt(10_000_000)).padStart(7, '0');
const phone = `+1557${digits}`;
const otherPhone = `+1558${digits}`;
let operations = 0;

function done(name, condition, seen) {
  if (!condition) throw new Error(`${name}: not as expected: ${JSON.stringify(seen)}`);
  operations += 1;
  console.log(`ok ${name}`);
}

async function refused(name, status, code, call) {
  let error;
  try {
    await call();
  } catch (thrown) {
    error = thrown;
  }
  done(name, error?.status === status && error?.code === code, error);
}

const byPhone = (value) => ({ type: 'Phone', value });
const byId = (source, value) => ({ type: 'ExternalId', value, externalSource: { id: source } });
const contact = (firstName, source, value, display) => ({
  firstName,
  lastName: `Test ${run}`,
  ...(display && { cellPhone: { display } }),
  externalIds: [{ externalSource: { id: source }, value }],
});
const enrichment = (source, value, first, more = {}) => ({
  action: 'Upsert',
  matchingIdentifiers: [byId(source, value)],
  contact: contact(first, source, value, more.phone),
  ...(more.tracker && { id: more.tracker }),
});

async function login() {
  const url = new URL(process.env.GC_URL);
  const client = gc.ApiClient.instance;
  client.setGateway({ host: url.hostname, protocol: 'http', port: Number(url.port) });
  const granted = await client.loginClientCredentialsGrant(process.env.GC_CLIENT_ID, process.env.GC_CLIENT_SECRET);
  done('login', granted.accessToken, granted);
  const me = await new gc.TokensApi().getTokensMe();
  done('token', me.OAuthClient.id === process.env.GC_CLIENT_ID, me);
  const organization = await new gc.OrganizationApi().getOrganizationsMe();
  done('organization', organization.state === 'active', organization);
  const queues = await new gc.RoutingApi().getRoutingQueues({ pageSize: 1 });
  done('queues', queues.total >= 1 && queues.entities.length === 1, queues);
  const api = new gc.ArchitectApi();
  const ivrs = await api.getArchitectIvrs({ dnis: '+15550190002' });
  done('IVR by number', ivrs.entities.length === 1 && ivrs.entities[0].name === 'Billing menu', ivrs);
  const prompts = await api.getArchitectPrompts({ name: ['Welcome'] });
  done('prompt by name', prompts.total === 1 && prompts.entities[0].resources.length === 1, prompts);
}

async function writeAndFind(api) {
  const source = await api.postExternalcontactsExternalsources({ name: `CRM ${run}` });
  done('create external source', source.name === `CRM ${run}`, source);
  const created = await api.postExternalcontactsContacts(contact('Ada', source.id, '003', phone));
  done('create contact', created.type === 'Curated' && created.cellPhone.e164 === phone, created);
  const read = await api.getExternalcontactsContact(created.id, { expand: ['identifiers', 'externalSources'] });
  done('read contact', read.identifiers.length === 2, read);
  done('expand sources', read.externalIds[0].externalSource.name === source.name, read);
  const identifiers = await api.getExternalcontactsContactIdentifiers(created.id);
  done('list identifiers', identifiers.entities.some((one) => one.value === phone), identifiers);
  const found = await api.postExternalcontactsIdentifierlookupContacts(byPhone(phone));
  done('lookup by phone', found.id === created.id, found);
  await refused('lookup of an unknown phone', 404, 'not.found', () =>
    api.postExternalcontactsIdentifierlookupContacts(byPhone('+15559999999')));
  const listed = await api.getExternalcontactsContacts({ q: run });
  done('search contacts', listed.total === 1, listed);
  const reverse = await api.getExternalcontactsReversewhitepageslookup(phone);
  done('reverse lookup', reverse.contacts[0].id === created.id, reverse);
  const scanned = await api.getExternalcontactsScanContacts({ limit: 200 });
  done('scan', scanned.entities.some((one) => one.id === created.id), scanned);
  return [source.id, created.id];
}

async function enrichAndMerge(api, source, first) {
  const one = await api.postExternalcontactsContactsEnrich(enrichment(source, '100', 'Grace', { phone: otherPhone }));
  const two = await api.postExternalcontactsContactsEnrich(enrichment(source, '100', 'Grace B.'));
  done('enrich twice leaves one contact', one.id === two.id && two.firstName === 'Grace B.', two);
  const planned = await api.postExternalcontactsContactsEnrich(enrichment(source, '101', 'Nobody'), { dryRun: true });
  done('dry run', planned.firstName === 'Nobody', planned);
  await refused('a dry run leaves nothing', 404, 'not.found', () =>
    api.postExternalcontactsIdentifierlookupContacts(byId(source, '101')));
  const entities = [0, 1, 2].map((n) => enrichment(source, String(200 + n), `Bulk ${n}`, { tracker: `t${n}` }));
  entities[1].action = 'Update';
  const bulk = await api.postExternalcontactsBulkContactsEnrich({ entities });
  const ok = bulk.results.find((result) => result.id === 't0');
  const failed = bulk.results[bulk.errorIndexes[0]];
  done('bulk enrich', ok.success && ok.entity.firstName === 'Bulk 0', bulk);
  done('bulk enrich tells its error', failed.id === 't1' && failed.error.status === 404, failed);

  const merged = await api.postExternalcontactsContactsMerge({ contactIds: [first, two.id] });
  done('merge', merged.mergeSet.length === 3, merged);
  const redirected = await api.getExternalcontactsContact(first);
  done('read of a merged id', redirected.id === merged.id, redirected);
  const found = await api.postExternalcontactsIdentifierlookupContacts(byPhone(otherPhone));
  done('lookup after merge', found.id === merged.id, found);
  const fetched = await api.postExternalcontactsBulkContacts({ entities: [{ id: first }, { id: merged.id }] });
  done('bulk fetch', fetched.results.every((result) => result.entity.id === merged.id), fetched);
  return merged.id;
}

async function inBulk(api, source, merged, ancestor) {
  const people = [0, 1, 2].map((n) => contact(`Many ${n}`, source, String(300 + n)));
  people[1].workEmail = 'no address';
  const added = await api.postExternalcontactsBulkContactsAdd({ entities: people });
  const good = added.results.filter((result) => result.success).map((result) => result.entity);
  good.sort((one, two) => one.firstName.localeCompare(two.firstName));
  done('bulk add', good.length === 2 && added.errorCount === 1, added);
  const { error } = added.results[added.errorIndexes[0]];
  done('bulk add tells the field', error.details[0].fieldName === 'workEmail', error);
  const asked = [good[0].id, good[1].id, ancestor];
  const fetched = await api.postExternalcontactsBulkContacts({ entities: asked.map((id) => ({ id })) });
  const of = (answer, id) => answer.results.find((result) => result.id === id);
  done('an ancestor is its canonical contact', of(fetched, ancestor).entity.id === merged, fetched);
  done('in another order', fetched.results.map((result) => result.id).join() !== asked.join(), fetched);
  const nobody = randomUUID();
  const updated = await api.postExternalcontactsBulkContactsUpdate({
    entities: [{ ...of(fetched, asked[0]).entity, title: 'Dr' }, { id: nobody, firstName: 'Nobody' }],
  });
  done('bulk update', of(updated, asked[0]).entity.title === 'Dr', updated);
  done('bulk update of nobody', of(updated, nobody).error.status === 404, updated);
  const removed = await api.postExternalcontactsBulkContactsRemove({ entities: asked.slice(0, 2).map((id) => ({ id })) });
  done('bulk remove', removed.errorCount === 0 && removed.results.length === 2, removed);
}

async function organizations(api, source) {
  const externalIds = [{ externalSource: { id: source }, value: '001' }];
  const matchingIdentifiers = [{ type: 'ExternalId', value: '001', externalSource: { id: source } }];
  const externalOrganization = { name: `Acme ${run}`, externalIds };
  const request = { id: 't', action: 'Upsert', matchingIdentifiers, externalOrganization };
  const bulk = await api.postExternalcontactsBulkOrganizationsEnrich({ entities: [request] });
  const acme = bulk.results[0].entity;
  done('bulk enrich of organizations', bulk.results[0].id === 't' && acme.name === `Acme ${run}`, bulk);
  const found = await api.postExternalcontactsIdentifierlookupOrganizations(matchingIdentifiers[0]);
  done('lookup of an organization', found.id === acme.id, found);
  const scanned = await api.getExternalcontactsScanOrganizations({ limit: 200 });
  done('scan of organizations', scanned.entities.some((one) => one.id === acme.id), scanned);
  const tied = await api.postExternalcontactsContacts({ firstName: 'Tied', externalOrganization: { id: acme.id } });
  done('tied to it', tied.externalOrganization.id === acme.id, tied);
  await refused('an organization that is not there', 400, 'bad.request', () =>
    api.postExternalcontactsContacts({ firstName: 'Tied', externalOrganization: { id: randomUUID() } }));
  const removed = await api.postExternalcontactsBulkOrganizationsRemove({ entities: [{ id: acme.id }] });
  done('bulk remove of organizations', removed.errorCount === 0, removed);
}

async function call(contacts, contactId) {
  const api = new gc.ConversationsApi();
  const id = process.env.GC_CONVERSATION;
  const customerOf = (conversation) =>
    conversation.participants.find((one) => ['customer', 'external'].includes(one.purpose));
  const customer = customerOf(await api.getConversation(id));
  done('read conversation', customer.ani && customer.calls[0].id, customer);
  await api.patchConversationParticipantAttributes(id, customer.id, { attributes: { PT_URLPop: 'https://crm', run } });
  done('set attributes', customerOf(await api.getConversation(id)).attributes.run === run);
  await contacts.putExternalcontactsConversation(id, {
    conversationId: id,
    communicationId: customer.calls[0].id,
    mediaType: 'CALL',
    externalContactId: contactId,
  });
  done('associate', customerOf(await api.getConversation(id)).externalContactId === contactId);
  await refused('read of an unknown conversation', 404, 'not.found', () => api.getConversation(randomUUID()));
}

// A user's token says whose it is; `/_sim/sign-in` stands for the platform's login page.
async function aUser() {
  const users = new gc.UsersApi();
  await refused('client credentials are nobody', 400, 'not.a.user', () => users.getUsersMe());
  const own = gc.ApiClient.instance.authData.accessToken;
  const userId = randomUUID();
  const body = JSON.stringify({ userId });
  const headers = { 'content-type': 'application/json' };
  const answer = await fetch(`${process.env.GC_URL}/_sim/sign-in`, { method: 'POST', headers, body });
  gc.ApiClient.instance.setAccessToken((await answer.json()).access_token);
  const me = await users.getUsersMe();
  done('a user says who', me.id === userId && me.state === 'active', me);
  const token = await new gc.TokensApi().getTokensMe();
  done('and through which client', token.OAuthClient.id === process.env.GC_WIDGET_ID, token);
  gc.ApiClient.instance.setAccessToken(own);
}

async function presences() {
  const api = new gc.PresenceApi();
  const users = new gc.UsersApi();
  const { entities } = await api.getPresenceDefinitions0();
  const idOf = (name) => entities.find((one) => one.name === name).id;
  done('presence definitions', entities.length === 14 && entities[0].systemPresence === 'Available', entities);
  const user = (await users.getUsers({ pageSize: 1 })).entities[0];
  const body = { presenceDefinition: { id: idOf('On Queue') } };
  const shown = await api.patchUserPresencesPurecloud(user.id, body);
  done('set presence', shown.presenceDefinition.id === idOf('On Queue'), shown);
  const read = await users.getUser(user.id, { expand: ['presence', 'routingStatus'] });
  done('on queue is idle', read.routingStatus.status === 'IDLE', read);
  const notifications = new gc.NotificationsApi();
  const channel = await notifications.postNotificationsChannels();
  done('open a channel', channel.connectUri.startsWith('ws://') && channel.expires, channel);
  const topic = { id: `v2.users.${user.id}.presence` };
  const topics = await notifications.postNotificationsChannelSubscriptions(channel.id, [topic]);
  done('subscribe', topics.entities[0].state === 'Permitted', topics);
  await refused('a topic that is none', 400, 'notification.invalid.topic', () =>
    notifications.postNotificationsChannelSubscriptions(channel.id, [{ id: 'v2.users.*.presence' }]));
}

async function past(contacts) {
  const api = new gc.AnalyticsApi();
  const id = process.env.GC_CONVERSATION;
  const hour = 3600000;
  const at = (shift) => new Date(Date.now() + shift).toISOString();
  const query = {
    interval: `${at(-hour)}/${at(hour)}`,
    order: 'asc',
    orderBy: 'conversationStart',
    paging: { pageSize: 100, pageNumber: 1 },
  };
  const told = await api.postAnalyticsConversationsDetailsQuery(query);
  const found = told.conversations.filter((one) => one.conversationId === id);
  done('query past calls', told.totalHits >= 1 && found.length === 1, told);
  const customer = found[0].participants.find((one) => one.purpose === 'customer');
  done('past call', customer.sessions[0].ani.startsWith('tel:+') && customer.sessions[0].mediaType === 'voice', customer);
  const empty = await api.postAnalyticsConversationsDetailsQuery({ ...query, paging: { pageSize: 100, pageNumber: 900 } });
  done('page after the last', empty.conversations.length === 0 && empty.totalHits === told.totalHits, empty);
  const fetched = await contacts.postExternalcontactsBulkContacts({ entities: [{ id: customer.externalContactId }] });
  done('bulk fetch of a contact', fetched.results[0].entity.type === 'Identified', fetched);
  const promoted = await contacts.postExternalcontactsContactPromotion(customer.externalContactId);
  done('promote', promoted.type === 'Curated', promoted);
  await refused('promotion of an unknown contact', 404, 'not.found', () =>
    contacts.postExternalcontactsContactPromotion(randomUUID()));
}

await login();
await presences();
const contacts = new gc.ExternalContactsApi();
await past(contacts);
const [source, first] = await writeAndFind(contacts);
const merged = await enrichAndMerge(contacts, source, first);
await inBulk(contacts, source, merged, first);
await organizations(contacts, source);
await call(contacts, merged);
await aUser();
// How many there are above: none is left out silently.
if (operations !== 57) throw new Error(`${operations} operations, not 57`);
console.log(`${operations} operations ok`);
