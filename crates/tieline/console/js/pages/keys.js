// Keys of programs: made, rotated and withdrawn.

import { h } from '../dom.js';
import { at, del, get, post } from '../api.js';
import { badge, code, note, said, section, when } from '../show.js';
import { button, confirm, dialog, field, form } from '../form.js';
import { rows } from '../table.js';
import { shown } from './users.js';

const SCOPES = {
  lookup: 'Look callers up',
  events: 'Tell what happens in calls',
  context: 'Correct and keep data',
  routing: 'Decide where calls go',
  rules: 'Write routing rules',
  read: 'Read',
  agents: 'Speak for agents',
  admin: 'Everything',
};
const DAY = 86400;

export async function keys(page, again) {
  const list = await get('/api/v1/api-keys', {}, page.signal);
  const rotate = (k) =>
    dialog(`Rotate ${k.name}`, (close) =>
      form(
        [
          h('p', 'A new key is made; the old one goes on for a while.'),
          field('The old key goes on for', {
            name: 'overlap',
            options: [
              ['0', 'No time: it ends at once'],
              ['3600', 'An hour'],
              [String(DAY), 'A day'],
              [String(7 * DAY), '7 days'],
              [String(30 * DAY), '30 days'],
            ],
            value: String(DAY),
          }),
        ],
        'Rotate',
        async (f) => {
          const made = await post(at`/api/v1/api-keys/${k.id}/rotate`, { overlapSeconds: Number(f.overlap) });
          close();
          await shown(`New key of ${made.name}`, made.key);
          again();
        },
      ),
    );
  return [
    section(
      'API keys',
      rows(
        {
          caption: 'API keys',
          key: (k) => k.id,
          columns: [
            { name: 'Name', head: true, cell: (k) => k.name },
            { name: 'Id', cell: (k) => code(k.id) },
            { name: 'Scopes', cell: (k) => k.scopes.join(', ') },
            { name: 'State', cell: (k) => badge(k.state) },
            { name: 'Made', cell: (k) => when(k.createdAt) },
            { name: 'Ends', cell: (k) => (k.expiresAt ? when(k.expiresAt) : 'Never') },
            {
              name: 'A minute',
              num: true,
              cell: (k) => (k.requestsPerMinute ? String(k.requestsPerMinute) : 'As the server says'),
            },
            {
              name: 'Do',
              cell: (k) =>
                k.source === 'file'
                  ? h('span', { class: 'quiet' }, 'In tieline.toml, read-only')
                  : k.state !== 'active'
                    ? ''
                    : h(
                        'div',
                        { class: 'actions' },
                        button('Rotate', () => rotate(k), { kind: 'small', label: `Rotate ${k.name}` }),
                        button(
                          'Withdraw',
                          async () => {
                            if (
                              !(await confirm(
                                `Withdraw ${k.name}?`,
                                'It and its tokens open nothing any more, for good.',
                                'Withdraw',
                                { danger: true },
                              ))
                            )
                              return;
                            await del(at`/api/v1/api-keys/${k.id}`);
                            said(`${k.name} is withdrawn.`);
                            again();
                          },
                          { kind: 'small danger', label: `Withdraw ${k.name}` },
                        ),
                      ),
            },
          ],
        },
        list,
      ),
    ),
    section(
      'Make a key',
      form(
        [
          field('Name', { name: 'name', required: true, hint: 'What it is for' }),
          h(
            'fieldset',
            h('legend', 'Scopes'),
            h(
              'div',
              { class: 'checks' },
              Object.entries(SCOPES).map(([s, text]) =>
                field(`${s}: ${text}`, { name: `scope:${s}`, type: 'checkbox' }),
              ),
            ),
          ),
          field('Ends', { name: 'ends', type: 'date', hint: 'Empty: never' }),
          field('Requests a minute', { name: 'perMinute', type: 'number', min: 0, hint: 'Empty: as the server says' }),
        ],
        'Make',
        async (f) => {
          const scopes = Object.keys(SCOPES).filter((s) => f[`scope:${s}`]);
          if (!scopes.length) throw new Error('Choose at least one scope.');
          const made = await post('/api/v1/api-keys', {
            name: f.name,
            scopes,
            expiresAt: f.ends ? new Date(`${f.ends}T23:59:59`).toISOString() : undefined,
            requestsPerMinute: f.perMinute ? Number(f.perMinute) : undefined,
          });
          await shown(`Key of ${made.name}`, made.key);
          again();
        },
      ),
      note('The key is shown once.'),
    ),
  ];
}
