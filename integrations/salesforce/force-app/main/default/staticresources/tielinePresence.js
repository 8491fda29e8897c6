/*
 * Sets an agent's own Omni-Channel status as Tieline orders it.
 *
 * A bridge asks Tieline for its next order and waits there for it, compares what the agent
 * shows with what the order expects, sets the status by the console's own toolkit, and says
 * what came of it. Who shows something else has decided for themselves: then nothing is set.
 * Of several tabs one acts. Nobody is ever logged in or out. A token is never logged.
 *
 *   new TielinePresence.Bridge({
 *     ticket,   // () => Promise of { token, agent, base, expiresAt, expiresIn }
 *     toolkit,  // TielinePresence.lightning(…) or TielinePresence.classic(…)
 *     onState,  // (state, words): connected, waiting, offline or stopped
 *   }).start();
 *
 * May be given besides: base (instead of the ticket's), fetch, beacon, now, wait, log, locks
 * and store.
 */
(function (global) {
  'use strict';

  // As long as Tieline lets a console wait; then as long as a slow network may take.
  const WAIT_S = 25;
  const ASK_SLACK_MS = 10000;
  // The tab before may still say that it leaves when this one has asked: so that Tieline knows
  // again that somebody is there, the first asks are short.
  const FIRST_WAIT_S = 1;
  const FIRST_ASKS = 3;
  const TOOLKIT_MS = 8000;
  const TICKET_MS = 30000;
  const RENEW_AHEAD_MS = 60000;
  const BACKOFF_MS = 1000;
  const BACKOFF_MAX_MS = 30000;
  const FAILURES_TO_RENEW = 3;
  // An answer is a hint: Tieline also reads for itself. So it is tried a few times only.
  const ANSWER_MS = 5000;
  const ANSWER_AGAIN_MS = [300, 1000, 3000];
  // Browsers let a hidden page's timers run once a minute.
  const LEASE_MS = 90000;
  const LEASE_RENEW_MS = 5000;
  const LEASE_LOOK_MS = 1000;

  /** The form of an id that the toolkit gives and takes; the API's has three more characters. */
  function short(id) {
    return String(id || '').slice(0, 15);
  }

  function same(one, other) {
    return short(one) !== '' && short(one) === short(other);
  }

  function sleep(ms, signal) {
    return new Promise((resolve) => {
      const done = () => {
        clearTimeout(timer);
        if (signal) {
          signal.removeEventListener('abort', done);
        }
        resolve();
      };
      const timer = setTimeout(done, ms);
      if (signal) {
        signal.addEventListener('abort', done);
      }
    });
  }

  /** An error that says only what may be logged. */
  function failure(words, status) {
    const error = new Error(words);
    error.status = status || 0;
    return error;
  }

  /** Waits for a promise so long, and rejects then. */
  async function bounded(promise, ms, wait) {
    const over = new AbortController();
    const late = wait(ms, over.signal).then(() => {
      throw failure('it took too long');
    });
    late.catch(() => {});
    try {
      return await Promise.race([promise, late]);
    } finally {
      over.abort();
    }
  }

  /** The one of several tabs whose turn it is; resolves when it is this one's. */
  async function turn(name, tools, signal, onWait) {
    if (tools.locks) {
      try {
        return await turnByLocks(tools.locks, name, signal, onWait);
      } catch (error) {
        if (signal.aborted) {
          throw error;
        }
        // Some frames may not lock anything: they agree by the lease.
      }
    }
    return turnByLease(name, tools, signal, onWait);
  }

  function turnByLocks(locks, name, signal, onWait) {
    return new Promise((resolve, reject) => {
      const held = () => new Promise((release) => {
        resolve({ isOurs: () => !signal.aborted, release });
      });
      locks
        .request(name, { ifAvailable: true }, (lock) => {
          if (lock) {
            return held();
          }
          onWait();
          // Not within this request: it would end only with that one.
          locks.request(name, { signal }, held).catch(reject);
          return undefined;
        })
        .catch(reject);
    });
  }

  async function turnByLease(name, { store, wait, now }, signal, onWait) {
    const id = String(Math.random()).slice(2) + String(now());
    const read = () => {
      try {
        return JSON.parse(store.getItem(name)) || {};
      } catch (error) {
        return {};
      }
    };
    const write = () => {
      store.setItem(name, JSON.stringify({ id, until: now() + LEASE_MS }));
    };
    const isOurs = () => !signal.aborted && read().id === id;
    try {
      store.setItem(name + ':can', '1');
      store.removeItem(name + ':can');
    } catch (error) {
      // Nothing to agree by. Orders name what they expect, so the second sets nothing.
      return { isOurs: () => !signal.aborted, release: () => {} };
    }
    while (!signal.aborted) {
      const held = read();
      if (!held.id || !(now() < held.until)) {
        write();
        // Of two that saw it free the one that wrote last has it.
        await wait(100 + 200 * Math.random(), signal);
        if (isOurs()) {
          break;
        }
      }
      onWait();
      await wait(LEASE_LOOK_MS, signal);
    }
    const ended = new AbortController();
    const release = () => {
      ended.abort();
      if (read().id === id) {
        store.removeItem(name);
      }
    };
    (async () => {
      while (isOurs() && !ended.signal.aborted) {
        write();
        await wait(LEASE_RENEW_MS, ended.signal);
      }
    })().catch(() => {});
    return { isOurs, release };
  }

  function Bridge(options) {
    const wait = options.wait || sleep;
    const now = options.now || Date.now;
    const log = options.log || (() => {});
    const ask = options.fetch || ((url, more) => global.fetch(url, more));
    const beacon = options.beacon || ((url) => global.navigator.sendBeacon(url));
    const tools = {
      wait,
      now,
      locks: 'locks' in options ? options.locks : global.navigator.locks,
      store: options.store || storage(),
    };
    let life = null;
    let ours = null;
    let state = '';
    let held = null;
    let renewing = null;
    // The last order that was taken, and what came of it.
    let taken = { number: 0, outcome: '' };
    let after = 0;
    let failures = 0;

    function storage() {
      try {
        return global.localStorage;
      } catch (error) {
        return null;
      }
    }

    function tell(next, words) {
      if (next + words !== state) {
        state = next + words;
        if (options.onState) {
          options.onState(next, words);
        }
      }
    }

    // ---- the token

    async function renew() {
      const begun = now();
      const given = await bounded(options.ticket(), TICKET_MS, wait);
      const base = options.base || (given && given.base);
      if (!given || !given.token || !given.agent || !base) {
        throw failure('the ticket lacks its token, agent or address');
      }
      // Seconds go before a moment: the browser's clock may be wrong.
      const seconds = Number(given.expiresIn);
      const moment = Number(given.expiresAt) || Date.parse(given.expiresAt);
      const lives = seconds > 0 ? seconds * 1000 : moment - begun;
      if (!(lives > 0)) {
        throw failure('the ticket has ended already');
      }
      const renewAt = begun + Math.max(lives - RENEW_AHEAD_MS, lives / 2);
      held = { token: given.token, agent: given.agent, base, renewAt, end: begun + lives };
      return held;
    }

    async function ticket() {
      if (held && now() < held.renewAt) {
        return held;
      }
      renewing = renewing || renew().finally(() => { renewing = null; });
      try {
        return await renewing;
      } catch (error) {
        if (!held || now() >= held.end) {
          throw failure('no ticket');
        }
        log('the token could not be renewed; trying again');
        held.renewAt = now() + 10000;
        return held;
      }
    }

    // ---- requests

    function address(with_, what, query) {
      const base = String(with_.base).replace(/\/+$/, '');
      return base + '/api/v1/agents/' + encodeURIComponent(with_.agent) + '/presence/' + what + '?'
        + query + 'access_token=' + encodeURIComponent(with_.token);
    }

    async function send(method, what, query, ms, signal) {
      const by = await ticket();
      const cut = new AbortController();
      const abort = () => cut.abort();
      if (signal) {
        signal.addEventListener('abort', abort, { once: true });
      }
      try {
        // No header and no body of our own: no browser asks first whether it may.
        const sent = ask(address(by, what, query), {
          method,
          mode: 'cors',
          credentials: 'omit',
          cache: 'no-store',
          redirect: 'error',
          referrerPolicy: 'no-referrer',
          // An answer goes out also when the page is being closed.
          keepalive: method === 'POST',
          signal: cut.signal,
        });
        const answer = await bounded(sent, ms, wait);
        if (answer.status === 401 || answer.status === 403) {
          held = held === by ? null : held;
        }
        if (!answer.ok) {
          throw failure('Tieline answers ' + answer.status, answer.status);
        }
        return answer.status === 204 ? null : await bounded(answer.json(), ms, wait);
      } finally {
        cut.abort();
        if (signal) {
          signal.removeEventListener('abort', abort);
        }
      }
    }

    // ---- orders

    async function shown() {
      try {
        return short(await bounded(Promise.resolve().then(() => options.toolkit.get()), TOOLKIT_MS, wait));
      } catch (error) {
        // Who is logged out shows nothing.
        return '';
      }
    }

    async function apply(order, received) {
      const before = await shown();
      if (same(before, order.statusId)) {
        return 'done';
      }
      const isExpected = same(before, order.expectedId);
      if (!isExpected || now() - received >= order.validForMs || !ours || !ours.isOurs()) {
        return 'late';
      }
      try {
        const set = Promise.resolve().then(() => options.toolkit.set(short(order.statusId)));
        await bounded(set, TOOLKIT_MS, wait);
        return 'done';
      } catch (error) {
        return same(await shown(), order.statusId) ? 'done' : 'refused';
      }
    }

    /** Says what came of an order, beside what goes on. */
    async function answer({ number, outcome }) {
      for (const pause of ANSWER_AGAIN_MS.concat([0])) {
        try {
          const query = 'number=' + number + '&outcome=' + outcome + '&';
          await send('POST', 'answer', query, ANSWER_MS);
          return;
        } catch (error) {
          if (taken.number !== number || !pause) {
            return;
          }
          await wait(pause);
        }
      }
    }

    async function next(asks, signal) {
      const seconds = asks < FIRST_ASKS ? FIRST_WAIT_S : WAIT_S;
      const begun = now();
      const query = 'after=' + after + '&wait=' + seconds + '&';
      const order = await send('GET', 'order', query, seconds * 1000 + ASK_SLACK_MS, signal);
      const received = now();
      failures = 0;
      tell('connected', 'Connected to Tieline.');
      if (!order || !(order.number > 0)) {
        // Nothing, and too soon for having waited: no busy loop.
        if (received - begun < seconds * 500) {
          await wait(BACKOFF_MS, signal);
        }
        return;
      }
      after = order.number;
      // Handed out again after a break: what was done is not done twice.
      if (order.number !== taken.number) {
        const outcome = await apply(order, received);
        taken = { number: order.number, outcome };
        log('order ' + order.number + ': ' + outcome);
      }
      answer(taken);
    }

    async function rest(error, signal) {
      failures += 1;
      // Whoever stands between may hide why: a new token is cheap.
      if (failures % FAILURES_TO_RENEW === 0) {
        held = null;
      }
      const most = Math.min(BACKOFF_MAX_MS, BACKOFF_MS * 2 ** Math.min(failures - 1, 10));
      log((error && error.message) || 'no answer');
      const isRenewed = error && error.status === 401 && failures === 1;
      if (!isRenewed) {
        tell('offline', why(error));
        await wait(most * (0.5 + 0.5 * Math.random()), signal);
      }
    }

    function why(error) {
      if (error && error.status === 404) {
        return 'Tieline does not know you as an agent; ask your administrator.';
      }
      if (error && (error.status === 401 || error.status === 403)) {
        return 'Tieline does not let this console in; ask your administrator.';
      }
      if (error && error.message === 'no ticket') {
        return 'No ticket for Tieline; trying again.';
      }
      return 'Tieline cannot be reached; trying again.';
    }

    async function work(mine, signal) {
      let asks = 0;
      while (!signal.aborted && mine.isOurs()) {
        try {
          await next(asks, signal);
          asks += 1;
        } catch (error) {
          if (!signal.aborted) {
            // Its orders may be counted anew when it is back.
            after = 0;
            asks = 0;
            await rest(error, signal);
          }
        }
      }
    }

    async function run(signal) {
      tell('offline', 'Connecting to Tieline.');
      while (!signal.aborted) {
        try {
          const { agent } = await ticket();
          const onWait = () => {
            if (!signal.aborted) {
              tell('waiting', 'Another tab of yours is connected to Tieline.');
            }
          };
          const mine = await turn('tieline-presence:' + agent, tools, signal, onWait);
          try {
            if (!signal.aborted) {
              ours = mine;
              await work(mine, signal);
            }
          } finally {
            mine.release();
          }
        } catch (error) {
          if (!signal.aborted) {
            await rest(error, signal);
          }
        }
      }
    }

    function start() {
      if (!life) {
        life = new AbortController();
        global.addEventListener('pagehide', hide);
        global.removeEventListener('pageshow', show);
        run(life.signal);
      }
    }

    /** Stops, and says so where this tab is the one that Tieline knows. */
    function leave() {
      if (!life) {
        return;
      }
      const was = ours;
      const isKnown = was !== null && was.isOurs();
      life.abort();
      life = null;
      ours = null;
      global.removeEventListener('pagehide', hide);
      if (isKnown && held) {
        beacon(address(held, 'leave', ''));
      }
      if (was) {
        was.release();
      }
      tell('stopped', 'Not connected to Tieline.');
    }

    function hide() {
      leave();
      global.addEventListener('pageshow', show);
    }

    // Back from the browser's memory of pages.
    function show(event) {
      if (event.persisted) {
        start();
      }
    }

    this.start = start;
    this.leave = leave;
  }

  /** The toolkit of a Lightning console: `lightning:omniToolkitAPI`. */
  function lightning(omni) {
    return {
      get: () => omni.getServicePresenceStatusId().then((found) => (found && found.statusId) || ''),
      set: (statusId) => omni.setServicePresenceStatus({ statusId }).then((set) => {
        if (!set) {
          throw failure('the status was not set');
        }
      }),
    };
  }

  /** The toolkit of a Classic console: `sforce.console.presence`. */
  function classic(presence) {
    const called = (call) => new Promise((resolve, reject) => {
      call((result) => {
        if (result && result.success) {
          resolve(result);
        } else {
          reject(failure('the console refuses'));
        }
      });
    });
    return {
      get: () => called((back) => presence.getServicePresenceStatusId(back))
        .then((found) => found.statusId || ''),
      set: (statusId) => called((back) => presence.setServicePresenceStatus(statusId, back)),
    };
  }

  global.TielinePresence = { Bridge, lightning, classic };
})(window);
