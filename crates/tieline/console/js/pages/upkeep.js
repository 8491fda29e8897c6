// What an administrator looks after: corrections that are remembered, reconciliation,
// erasures that hold, and the store.

import { h, fill } from '../dom.js';
import { at, del, get, post } from '../api.js';
import { badge, code, facts, note, said, section, when } from '../show.js';
import { button, confirm, dialog, field, form } from '../form.js';
import { paged, rows } from '../table.js';
import { count, plural, words } from '../format.js';
import { customer } from './call.js';

const PAGE = 100;

export async function corrections(page, again) {
  const listed = await paged(
    {
      caption: 'Overrides: corrections that are remembered, newest first',
      key: (o) => o.id,
      empty: 'No correction is remembered.',
      columns: [
        { name: 'Number', head: true, cell: (o) => o.number },
        { name: 'Is', cell: (o) => customer(o.externalId) },
        { name: 'Queue', cell: (o) => o.queue || 'Every queue' },
        { name: 'By', cell: (o) => o.actor },
        { name: 'Why', cell: (o) => o.reason },
        { name: 'Made', cell: (o) => when(o.createdAt) },
        { name: 'Ends', cell: (o) => when(o.expiresAt) },
        {
          name: 'Clear',
          cell: (o) =>
            button(
              'Clear',
              async () => {
                await del(at`/api/v1/overrides/${o.id}`);
                said('Cleared.');
                again();
              },
              { kind: 'small', label: `Clear the override of ${o.number}` },
            ),
        },
      ],
    },
    async (before) => {
      const items = await get('/api/v1/overrides', { before, limit: PAGE }, page.signal);
      return { items, next: items.length === PAGE ? items[items.length - 1].id : '' };
    },
  );
  return section(
    'Overrides',
    note('An agent said who a number really is. Until it ends or is cleared, that is who calls.'),
    listed.node,
    form(
      field('Clear all of a number', { name: 'number', required: true, placeholder: '+15550199999' }),
      'Clear',
      async (f) => {
        const { cleared } = await del('/api/v1/overrides', { number: f.number });
        said(`${count(cleared)} cleared.`);
        again();
      },
      { inline: true },
    ),
    listed.all.length
      ? button(
          'Clear all…',
          async () => {
            if (
              !(await confirm(
                'Clear every override?',
                'Numbers are then who the directory and the CRM say.',
                'Clear all',
                { danger: true, type: 'clear' },
              ))
            )
              return;
            const { cleared } = await del('/api/v1/overrides', { all: true });
            said(`${count(cleared)} cleared.`);
            again();
          },
          { kind: 'danger' },
        )
      : null,
  );
}

export async function reconcile(page, again) {
  const runs = await get('/api/v1/reconcile/runs', {}, page.signal);
  const report = (r) =>
    dialog(`Reconciliation ${r.runId}`, () => {
      const box = h('div', 'Loading…');
      get(at`/api/v1/reconcile/runs/${r.runId}`, { limit: 200 }, page.signal)
        .then((d) =>
          fill(
            box,
            facts([
              ['State', badge(d.state)],
              ['Calls from', when(d.since)],
              ['until', when(d.until)],
              ['Looked at', count(d.examined)],
              ['Note', d.note || undefined],
              ...Object.entries(d.counts).map(([k, n]) => [words(k), count(n)]),
            ]),
            h('h3', 'Why'),
            rows(
              {
                caption: 'Reasons',
                key: (x) => x.reason,
                empty: 'Nothing to tell.',
                columns: [
                  { name: 'Reason', head: true, cell: (x) => words(x.reason) },
                  { name: 'Calls', num: true, cell: (x) => count(x.calls) },
                ],
              },
              d.reasons,
            ),
            h('h3', 'Calls'),
            rows(
              {
                caption: 'Calls with something to be told',
                key: (x) => x.callId,
                empty: 'None.',
                columns: [
                  {
                    name: 'Call',
                    head: true,
                    cell: (x) => h('a', { href: `#/calls/${encodeURIComponent(x.callId)}` }, x.callId),
                  },
                  { name: 'What', cell: (x) => words(x.what) },
                  { name: 'Why', cell: (x) => words(x.reason) },
                ],
              },
              d.calls,
            ),
          ),
        )
        .catch((e) => fill(box, e.message));
      return box;
    });
  return section(
    'Reconciliation',
    note(
      'Finds calls whose caller was not known in time and links them. It runs by its schedule; it can also be asked for.',
    ),
    form(
      [
        field('Since', { name: 'since', value: '24h', hint: 'A span such as 24h' }),
        field('Only find out, write nothing', { name: 'dryRun', type: 'checkbox', value: true }),
      ],
      'Begin',
      async (f) => {
        const { runId } = await post('/api/v1/reconcile', { since: f.since || undefined, dryRun: f.dryRun });
        said(`Run ${runId} has begun.`);
        setTimeout(again, 1500);
      },
      { inline: true },
    ),
    rows(
      {
        caption: 'Runs, newest first',
        key: (r) => r.runId,
        empty: 'No run yet.',
        columns: [
          { name: 'Run', head: true, cell: (r) => button(`Run ${r.runId}`, () => report(r), { kind: 'text' }) },
          { name: 'State', cell: (r) => badge(r.state) },
          { name: 'Kind', cell: (r) => (r.dryRun ? 'Dry run' : 'Writes') },
          { name: 'Started', cell: (r) => when(r.startedAt) },
          { name: 'Ended', cell: (r) => when(r.endedAt) },
          { name: 'Looked at', num: true, cell: (r) => count(r.examined) },
          {
            name: 'Came to',
            cell: (r) =>
              Object.entries(r.counts)
                .map(([k, n]) => `${n} ${words(k).toLowerCase()}`)
                .join(', '),
          },
          { name: 'Note', cell: (r) => r.note },
        ],
      },
      runs,
    ),
    h('p'),
    button('Refresh', again),
  );
}

export async function erasures(page, again) {
  const listed = await paged(
    {
      caption: 'Erasures that hold, newest first',
      key: (e) => e.id,
      empty: 'Nobody was erased.',
      columns: [
        { name: 'Erasure', head: true, cell: (e) => code(e.id) },
        { name: 'When', cell: (e) => when(e.erasedAt) },
        { name: 'By', cell: (e) => e.actor },
        { name: 'Reference', cell: (e) => e.reason },
        { name: 'Tombstones', num: true, cell: (e) => String(e.tombstones.length) },
        { name: 'Swept', cell: (e) => (e.sweptAt ? when(e.sweptAt) : badge('waiting')) },
        {
          name: 'Take back',
          cell: (e) =>
            button(
              'Take tombstones away',
              async () => {
                if (
                  !(await confirm(
                    'Let these people be known again?',
                    'What was erased does not come back; but the next sync or call may bring them in anew.',
                    'Take away',
                    { danger: true },
                  ))
                )
                  return;
                await del(at`/api/v1/subjects/tombstones/${e.id}`);
                said('The tombstones are gone.');
                again();
              },
              { kind: 'small', label: `Take tombstones away of ${e.id}` },
            ),
        },
      ],
    },
    async (skip) => {
      const items = await get('/api/v1/subjects/tombstones', { skip, limit: PAGE }, page.signal);
      return { items, next: items.length === PAGE ? (skip || 0) + PAGE : '' };
    },
  );
  return section(
    'Erasures',
    note('Tombstones keep an erased person from being brought back by a sync. They hold hashes, no names.'),
    listed.node,
  );
}

export async function store() {
  return h(
    'div',
    { class: 'columns' },
    section(
      'Backup',
      form(
        [
          field('File', { name: 'path', required: true, hint: "Where to write it, on the server's own disk" }),
          field('Overwrite a file that is there', { name: 'overwrite', type: 'checkbox' }),
        ],
        'Back up',
        async (f) => {
          const made = await post('/api/v1/store/backup', f);
          said(`The store is copied to ${made.path}.`);
        },
      ),
    ),
    section(
      'Data key',
      note('Makes a new data key and seals everything anew with it. It may take minutes; calls go on.'),
      button('Rotate the data key…', async () => {
        if (
          !(await confirm(
            'Rotate the data key?',
            'Everything is sealed anew. A rotation that is cut off goes on at the next start.',
            'Rotate',
          ))
        )
          return;
        const { cells } = await post('/api/v1/store/keys/rotate');
        said(`${plural(cells, 'cell')} sealed anew.`);
      }),
    ),
  );
}
