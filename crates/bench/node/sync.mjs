// The contact sync of the public guides: every contact of the CRM is sent to the platform, one after the other.

import { mapped, measured, pages } from './contacts.mjs';

await measured(1, async (crm, platform) => {
  let contacts = 0;
  for await (const page of pages(crm)) {
    for (const contact of page) {
      await platform.send('POST', '/api/v2/externalcontacts/contacts', mapped(contact));
      contacts += 1;
    }
  }
  return contacts;
});
