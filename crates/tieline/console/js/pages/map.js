// The map of a sync: which field goes to which, changed in place where the sync was made
// here, with a record shown through it.

import { h, fill } from '../dom.js';
import { ask, at, post } from '../api.js';
import { code, facts, fromFile, link, note, problem, said, section, to } from '../show.js';
import { button, field, form } from '../form.js';
import { rows } from '../table.js';
import { value, words } from '../format.js';

// Each setting of a field, and what it may be; the first is what it is when it is left out.
const CHOICES = {
  direction: ['Direction', 'As the sync', 'right', 'left', 'both'],
  winner: ['Who wins', 'By itself', 'left', 'right', 'last_write', 'longest', 'non_empty', 'manual'],
  type: ['Type', 'As the vendor says', 'text', 'email', 'phone', 'number', 'bool', 'date', 'moment', 'tags'],
  match_as: ['Matched as', 'Not', 'external_id', 'email', 'phone', 'first_name', 'last_name', 'account'],
};

export async function map({ page, name, path, again }) {
  const { data: item, headers } = await ask('GET', at`/api/v1/settings/syncs/${name}`, { signal: page.signal });
  // Whoever saves must have seen the newest.
  item.tag = headers.get('etag');
  const s = item.section;
  const fields = s.fields || [];
  const isOurs = item.from === 'store';
  const edit = isOurs ? editor(item, fields, again) : null;
  return [
    section(
      'Map',
      isOurs ? null : fromFile('This sync'),
      fields.length ? null : note('No fields of its own: it uses the map of the guides.'),
      isOurs ? edit.node : shown(fields),
    ),
    sample(path, edit && edit.fields),
    section(
      'Settings',
      facts(
        Object.entries(s)
          .filter(([k]) => k !== 'fields')
          .map(([k, v]) => [words(k), value(v)]),
      ),
      isOurs ? h('p', link(to('items', 'syncs', name), 'Change the settings')) : null,
    ),
  ];
}

function shown(fields) {
  if (!fields.length) return null;
  const columns = Object.entries(CHOICES).map(([k, [title, unset]]) => ({
    name: title,
    cell: (f) => words(f[k] || unset),
  }));
  return rows(
    {
      caption: 'Fields',
      key: JSON.stringify,
      columns: [
        { name: 'Left', head: true, cell: (f) => code(f.left) },
        { name: 'Right', cell: (f) => (f.right ? code(f.right) : 'The directory alone') },
        ...columns,
      ],
    },
    fields,
  );
}

function editor(item, fields, again) {
  const list = h('div', { class: 'form' });
  const number = () =>
    [...list.children].forEach((row, i) => {
      row.querySelector('legend').textContent = `Field ${i + 1}`;
    });
  const add = (f) => {
    const part = (k, label, options) =>
      field(label, options ? { 'data-is': k, options, value: f[k] || '' } : { 'data-is': k, value: f[k] || '' });
    const row = h(
      'fieldset',
      h('legend', 'Field'),
      h(
        'div',
        { class: 'bar condition tight' },
        part('left', 'Left'),
        part('right', 'Right'),
        Object.entries(CHOICES).map(([k, [title, unset, ...may]]) =>
          part(k, title, [['', unset], ...may.map((m) => [m, words(m)])]),
        ),
        button(
          'Remove',
          () => {
            row.remove();
            number();
          },
          { kind: 'small', label: 'Remove this field' },
        ),
      ),
    );
    list.append(row);
    return row;
  };
  fields.forEach(add);
  number();
  const read = () => {
    const held = [...list.children].map((row) => {
      const f = {};
      row.querySelectorAll('[data-is]').forEach((input) => {
        if (input.value.trim()) f[input.dataset.is] = input.value.trim();
      });
      return f;
    });
    return { ...item.section, fields: held };
  };
  const send = (dryRun) =>
    ask('PUT', at`/api/v1/settings/syncs/${item.name}`, {
      body: read(),
      query: { dryRun },
      headers: item.tag ? { 'if-match': item.tag } : {},
    });
  const out = h('div', { 'aria-live': 'polite' });
  const edit = form(
    [
      note('A field without a right side is read for the directory alone. Look at a plan before the next run.'),
      list,
      h(
        'div',
        button('Add a field', () => {
          const row = add({});
          number();
          row.querySelector('input').focus();
        }),
      ),
    ],
    'Save the map',
    async () => {
      await send(false);
      said('The map is saved. The next run goes by it.');
      again();
    },
    {
      more: [
        button('Check only', async () => {
          fill(out);
          try {
            await send(true);
            fill(out, h('p', 'Nothing is wrong with it. It is not saved yet.'));
          } catch (e) {
            fill(out, problem(e));
          }
        }),
      ],
    },
  );
  edit.classList.add('broad');
  // What is typed, if anything is: without fields of its own the sync goes by the guides' map.
  return { node: [edit, out], fields: () => (list.children.length ? read().fields : undefined) };
}

// A record of a vendor shown through the map as it stands in the editor, each way.
function sample(path, read) {
  const out = h('div', { 'aria-live': 'polite' });
  const shown = (v) => (v === null ? '' : value(v) || '(empty)');
  return section(
    'A record through it',
    note('Read from its own system now, with its other where the sync knows it. Nothing is written.'),
    form(
      [
        field('Side', {
          name: 'side',
          options: [
            ['left', 'Left'],
            ['right', 'Right'],
          ],
        }),
        field('Id in its own system', { name: 'id', required: true, wide: true }),
      ],
      'Show',
      async (f) => {
        const fields = read && read();
        const told = await post(`${path}/sample`, { side: f.side, id: f.id, ...(fields ? { fields } : {}) });
        fill(
          out,
          note(`Left ${told.left || 'none'}, right ${told.right || 'none'}.`),
          rows(
            {
              caption: 'What the map makes of the record each way',
              key: (x) => x.left + x.right,
              columns: [
                { name: 'Left', head: true, cell: (x) => code(x.left) },
                { name: 'Holds', cell: (x) => shown(x.leftHolds) },
                { name: 'Would be written to the right', cell: (x) => shown(x.toRight) },
                { name: 'Goes', cell: (x) => ({ right: '→', left: '←', both: '⇄' })[x.direction] },
                { name: 'Would be written to the left', cell: (x) => shown(x.toLeft) },
                { name: 'Holds ', cell: (x) => shown(x.rightHolds) },
                { name: 'Right', cell: (x) => code(x.right) },
              ],
            },
            told.lines,
          ),
        );
      },
      { inline: true },
    ),
    out,
  );
}
