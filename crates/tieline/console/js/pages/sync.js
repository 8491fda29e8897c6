// The parts of one sync. Each draws itself anew when its tab is opened.

import { h } from '../dom.js';
import { get } from '../api.js';
import { badge, facts, link, note, section, to, when } from '../show.js';
import { rows } from '../table.js';
import { bars, lines } from '../chart.js';
import { clock, count, span, words } from '../format.js';
import { drift, failures, record } from './sync-care.js';
import { map } from './map.js';
import { promotion } from './sync-phase.js';
import { counts } from './writes.js';

export const TABS = {
  overview: { name: 'Overview', draw: overview },
  plan: { name: 'Plan', draw: plan },
  runs: { name: 'Runs', draw: runs },
  failures: { name: 'Failures', draw: failures },
  drift: { name: 'Drift', draw: drift },
  record: { name: 'One record', draw: record },
  promotion: { name: 'Next phase', draw: promotion },
  map: { name: 'Map', scope: 'admin', draw: map },
};

async function overview({ page, path, name }) {
  const health = await get(`${path}/health`, {}, page.signal);
  const did = [...health.runs].reverse();
  const groups = (f) =>
    did.map((r) => ({
      name:
        clock(r.startedAt, { seconds: false }) +
        (did.filter((o) => clock(o.startedAt, { seconds: false }) === clock(r.startedAt, { seconds: false })).length > 1
          ? ` (${r.runId})`
          : ''),
      values: f(r),
    }));
  return [
    facts(
      [
        ['Score', health.score.toFixed(1)],
        ['Open reviews', count(health.openReviews)],
        ['Tried again', count(health.failing)],
        ['Given up', count(health.dead)],
        ['Drift', health.drift ? `${health.drift.percent.toFixed(2)} %` : 'Not measured'],
      ],
      'strip',
    ),
    note('The score is 100 − 5 × mean errors − mean seconds over the last ten runs, never below 0.'),
    did.length
      ? h(
          'div',
          { class: 'columns' },
          h(
            'section',
            { class: 'part' },
            bars({
              title: 'What the last runs wrote',
              unit: 'records',
              xTitle: 'Run',
              series: [{ name: 'Created' }, { name: 'Updated' }, { name: 'Deleted' }, { name: 'Errors' }],
              groups: groups((r) => [r.created, r.updated, r.deleted, r.errors]),
            }),
          ),
          h(
            'section',
            { class: 'part' },
            lines({
              title: 'How long they took',
              unit: 'seconds',
              xTitle: 'Run',
              series: [{ name: 'Seconds' }],
              points: did.map((r) => ({ at: r.startedAt, values: [r.seconds] })),
            }),
          ),
        )
      : note('No run has ended yet.'),
    section(
      'Last runs',
      rows(
        {
          caption: `Last runs of ${name}`,
          key: (r) => r.runId,
          columns: [
            { name: 'Run', head: true, cell: (r) => link(to('runs', String(r.runId)), `Run ${r.runId}`) },
            { name: 'Started', cell: (r) => when(r.startedAt) },
            { name: 'State', cell: (r) => badge(r.state) },
            ...['created', 'updated', 'deleted', 'skipped', 'conflicts', 'errors'].map((k) => ({
              name: words(k),
              num: true,
              cell: (r) => count(r[k]),
            })),
            { name: 'Took', num: true, cell: (r) => span(r.seconds * 1000) },
          ],
        },
        health.runs,
      ),
    ),
  ];
}

async function plan({ page, path }) {
  let p;
  try {
    p = await get(`${path}/plan`, {}, page.signal);
  } catch (e) {
    if (e.status !== 404) throw e;
    return note('There is no plan yet. “Plan” finds out what a run would do and writes nothing.');
  }
  const half = (f) => [
    count(f.creates),
    count(f.updates),
    count(f.deletes),
    `${f.percent.toFixed(1)} %`,
    count(f.calls),
    span(f.seconds * 1000),
  ];
  const names = [
    'Would create',
    'Would update',
    'Would delete',
    'Of all people',
    'Calls, at least',
    'Wait for the budget',
  ];
  const [l, r] = [half(p.left), half(p.right)];
  return section(
    'The newest plan',
    h(
      'p',
      badge(p.state),
      ' ',
      link(to('runs', String(p.runId)), `Run ${p.runId}`),
      ', ',
      when(p.startedAt),
      p.by ? ` by ${p.by}` : '',
    ),
    p.braked
      ? h(
          'div',
          { class: 'problem' },
          h('p', h('strong', 'It would delete more than the brake allows: a run would stop and ask.')),
        )
      : null,
    rows(
      {
        caption: 'What a run would do',
        key: (x) => x[0],
        cards: false,
        columns: [
          { name: 'What', head: true, cell: (x) => x[0] },
          { name: 'Left', num: true, cell: (x) => x[1] },
          { name: 'Right', num: true, cell: (x) => x[2] },
        ],
      },
      names.map((n, i) => [n, l[i], r[i]]),
    ),
    h('p'),
    counts(p.counts),
  );
}

async function runs({ page, path, name }) {
  const { items } = await get(`${path}/runs`, {}, page.signal);
  const wrote = (r) =>
    ['created', 'updated', 'deleted']
      .map((k) => `${count((r.counts[`${k}_left`] || 0) + (r.counts[`${k}_right`] || 0))} ${k}`)
      .join(', ');
  return section(
    'Runs',
    rows(
      {
        caption: `Runs of ${name}, newest first, at most 100`,
        key: (r) => r.runId,
        empty: 'No run yet.',
        columns: [
          { name: 'Run', head: true, cell: (r) => link(to('runs', String(r.runId)), `Run ${r.runId}`) },
          { name: 'Kind', cell: (r) => words(r.kind) },
          { name: 'State', cell: (r) => badge(r.state) },
          { name: 'Started', cell: (r) => when(r.startedAt) },
          { name: 'Ended', cell: (r) => when(r.endedAt) },
          { name: 'By', cell: (r) => r.by },
          { name: 'Wrote', cell: wrote },
          { name: 'Errors', num: true, cell: (r) => count(r.counts.errors || 0) },
          { name: 'Note', cell: (r) => r.note },
        ],
      },
      items,
    ),
  );
}
