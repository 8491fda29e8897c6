// What both variants of the sync script share: the CRM's contacts page by page, and how one looks at the platform.

import { Pool } from 'undici';

const FIELDS = 'Id, FirstName, LastName, Email, Phone';

export class Vendor {
  #pool;
  #token = '';

  constructor(url, connections) {
    this.#pool = new Pool(url, { connections, pipelining: 1 });
  }

  async signIn(path) {
    const answer = await this.send('POST', path);
    this.#token = answer.access_token;
  }

  async send(method, path, body) {
    const { statusCode, body: answer } = await this.#pool.request({
      method,
      path,
      headers: { authorization: `Bearer ${this.#token}`, 'content-type': 'application/json' },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
    const told = await answer.json();
    if (statusCode >= 300) throw new Error(`${method} ${path}: ${statusCode}`);
    return told;
  }

  stop() {
    return this.#pool.close();
  }
}

/** All contacts, one page of 2,000 after the other. */
export async function* pages(crm) {
  let path = `/services/data/v67.0/query?q=${encodeURIComponent(`SELECT ${FIELDS} FROM Contact`)}`;
  while (path) {
    const page = await crm.send('GET', path);
    yield page.records;
    path = page.nextRecordsUrl;
  }
}

/** A contact under the names that the platform has for its fields. */
export const mapped = (contact) => ({
  firstName: contact.FirstName,
  lastName: contact.LastName,
  workEmail: contact.Email,
  workPhone: { display: contact.Phone },
  externalIds: [{ externalSource: { name: 'CRM' }, value: contact.Id }],
});

/** Runs `sync` between the two vendors and prints how many it wrote in how many seconds. */
export async function measured(connections, sync) {
  const [crm, platform] = [process.env.CRM_URL, process.env.PLATFORM_URL].map((url) => new Vendor(url, connections));
  await crm.signIn('/services/oauth2/token');
  await platform.signIn('/oauth/token');
  const begun = performance.now();
  const contacts = await sync(crm, platform);
  const seconds = (performance.now() - begun) / 1000;
  console.log(JSON.stringify({ contacts, seconds }));
  await Promise.all([crm.stop(), platform.stop()]);
}
