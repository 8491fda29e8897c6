// Erases a person: shows first what would go, then asks for the id to be typed.

import { h } from '../dom.js';
import { post } from '../api.js';
import { code, note, said } from '../show.js';
import { dialog, field, form } from '../form.js';
import { rows } from '../table.js';
import { plural } from '../format.js';

export async function erase(who, word) {
  const would = await post('/api/v1/subjects/erase', { ...who, dryRun: true });
  const done = await dialog('Erase this customer', (close) =>
    form(
      [
        h(
          'p',
          `${plural(would.who.people.length, 'record')} would be erased here, and tombstones keep syncs from bringing them back. It cannot be undone.`,
        ),
        h(
          'ul',
          would.who.people.map((p) =>
            h('li', p.name ? `${p.name} ` : '', p.externalId ? code(p.externalId) : `a record of ${p.connection}`),
          ),
        ),
        rows(
          {
            caption: 'Rows that would be removed, by table',
            quiet: false,
            key: ([k]) => k,
            cards: false,
            columns: [
              { name: 'Table', head: true, cell: ([k]) => k },
              { name: 'Rows', num: true, cell: ([, n]) => String(n) },
            ],
          },
          Object.entries(would.removed),
        ),
        would.elsewhere.length
          ? note(
              `${plural(would.elsewhere.length, 'record')} in other systems stay and have to be erased there by hand; they are listed afterwards.`,
            )
          : null,
        field('Reference', { name: 'reason', hint: "Such as a ticket's id. Nothing personal.", maxlength: 64 }),
        field(`Type ${word} to go on`, { name: 'word', required: true }),
      ],
      'Erase for good',
      async (f) => {
        if (f.word !== word) throw new Error(`That is not ${word}.`);
        close(await post('/api/v1/subjects/erase', { ...who, reason: f.reason || undefined }));
      },
      { kind: 'danger', more: [h('button', { type: 'button', onclick: () => close() }, 'Cancel')] },
    ),
  );
  if (!done) return;
  said('Erased.');
  await dialog('What is left elsewhere', (close) => [
    h('p', 'The customer is erased here as ', code(done.id), '.'),
    done.elsewhere.length
      ? rows(
          {
            caption: 'To be erased by hand',
            key: (e) => e.id + e.kind,
            columns: [
              { name: 'Connection', head: true, cell: (e) => e.connection },
              { name: 'Kind', cell: (e) => e.kind },
              { name: 'Id', cell: (e) => code(e.id) },
            ],
          },
          done.elsewhere,
        )
      : note('Nothing was put into other systems.'),
    h(
      'div',
      { class: 'actions' },
      done.elsewhere.length
        ? h(
            'button',
            {
              type: 'button',
              onclick: () => saveAs(`left-of-${done.id}.json`, JSON.stringify(done.elsewhere, null, 2)),
            },
            'Save the list',
          )
        : null,
      h('button', { type: 'button', class: 'primary', onclick: () => close() }, 'Done'),
    ),
  ]);
  location.hash = '#/customers';
}

// Hands a text to the browser as a file.
export function saveAs(name, text) {
  const url = URL.createObjectURL(new Blob([text], { type: 'application/json' }));
  const a = h('a', { href: url, download: name });
  document.body.append(a);
  a.click();
  a.remove();
  setTimeout(() => URL.revokeObjectURL(url), 10000);
}
