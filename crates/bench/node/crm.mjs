// The Salesforce side: one token, minted at the start and renewed ahead of its end, and one search for each caller.

import { Pool } from 'undici';

const RENEW_AFTER_MS = 30 * 60 * 1000;
const FIELDS = process.env.CRM_FIELDS ?? 'Id, Name, Email, Phone, MobilePhone, CreatedDate';

/** The digits that Salesforce's phone index is searched for; it knows numbers however they were typed. */
const sought = (phone) => phone.nationalNumber.replace(/\D/g, '');

export class Crm {
  #pool;
  #settings;
  #token = '';
  #timer;

  constructor(settings) {
    this.#settings = settings;
    this.#pool = new Pool(settings.url, { connections: settings.connections, pipelining: 1, keepAliveTimeout: 15_000 });
  }

  async start() {
    await this.#mint();
    this.#timer = setInterval(() => this.#mint().catch(() => {}), RENEW_AFTER_MS).unref();
  }

  async #mint() {
    const form = new URLSearchParams({
      grant_type: 'client_credentials',
      client_id: this.#settings.clientId,
      client_secret: this.#settings.clientSecret,
    });
    const { statusCode, body } = await this.#pool.request({
      method: 'POST',
      path: '/services/oauth2/token',
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      body: form.toString(),
    });
    const answer = await body.json();
    if (statusCode !== 200) throw new Error(`token: ${statusCode} ${answer.error}`);
    this.#token = answer.access_token;
  }

  /** The oldest contact with this number, or null. Throws when the CRM fails or `signal` fires. */
  async findByPhone(phone, signal) {
    const sosl = `FIND {${sought(phone)}} IN PHONE FIELDS RETURNING Contact(${FIELDS} ORDER BY CreatedDate LIMIT 5)`;
    const { statusCode, body } = await this.#pool.request({
      method: 'GET',
      path: `/services/data/${this.#settings.version}/search?q=${encodeURIComponent(sosl)}`,
      headers: { authorization: `Bearer ${this.#token}` },
      signal,
    });
    if (statusCode === 401) {
      await body.dump();
      this.#mint().catch(() => {});
      throw new Error('token gone');
    }
    const answer = await body.json();
    if (statusCode !== 200) throw new Error(`search: ${statusCode}`);
    const record = answer.searchRecords[0];
    if (!record) return null;
    const { attributes, Id, Name, Email, Phone, MobilePhone, CreatedDate, ...data } = record;
    return { id: Id, name: Name ?? undefined, email: Email ?? undefined, data };
  }

  async stop() {
    clearInterval(this.#timer);
    await this.#pool.destroy();
  }
}
