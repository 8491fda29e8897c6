// Connections: how each stands, what it is allowed, how fast it answers, what went wrong
// and how to mend it.

import { h, fill } from '../dom.js';
import { at, eachOf, get, post } from '../api.js';
import { can } from '../session.js';
import { badge, code, facts, link, note, section, to, when } from '../show.js';
import { button } from '../form.js';
import { rows, table } from '../table.js';
import { lines } from '../chart.js';
import { count, span, words } from '../format.js';

const health = (name, signal) => get(at`/api/v1/connections/${name}/health`, {}, signal);

export function show(page) {
  if (page.path[0]) return one(page, page.path[0]);
  return list(page);
}

const worst = (c) => c.errors.find((e) => !e.isOver);

async function list(page) {
  const checked = h('div');
  const check = button('Test all connections', async () => {
    fill(checked, note('Asking every connection…'));
    findings(checked, await post('/api/v1/connections/check', {}));
  });
  const add = h('a', { class: 'button', href: '#/items/connections/+' }, 'Add a connection');
  const listed = table({
    caption: 'Connections',
    key: (c) => c.name,
    empty: 'No connection yet.',
    columns: [
      { name: 'Connection', head: true, cell: (c) => link(to('connections', c.name), c.name) },
      {
        name: 'Status',
        cell: (c) =>
          badge(c.status, undefined, c.degradedBy ? `${c.status} (${words(c.degradedBy).toLowerCase()})` : c.status),
      },
      { name: 'Breaker', cell: (c) => badge(c.breaker.position, c.breaker.position === 'open' ? 'bad' : undefined) },
      { name: 'Token', cell: (c) => badge(c.token.status) },
      { name: 'Budget', num: true, cell: (c) => `${count(c.budget.available)} / ${count(c.budget.perMinute)} a min` },
      { name: 'Vendor allows', num: true, cell: (c) => (c.budget.left < 0 ? '' : `${count(c.budget.left)} more`) },
      { name: 'p50', num: true, cell: (c) => span(c.latency.p50Ms) },
      { name: 'p95', num: true, cell: (c) => span(c.latency.p95Ms) },
      { name: 'p99', num: true, cell: (c) => span(c.latency.p99Ms) },
      { name: 'Error now', cell: (c) => (worst(c) ? words(worst(c).kind) : '') },
    ],
  });
  page.root.append(
    page.head('Connections', {
      sub: 'The systems behind the calls, as this node knows them.',
      actions: can('admin') ? [check, add] : [],
    }),
    h('section', { class: 'part' }, listed.node),
    checked,
  );
  await page.every(5000, async () => {
    const { connections } = await get('/api/v1/connections', {}, page.signal);
    listed.set(await eachOf(connections, (c) => health(c.name, page.signal)));
    return connections.length > 20 ? 30000 : 5000;
  });
}

function findings(box, list) {
  const wrong = list.filter((f) => !f.ok || f.warning);
  fill(
    box,
    section(
      'Test',
      h(
        'p',
        { role: 'status' },
        wrong.length
          ? `${wrong.filter((f) => !f.ok).length} of ${list.length} checks failed, ${wrong.filter((f) => f.ok).length} warn.`
          : `All ${list.length} checks are well.`,
      ),
      rows(
        {
          caption: 'What the test found',
          key: (f) => `${f.connection}${f.what}${f.code}`,
          columns: [
            { name: 'Connection', head: true, cell: (f) => f.connection },
            { name: 'What', cell: (f) => f.what },
            {
              name: 'Result',
              cell: (f) => (f.ok ? badge(f.warning ? 'warning' : 'ok', f.warning ? 'warn' : 'ok') : badge('failed')),
            },
            {
              name: 'What to do',
              cell: (f) =>
                f.message
                  ? [
                      h('p', f.message),
                      f.fix ? h('p', h('span', { class: 'fix' }, 'To mend it: '), f.fix) : null,
                      f.code
                        ? h('a', { href: `/docs/errors/${f.code}`, target: '_blank', rel: 'noopener' }, f.code)
                        : null,
                    ]
                  : '',
            },
          ],
        },
        [...wrong, ...list.filter((f) => f.ok && !f.warning)],
      ),
    ),
  );
}

// So many points are drawn: of those in between the slowest, or the lowest budget.
const DRAWN = 240;

function thinned(samples) {
  const each = Math.ceil(samples.length / DRAWN);
  const parts = [];
  for (let i = 0; i < samples.length; i += each) parts.push(samples.slice(i, i + each));
  const most = (part, f) => Math.max(...part.map(f));
  return parts.map((part) => ({
    at: part[part.length - 1].at,
    times: [most(part, (s) => s.p50Ms), most(part, (s) => s.p95Ms), most(part, (s) => s.p99Ms)],
    left: Math.min(...part.map((s) => s.available)),
    allowed: part[part.length - 1].left < 0 ? null : part[part.length - 1].left,
  }));
}

async function one(page, name) {
  const box = h('div');
  const charts = h('div', { class: 'columns' });
  const checked = h('div');
  const actions = can('admin')
    ? [
        button('Test', async () => {
          fill(checked, note('Asking…'));
          findings(checked, await post(at`/api/v1/connections/${name}/check`));
        }),
        link(to('items', 'connections', name), 'Configuration'),
      ]
    : [];
  page.root.append(
    page.head(name, { sub: 'Connection', actions }),
    h('p', link('#/connections', 'All connections')),
    checked,
    box,
    charts,
  );
  let told = '';
  await page.every(5000, async () => {
    const c = await health(name, page.signal);
    // Redrawn only where something changed, or a reader would be thrown back to the top.
    const now = JSON.stringify({ ...c, token: { ...c.token, ageS: 0, expiresInS: 0 } });
    if (now !== told) {
      fill(box, detail(c));
      told = now;
    }
    if (charts.querySelector('details[open]')) return;
    const { samples } = await get(at`/api/v1/connections/${name}/history`, {}, page.signal);
    const points = thinned([
      ...samples,
      { at: new Date().toISOString(), ...c.latency, available: c.budget.available, left: c.budget.left },
    ]);
    const tells = points.some((p) => p.allowed !== null);
    fill(
      charts,
      h(
        'section',
        { class: 'part' },
        lines({
          title: 'Latency over the last day',
          unit: 'ms',
          series: [{ name: 'p50' }, { name: 'p95' }, { name: 'p99' }],
          points: points.map((p) => ({ at: p.at, values: p.times })),
        }),
      ),
      h(
        'section',
        { class: 'part' },
        lines({
          title: 'Budget left over the last day',
          unit: 'requests',
          series: [{ name: 'Available at once' }, { name: 'Floor' }],
          points: points.map((p) => ({ at: p.at, values: [p.left, c.budget.floor] })),
        }),
      ),
      tells
        ? h(
            'section',
            { class: 'part' },
            lines({
              title: "Vendor's allowance left over the last day",
              unit: 'requests',
              series: [{ name: 'Left' }],
              points: points.map((p) => ({ at: p.at, values: [p.allowed] })),
            }),
          )
        : null,
    );
  });
}

function detail(c) {
  const list = (all) => (all.length ? all.join(', ') : 'None');
  return [
    h(
      'div',
      { class: 'columns two' },
      section(
        'Standing',
        facts([
          ['Status', badge(c.status)],
          ['Degraded by', c.degradedBy ? `${words(c.degradedBy)}, for ${c.degradedForS} s more` : 'Nothing'],
          [
            'Breaker',
            [
              badge(c.breaker.position, c.breaker.position === 'open' ? 'bad' : undefined),
              c.breaker.triesInMs ? ` tries again in ${span(c.breaker.triesInMs)}` : '',
            ],
          ],
          ['Opened since start', String(c.breaker.opened)],
          ['Id prefix', c.prefix ? code(c.prefix) : 'None'],
          ['Can', list(c.capabilities.map(words))],
          [
            'Its clock',
            c.clock.isKnown ? `${c.clock.aheadLeastMs} to ${c.clock.aheadMostMs} ms ahead of ours` : 'Not known',
          ],
        ]),
      ),
      section(
        'Token and rights',
        facts([
          ['Token', badge(c.token.status)],
          ['Age', c.token.status === 'none' ? undefined : span(c.token.ageS * 1000)],
          ['Expires in', c.token.status === 'none' ? undefined : span(c.token.expiresInS * 1000)],
          ['Scopes', list(c.token.scopes)],
          ['Error', c.token.error || undefined],
          ['Rights', badge(c.rights.status)],
          ['Granted', list(c.rights.granted)],
          ['Missing', list([...new Set([...c.rights.missing, ...c.missing])])],
          ['Administrator by', c.rights.administrator || undefined],
          ['Asked', when(c.rights.askedAt)],
        ]),
      ),
      section(
        'Rate budget',
        facts([
          ['Available now', `${count(c.budget.available)} of ${count(c.budget.perMinute)} a minute`],
          ["Vendor's allowance left", c.budget.left < 0 ? 'Not told' : count(c.budget.left)],
          ['Floor', count(c.budget.floor)],
          ['Low', c.budget.isLow ? badge(`yes, for ${c.budget.resetsInS} s`, 'warn') : 'No'],
          ['Under way', `${c.budget.callsUnderWay} for calls, ${c.budget.backgroundUnderWay} in the background`],
        ]),
      ),
      section(
        'Latency',
        facts([
          ['Requests', count(c.latency.requests)],
          ['p50', span(c.latency.p50Ms)],
          ['p95', span(c.latency.p95Ms)],
          ['p99', span(c.latency.p99Ms)],
          [`Slower than ${span(c.latency.slowAfterMs)}`, count(c.latency.slow)],
          [
            'Last slow one',
            c.latency.slowLastAt ? [when(c.latency.slowLastAt), `, ${span(c.latency.slowLastMs)}`] : 'None',
          ],
        ]),
      ),
    ),
    section(
      'Last errors',
      rows(
        {
          caption: 'Last errors',
          key: (e) => e.at + e.doing + e.kind,
          empty: 'Nothing went wrong since the start.',
          columns: [
            { name: 'Seen last', head: true, cell: (e) => when(e.at) },
            { name: 'Doing', cell: (e) => e.doing },
            { name: 'Kind', cell: (e) => words(e.kind) },
            {
              name: 'What',
              cell: (e) => [
                h('p', e.message),
                e.fix ? h('p', h('span', { class: 'fix' }, 'To mend it: '), e.fix) : null,
              ],
            },
            { name: 'In a row', num: true, cell: (e) => String(e.times) },
            { name: 'Now', cell: (e) => (e.isOver ? badge('over', 'ok') : badge('goes on', 'bad')) },
          ],
        },
        c.errors,
      ),
    ),
  ];
}
