// What syncs ask people: a list beside the two records, decided by keys, one or many at a time.
//
// Single keys can be turned off: somebody who speaks to their computer types by chance.

import { h, fill, announce } from '../dom.js';
import { at, get, post } from '../api.js';
import { can } from '../session.js';
import { failed, note, problem, said } from '../show.js';
import { button, confirm, dialog, field, form, values } from '../form.js';
import { plural, value, words } from '../format.js';
import { ASKS, CHOICES, asked, title } from './asked.js';

const STATES = [
  ['open', 'Open'],
  ['decided', 'Decided'],
  ['withdrawn', 'Withdrawn'],
  ['spent', 'Done'],
  ['all', 'All'],
];
const PAGE = 100;

const keysKept = () => {
  try {
    return localStorage.getItem('tieline.keys') !== 'off';
  } catch {
    return true;
  }
};

export async function show(page) {
  const held = {
    sync: page.query.get('sync') || '',
    kind: page.query.get('kind') || '',
    state: page.query.get('state') || 'open',
  };
  let items = [];
  let next = '';
  let current = 0;
  let keys = keysKept();
  const chosen = new Set();
  const may = can('supervise');
  const pile = h('ul', { class: 'part pile', 'aria-label': 'Reviews' });
  const sheet = h('section', { class: 'part', 'aria-label': 'The review', tabindex: '-1' });
  const bulk = h('div', { class: 'actions' });

  const shown = () => items.filter((r) => !held.kind || r.kind === held.kind);

  const drawPile = () => {
    const list = shown();
    const lost = pile.contains(document.activeElement);
    current = Math.max(0, Math.min(current, list.length - 1));
    fill(
      pile,
      list.length
        ? list.map((r, i) =>
            h(
              'li',
              { class: i === current ? 'current' : '' },
              may && r.state === 'open'
                ? h('input', {
                    type: 'checkbox',
                    checked: chosen.has(r.id),
                    'aria-label': `Select review ${r.id}`,
                    onchange: (e) => {
                      if (e.target.checked) chosen.add(r.id);
                      else chosen.delete(r.id);
                      drawBulk();
                    },
                  })
                : h('span'),
              h(
                'button',
                {
                  type: 'button',
                  class: 'text',
                  'aria-current': i === current ? 'true' : undefined,
                  onclick: () => go(i),
                },
                h('span', title(r)),
                h('span', { class: 'quiet' }, `${words(r.kind)} · ${r.sync} · ${r.id}`),
              ),
            ),
          )
        : h('li', h('span'), h('span', { class: 'quiet' }, 'Nothing to decide.')),
      next
        ? h(
            'li',
            h('span'),
            button('Show more', () => read(true), { kind: 'small' }),
          )
        : null,
    );
    if (lost) (pile.querySelector('li.current button') || pile.querySelector('button') || sheet).focus();
    drawBulk();
  };

  const drawBulk = () => {
    const picked = items.filter((r) => chosen.has(r.id));
    const takes = picked.length ? Object.keys(CHOICES).filter((c) => picked.every((r) => r.takes.includes(c))) : [];
    const nobody = picked.length && picked.every((r) => r.takes.includes('pair'));
    fill(
      bulk,
      may && shown().length
        ? button(
            'Select all shown',
            () => {
              shown()
                .filter((r) => r.state === 'open')
                .forEach((r) => chosen.add(r.id));
              drawPile();
            },
            { kind: 'small' },
          )
        : null,
      picked.length
        ? [
            h('strong', { role: 'status' }, `${picked.length} selected`),
            takes.map((c) =>
              button(`${CHOICES[c][1]} for all`, () => many({ choice: c }, CHOICES[c][1]), { kind: 'small' }),
            ),
            nobody ? button('Nobody for all', () => many({ pair: null }, 'Nobody'), { kind: 'small' }) : null,
            !takes.length && !nobody ? h('span', { class: 'quiet' }, 'These cannot be decided in the same way.') : null,
            button(
              'Clear',
              () => {
                chosen.clear();
                drawPile();
              },
              { kind: 'small' },
            ),
          ]
        : null,
    );
  };

  const settle = async (ids, decision) => {
    const told = await post('/api/v1/reviews/decisions', { ids, ...decision });
    const refused = new Set(told.refused.map((r) => r.id));
    const gone = new Set(ids.filter((id) => !refused.has(id)));
    if (held.state === 'open') items = items.filter((r) => !gone.has(r.id));
    gone.forEach((id) => chosen.delete(id));
    said(
      `${plural(told.decided, 'review')} decided.${told.refused.length ? ` ${told.refused.length} refused: ${told.refused[0].message}` : ''} The next run does it.`,
    );
    await go(current);
  };
  const many = async (decision, word) => {
    const ids = [...chosen];
    if (
      ids.length > 1 &&
      !(await confirm(
        `Decide ${ids.length} reviews?`,
        `All of them: ${word}. The next run does it; until then each can be decided anew.`,
        `Decide ${ids.length}`,
      ))
    )
      return;
    await settle(ids, decision);
  };
  const now = () => shown()[current];
  const decide = (decision) => settle([now().id], decision);

  const typed = (r) =>
    dialog('Type the value', (close) =>
      form(field('Value', { name: 'value', value: value(r.about.left), wide: true }), 'Decide', async (f) => {
        close();
        await settle([r.id], { choice: 'value', value: f.value });
      }),
    );

  const go = async (i) => {
    current = i;
    drawPile();
    const r = now();
    const line = pile.querySelector('li.current');
    if (line && line.scrollIntoView) line.scrollIntoView({ block: 'nearest' });
    if (!r) {
      fill(sheet, note('Everything here is decided.'));
      return;
    }
    const whole = await get(at`/api/v1/reviews/${r.id}`, {}, page.signal);
    if (now() !== r) return;
    const lost = sheet.contains(document.activeElement);
    fill(sheet, asked(whole, { may, keys, decide, typed }));
    // The buttons that were pressed are gone: one reads on where the next pair is.
    if (lost) sheet.focus();
    announce(`${words(r.kind)} ${title(r)}`);
  };

  const read = async (more) => {
    const told = await get(
      '/api/v1/reviews',
      { sync: held.sync, state: held.state, limit: held.kind ? 1000 : PAGE, before: more ? next : '' },
      page.signal,
    );
    items = more ? [...items, ...told.items] : told.items;
    next = told.next;
    await go(more ? current : 0);
  };

  document.addEventListener(
    'keydown',
    (event) => {
      if (!keys || event.ctrlKey || event.altKey || event.metaKey || document.querySelector('dialog[open]')) return;
      if (['INPUT', 'SELECT', 'TEXTAREA'].includes(event.target.tagName) && event.target.type !== 'checkbox') return;
      const r = now();
      if (!r) return;
      const act = (what) => {
        event.preventDefault();
        Promise.resolve(what()).catch(failed);
      };
      const list = shown();
      if (event.key === 'j' && current < list.length - 1) act(() => go(current + 1));
      else if (event.key === 'k' && current > 0) act(() => go(current - 1));
      else if (!may || r.state !== 'open') return;
      else if (event.key === 'x')
        act(() => {
          if (!chosen.delete(r.id)) chosen.add(r.id);
          drawPile();
          announce(chosen.has(r.id) ? 'Selected' : 'Not selected');
        });
      else if (event.key === 'v' && r.takes.includes('value')) act(() => typed(r));
      else if (event.key === 'n' && r.takes.includes('pair')) act(() => decide({ pair: null }));
      else if (/^[1-9]$/.test(event.key) && r.takes.includes('pair')) {
        const pair = (r.about.pairs || []).filter((p) => p !== r.pair)[Number(event.key) - 1];
        if (pair) act(() => decide({ pair }));
      } else {
        const choice = Object.keys(CHOICES).find((c) => CHOICES[c][0] === event.key && r.takes.includes(c));
        if (choice) act(() => decide({ choice }));
      }
    },
    { signal: page.signal },
  );

  const syncs = (await get('/api/v1/syncs', {}, page.signal)).items.map((s) => s.name);
  const bar = h(
    'form',
    {
      class: 'bar',
      'aria-label': 'Filter',
      onsubmit: (e) => e.preventDefault(),
      onchange: () => {
        const { keys: on, ...f } = values(bar);
        if (on !== keys) {
          keys = on;
          try {
            localStorage.setItem('tieline.keys', on ? 'on' : 'off');
          } catch {
            /* for this time */
          }
          go(current).catch(failed);
          return;
        }
        Object.assign(held, f);
        page.setQuery(held);
        chosen.clear();
        read().catch((e) => fill(sheet, problem(e)));
      },
    },
    field('Sync', { name: 'sync', value: held.sync, options: [['', 'All'], ...syncs] }),
    field('Kind', {
      name: 'kind',
      value: held.kind,
      options: [['', 'All'], ...Object.keys(ASKS).map((k) => [k, words(k)])],
    }),
    field('State', { name: 'state', value: held.state, options: STATES }),
    field('Single keys', { name: 'keys', type: 'checkbox', value: keys }),
  );
  page.root.append(
    page.head('Review', { sub: 'What syncs cannot decide by themselves. The next run does what was decided.' }),
    bar,
    h(
      'p',
      { class: 'quiet' },
      h('kbd', 'j'),
      ' next ',
      h('kbd', 'k'),
      ' before ',
      may
        ? [
            h('kbd', 'x'),
            ' select ',
            h('kbd', 'l'),
            ' left ',
            h('kbd', 'r'),
            ' right ',
            h('kbd', 'v'),
            ' a value ',
            h('kbd', 'n'),
            ' nobody ',
            h('kbd', '1'),
            '–',
            h('kbd', '9'),
            ' a candidate',
          ]
        : null,
    ),
    h('div', { class: 'bar' }, bulk),
    h('div', { class: 'desk' }, pile, sheet),
  );
  await read();
}
