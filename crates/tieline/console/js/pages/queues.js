// Which queue is answered by which connection, which requests there are, and a try of either.

import { h, fill } from '../dom.js';
import { at, eachOf, get, post } from '../api.js';
import { can } from '../session.js';
import { badge, code, facts, link, note, section, to } from '../show.js';
import { field, form } from '../form.js';
import { table } from '../table.js';
import { plural, short, span, value, words } from '../format.js';

// Of so many at a time the whole section is read; names of the rest are listed behind it.
const PAGE = 50;

async function listOf(kind, columns, empty, signal) {
  const { items } = await get(at`/api/v1/settings/${kind}`, {}, signal);
  const made = table({
    caption: words(kind),
    key: (i) => i.name,
    empty,
    columns: [
      { name: 'Name', head: true, cell: (i) => link(to('items', kind, i.name), i.name) },
      ...columns,
      {
        name: 'From',
        cell: (i) =>
          i.from === 'file' ? 'tieline.toml (read-only)' : `Here${i.ofRule ? `, by the rule ${i.ofRule}` : ''}`,
      },
      { name: 'State', cell: (i) => (i.problem ? badge('left out', 'bad', i.problem) : badge('served', 'ok')) },
    ],
  });
  const shown = [];
  const more = h('button', { type: 'button', onclick: () => step() }, 'Show more');
  const step = async () => {
    const next = items.slice(shown.length, shown.length + PAGE);
    shown.push(...(await eachOf(next, (i) => get(at`/api/v1/settings/${kind}/${i.name}`, {}, signal))));
    made.set(shown);
    more.hidden = shown.length >= items.length;
  };
  await step();
  return {
    items,
    node: h(
      'div',
      made.node,
      h('p', { class: 'more' }, more, h('span', { class: 'quiet' }, plural(items.length, kind.slice(0, -1)))),
    ),
  };
}

export async function show(page) {
  const box = h('div');
  page.root.append(
    page.head('Queues and actions', {
      sub: 'Each queue is tied to its own CRM; an action is a request that a queue or a flow can run.',
      actions: [
        h('a', { class: 'button', href: '#/items/queues/+' }, 'Add a queue'),
        h('a', { class: 'button', href: '#/items/actions/+' }, 'Add an action'),
      ],
    }),
    box,
  );
  const [queues, actions] = await Promise.all([
    listOf(
      'queues',
      [
        { name: 'Numbers', cell: (q) => (q.section.dids || []).join(', ') },
        {
          name: 'Ids',
          cell: (q) =>
            h(
              'ul',
              (q.section.ids || []).map((id) => h('li', h('span', { title: id }, short(id)))),
            ),
        },
        {
          name: 'Connection',
          cell: (q) =>
            q.section.connection ? link(to('connections', q.section.connection), q.section.connection) : '',
        },
        { name: 'Action', cell: (q) => value(q.section.action) },
        { name: 'Mode', cell: (q) => words(q.section.mode) },
        { name: 'When', cell: (q) => words(q.section.trigger) },
        { name: 'Falls back to', cell: (q) => q.section.fallback_queue || '' },
      ],
      'No queue is configured: calls are served by the default connection.',
      page.signal,
    ),
    listOf(
      'actions',
      [
        { name: 'Connection', cell: (a) => value(a.section.connection) },
        {
          name: 'Request',
          cell: (a) =>
            a.section.method || a.section.path ? code(`${a.section.method || 'GET'} ${a.section.path || ''}`) : '',
        },
      ],
      'No action of its own: queues ask what their connection asks by itself.',
      page.signal,
    ),
  ]);
  if (page.signal.aborted) return;
  fill(
    box,
    can('lookup') ? tryOut(queues.items, actions.items) : null,
    section('Queues', queues.node),
    section('Actions', actions.node),
  );
}

function tryOut(queues, actions) {
  const out = h('div', { 'aria-live': 'polite' });
  const options = [
    ...queues.map((q) => [`queue ${q.name}`, `Queue ${q.name}`]),
    ...actions.map((a) => [`action ${a.name}`, `Action ${a.name}`]),
  ];
  if (!options.length) return null;
  return section(
    'Try one',
    note('The systems behind it are really asked; an action that writes, writes.'),
    form(
      [
        field('What', { name: 'what', options }),
        field('Number', { name: 'ani', placeholder: '+15550199999' }),
        field('Mail', { name: 'email' }),
        field('Customer id', { name: 'externalId', placeholder: 'CRM:0035…' }),
        field('Do not send it', { name: 'dry', type: 'checkbox', hint: 'Of an action: only show its request.' }),
      ],
      'Try',
      async (f) => {
        const [kind, ...rest] = f.what.split(' ');
        const name = rest.join(' ');
        const who = Object.fromEntries(['ani', 'email', 'externalId'].filter((k) => f[k]).map((k) => [k, f[k]]));
        // A queue's request belongs to a call: this one has an id that no call has.
        const tried = kind === 'action' ? await post(at`/api/v1/actions/${name}/try`, who, { dryRun: f.dry }) : null;
        const told = tried
          ? tried.told
          : await post(at`/api/v1/queues/${name}/enrich`, { ...who, callId: `console-${Date.now()}` });
        const { status, source, latencyMs, crmType, errorCode, crmError, asOf, fallbackCrm, fallbackQueue, ...data } =
          told;
        fill(
          out,
          tried ? exchange(tried) : null,
          h(
            'div',
            { class: 'columns' },
            h(
              'div',
              h('h3', 'What a flow is told'),
              facts([
                ['Status', badge(status)],
                ['Source', words(source)],
                ['Took', span(latencyMs)],
                ['CRM', crmType],
                ['CRM failed', crmError ? 'Yes' : 'No'],
                [
                  'Error',
                  errorCode
                    ? h('a', { href: `/docs/errors/${errorCode}`, target: '_blank', rel: 'noopener' }, errorCode)
                    : 'None',
                ],
                ['Fell back to', fallbackQueue ? `${fallbackQueue} (${fallbackCrm})` : 'No'],
                ['As of', asOf],
              ]),
            ),
            h(
              'div',
              h('h3', 'Data'),
              Object.keys(data).length ? facts(Object.entries(data).map(([k, v]) => [k, value(v)])) : note('None.'),
            ),
          ),
        );
      },
      { inline: true },
    ),
    out,
  );
}

// What went out and came back. Letters and digits of values are hidden by the server.
function exchange({ request, answer, error }) {
  const pairs = (list) => list.map((p) => `${p.name}: ${p.value}`).join('\n');
  const sent =
    request &&
    [
      `${request.method} ${request.path}`,
      pairs(request.query),
      pairs(request.headers),
      request.body === null ? '' : JSON.stringify(request.body, null, 2),
    ]
      .filter(Boolean)
      .join('\n');
  const pre = (title, text) =>
    h('div', h('h3', title), h('pre', { tabindex: '0', role: 'region', 'aria-label': title }, text));
  return h(
    'div',
    { class: 'columns' },
    pre('Request', sent || 'None could be made: a value is lacking, or cannot stand in it.'),
    pre('Answer', answer === null ? error || 'Nothing was sent.' : JSON.stringify(answer, null, 2)),
  );
}
