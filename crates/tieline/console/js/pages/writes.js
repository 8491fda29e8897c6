// What a run counted, and what it wrote, as tables.

import { h } from '../dom.js';
import { badge, code, when } from '../show.js';
import { rows } from '../table.js';
import { count, value, words } from '../format.js';

export const counts = (all) =>
  rows(
    {
      caption: 'Counts',
      key: ([k]) => k,
      cards: false,
      empty: 'Nothing counted yet.',
      columns: [
        { name: 'Count', head: true, cell: ([k]) => words(k) },
        { name: 'Records', num: true, cell: ([, n]) => count(n) },
      ],
    },
    Object.entries(all),
  );

export const writeColumns = () => [
  { name: 'When', head: true, cell: (w) => when(w.at) },
  { name: 'Kind', cell: (w) => words(w.kind) },
  { name: 'State', cell: (w) => badge(w.state) },
  { name: 'Side', cell: (w) => w.side },
  { name: 'Record', cell: (w) => code(w.record) },
  { name: 'Change', cell: (w) => change(w.before, w.after) },
  { name: 'Why', cell: (w) => w.why },
];

const change = (before, after) =>
  h(
    'ul',
    Object.keys({ ...before, ...after }).map((k) =>
      h(
        'li',
        `${k}: `,
        k in before ? h('del', value(before[k]) || 'empty') : null,
        k in before && k in after ? ' → ' : '',
        k in after ? h('ins', value(after[k]) || 'empty') : null,
      ),
    ),
  );
