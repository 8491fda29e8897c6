// One review: what is asked, the records beside each other, and what it can be decided by.

import { h } from '../dom.js';
import { badge, code, note, section, when } from '../show.js';
import { button } from '../form.js';
import { rows } from '../table.js';
import { value, words } from '../format.js';
import { compareView, pairView } from './pair.js';

export const ASKS = {
  conflict: 'Both sides changed this field. Whose value holds?',
  deleted: 'One was deleted, the other edited. Which side stands?',
  ambiguous: 'Several records could be meant. Which one?',
  duplicate: 'It seems to be there already. Which pair is meant?',
  brake: 'May so many records be deleted?',
};
// Each choice, the key that makes it, and its word.
export const CHOICES = { left: ['l', 'Left'], right: ['r', 'Right'], both: ['b', 'Both'], approve: ['a', 'Approve'] };

export const title = (r) => (r.field ? r.field : r.kind === 'brake' ? 'Many deletes' : `Pair ${r.pair}`);

export function asked(r, { may, keys, decide, typed }) {
  const hint = (key) => (keys ? [' ', h('kbd', key)] : '');
  const others = r.records.filter((p) => p.pair !== r.pair);
  const acts =
    !may || !['open', 'decided'].includes(r.state)
      ? []
      : [
          ...Object.entries(CHOICES)
            .filter(([c]) => r.takes.includes(c))
            .map(([c, [key, text]]) =>
              button([text, hint(key)].flat(), () => decide({ choice: c }), { kind: 'primary' }),
            ),
          r.takes.includes('value') ? button(['Another value', hint('v')].flat(), () => typed(r)) : null,
          r.takes.includes('pair')
            ? [
                others.map((p, i) =>
                  button([`It is pair ${p.pair}`, hint(String(i + 1))].flat(), () => decide({ pair: p.pair }), {
                    kind: 'primary',
                  }),
                ),
                button(['Nobody of these', hint('n')].flat(), () => decide({ pair: null })),
              ]
            : null,
        ].flat();
  return [
    h('h2', `${words(r.kind)}: ${title(r)} `, badge(r.state)),
    h(
      'p',
      ASKS[r.kind] || '',
      r.about.by
        ? h(
            'span',
            { class: 'quiet' },
            r.kind === 'conflict'
              ? ` The rule: ${words(r.about.by).toLowerCase()}.`
              : ` Found by ${words(r.about.by).toLowerCase()}.`,
          )
        : null,
      r.about.why ? ` ${r.about.why}` : '',
    ),
    r.kind === 'conflict'
      ? rows(
          {
            caption: 'The two values',
            key: (x) => x[0],
            cards: false,
            columns: [
              { name: 'Side', head: true, cell: (x) => x[0] },
              { name: 'Value', cell: (x) => h('strong', x[1] || 'empty') },
              { name: 'For now', cell: (x) => (x[2] ? badge('holds', 'ok') : '') },
            ],
          },
          [
            ['Left', value(r.about.left), r.about.won === 'left'],
            ['Right', value(r.about.right), r.about.won === 'right'],
          ],
        )
      : null,
    r.kind === 'brake' ? h('p', h('strong', `${r.about.deletes} deletes of ${r.about.of} people.`)) : null,
    h('div', { class: 'actions', role: 'group', 'aria-label': 'Decide' }, acts),
    h('p'),
    r.decidedAt ? note('Decided ', when(r.decidedAt), ` by ${r.decidedBy}: `, code(JSON.stringify(r.decision))) : null,
    others.length
      ? compareView(
          r.records.find((p) => p.pair === r.pair),
          others,
        )
      : r.records.map((p) => section('The record', pairView(p, r.field))),
    note('Asked ', when(r.madeAt), ` by run ${r.runId} of ${r.sync}.`),
  ];
}
