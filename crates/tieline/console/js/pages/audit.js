// Who changed or saw what, and whether the log is as it was written.

import { h, fill } from '../dom.js';
import { get } from '../api.js';
import { badge, code, load, note, section, when } from '../show.js';
import { button, field } from '../form.js';
import { paged } from '../table.js';
import { count, words } from '../format.js';

const PAGE = 100;

export async function show(page) {
  const verdict = h('div', { 'aria-live': 'polite' });
  const verify = button('Verify the log', async () => {
    fill(verdict, note('Walking along the whole log…'));
    const v = await get('/api/v1/audit/verify', {}, page.signal);
    fill(
      verdict,
      section(
        'Verified',
        h(
          'p',
          v.whole ? badge('whole', 'ok') : badge('broken', 'bad'),
          ` ${count(v.entries)} entries${v.blanked ? `, ${count(v.blanked)} of them blanked because a person was erased` : ''}. ${v.whole ? '' : `The first that is not as it was written is ${v.brokenAt}: ${v.fault}`}`,
        ),
        h('p', 'Head: ', code(v.head)),
        note('Write it down elsewhere: as long as a later walk passes it, nothing was taken off the end.'),
      ),
    );
  });
  const box = h('div');
  page.root.append(
    page.head('Audit', { sub: 'Who changed or saw what, newest first.', actions: [verify] }),
    verdict,
    box,
  );
  await load(box, page.signal, async () => {
    let word = '';
    const listed = await paged(
      {
        caption: 'Audit log',
        key: (e) => e.seq,
        empty: 'Nothing was changed yet.',
        columns: [
          { name: 'No.', num: true, cell: (e) => String(e.seq) },
          { name: 'When', head: true, cell: (e) => when(e.at) },
          { name: 'Who', cell: (e) => e.actor },
          { name: 'What', cell: (e) => words(e.action) },
          { name: 'Of what', cell: (e) => e.subject },
          {
            name: 'Details',
            cell: (e) =>
              Object.entries(e.details)
                .map(([k, v]) => `${k}: ${v}`)
                .join(', '),
          },
        ],
      },
      async (before) => {
        const items = await get('/api/v1/audit', { before, limit: PAGE }, page.signal);
        return { items, next: items.length === PAGE ? items[items.length - 1].seq : '' };
      },
    );
    const narrow = () => listed.set(listed.all.filter((e) => !word || JSON.stringify(e).toLowerCase().includes(word)));
    return section(
      'Log',
      h(
        'div',
        { class: 'bar' },
        field('Filter what is shown', {
          type: 'search',
          wide: true,
          oninput: (e) => {
            word = e.target.value.toLowerCase();
            narrow();
          },
        }),
      ),
      listed.node,
    );
  });
}
