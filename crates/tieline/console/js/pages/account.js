// One's own password, and the second factor.

import { h, fill } from '../dom.js';
import { ask } from '../api.js';
import { askWho, session } from '../session.js';
import { badge, facts, note, said, section, when } from '../show.js';
import { button, confirm, copy, field, form } from '../form.js';

export async function account(page, again) {
  const signedIn = section(
    'You',
    facts([
      ['Name', session.user.name],
      ...(session.user.role ? [['Role', session.user.role]] : []),
      ['May', session.scopes.length ? session.scopes.join(', ') : 'Nothing but their own pages'],
      ['Signed in until', when(session.expiresAt)],
      ...(session.hasPassword
        ? [['Two-factor sign-in', badge(session.totp ? 'on' : 'off', session.totp ? 'ok' : 'idle')]]
        : []),
    ]),
  );
  if (!session.hasPassword) return signedIn;
  const password = section(
    'Password',
    form(
      [
        field('Password now', { name: 'password', type: 'password', required: true, autocomplete: 'current-password' }),
        field('New password', {
          name: 'newPassword',
          type: 'password',
          required: true,
          autocomplete: 'new-password',
          minlength: 12,
          hint: 'At least 12 characters. A sentence is good.',
        }),
        field('New password again', { name: 'again', type: 'password', required: true, autocomplete: 'new-password' }),
      ],
      'Change password',
      async (f, node) => {
        if (f.newPassword !== f.again) throw new Error('The two new passwords are not the same.');
        await ask('PUT', '/api/v1/session/password', { body: { password: f.password, newPassword: f.newPassword } });
        node.reset();
        await askWho();
        said('Your password is changed. Every other session of yours has ended.');
      },
    ),
  );
  return [
    h('div', { class: 'columns' }, signedIn, password),
    section('Two-factor sign-in', session.totp ? turnOff(again) : turnOn(again)),
  ];
}

function turnOn(again) {
  const box = h('div');
  const start = form(
    field('Password', { name: 'password', type: 'password', required: true, autocomplete: 'current-password' }),
    'Set up',
    async (f) => {
      const { data } = await ask('POST', '/api/v1/session/totp', { body: { password: f.password } });
      fill(
        box,
        h('p', 'Add this secret to your authenticator app, then type the code that it shows.'),
        h('p', { class: 'secret' }, data.secret.replace(/(.{4})/g, '$1 ').trim()),
        h(
          'div',
          { class: 'actions' },
          h('a', { class: 'button', href: data.uri }, 'Open in an app on this device'),
          button('Copy the secret', async () => {
            await copy(data.secret);
            said('Copied.');
          }),
        ),
        h('p'),
        form(
          field('Code', {
            name: 'code',
            required: true,
            inputmode: 'numeric',
            autocomplete: 'one-time-code',
            pattern: '[0-9 ]{6,8}',
          }),
          'Turn on',
          async (g) => {
            await ask('PUT', '/api/v1/session/totp', { body: { code: g.code.replace(/\s/g, '') } });
            await askWho();
            said('From now on signing in needs a code.');
            again();
          },
        ),
      );
      box.querySelector('input').focus();
    },
  );
  fill(box, note('Signing in then needs a code from an app on your phone, too.'), start);
  return box;
}

function turnOff(again) {
  return form(
    [
      note('Signing in needs a code from your authenticator app.'),
      field('Password', { name: 'password', type: 'password', required: true, autocomplete: 'current-password' }),
    ],
    'Turn off',
    async (f) => {
      if (
        !(await confirm('Turn two-factor sign-in off?', 'Your password alone will then open the console.', 'Turn off', {
          danger: true,
        }))
      )
        return;
      await ask('DELETE', '/api/v1/session/totp', { body: { password: f.password } });
      await askWho();
      said('Two-factor sign-in is off.');
      again();
    },
    { kind: 'danger' },
  );
}
