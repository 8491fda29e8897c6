// What goes wrong with a sync: records that fail, sides that drift apart, and the story of one record.

import { h, fill } from '../dom.js';
import { get, post } from '../api.js';
import { can } from '../session.js';
import { badge, code, note, said, section, when } from '../show.js';
import { button, field, form } from '../form.js';
import { paged, rows } from '../table.js';
import { lines } from '../chart.js';
import { count, words } from '../format.js';
import { pairView } from './pair.js';
import { writeColumns } from './writes.js';

export async function failures({ page, name, again }) {
  const redrive = async (body, text) => {
    const { redriven } = await post('/api/v1/failures/redrive', { sync: name, ...body });
    said(`${count(redriven)} ${text}`);
    again();
  };
  const listed = await paged(
    {
      caption: 'Records that could not be settled',
      key: (f) => f.pair,
      empty: 'Nothing failed.',
      columns: [
        { name: 'Pair', head: true, cell: (f) => String(f.pair) },
        { name: 'Class', cell: (f) => words(f.class) },
        { name: 'What its system said', cell: (f) => f.note || f.failure },
        { name: 'Left', cell: (f) => code(f.left.id) },
        { name: 'Right', cell: (f) => code(f.right.id) },
        { name: 'Tries', num: true, cell: (f) => String(f.tries) },
        { name: 'Failed', cell: (f) => when(f.failedAt) },
        { name: 'Tried again', cell: (f) => (f.isDead ? badge('given up', 'bad') : when(f.dueAt)) },
        ...(can('supervise')
          ? [
              {
                name: 'Redrive',
                cell: (f) =>
                  button('Redrive', () => redrive({ pair: f.pair }, 'is tried again with the next run.'), {
                    kind: 'small',
                    label: `Redrive pair ${f.pair}`,
                  }),
              },
            ]
          : []),
      ],
    },
    (after) => get('/api/v1/failures', { sync: name, after, limit: 100 }, page.signal),
  );
  const classes = [...new Set(listed.all.map((f) => f.class))];
  return section(
    'Failures',
    note('What is redriven is tried with the next run, with what the records are then.'),
    can('supervise') && classes.length
      ? h(
          'div',
          { class: 'actions' },
          classes.map((c) =>
            button(`Redrive all ${words(c).toLowerCase()}`, () => redrive({ class: c }, 'are tried again.')),
          ),
        )
      : null,
    listed.node,
  );
}

export async function drift({ page, path, again }) {
  const { items } = await get(`${path}/drift`, {}, page.signal);
  const measure = can('supervise')
    ? button('Measure now', async () => {
        const { runId } = await post(`${path}/drift`);
        said(`Run ${runId} reads some pairs from both sides and compares them.`);
        setTimeout(again, 4000);
      })
    : null;
  if (!items.length) return section('Drift', note('It was never measured.'), measure);
  const points = [...items].reverse().map((d) => ({ at: d.at, values: [d.percent] }));
  return [
    section(
      'Drift',
      h('p', measure),
      lines({
        title: 'Pairs that differ though they should not',
        unit: '% of pairs',
        series: [{ name: 'Drift' }],
        points,
        format: (n) => n.toFixed(2),
      }),
    ),
    section(
      'Measurements',
      rows(
        {
          caption: 'Measurements, newest first',
          key: (d) => d.runId,
          columns: [
            { name: 'When', head: true, cell: (d) => when(d.at) },
            { name: 'Drift', num: true, cell: (d) => `${d.percent.toFixed(2)} %` },
            { name: 'Drawn', num: true, cell: (d) => count(d.sampled) },
            { name: 'Compared', num: true, cell: (d) => count(d.compared) },
            { name: 'Differ', num: true, cell: (d) => count(d.differing) },
            { name: 'Pending', num: true, cell: (d) => count(d.pending) },
            { name: 'Missing left', num: true, cell: (d) => count(d.missingLeft) },
            { name: 'Missing right', num: true, cell: (d) => count(d.missingRight) },
            {
              name: 'Fields',
              cell: (d) => d.fields.map((f) => `${f.field}: ${f.left} left, ${f.right} right`).join('; '),
            },
          ],
        },
        items,
      ),
    ),
  ];
}

export function record({ page, path }) {
  const box = h('div');
  return section(
    'One record',
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
        const s = await get(`${path}/records/${f.side}/${encodeURIComponent(f.id)}`, {}, page.signal);
        fill(
          box,
          pairView(s),
          h('h3', 'Written'),
          rows(
            {
              caption: 'What was written to either side, newest first',
              key: (w) => w.id,
              empty: 'Nothing.',
              columns: writeColumns(),
            },
            s.writes,
          ),
          h('h3', 'Asked of people'),
          rows(
            {
              caption: 'Reviews',
              key: (r) => r.id,
              empty: 'Nothing.',
              columns: [
                { name: 'Review', head: true, cell: (r) => String(r.id) },
                { name: 'Kind', cell: (r) => words(r.kind) },
                { name: 'Field', cell: (r) => r.field },
                { name: 'State', cell: (r) => badge(r.state) },
                { name: 'Decided', cell: (r) => (r.decidedAt ? [when(r.decidedAt), ` by ${r.decidedBy}`] : '') },
              ],
            },
            s.reviews,
          ),
        );
      },
      { inline: true },
    ),
    box,
  );
}
