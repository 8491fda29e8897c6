// A connection as a form; an action, queue or sync as its section of tieline.toml in JSON.
// What stands in the file is only shown; what was made here is checked, saved and served at once.

import { h, fill } from '../dom.js';
import { ask, at, del } from '../api.js';
import { badge, fromFile, link, note, problem, said, section, to, when } from '../show.js';
import { button, confirm, field, form, values } from '../form.js';
import { connectionForm } from './connection-form.js';

const KINDS = {
  connections: ['connection', '#/connections', { type: '', settings: {} }],
  actions: ['action', '#/queues', { connection: '' }],
  queues: ['queue', '#/queues', { connection: '', ids: [], dids: [] }],
  syncs: [
    'sync',
    '#/syncs',
    {
      left: { connection: '', object: '' },
      right: { connection: '', object: '' },
      direction: 'right',
      schedule: 'never',
    },
  ],
};

export async function show(page) {
  const [kind, name] = page.path;
  if (!KINDS[kind]) {
    page.root.append(page.head('No such page'));
    return;
  }
  const [word, home, blank] = KINDS[kind];
  const isNew = name === '+';
  page.root.append(
    page.head(isNew ? `Add a ${word}`.replace('a action', 'an action') : name, {
      sub: isNew ? undefined : `Configuration of the ${word}`,
    }),
    h('p', link(home, 'Back to the list')),
  );
  const { data: item, headers } = isNew
    ? { data: { section: blank, from: 'store' }, headers: new Headers() }
    : await ask('GET', at`/api/v1/settings/${kind}/${name}`, { signal: page.signal });
  // Whoever saves must have seen the newest, and what is new must not take another's place.
  const seen = isNew ? { 'if-none-match': '*' } : { 'if-match': headers.get('etag') };
  const text = JSON.stringify(item.section, null, 2);
  if (item.problem) page.root.append(h('div', { class: 'problem' }, h('p', h('strong', item.problem))));
  if (item.from === 'file') {
    page.root.append(
      section('Settings', fromFile(`This ${word}`), h('pre', { tabindex: '0', 'aria-label': 'Settings' }, text)),
    );
    return;
  }
  if (item.ofRule) page.root.append(note(`The routing rule ${item.ofRule} brought it and takes it away.`));
  const out = h('div', { 'aria-live': 'polite' });
  const path = (as) => at`/api/v1/settings/${kind}/${as}`;
  const parts =
    kind === 'connections' ? await connectionForm(item.section, isNew, page.signal) : { nodes: plain(text), read: json };
  if (page.signal.aborted) return;
  const edit = form(
    [
      field('Name', { name: 'name', value: isNew ? '' : name, required: true, readonly: !isNew }),
      parts.nodes,
    ],
    'Save',
    async (f, node) => {
      const { data: kept } = await ask('PUT', path(f.name), { body: parts.read(f, node), headers: seen });
      said(`${kept.name} is saved and served.`);
      location.hash = isNew ? to('items', kind, f.name) : home;
    },
    {
      more: [
        button('Check only', async () => {
          const f = values(edit);
          fill(out);
          try {
            const body = parts.read(f, edit);
            await ask('PUT', path(f.name || 'new'), { body, query: { dryRun: true }, headers: seen });
            fill(out, h('p', badge('ok'), ' Nothing is wrong with it. It is not saved yet.'));
          } catch (e) {
            fill(out, problem(e));
          }
        }),
        isNew
          ? null
          : button(
              'Delete…',
              async () => {
                await del(path(name), { dryRun: true });
                if (
                  !(await confirm(
                    `Delete ${name}?`,
                    'It is served no more from then on. Nothing else needs it.',
                    'Delete',
                    { danger: true, type: name },
                  ))
                )
                  return;
                await del(path(name));
                said(`${name} is deleted.`);
                location.hash = home;
              },
              { kind: 'danger' },
            ),
      ],
    },
  );
  page.root.append(
    section(
      'Settings',
      item.changedAt ? note('Changed ', when(item.changedAt), ` by ${item.changedBy}.`) : null,
      edit,
      out,
    ),
  );
}

function plain(text) {
  return field('Settings', {
    name: 'section',
    rows: 22,
    value: text,
    hint: 'Its section of tieline.toml, as JSON.',
  });
}

function json(f) {
  try {
    return JSON.parse(f.section);
  } catch (e) {
    throw new Error(`This is not JSON: ${e.message}`);
  }
}
