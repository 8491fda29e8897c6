// One run of a sync: how far it is, what it wrote, and the way back.

import { h, fill } from '../dom.js';
import { at, get, post } from '../api.js';
import { can } from '../session.js';
import { badge, facts, link, note, said, section, to, when } from '../show.js';
import { button, confirm } from '../form.js';
import { paged } from '../table.js';
import { count, span, words } from '../format.js';
import { counts, writeColumns } from './writes.js';

export async function show(page) {
  const id = page.path[0];
  const path = at`/api/v1/runs/${id}`;
  const box = h('div');
  const writes = h('div');
  const acts = h('div', { class: 'actions' });
  let over = '';
  page.root.append(page.head(`Run ${id}`, { actions: [acts] }), box, writes);

  const draw = async () => {
    if (over) return;
    const r = await get(path, {}, page.signal);
    document.title = `Run ${id} of ${r.sync} – Tieline`;
    const end = r.endedAt || new Date().toISOString();
    fill(
      box,
      h('p', link(to('syncs', r.sync, 'runs'), `All runs of ${r.sync}`)),
      section(
        words(r.kind),
        progress(r),
        facts([
          ['Sync', link(to('syncs', r.sync), r.sync)],
          ['State', badge(r.state)],
          ['By', r.by],
          ['Due', r.dueAt ? when(r.dueAt) : undefined],
          ['Started', when(r.startedAt)],
          ['Ended', r.endedAt ? when(r.endedAt) : 'Goes on'],
          ['Took', span(new Date(end) - new Date(r.startedAt))],
          ['Takes back', r.of ? link(to('runs', String(r.of)), `Run ${r.of}`) : undefined],
          ['Note', r.note || undefined],
        ]),
      ),
      section('Counts', counts(r.counts)),
    );
    if (!r.endedAt) return;
    over = r.endedAt;
    if (can('supervise') && ['run', 'push', 'nudge'].includes(r.kind)) {
      fill(
        acts,
        button(
          'Undo this run…',
          async () => {
            if (
              !(await confirm(
                `Undo run ${id}?`,
                'What it wrote gets back what it held, where nothing changed since. The sync rests afterwards until it is resumed.',
                'Undo',
                { danger: true },
              ))
            )
              return;
            const { runId } = await post(`${path}/undo`);
            said('It is being taken back.');
            location.hash = to('runs', String(runId));
          },
          { kind: 'danger' },
        ),
      );
    }
    const listed = await paged(
      {
        caption: 'What it wrote, newest first',
        key: (w) => w.id,
        empty: r.kind === 'measure' ? 'A measurement writes nothing.' : 'It wrote nothing.',
        columns: writeColumns(),
      },
      (before) => get(`${path}/writes`, { before, limit: 100 }, page.signal),
    );
    fill(writes, section(r.kind === 'plan' || r.kind === 'rehearsal' ? 'What it would write' : 'Writes', listed.node));
  };
  await page.every(1500, draw);
}

// How many of those expected were looked at; a run that does not know yet only says so.
function progress(r) {
  if (r.endedAt) return null;
  const c = r.counts;
  const did =
    ['created', 'updated', 'deleted'].reduce((n, k) => n + (c[`${k}_left`] || 0) + (c[`${k}_right`] || 0), 0) +
    (c.unchanged || 0) +
    (c.held || 0) +
    (c.errors || 0);
  if (!c.expected)
    return h(
      'div',
      note(
        r.state === 'waiting'
          ? 'It waits for its turn.'
          : `Reading both sides: ${count((c.seen_left || 0) + (c.new_left || 0) + (c.changed_left || 0))} left, ${count((c.seen_right || 0) + (c.new_right || 0) + (c.changed_right || 0))} right so far.`,
      ),
      h('progress', { 'aria-label': 'Progress' }),
    );
  return h(
    'div',
    h('progress', { max: c.expected, value: Math.min(did, c.expected), 'aria-label': 'Progress' }),
    note(`${count(did)} of about ${count(c.expected)}`),
  );
}
