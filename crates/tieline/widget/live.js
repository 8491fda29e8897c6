// News of an agent's calls: over a WebSocket, else as server-sent events, else asked for now and then. All three tell the
// same under the same ids, so that one goes on where the other was.

const POLL = 5_000;
const HEARTBEAT = 15_000;
// Nothing for three heartbeats: what is shown may be old.
const STALE = 3 * HEARTBEAT;
// How long a way that does not open is waited for.
const OPEN_WITHIN = 5_000;
// How long is asked before a better way is tried again, the first time and at most.
const CLIMB = 5_000;
const CLIMB_MOST = 300_000;
const PAUSE_MOST = 15_000;

class NotTheirs extends Error {}

// `of`: the path of the news. `token()`: one that is alive. `on`: `news(message)`, `state(way, isStale)`, `end(error)`.
export function follow(of, token, on) {
  const ways = [socket, events, asking];
  let way = 0;
  let after = '';
  let heard = Date.now();
  let pause = 500;
  let climb = CLIMB;
  let stopped = false;
  let leave = () => {};

  const take = (message) => {
    heard = Date.now();
    if (message.id) after = message.id;
    if (!['closed', 'heartbeat'].includes(message.type)) on.news(message);
    on.state(ways[way].name, false);
    return message.type === 'closed';
  };
  const path = (held, more = {}) => {
    const query = new URLSearchParams({ ...(after ? { after } : {}), ...more });
    return `${of(held)}?${query}`;
  };

  // Each ends with how it went: true where it had been heard.
  function socket(held) {
    return new Promise((done) => {
      const at = new URL(path(held), location.href);
      at.protocol = at.protocol.replace('http', 'ws');
      const line = new WebSocket(at, ['tieline.v1', `token.${held.token}`]);
      let was = false;
      const late = setTimeout(() => line.close(), OPEN_WITHIN);
      leave = () => line.close();
      line.onopen = () => {
        clearTimeout(late);
        was = true;
      };
      line.onmessage = (event) => {
        if (take(JSON.parse(event.data))) line.close();
      };
      line.onclose = () => {
        clearTimeout(late);
        done(was);
      };
    });
  }

  function events(held) {
    return new Promise((done) => {
      const line = new EventSource(path(held, { access_token: held.token }));
      let was = false;
      const end = () => {
        clearTimeout(late);
        line.close();
        done(was);
      };
      const late = setTimeout(() => was || end(), OPEN_WITHIN);
      leave = end;
      line.onopen = () => (was = true);
      // By itself it would connect anew with a token that may be over.
      line.onerror = end;
      for (const type of [
        'identified', 'candidates', 'enriched', 'context_changed', 'ended', 'heartbeat', 'reset', 'closed',
      ])
        line.addEventListener(type, (event) => {
          if (take(JSON.parse(event.data))) end();
        });
    });
  }

  async function asking(held) {
    let tag = '';
    let was = false;
    const begun = Date.now();
    // After a while a better way is tried again.
    while (!stopped && Date.now() - begun < climb) {
      const headers = { authorization: `Bearer ${held.token}`, ...(tag ? { 'if-none-match': tag } : {}) };
      const answer = await fetch(path(held), { headers });
      if (answer.status === 403) {
        // Neither this way nor any other is theirs.
        const { error } = await answer.json().catch(() => ({}));
        throw new NotTheirs([error?.message, error?.fix].filter(Boolean).join(' '));
      }
      if (!answer.ok && answer.status !== 304) return was;
      was = true;
      tag = answer.headers.get('etag') || '';
      heard = Date.now();
      on.state('asking', false);
      if (answer.status === 200) {
        const batch = await answer.json();
        if (batch.reset) on.news({ type: 'reset' });
        batch.news.forEach(take);
        if (batch.next && batch.next !== after) [after, tag] = [batch.next, ''];
        if (batch.more) continue;
      }
      await new Promise((done) => {
        const wait = setTimeout(done, POLL);
        leave = () => {
          clearTimeout(wait);
          done();
        };
      });
    }
    climb = Math.min(climb * 2, CLIMB_MOST);
    return was;
  }

  const watch = setInterval(() => {
    if (Date.now() - heard > STALE) {
      on.state(ways[way].name, true);
      leave();
    }
  }, 1_000);

  (async () => {
    while (!stopped) {
      let held;
      try {
        held = await token();
      } catch (e) {
        if (on.end(e)) break;
        await new Promise((done) => setTimeout(done, pause));
        pause = Math.min(pause * 2, PAUSE_MOST);
        continue;
      }
      const was = await ways[way](held).catch((e) => (e instanceof NotTheirs ? e : false));
      if (was instanceof NotTheirs) {
        on.end(was);
        break;
      }
      if (stopped) break;
      if (was) pause = 500;
      if (was && way === 0) climb = CLIMB;
      // Down a step where it did not open, back to the best where it did.
      way = was ? 0 : (way + 1) % ways.length;
      if (Date.now() - heard > HEARTBEAT * 2) on.state(ways[way].name, true);
      await new Promise((done) => setTimeout(done, pause / 2 + (Math.random() * pause) / 2));
      pause = Math.min(pause * 2, PAUSE_MOST);
    }
    clearInterval(watch);
  })();
  return () => {
    stopped = true;
    leave();
  };
}
