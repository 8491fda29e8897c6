// An agent's token, without a second password: from the page that shows us, for what a CRM's canvas has posted, or for
// the session that the agent has at the contact center (authorization code with PKCE, RFC 7636). It lives a quarter of
// an hour and is held in memory alone.

const KEPT = 'tieline.pkce';
// How long the page that shows us may take to hand a token over before we try by ourselves.
const HOST_WITHIN = 1500;

export class SignedOut extends Error {}

async function told(path, about) {
  const answer = await fetch(path, about);
  const body = await answer.json().catch(() => ({}));
  if (answer.ok) return body;
  const error = body.error || {};
  const message = [error.message, error.fix].filter(Boolean).join(' ') || `The server answered ${answer.status}.`;
  if (answer.status === 401) throw new SignedOut(message);
  throw new Error(message);
}

const forShown = (connection, shown) =>
  told('/api/v1/agent-tokens/sign-in', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ connection, shown }),
  });

// From the page around us, if it is one that may.
function ofHost(hosts) {
  if (window.parent === window || !hosts.length) return Promise.resolve(null);
  return new Promise((done) => {
    const late = setTimeout(() => end(null), HOST_WITHIN);
    const hear = (event) => {
      const said = event.data || {};
      if (event.source !== window.parent || !mayHost(event.origin, hosts) || said.type !== 'tieline.token') return;
      end({ token: said.token, agent: said.agent || '', callId: said.callId || '', expiresIn: said.expiresIn || 900 });
    };
    const end = (token) => {
      clearTimeout(late);
      window.removeEventListener('message', hear);
      done(token);
    };
    window.addEventListener('message', hear);
    // It says nothing but that we are here.
    window.parent.postMessage({ type: 'tieline.token.needed' }, '*');
  });
}

function mayHost(origin, hosts) {
  return hosts.some((host) => {
    const [scheme, rest] = host.split('://');
    if (!rest.startsWith('*.')) return origin === host;
    return origin.startsWith(`${scheme}://`) && origin.endsWith(rest.slice(1));
  });
}

const base64 = (bytes) =>
  btoa(String.fromCharCode(...new Uint8Array(bytes)))
    .replaceAll('+', '-')
    .replaceAll('/', '_')
    .replaceAll('=', '');

// Sends the browser to the vendor; it comes back with a code.
async function leaveFor(door) {
  const verifier = base64(crypto.getRandomValues(new Uint8Array(48)));
  const state = base64(crypto.getRandomValues(new Uint8Array(12)));
  const hash = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(verifier));
  sessionStorage.setItem(KEPT, JSON.stringify({ verifier, state, connection: door.connection }));
  const to = new URL(door.authorize);
  const asked = {
    response_type: 'code',
    client_id: door.clientId,
    redirect_uri: location.origin + location.pathname,
    state,
    code_challenge: base64(hash),
    code_challenge_method: 'S256',
  };
  for (const [name, value] of Object.entries(asked)) to.searchParams.set(name, value);
  location.replace(to);
  // Nothing goes on here.
  return new Promise(() => {});
}

// The vendor's token, where the browser came back with a code that we asked for.
async function comeBack(doors) {
  const query = new URLSearchParams(location.search);
  const code = query.get('code');
  const kept = JSON.parse(sessionStorage.getItem(KEPT) || 'null');
  if (!code && !query.get('error')) return null;
  sessionStorage.removeItem(KEPT);
  history.replaceState(null, '', location.pathname);
  const door = kept && doors.find((one) => one.connection === kept.connection);
  if (!code) throw new SignedOut(`The contact center did not sign you in: ${query.get('error')}.`);
  if (!door || query.get('state') !== kept.state) return null;
  const answer = await told(door.token, {
    method: 'POST',
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: new URLSearchParams({
      grant_type: 'authorization_code',
      code,
      redirect_uri: location.origin + location.pathname,
      client_id: door.clientId,
      code_verifier: kept.verifier,
    }),
  });
  return { connection: door.connection, shown: answer.access_token };
}

// The connection that a posted request is of: of several orgs the first that it opens.
async function whose(connections, posted) {
  for (const connection of connections.slice(0, -1)) {
    try {
      await forShown(connection, posted);
      return connection;
    } catch (e) {
      if (!(e instanceof SignedOut)) throw e;
    }
  }
  return connections[connections.length - 1];
}

// Gives `next()`: a token, new each time it is called.
export async function signIn() {
  const frame = await told('/widget/frame.json');
  const posted = document.querySelector('meta[name=signed-request]').content;
  let shown = posted ? { connection: await whose(frame.connections, posted), shown: posted } : null;
  if (!shown) shown = await comeBack(frame.doors);
  // It has opened something since this page was loaded.
  let opened = Boolean(posted);
  return async function next() {
    if (shown) {
      try {
        const token = await forShown(shown.connection, shown.shown);
        opened = true;
        return token;
      } catch (e) {
        // What the vendor gave has ended: it is asked for anew where we can. What never opened anything
        // would be refused again, and again, and again.
        if (!(e instanceof SignedOut) || posted || !opened || !frame.doors.length) throw e;
        shown = null;
      }
    }
    const handed = await ofHost(frame.hosts);
    if (handed) return handed;
    if (frame.doors.length) return leaveFor(frame.doors[0]);
    throw new SignedOut('Nobody has signed you in. Open this page from the contact center or the CRM.');
  };
}
