// The same sync in bulk: BATCH contacts in a request, and IN_FLIGHT requests at once.

import { mapped, measured, pages } from './contacts.mjs';

const [size, inFlight] = [process.env.BATCH, process.env.IN_FLIGHT].map(Number);

const parts = (all, most) => Array.from({ length: Math.ceil(all.length / most) }, (_, n) => all.slice(n * most, (n + 1) * most));

/** What makes or changes a contact that is known by its id in the CRM. */
const enrich = (contact, at) => ({
  id: String(at),
  division: { id: '*' },
  matchingIdentifiers: [{ type: 'ExternalId', externalId: { externalSource: { name: 'CRM' }, value: contact.Id } }],
  action: 'Upsert',
  contact: mapped(contact),
});

await measured(inFlight, async (crm, platform) => {
  const send = async (batch) => {
    const body = { entities: batch.map(enrich) };
    const { results } = await platform.send('POST', '/api/v2/externalcontacts/bulk/contacts/enrich', body);
    return results.filter((result) => result.success).length;
  };
  let contacts = 0;
  for await (const page of pages(crm)) {
    for (const batches of parts(parts(page, size), inFlight)) {
      const written = await Promise.all(batches.map(send));
      contacts += written.reduce((sum, one) => sum + one, 0);
    }
  }
  return contacts;
});
