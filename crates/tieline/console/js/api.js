// Asks the server. What it refuses is thrown in the house's shape: what happened,
// where, and how to mend it.

export class Refusal extends Error {
  constructor(status, error, retryAfter, mistakes) {
    super(error.message || `The server answered ${status}.`);
    this.status = status;
    this.code = error.code || '';
    this.at = error.at || '';
    this.fix = error.fix || '';
    this.docs = error.docs || '';
    // Everything that was found wrong, where it is more than one.
    this.mistakes = mistakes || [];
    this.retryAfter = retryAfter;
  }
}

let csrf = '';
let whenSignedOut = () => {};
export const setCsrf = (token) => {
  csrf = token;
};
// The token of the form is another one once somebody signed in anew in another tab.
let renew = null;
export const onOldToken = (act) => {
  renew = act;
};
export const onSignedOut = (act) => {
  whenSignedOut = act;
};

// at`/api/v1/calls/${id}`: values are encoded, so that a slash in a name stays in the name.
export const at = (parts, ...values) => String.raw({ raw: parts }, ...values.map(encodeURIComponent));

export function withQuery(path, query) {
  const given = Object.entries(query || {}).filter(([, v]) => v !== undefined && v !== null && v !== '' && v !== false);
  return given.length ? `${path}?${new URLSearchParams(given)}` : path;
}

// Answers {data, headers, status}. `data` is null where there is no body.
export async function ask(method, path, { body, query, headers, signal, again = true } = {}) {
  const sent = { accept: 'application/json', ...headers };
  if (method !== 'GET') sent['x-csrf-token'] = csrf;
  if (body !== undefined) sent['content-type'] = 'application/json';
  let answer;
  try {
    answer = await fetch(withQuery(path, query), {
      method,
      signal,
      headers: sent,
      credentials: 'same-origin',
      cache: 'no-store',
      body: body === undefined ? undefined : JSON.stringify(body),
    });
  } catch (e) {
    if (e.name === 'AbortError') throw e;
    throw new Refusal(0, {
      code: 'console.unreachable',
      message: 'The server does not answer.',
      fix: 'Check the network, and that tieline is running.',
    });
  }
  const text = await answer.text();
  let data = null;
  if (text && (answer.headers.get('content-type') || '').includes('json')) data = JSON.parse(text);
  if (answer.ok) return { data, headers: answer.headers, status: answer.status };
  const refusal = new Refusal(
    answer.status,
    (data && data.error) || {},
    Number(answer.headers.get('retry-after')) || 0,
    data && data.mistakes,
  );
  if (refusal.code === 'session.csrf' && again && renew) {
    await renew();
    return ask(method, path, { body, query, headers, signal, again: false });
  }
  // Not for the sign-in itself, which says in its own place what is wrong.
  if (answer.status === 401 && !path.startsWith('/api/v1/session')) whenSignedOut();
  throw refusal;
}

const data = async (asked) => (await asked).data;
export const get = (path, query, signal) => data(ask('GET', path, { query, signal }));
export const post = (path, body, query) => data(ask('POST', path, { body, query }));
export const put = (path, body, query) => data(ask('PUT', path, { body, query }));
export const patch = (path, body) => data(ask('PATCH', path, { body }));
export const del = (path, query, body) => data(ask('DELETE', path, { query, body }));

// Runs `act` over all items, a few at a time: a page must not take the server's whole breath.
export async function eachOf(items, act, atOnce = 6) {
  const rest = [...items.entries()];
  const results = new Array(items.length);
  const worker = async () => {
    for (let next = rest.shift(); next; next = rest.shift()) results[next[0]] = await act(next[1]);
  };
  await Promise.all(Array.from({ length: Math.min(atOnce, items.length) }, worker));
  return results;
}
