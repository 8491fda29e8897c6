// Syncs: how each stands; and of one, its plan, runs, failures, drift and next phase.

import { h, fill } from '../dom.js';
import { at, get, post } from '../api.js';
import { can } from '../session.js';
import { badge, link, load, note, said, to } from '../show.js';
import { button, confirm } from '../form.js';
import { table } from '../table.js';
import { count, plural } from '../format.js';
import { TABS } from './sync.js';

export function show(page) {
  if (page.path[0]) return one(page, page.path[0], page.path[1] || 'overview');
  return list(page);
}

export const standing = (s) =>
  s.paused ? badge('paused', 'warn') : s.approvedAt ? badge('runs', 'ok') : badge('not approved', 'idle');

async function list(page) {
  const listed = table({
    caption: 'Syncs',
    key: (s) => s.name,
    empty: 'No sync is configured.',
    columns: [
      { name: 'Sync', head: true, cell: (s) => link(to('syncs', s.name), s.name) },
      { name: 'Standing', cell: standing },
      { name: 'Left', cell: (s) => `${s.left.connection} ${s.left.object}` },
      { name: 'Right', cell: (s) => `${s.right.connection} ${s.right.object}` },
      { name: 'People', num: true, cell: (s) => count(s.pairs) },
      {
        name: 'Open reviews',
        num: true,
        cell: (s) => (s.openReviews ? link(`#/review?sync=${encodeURIComponent(s.name)}`, count(s.openReviews)) : '0'),
      },
      { name: 'At once', cell: (s) => (s.push ? 'Yes' : 'By schedule') },
      { name: 'Why it rests', cell: (s) => s.paused },
    ],
  });
  const actions = can('admin') ? [h('a', { class: 'button', href: '#/items/syncs/+' }, 'Add a sync')] : [];
  page.root.append(
    page.head('Syncs', { sub: 'Contacts of two systems, kept the same.', actions }),
    h('section', { class: 'part' }, listed.node),
  );
  await page.every(5000, async () => listed.set((await get('/api/v1/syncs', {}, page.signal)).items));
}

async function one(page, name, tab) {
  const path = at`/api/v1/syncs/${name}`;
  const box = h('div');
  const acts = h('div', { class: 'actions' });
  const state = h('p');
  let again = async () => {};
  const refresh = async () => {
    const s = await get(path, {}, page.signal);
    fill(
      state,
      standing(s),
      ` ${s.left.connection} ${s.left.object} ⇄ ${s.right.connection} ${s.right.object} · ${count(s.pairs)} people · `,
      link(`#/review?sync=${encodeURIComponent(name)}`, plural(s.openReviews, 'open review')),
      s.paused ? [' · ', h('strong', `Rests: ${s.paused}`)] : '',
    );
    if (!can('supervise')) return;
    const turn = (verb, text) =>
      button(text, async () => {
        await post(`${path}/${verb}`);
        said(verb === 'pause' ? `${name} rests.` : `${name} goes on.`);
        await refresh();
      });
    fill(
      acts,
      button(
        'Plan',
        async () => {
          const { runId } = await post(`${path}/plan`);
          said('A plan is being made. Nothing is written.');
          location.hash = to('runs', String(runId));
        },
        { title: 'Finds out what a run would do; writes nothing' },
      ),
      button(
        'Run now',
        async () => {
          if (
            !s.approvedAt &&
            !(await confirm(
              `Run ${name} for the first time?`,
              'Nobody has approved this sync yet. Look at a plan first: the run writes to both systems.',
              'Approve and run',
            ))
          )
            return;
          const { runId } = await post(`${path}/runs`, { yes: !s.approvedAt });
          location.hash = to('runs', String(runId));
        },
        { kind: 'primary' },
      ),
      s.approvedAt
        ? null
        : button('Approve', async () => {
            await post(`${path}/approve`);
            said(`${name} may run by itself.`);
            await refresh();
          }),
      s.paused ? turn('resume', 'Resume') : turn('pause', 'Pause'),
    );
  };
  page.root.append(
    page.head(name, { sub: 'Sync', actions: [acts] }),
    h('p', link('#/syncs', 'All syncs')),
    state,
    h(
      'nav',
      { class: 'tabs', 'aria-label': 'Parts of the sync' },
      Object.entries(TABS)
        .filter(([, t]) => can(t.scope))
        .map(([at, t]) =>
          h('a', { href: to('syncs', name, at), 'aria-current': at === tab ? 'page' : undefined }, t.name),
        ),
    ),
    box,
  );
  await refresh();
  if (!TABS[tab]) {
    box.append(note('There is no such part.'));
    return;
  }
  again = await load(box, page.signal, () => TABS[tab].draw({ page, name, path, again: () => again() }));
}
