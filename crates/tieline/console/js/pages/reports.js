// Reports: how many callers are identified in time, and how long calls take.

import { h, fill } from '../dom.js';
import { get, withQuery } from '../api.js';
import { load, note, section } from '../show.js';
import { field, values } from '../form.js';
import { table } from '../table.js';
import { bars, lines } from '../chart.js';
import { clock, count, day, percent, short, span } from '../format.js';

const GROUPS = [
  ['queue', 'Queue'],
  ['source', 'Source'],
  ['status', 'Status'],
  ['data', 'A value of the data…'],
];
const SPANS = [
  ['1', 'Last day'],
  ['7', 'Last 7 days'],
  ['30', 'Last 30 days'],
  ['90', 'Last 90 days'],
];

export async function show(page) {
  const held = { days: '7', interval: '', group: 'queue', data: '', ...Object.fromEntries(page.query) };
  const [a, b] = [h('div'), h('div')];
  const bar = h(
    'form',
    {
      class: 'bar',
      'aria-label': 'What is reported',
      onsubmit: (e) => e.preventDefault(),
      onchange: () => {
        Object.assign(held, values(bar));
        page.setQuery(held);
        nameField.hidden = held.group !== 'data';
        draw();
      },
    },
    field('Time', { name: 'days', value: held.days, options: SPANS }),
    field('Interval', {
      name: 'interval',
      value: held.interval,
      options: [
        ['', 'By itself'],
        ['hour', 'Hour'],
        ['day', 'Day'],
      ],
    }),
    field('Grouped by', { name: 'group', value: held.group, options: GROUPS }),
  );
  const nameField = h(
    'div',
    { hidden: held.group !== 'data' },
    field('Name of the value', {
      name: 'data',
      value: held.data,
      placeholder: 'loyaltyTier',
      hint: 'One of reports.dimensions',
    }),
  );
  bar.append(nameField);
  page.root.append(
    page.head('Reports', { sub: 'Identification, late answers and handle time. Days are in UTC.' }),
    bar,
    a,
    b,
  );
  let turn = 0;
  const draw = async () => {
    const mine = ++turn;
    const from = new Date(Date.now() - Number(held.days) * 864e5).toISOString();
    const interval = held.interval || (held.days === '1' ? 'hour' : 'day');
    const by = held.group === 'data' ? (held.data ? `data.${held.data}` : '') : held.group;
    if (!by) fill(b, note('Name a value to group by.'));
    // One after the other: over many calls each is seconds of work, and together the first
    // would be as late as the last.
    await load(a, page.signal, () => identification(from, interval, page.signal));
    if (!by || mine !== turn) return;
    await load(b, page.signal, async () =>
      h(
        'div',
        { class: 'columns' },
        await Promise.all([byGroup(from, by, page.signal), handleTime(from, by, page.signal)]),
      ),
    );
  };
  await draw();
}

const csv = (path, query) =>
  h('p', h('a', { href: withQuery(path, { ...query, format: 'csv' }), download: true }, 'Export as CSV'));

async function identification(from, interval, signal) {
  const path = '/api/v1/reports/identification';
  const list = await get(path, { from, interval }, signal);
  const label = interval === 'day' ? day : (t) => clock(t, { seconds: false });
  if (!list.length) return section('Identification', note('No call in this time.'));
  const sum = (k) => list.reduce((n, r) => n + r[k], 0);
  const all = sum('calls');
  const made = table({
    caption: 'Identification over time',
    cards: false,
    key: (r) => r.from,
    columns: [
      { name: interval === 'day' ? 'Day' : 'Hour', head: true, cell: (r) => label(r.from) },
      ...[
        ['Calls', 'calls'],
        ['Hits', 'hits'],
        ['Ambiguous', 'ambiguous'],
        ['Misses', 'misses'],
        ['Partial', 'partial'],
        ['Unknown', 'unknown'],
        ['Identified later', 'identifiedLater'],
        ['Corrected', 'corrected'],
        ['Late', 'late'],
      ].map(([name, k]) => ({ name, num: true, cell: (r) => count(r[k]) })),
      { name: 'Rate', num: true, cell: (r) => percent(r.identificationRate) },
    ],
  });
  made.set([...list].reverse());
  const share = (title, series) =>
    lines({
      title,
      unit: '% of calls',
      xTitle: interval === 'day' ? 'Day (UTC)' : 'Hour',
      label,
      max: series === 'rate' ? 100 : undefined,
      format: (n) => `${Number(n.toFixed(1))}`,
      series: series === 'rate' ? [{ name: 'Identified' }] : [{ name: 'Partial' }, { name: 'Late' }],
      points: list.map((r) => ({
        at: r.from,
        values: series === 'rate' ? [r.identificationRate * 100] : [r.partialRate * 100, r.lateRate * 100],
      })),
    });
  return [
    h(
      'dl',
      { class: 'facts strip' },
      [
        ['Calls', count(all)],
        ['Identified', percent(sum('hits') / all)],
        ['Partial', percent(sum('partial') / all)],
        ['Late', percent(sum('late') / all)],
        ['Corrected by agents', count(sum('corrected'))],
      ].map(([k, v]) => h('div', h('dt', k), h('dd', v))),
    ),
    h(
      'div',
      { class: 'columns' },
      h('section', { class: 'part' }, share('Identification rate', 'rate')),
      h('section', { class: 'part' }, share('Partial and late answers', 'late')),
    ),
    section('Identification', made.node, csv(path, { from, interval })),
  ];
}

// Who is recognised where: the same counts, by group instead of by time.
async function byGroup(from, by, signal) {
  const list = await get('/api/v1/reports/identification', { from, interval: 'day', group_by: by }, signal);
  const groups = new Map();
  for (const r of list) {
    const g = groups.get(r.group) || { name: r.group || 'No value', calls: 0, hits: 0, late: 0 };
    groups.set(r.group, { ...g, calls: g.calls + r.calls, hits: g.hits + r.hits, late: g.late + r.late });
  }
  const all = [...groups.values()].sort((a, b) => b.calls - a.calls).slice(0, 12);
  if (!all.length) return null;
  return section(
    'Identification by group',
    bars({
      title: 'Identified and late',
      unit: '% of calls',
      xTitle: by.replace('data.', ''),
      series: [{ name: 'Identified' }, { name: 'Late' }],
      format: (n) => `${Number(n.toFixed(1))}`,
      groups: all.map((g) => ({ name: short(g.name), values: [(g.hits / g.calls) * 100, (g.late / g.calls) * 100] })),
    }),
    csv('/api/v1/reports/identification', { from, interval: 'day', group_by: by }),
  );
}

async function handleTime(from, by, signal) {
  const path = '/api/v1/reports/handle-time';
  const list = await get(path, { from, group_by: by }, signal);
  if (!list.length) return section('Handle time', note('No call has ended in this time.'));
  const made = table({
    caption: 'Handle time',
    cards: false,
    key: (r) => r.group,
    columns: [
      { name: 'Group', head: true, cell: (r) => r.group || 'No value' },
      { name: 'Calls', num: true, cell: (r) => count(r.calls) },
      { name: 'Mean', num: true, cell: (r) => span(r.meanMs) },
      { name: 'p50', num: true, cell: (r) => span(r.p50Ms) },
      { name: 'p95', num: true, cell: (r) => span(r.p95Ms) },
    ],
  });
  made.set(list);
  return section(
    'Handle time',
    bars({
      title: 'Handle time',
      unit: 'seconds',
      xTitle: by.replace('data.', ''),
      series: [{ name: 'Mean' }, { name: 'p95' }],
      format: (n) => count(Math.round(n)),
      groups: list
        .slice(0, 12)
        .map((r) => ({ name: r.group || 'No value', values: [r.meanMs / 1000, r.p95Ms / 1000] })),
    }),
    made.node,
    csv(path, { from, group_by: by }),
  );
}
