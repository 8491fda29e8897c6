// The parts of one sync. Each draws itself anew when its tab is opened.

import { h, fill } from '../dom.js';
import { at, get, post } from '../api.js';
import { can } from '../session.js';
import { badge, code, facts, fromFile, link, note, said, section, to, when } from '../show.js';
import { button, confirm, field, form } from '../form.js';
import { paged, rows } from '../table.js';
import { bars, lines } from '../chart.js';
import { clock, count, span, value, words } from '../format.js';
import { pairView } from './pair.js';

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
  const groups = (f) => did.map((r) => ({ name: clock(r.startedAt, { seconds: false }) + (did.filter((o) => clock(o.startedAt, { seconds: false }) === clock(r.startedAt, { seconds: false })).length > 1 ? ` (${r.runId})` : ''), values: f(r) }));
  return [
    facts([['Score', health.score.toFixed(1)], ['Open reviews', count(health.openReviews)], ['Tried again', count(health.failing)], ['Given up', count(health.dead)], ['Drift', health.drift ? `${health.drift.percent.toFixed(2)} %` : 'Not measured']], 'strip'),
    note('The score is 100 − 5 × mean errors − mean seconds over the last ten runs, never below 0.'),
    did.length ? h('div', { class: 'columns' },
      h('section', { class: 'part' }, bars({ title: 'What the last runs wrote', unit: 'records', xTitle: 'Run', series: [{ name: 'Created' }, { name: 'Updated' }, { name: 'Deleted' }, { name: 'Errors' }], groups: groups((r) => [r.created, r.updated, r.deleted, r.errors]) })),
      h('section', { class: 'part' }, lines({ title: 'How long they took', unit: 'seconds', xTitle: 'Run', series: [{ name: 'Seconds' }], points: did.map((r) => ({ at: r.startedAt, values: [r.seconds] })) }))) : note('No run has ended yet.'),
    section('Last runs', rows({ caption: `Last runs of ${name}`, key: (r) => r.runId, columns: [
      { name: 'Run', head: true, cell: (r) => link(to('runs', String(r.runId)), `Run ${r.runId}`) }, { name: 'Started', cell: (r) => when(r.startedAt) }, { name: 'State', cell: (r) => badge(r.state) },
      ...['created', 'updated', 'deleted', 'skipped', 'conflicts', 'errors'].map((k) => ({ name: words(k), num: true, cell: (r) => count(r[k]) })),
      { name: 'Took', num: true, cell: (r) => span(r.seconds * 1000) }] }, health.runs)),
  ];
}

async function plan({ page, path }) {
  let p;
  try { p = await get(`${path}/plan`, {}, page.signal); } catch (e) {
    if (e.status !== 404) throw e;
    return note('There is no plan yet. “Plan” finds out what a run would do and writes nothing.');
  }
  const half = (f) => [count(f.creates), count(f.updates), count(f.deletes), `${f.percent.toFixed(1)} %`, count(f.calls), span(f.seconds * 1000)];
  const names = ['Would create', 'Would update', 'Would delete', 'Of all people', 'Calls, at least', 'Wait for the budget'];
  const [l, r] = [half(p.left), half(p.right)];
  return section('The newest plan',
    h('p', badge(p.state), ' ', link(to('runs', String(p.runId)), `Run ${p.runId}`), ', ', when(p.startedAt), p.by ? ` by ${p.by}` : ''),
    p.braked ? h('div', { class: 'problem' }, h('p', h('strong', 'It would delete more than the brake allows: a run would stop and ask.'))) : null,
    rows({ caption: 'What a run would do', key: (x) => x[0], cards: false, columns: [{ name: 'What', head: true, cell: (x) => x[0] }, { name: 'Left', num: true, cell: (x) => x[1] }, { name: 'Right', num: true, cell: (x) => x[2] }] }, names.map((n, i) => [n, l[i], r[i]])),
    h('p'), counts(p.counts));
}

export const counts = (all) => rows({ caption: 'Counts', key: ([k]) => k, cards: false, empty: 'Nothing counted yet.', columns: [{ name: 'Count', head: true, cell: ([k]) => words(k) }, { name: 'Records', num: true, cell: ([, n]) => count(n) }] }, Object.entries(all));

async function runs({ page, path, name }) {
  const { items } = await get(`${path}/runs`, {}, page.signal);
  const wrote = (r) => ['created', 'updated', 'deleted'].map((k) => `${count((r.counts[`${k}_left`] || 0) + (r.counts[`${k}_right`] || 0))} ${k}`).join(', ');
  return section('Runs', rows({ caption: `Runs of ${name}, newest first, at most 100`, key: (r) => r.runId, empty: 'No run yet.', columns: [
    { name: 'Run', head: true, cell: (r) => link(to('runs', String(r.runId)), `Run ${r.runId}`) }, { name: 'Kind', cell: (r) => words(r.kind) }, { name: 'State', cell: (r) => badge(r.state) },
    { name: 'Started', cell: (r) => when(r.startedAt) }, { name: 'Ended', cell: (r) => when(r.endedAt) }, { name: 'By', cell: (r) => r.by }, { name: 'Wrote', cell: wrote },
    { name: 'Errors', num: true, cell: (r) => count(r.counts.errors || 0) }, { name: 'Note', cell: (r) => r.note }] }, items));
}

async function failures({ page, name, again }) {
  const redrive = async (body, text) => { const { redriven } = await post('/api/v1/failures/redrive', { sync: name, ...body }); said(`${count(redriven)} ${text}`); again(); };
  const listed = await paged({ caption: 'Records that could not be settled', key: (f) => f.pair, empty: 'Nothing failed.', columns: [
    { name: 'Pair', head: true, cell: (f) => String(f.pair) }, { name: 'Class', cell: (f) => words(f.class) }, { name: 'What its system said', cell: (f) => f.note || f.failure },
    { name: 'Left', cell: (f) => code(f.left.id) }, { name: 'Right', cell: (f) => code(f.right.id) }, { name: 'Tries', num: true, cell: (f) => String(f.tries) },
    { name: 'Failed', cell: (f) => when(f.failedAt) }, { name: 'Tried again', cell: (f) => (f.isDead ? badge('given up', 'bad') : when(f.dueAt)) },
    ...(can('supervise') ? [{ name: 'Redrive', cell: (f) => button('Redrive', () => redrive({ pair: f.pair }, 'is tried again with the next run.'), { kind: 'small', label: `Redrive pair ${f.pair}` }) }] : []),
  ] }, (after) => get('/api/v1/failures', { sync: name, after, limit: 100 }, page.signal));
  const classes = [...new Set(listed.all.map((f) => f.class))];
  return section('Failures', note('What is redriven is tried with the next run, with what the records are then.'),
    can('supervise') && classes.length ? h('div', { class: 'actions' }, classes.map((c) => button(`Redrive all ${words(c).toLowerCase()}`, () => redrive({ class: c }, 'are tried again.')))) : null, listed.node);
}

async function drift({ page, path, again }) {
  const { items } = await get(`${path}/drift`, {}, page.signal);
  const measure = can('supervise') ? button('Measure now', async () => { const { runId } = await post(`${path}/drift`); said(`Run ${runId} reads some pairs from both sides and compares them.`); setTimeout(again, 4000); }) : null;
  if (!items.length) return section('Drift', note('It was never measured.'), measure);
  const points = [...items].reverse().map((d) => ({ at: d.at, values: [d.percent] }));
  return [section('Drift', h('p', measure), lines({ title: 'Pairs that differ though they should not', unit: '% of pairs', series: [{ name: 'Drift' }], points, format: (n) => n.toFixed(2) })),
    section('Measurements', rows({ caption: 'Measurements, newest first', key: (d) => d.runId, columns: [
      { name: 'When', head: true, cell: (d) => when(d.at) }, { name: 'Drift', num: true, cell: (d) => `${d.percent.toFixed(2)} %` }, { name: 'Drawn', num: true, cell: (d) => count(d.sampled) }, { name: 'Compared', num: true, cell: (d) => count(d.compared) },
      { name: 'Differ', num: true, cell: (d) => count(d.differing) }, { name: 'Pending', num: true, cell: (d) => count(d.pending) }, { name: 'Missing left', num: true, cell: (d) => count(d.missingLeft) }, { name: 'Missing right', num: true, cell: (d) => count(d.missingRight) },
      { name: 'Fields', cell: (d) => d.fields.map((f) => `${f.field}: ${f.left} left, ${f.right} right`).join('; ') }] }, items))];
}

function record({ page, path }) {
  const box = h('div');
  return section('One record', form([field('Side', { name: 'side', options: [['left', 'Left'], ['right', 'Right']] }), field('Id in its own system', { name: 'id', required: true, wide: true })], 'Show', async (f) => {
    const s = await get(`${path}/records/${f.side}/${encodeURIComponent(f.id)}`, {}, page.signal);
    fill(box, pairView(s), h('h3', 'Written'), rows({ caption: 'What was written to either side, newest first', key: (w) => w.id, empty: 'Nothing.', columns: writeColumns() }, s.writes),
      h('h3', 'Asked of people'), rows({ caption: 'Reviews', key: (r) => r.id, empty: 'Nothing.', columns: [{ name: 'Review', head: true, cell: (r) => String(r.id) }, { name: 'Kind', cell: (r) => words(r.kind) }, { name: 'Field', cell: (r) => r.field }, { name: 'State', cell: (r) => badge(r.state) }, { name: 'Decided', cell: (r) => (r.decidedAt ? [when(r.decidedAt), ` by ${r.decidedBy}`] : '') }] }, s.reviews));
  }, { inline: true }), box);
}

export const writeColumns = () => [
  { name: 'When', head: true, cell: (w) => when(w.at) }, { name: 'Kind', cell: (w) => words(w.kind) }, { name: 'State', cell: (w) => badge(w.state) }, { name: 'Side', cell: (w) => w.side }, { name: 'Record', cell: (w) => code(w.record) },
  { name: 'Change', cell: (w) => change(w.before, w.after) }, { name: 'Why', cell: (w) => w.why }];

const change = (before, after) => h('ul', Object.keys({ ...before, ...after }).map((k) => h('li', `${k}: `, k in before ? h('del', value(before[k]) || 'empty') : null, k in before && k in after ? ' → ' : '', k in after ? h('ins', value(after[k]) || 'empty') : null)));

async function promotion({ page, path, name, again }) {
  const p = await get(`${path}/promotion`, {}, page.signal);
  const rehearse = can('supervise') && p.next !== p.phase && p.changes.length ? button('Rehearse', async () => { const { runId } = await post(`${path}/promotion`, { to: p.next }); location.hash = to('runs', String(runId)); }) : null;
  const apply = can('admin') && p.from === 'store' && p.ready ? button('Apply', async () => { if (await confirm(`Move ${name} to “${words(p.next)}”?`, [h('p', 'The settings are changed as listed.')], 'Apply')) { await post(`${path}/promotion/apply`, { to: p.next }); said('Applied.'); again(); } }, { kind: 'primary' }) : null;
  return [section(`${words(p.phase)} → ${words(p.next)}`, p.from === 'file' ? fromFile('This sync') : null, h('div', { class: 'actions' }, rehearse, apply),
    h('h3', 'What has to hold first'), rows({ caption: 'Checks', key: (c) => c.what, columns: [{ name: 'Check', head: true, cell: (c) => words(c.what) }, { name: 'Is', num: true, cell: (c) => (c.is === undefined ? 'Not known' : count(c.is)) }, { name: 'Limit', cell: (c) => `${c.atLeast ? 'at least' : 'at most'} ${count(c.limit)}` }, { name: 'Holds', cell: (c) => badge(c.met ? 'yes' : 'not yet', c.met ? 'ok' : 'warn') }] }, p.checks),
    p.needs.length ? [h('h3', 'Still missing'), h('ul', p.needs.map((m) => h('li', code(m.at), ` ${m.message} ${m.fix}`)))] : null,
    h('h3', 'What changes'), rows({ caption: 'Changes', key: (c) => c.at, empty: 'No setting.', columns: [{ name: 'Setting', head: true, cell: (c) => code(c.at) }, { name: 'From', cell: (c) => value(c.from) }, { name: 'To', cell: (c) => value(c.to) }] }, p.changes)),
  section(`Use in ${p.usage.days} days`, rows({ caption: 'Writes by field', key: (f) => f.field, columns: [{ name: 'Field', head: true, cell: (f) => code(f.field) }, { name: 'To the left', num: true, cell: (f) => count(f.left) }, { name: 'To the right', num: true, cell: (f) => count(f.right) }] }, p.usage.fields)),
  section('As it would stand in tieline.toml', h('pre', { tabindex: '0' }, p.toml))];
}

async function map({ page, name }) {
  const item = await get(at`/api/v1/settings/syncs/${name}`, {}, page.signal);
  const s = item.section;
  return [section('Map', item.from === 'file' ? fromFile('This sync') : h('p', link(to('items', 'syncs', name), 'Edit')),
    s.fields.length ? rows({ caption: 'Fields', key: (f) => f.left + f.right, columns: [{ name: 'Left', head: true, cell: (f) => code(f.left) }, { name: 'Right', cell: (f) => code(f.right) }, { name: 'Direction', cell: (f) => f.direction || 'both' }, { name: 'Who wins', cell: (f) => f.winner }, { name: 'Type', cell: (f) => f.type }, { name: 'Matched as', cell: (f) => f.match_as }] }, s.fields) : note('No fields of its own: it uses the map of the guides.')),
  section('Settings', facts(Object.entries(s).filter(([k]) => k !== 'fields').map(([k, v]) => [words(k), value(v)])))];
}
