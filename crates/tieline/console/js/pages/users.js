// Local users: who may sign in, and as what.

import { h } from '../dom.js';
import { at, del, get, patch, post } from '../api.js';
import { session } from '../session.js';
import { badge, note, said, section, when } from '../show.js';
import { button, confirm, copy, dialog, field, form } from '../form.js';
import { rows } from '../table.js';
import { words } from '../format.js';

const ROLES = [
  ['admin', 'Admin: everything'],
  ['supervisor', 'Supervisor: reads, corrects, decides reviews, pauses, writes rules'],
  ['analyst', 'Analyst: reads'],
  ['agent', 'Agent: their own pages'],
];

export async function users(page, again) {
  const told = await get('/api/v1/users', {}, page.signal);
  const list = Array.isArray(told) ? told : told.items;
  const edit = (u) =>
    dialog(`Change ${u.name}`, (close) =>
      form(
        [
          field('Full name', { name: 'fullName', value: u.fullName }),
          field('Role', { name: 'role', options: ROLES, value: u.role }),
          field('May not sign in', { name: 'isDisabled', type: 'checkbox', value: u.isDisabled }),
        ],
        'Save',
        async (f) => {
          await patch(at`/api/v1/users/${u.name}`, f);
          close();
          said(`${u.name} is changed.`);
          again();
        },
      ),
    );
  return [
    section(
      'Users',
      rows(
        {
          caption: 'Users',
          key: (u) => u.name,
          empty: 'No user yet.',
          columns: [
            { name: 'Name', head: true, cell: (u) => u.name },
            { name: 'Full name', cell: (u) => u.fullName },
            { name: 'Role', cell: (u) => words(u.role) },
            { name: 'State', cell: (u) => (u.isDisabled ? badge('may not sign in', 'warn') : badge('active')) },
            ...(list.some((u) => 'totp' in u)
              ? [{ name: 'Two-factor', cell: (u) => (u.totp ? badge('on', 'ok') : badge('off', 'idle')) }]
              : []),
            ...(list.some((u) => 'createdAt' in u) ? [{ name: 'Since', cell: (u) => when(u.createdAt) }] : []),
            {
              name: 'Do',
              cell: (u) =>
                h(
                  'div',
                  { class: 'actions' },
                  button('Change', () => edit(u), { kind: 'small', label: `Change ${u.name}` }),
                  u.signsInBy === 'oidc'
                    ? null
                    : button(
                    'Reset password',
                    async () => {
                      if (
                        !(await confirm(
                          `Reset the password of ${u.name}?`,
                          'A new one is made and shown once. All their sessions end.',
                          'Reset',
                          { danger: true },
                        ))
                      )
                        return;
                      await shown(
                        `New password of ${u.name}`,
                        (await post(at`/api/v1/users/${u.name}/password`)).password,
                      );
                    },
                    { kind: 'small', label: `Reset password of ${u.name}` },
                  ),
                  u.name === session.user.name
                    ? null
                    : button(
                        'Delete',
                        async () => {
                          if (
                            !(await confirm(
                              `Delete the user ${u.name}?`,
                              'They can sign in no more, and their sessions end. What they did stays in the audit log.',
                              'Delete',
                              { danger: true },
                            ))
                          )
                            return;
                          await del(at`/api/v1/users/${u.name}`);
                          said(`${u.name} is deleted.`);
                          again();
                        },
                        { kind: 'small danger', label: `Delete ${u.name}` },
                      ),
                ),
            },
          ],
        },
        list,
      ),
    ),
    section(
      'Add a user',
      form(
        [
          field('Name', { name: 'name', required: true, autocapitalize: 'none', hint: 'They sign in with it' }),
          field('Full name', { name: 'fullName' }),
          field('Role', { name: 'role', options: ROLES, value: 'analyst' }),
        ],
        'Add',
        async (f) => {
          const made = await post('/api/v1/users', f);
          if (made.password) await shown(`Password of ${made.name}`, made.password);
          again();
        },
      ),
      note('A password is made and shown once.'),
    ),
  ];
}

// A secret that is told once.
export function shown(title, secret) {
  return dialog(title, (close) => [
    h('p', 'It is shown this once. Keep it now.'),
    h('p', { class: 'secret', tabindex: '0' }, secret),
    h(
      'div',
      { class: 'actions' },
      button(
        'Copy',
        async () => {
          await copy(secret);
          said('Copied.');
        },
        { kind: 'primary' },
      ),
      h('button', { type: 'button', onclick: () => close() }, 'Done'),
    ),
  ]);
}
