// What the next phase of a sync would change, and what has to hold first.

import { h } from '../dom.js';
import { get, post } from '../api.js';
import { can } from '../session.js';
import { badge, code, fromFile, said, section, to } from '../show.js';
import { button, confirm } from '../form.js';
import { rows } from '../table.js';
import { count, value, words } from '../format.js';

export async function promotion({ page, path, name, again }) {
  const p = await get(`${path}/promotion`, {}, page.signal);
  const rehearse =
    can('supervise') && p.next !== p.phase && p.changes.length
      ? button('Rehearse', async () => {
          const { runId } = await post(`${path}/promotion`, { to: p.next });
          location.hash = to('runs', String(runId));
        })
      : null;
  const apply =
    can('admin') && p.from === 'store' && p.ready
      ? button(
          'Apply',
          async () => {
            if (await confirm(`Move ${name} to “${words(p.next)}”?`, 'The settings are changed as listed.', 'Apply')) {
              await post(`${path}/promotion/apply`, { to: p.next });
              said('Applied.');
              again();
            }
          },
          { kind: 'primary' },
        )
      : null;
  return [
    section(
      `${words(p.phase)} → ${words(p.next)}`,
      p.from === 'file' ? fromFile('This sync') : null,
      h('div', { class: 'actions' }, rehearse, apply),
      h('h3', 'What has to hold first'),
      rows(
        {
          caption: 'Checks',
          key: (c) => c.what,
          columns: [
            { name: 'Check', head: true, cell: (c) => words(c.what) },
            { name: 'Is', num: true, cell: (c) => (c.is === undefined ? 'Not known' : count(c.is)) },
            { name: 'Limit', cell: (c) => `${c.atLeast ? 'at least' : 'at most'} ${count(c.limit)}` },
            { name: 'Holds', cell: (c) => badge(c.met ? 'yes' : 'not yet', c.met ? 'ok' : 'warn') },
          ],
        },
        p.checks,
      ),
      p.needs.length
        ? [
            h('h3', 'Still missing'),
            h(
              'ul',
              p.needs.map((m) => h('li', code(m.at), ` ${m.message} ${m.fix}`)),
            ),
          ]
        : null,
      h('h3', 'What changes'),
      rows(
        {
          caption: 'Changes',
          key: (c) => c.at,
          empty: 'No setting.',
          columns: [
            { name: 'Setting', head: true, cell: (c) => code(c.at) },
            { name: 'From', cell: (c) => value(c.from) },
            { name: 'To', cell: (c) => value(c.to) },
          ],
        },
        p.changes,
      ),
    ),
    section(
      `Use in ${p.usage.days} days`,
      rows(
        {
          caption: 'Writes by field',
          key: (f) => f.field,
          columns: [
            { name: 'Field', head: true, cell: (f) => code(f.field) },
            { name: 'To the left', num: true, cell: (f) => count(f.left) },
            { name: 'To the right', num: true, cell: (f) => count(f.right) },
          ],
        },
        p.usage.fields,
      ),
    ),
    section('As it would stand in tieline.toml', h('pre', { tabindex: '0' }, p.toml)),
  ];
}
