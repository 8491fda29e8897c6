// Calls as they arrive.
//
// New ones are asked for by the time of the newest that is shown; now and again the
// whole page is read anew, because a call's end and its late answer change old rows.

import { h, fill, announce } from '../dom.js';
import { ask } from '../api.js';
import { badge, facts, failed, link, load, to, when } from '../show.js';
import { button, dialog, field, values } from '../form.js';
import { table } from '../table.js';
import { clock, percent, plural, short, span, words } from '../format.js';
import { customer, one, trace } from './call.js';

const STATUS = [
  ['', 'Any'],
  ['hit', 'Hit'],
  ['miss', 'Miss'],
  ['partial', 'Partial'],
  ['ambiguous', 'Ambiguous'],
  ['unknown', 'Unknown'],
];
const SOURCE = [
  ['', 'Any'],
  ['directory', 'Directory'],
  ['crm', 'CRM'],
  ['none', 'None'],
];
const SHOWN = 100;
// A page that is left open for days must not grow without end.
const KEPT = 2000;

export function show(page) {
  if (page.path[0]) return one(page, page.path[0]);
  return list(page);
}

export function columns(open) {
  return [
    {
      name: 'Arrived',
      head: true,
      cell: (c) =>
        h(
          'button',
          {
            type: 'button',
            class: 'text',
            'aria-label': `${clock(c.arrivedAt)}, from ${c.fromNumber || 'a withheld number'}: show the trace`,
            onclick: () => open(c),
          },
          when(c.arrivedAt),
        ),
    },
    { name: 'From', cell: (c) => c.fromNumber || c.email || h('span', { class: 'quiet' }, 'Withheld') },
    {
      name: 'Queue',
      cell: (c) => {
        const q = (c.outcome && c.outcome.queue) || c.queue || '';
        return h('span', { title: q }, short(q) || '–');
      },
    },
    { name: 'Customer', cell: (c) => customer(c.externalId) },
    {
      name: 'Status',
      cell: (c) => [badge(c.status), c.warnings.length ? h('div', { class: 'quiet' }, c.warnings.join('; ')) : null],
    },
    { name: 'Source', cell: (c) => words(c.source) },
    { name: 'Answered in', num: true, cell: (c) => span(c.answeredInUs / 1000) },
    { name: 'Handle time', num: true, cell: (c) => (c.outcome && c.outcome.handleMs ? span(c.outcome.handleMs) : '') },
  ];
}

async function list(page) {
  const filter = Object.fromEntries(page.query);
  let calls = [];
  let cursor = '';
  let paused = false;
  let turns = 0;
  // Counts the filters: what was asked with another one comes too late.
  let era = 0;
  let unsaid = 0;
  let saidAt = 0;
  const open = (c) =>
    dialog(
      `Call of ${clock(c.arrivedAt)}`,
      () => {
        const box = h('div');
        load(box, page.signal, () => trace(c.callId, page.signal));
        return [box, h('p', link(to('calls', c.callId), 'Open as a page'))];
      },
      { side: true },
    );
  const listed = table({
    caption: 'Calls, newest first',
    columns: columns(open),
    key: (c) => c.callId,
    empty: 'No call yet that fits.',
  });
  const summary = h('div');
  const older = h(
    'p',
    { class: 'more' },
    button('Show older calls', () => more()),
  );
  const hold = button(
    'Hold',
    () => {
      paused = !paused;
      hold.setAttribute('aria-pressed', String(paused));
      announce(paused ? 'New calls are held back.' : 'New calls are shown again.');
      if (!paused) refresh().catch(failed);
    },
    { title: 'Keeps the list still while it is pressed' },
  );

  const asked = (more) => ({
    limit: SHOWN,
    queue: filter.queue,
    status: filter.status,
    source: filter.source,
    ...more,
  });
  const draw = (fresh) => {
    listed.set(calls, fresh);
    const some = calls.slice(0, SHOWN);
    const share = (f) => (some.length ? percent(some.filter(f).length / some.length) : '–');
    const sorted = some.map((c) => c.answeredInUs / 1000).sort((a, b) => a - b);
    fill(
      summary,
      facts(
        [
          ['Calls looked at', `${some.length}`],
          ['Identified', share((c) => c.status === 'hit')],
          ['Partial', share((c) => c.status === 'partial')],
          ['From the directory', share((c) => c.source === 'directory')],
          ['Answered in, median', sorted.length ? span(sorted[Math.floor(sorted.length / 2)]) : '–'],
          ['Slowest', sorted.length ? span(sorted[sorted.length - 1]) : '–'],
        ],
        'strip',
      ),
    );
    older.hidden = !cursor;
  };
  const whole = async () => {
    const of = era;
    const { data, headers } = await ask('GET', '/api/v1/calls', { query: asked(), signal: page.signal });
    if (of !== era) return;
    if (calls.length <= SHOWN || calls.length > KEPT) {
      calls = data;
      cursor = headers.get('x-next-cursor') || '';
    } else merge(data);
  };
  const merge = (told) => {
    const byId = new Map(calls.map((c) => [c.callId, c]));
    const before = byId.size;
    told.forEach((c) => byId.set(c.callId, c));
    calls = [...byId.values()].sort((a, b) => (a.arrivedAt < b.arrivedAt ? 1 : a.arrivedAt > b.arrivedAt ? -1 : 0));
    return byId.size - before;
  };
  const refresh = async () => {
    if (paused) return;
    const isFirst = turns === 0;
    let arrived = 0;
    if (turns++ % 10 === 0 || !calls.length) {
      const known = new Set(calls.map((c) => c.callId));
      await whole();
      arrived = calls.filter((c) => !known.has(c.callId)).length;
    } else {
      const of = era;
      const { data, headers } = await ask('GET', '/api/v1/calls', {
        query: asked({ from: calls[0].arrivedAt }),
        signal: page.signal,
      });
      if (of !== era) return;
      if (data.length < SHOWN) arrived = merge(data);
      else {
        // More than a page since the last time: between it and what is shown there would be a gap.
        calls = data;
        cursor = headers.get('x-next-cursor') || '';
        arrived = data.length;
      }
    }
    draw(!isFirst);
    // Not more than one sentence in ten seconds: a busy line would talk without end.
    if (!isFirst) unsaid += arrived;
    if (unsaid && Date.now() - saidAt > 10000) {
      announce(plural(unsaid, 'new call'));
      unsaid = 0;
      saidAt = Date.now();
    }
  };
  const more = async () => {
    const of = era;
    const { data, headers } = await ask('GET', '/api/v1/calls', { query: asked({ cursor }), signal: page.signal });
    if (of !== era) return;
    cursor = headers.get('x-next-cursor') || '';
    merge(data);
    draw();
  };
  const bar = h(
    'form',
    {
      class: 'bar',
      'aria-label': 'Filter',
      onsubmit: (e) => e.preventDefault(),
      onchange: () => {
        Object.assign(filter, values(bar));
        page.setQuery(filter);
        calls = [];
        cursor = '';
        turns = 0;
        era++;
        refresh().catch(failed);
      },
    },
    field('Status', { name: 'status', options: STATUS, value: filter.status || '' }),
    field('Source', { name: 'source', options: SOURCE, value: filter.source || '' }),
    field('Queue', { name: 'queue', value: filter.queue || '', placeholder: 'Name or id' }),
    hold,
  );
  page.root.append(
    page.head('Live calls', { sub: 'Calls as they arrive, who they are from, and how fast that was known.' }),
    bar,
    summary,
    h('section', { class: 'part' }, listed.node, older),
  );
  older.hidden = true;
  await page.every(2500, refresh);
}
