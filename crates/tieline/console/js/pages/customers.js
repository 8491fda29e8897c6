// Customers: found by number, mail or id; one's profile, data, links and history;
// export and erasure.

import { h, fill } from '../dom.js';
import { ask, at, get, post } from '../api.js';
import { can } from '../session.js';
import { badge, code, facts, link, load, note, said, section, to, when } from '../show.js';
import { button, field, form } from '../form.js';
import { rows, table } from '../table.js';
import { plural, value } from '../format.js';
import { columns } from './calls.js';
import { linkForm, linkTable, persistent } from './kept-of.js';
import { erase, saveAs } from './erase.js';

export function show(page) {
  if (page.path[0]) return one(page, page.path[0]);
  return search(page);
}

// Which of the three somebody typed.
function kindOf(text) {
  if (/^[+\d(][\d\s()./x-]{5,}$/.test(text) || /^(tel|sip):/.test(text)) return { phone: text };
  if (text.includes('@')) return { email: text };
  return { externalId: text };
}

async function search(page) {
  const found = h('div');
  const go = async ({ q }) => {
    page.setQuery({ q });
    const who = kindOf(q);
    if (who.externalId) {
      location.hash = to('customers', q);
      return;
    }
    const { customers: people } = await post('/api/v1/customers/search', who);
    fill(
      found,
      section(
        plural(people.length, 'customer'),
        rows(
          {
            caption: `Customers with ${q}`,
            key: (p) => p.externalId,
            empty: 'Nobody with this is known here. A call or a sync brings them in.',
            columns: [
              { name: 'Name', head: true, cell: (p) => link(to('customers', p.externalId), p.name || p.externalId) },
              { name: 'Id', cell: (p) => code(p.externalId) },
              { name: 'Mail', cell: (p) => p.email },
              { name: 'Connection', cell: (p) => p.connection },
              { name: 'As of', cell: (p) => when(p.asOf) },
            ],
          },
          people,
        ),
      ),
    );
  };
  const bar = form(
    field('Number, mail or id', {
      name: 'q',
      value: page.query.get('q') || '',
      required: true,
      wide: true,
      type: 'search',
      placeholder: '+15550199999, jane@example.com, CRM:0035…',
    }),
    'Search',
    go,
    { inline: true },
  );
  page.root.append(
    page.head('Customers', { sub: 'Who a number or a mail belongs to, and everything that is kept of them.' }),
    h('search', bar),
    found,
  );
  // Only a form that stands on the page can be sent.
  if (page.query.get('q')) setTimeout(() => bar.requestSubmit());
}

async function one(page, id) {
  const box = h('div');
  const actions = [];
  if (can('admin')) {
    actions.push(
      button('Export', async () => {
        const all = await post('/api/v1/subjects/export', { externalIds: [id] });
        saveAs(`customer-${id.replace(/\W+/g, '-')}.json`, JSON.stringify(all, null, 2));
        said('The export is saved as a file. That it was made stands in the audit log.');
      }),
    );
    actions.push(button('Erase…', () => erase({ externalIds: [id] }, id), { kind: 'danger' }));
  }
  page.root.append(
    page.head('Customer', { sub: code(id), actions }),
    h('p', link('#/customers', 'Search another')),
    box,
  );
  const again = await load(box, page.signal, () => profile(page, id, () => again()));
}

async function profile(page, id, again) {
  const [{ data: c, headers }, links] = await Promise.all([
    ask('GET', at`/api/v2/customers/${id}`, { signal: page.signal }),
    get('/api/v1/links', { externalId: id }, page.signal),
  ]);
  const title = page.root.querySelector('h1');
  fill(title, c.name || 'Customer');
  document.title = `${c.name || id} – Tieline`;
  return [
    h(
      'div',
      { class: 'columns' },
      section(
        'Profile',
        facts([
          ['Name', c.name],
          ['Mail', c.email],
          ['Numbers', c.phones.join(', ')],
          ['Calls so far', String(c.interactionCount)],
          ['Last call', when(c.lastCallAt)],
          ['As of', [when(c.asOf), ' ', c.stale ? badge('stale', 'warn') : null]],
          ['Not asked', c.missing.length ? c.missing.join(', ') : undefined],
        ]),
      ),
      section(
        'From their own systems',
        note('Read-only here: these values are changed where they live.'),
        Object.keys(c.data).length
          ? facts(Object.entries(c.data).map(([k, v]) => [k, value(v)]))
          : note('Nothing more is told of them.'),
      ),
      persistent(c, headers.get('etag'), again),
    ),
    section('Links', linkTable(links, again), can('context') ? linkForm(id, again) : null),
    history(page, id),
  ];
}

// Calls first; what else is kept comes with the export of a person, which is written in the
// audit log: so not unasked.
function history(page, id) {
  const list = h('div');
  const box = h('div');
  load(list, page.signal, async () => {
    const calls = table({
      caption: 'Calls, newest first',
      key: (c) => c.callId,
      empty: 'No call is kept.',
      columns: columns((c) => {
        location.hash = to('calls', c.callId);
      }),
    });
    const { data, headers } = await ask('GET', '/api/v1/calls', {
      query: { externalId: id, limit: 100 },
      signal: page.signal,
    });
    calls.set(data);
    return [calls.node, headers.get('x-next-cursor') ? note('There are older ones.') : null];
  });
  const more = button('Show what else is kept', async () => {
    const all = await post('/api/v1/subjects/export', { externalIds: [id] });
    fill(
      box,
      all.complete ? null : note('There is more than one export holds.'),
      h('h3', 'Corrections by agents'),
      all.corrections.length ? h('pre', JSON.stringify(all.corrections, null, 2)) : note('None.'),
      h('h3', 'What was put into other systems'),
      rows(
        {
          caption: 'Elsewhere',
          key: (e) => e.id + e.kind,
          empty: 'Nothing.',
          columns: [
            { name: 'Connection', head: true, cell: (e) => e.connection },
            { name: 'Kind', cell: (e) => e.kind },
            { name: 'Id', cell: (e) => code(e.id) },
          ],
        },
        all.elsewhere,
      ),
    );
  });
  return section(
    'History',
    list,
    can('admin') ? [note('Seeing what else is kept is written in the audit log.'), more, box] : null,
  );
}
