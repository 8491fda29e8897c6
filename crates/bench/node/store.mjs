// Overrides and calls in one SQLite file. WAL; `synchronous` NORMAL survives a killed process, FULL also a power cut.

import Database from 'better-sqlite3';

export class Store {
  #db;
  #override;
  #upsert;
  #earlier;

  constructor({ file, synchronous }) {
    if (!['NORMAL', 'FULL'].includes(synchronous)) throw new Error(`SYNCHRONOUS: ${synchronous} is neither NORMAL nor FULL`);
    this.#db = new Database(file);
    this.#db.pragma('journal_mode = WAL');
    this.#db.pragma(`synchronous = ${synchronous}`);
    this.#db.pragma('busy_timeout = 1000');
    this.#db.exec(`
      CREATE TABLE IF NOT EXISTS overrides (number TEXT PRIMARY KEY, external_id TEXT NOT NULL, name TEXT, until INTEGER NOT NULL) WITHOUT ROWID;
      CREATE TABLE IF NOT EXISTS calls (
        call_id TEXT PRIMARY KEY, number TEXT, external_id TEXT NOT NULL, status TEXT NOT NULL, source TEXT NOT NULL,
        took_ms REAL NOT NULL, at INTEGER NOT NULL) WITHOUT ROWID;
      CREATE INDEX IF NOT EXISTS calls_by_number ON calls (number);
    `);
    this.#override = this.#db.prepare('SELECT external_id, name FROM overrides WHERE number = ? AND until > ?');
    this.#earlier = this.#db.prepare('SELECT count(*) FROM (SELECT 1 FROM calls WHERE number = ? AND call_id <> ? LIMIT 100)').pluck();
    this.#upsert = this.#db.prepare(`
      INSERT INTO calls (call_id, number, external_id, status, source, took_ms, at)
      VALUES (@callId, @number, @externalId, @status, @source, @tookMs, @at)
      ON CONFLICT (call_id) DO UPDATE SET
        external_id = excluded.external_id, status = excluded.status, source = excluded.source`);
  }

  /** An agent's correction that still holds, or undefined. */
  override(number) {
    return this.#override.get(number, Date.now());
  }

  /** Stores the call and returns how many other calls this number made before (at most 100 are counted). */
  remember(call) {
    this.#upsert.run({ ...call, at: Date.now() });
    return call.number ? this.#earlier.get(call.number, call.callId) : 0;
  }

  close() {
    this.#db.close();
  }
}
