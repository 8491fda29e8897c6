// Who is signed in, and the page that lets them in.

import { h, fill } from './dom.js';
import { ask, get, setCsrf } from './api.js';
import { field, form } from './form.js';
import { problem } from './show.js';

export const session = { user: null, scopes: [], ways: ['key'], totp: false, hasPassword: false, expiresAt: '' };

const REACH = '/api/v1/session';

function take(told) {
  session.user = told.user && told.user.name ? told.user : null;
  session.scopes = told.scopes || [];
  session.ways = told.ways || session.ways;
  session.totp = told.totp === true;
  session.hasPassword = told.hasPassword === true;
  session.expiresAt = told.expiresAt || '';
  setCsrf(told.csrf || '');
  return session;
}

export const askWho = async () => take(await get(REACH));

// The scope `admin` has every other in it.
export const can = (scope) => !scope || session.scopes.includes(scope) || session.scopes.includes('admin');

export async function signOut() {
  await ask('DELETE', REACH);
  take({ user: null });
}

// What the identity provider's way back ended with.
const PROBLEMS = {
  refused: 'Your organization did not sign you in here.',
  no_role: 'None of your groups has a role here. Ask whoever looks after Tieline.',
  late: 'That took too long, or was begun in another browser. Try again.',
  too_many: 'Too many tries. Wait a minute.',
  unavailable: 'Your organization cannot be asked now. Try again.',
  not_offered: 'No organization signs people in here.',
};

function came() {
  const problem = PROBLEMS[new URLSearchParams(location.search).get('problem')];
  if (location.search) history.replaceState(null, '', location.pathname + location.hash);
  return problem ? h('p', { class: 'note', role: 'alert' }, problem) : null;
}

// Draws the sign-in page. `done` is called when somebody is in.
export function signIn(shell, done, why, withKey = !session.ways.includes('password')) {
  document.title = 'Sign in – Tieline';
  const wrong = h('div');
  const needsCode = h(
    'div',
    { hidden: true },
    field('Code from your authenticator app', {
      name: 'code',
      autocomplete: 'one-time-code',
      inputmode: 'numeric',
      maxlength: 8,
    }),
  );
  // A key of the API signs in, too: it may do here what it may do there.
  const other = session.ways.includes('password')
    ? h(
        'p',
        h(
          'button',
          { type: 'button', class: 'text', onclick: () => signIn(shell, done, null, !withKey) },
          withKey ? 'Sign in with a name and a password' : 'Sign in with a key of the API',
        ),
      )
    : null;
  const enter = form(
    [
      withKey
        ? null
        : field('Name', {
            name: 'name',
            required: true,
            autocomplete: 'username',
            autocapitalize: 'none',
            spellcheck: 'false',
          }),
      field(withKey ? 'Key' : 'Password', {
        name: 'password',
        type: 'password',
        required: true,
        autocomplete: 'current-password',
      }),
      needsCode,
    ],
    'Sign in',
    async (held) => {
      fill(wrong);
      const body = withKey ? { key: held.password.trim() } : { name: held.name, password: held.password };
      if (held.code) body.code = held.code;
      try {
        take((await ask('POST', REACH, { body })).data);
      } catch (e) {
        if (e.code !== 'session.code_required') throw e;
        needsCode.hidden = false;
        needsCode.querySelector('input').focus();
        fill(
          wrong,
          h('p', { class: 'note', role: 'status' }, 'Type the six digits that your authenticator app shows.'),
        );
        return;
      }
      done();
    },
  );
  const oidc = session.ways.includes('oidc')
    ? h('p', h('a', { class: 'button', href: '/api/v1/session/oidc' }, 'Sign in with your organization'))
    : null;
  fill(
    shell,
    h(
      'main',
      { id: 'main', class: 'door' },
      h('h1', { tabindex: '-1' }, h('span', { class: 'brand' }, 'Tieline')),
      came(),
      why ? (why instanceof Error ? problem(why) : h('p', { class: 'note', role: 'status' }, why)) : null,
      enter,
      wrong,
      oidc,
      other,
    ),
  );
  const first = shell.querySelector('input');
  if (first) first.focus();
}
