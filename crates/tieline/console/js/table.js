// Tables. `set` gives other rows and touches only those that changed, so that neither
// the focus nor the reader's place is lost when a list is brought up to date.
//
// The roles are written out: on a phone rows are laid out as cards, and a browser
// forgets that a table is a table when its `display` changes.

import { h, fill } from './dom.js';
import { failed } from './show.js';

export function table({
  caption,
  columns,
  key = JSON.stringify,
  empty = 'Nothing here.',
  quiet = true,
  cards = true,
  rowClass,
}) {
  const body = h('tbody', { role: 'rowgroup' });
  const node = h(
    'table',
    { role: 'table', class: cards ? 'cards' : '' },
    h('caption', { class: quiet ? 'unseen' : '' }, caption),
    h(
      'thead',
      { role: 'rowgroup' },
      h(
        'tr',
        { role: 'row' },
        columns.map((c) => h('th', { role: 'columnheader', scope: 'col', class: c.num ? 'num' : '' }, c.name)),
      ),
    ),
    body,
  );
  const box = h('div', { class: 'scroll', role: 'region', 'aria-label': caption }, node);
  const none = h('p', { class: 'empty', hidden: true }, empty);
  let kept = new Map();

  // Only what really scrolls is a stop of the tab key.
  new ResizeObserver(() => {
    if (box.scrollWidth > box.clientWidth + 1) box.setAttribute('tabindex', '0');
    else box.removeAttribute('tabindex');
  }).observe(box);

  const draw = (row) =>
    h(
      'tr',
      { role: 'row', class: rowClass ? rowClass(row) : '' },
      columns.map((c) => {
        const inside = c.cell(row);
        const attrs = { class: `${c.num ? 'num ' : ''}${c.class || ''}`, 'data-label': c.name };
        const isEmpty = inside === '' || inside === undefined || inside === null;
        // On a phone what is empty takes no line.
        if (isEmpty) attrs.class += ' none';
        const shown = h('div', { class: 'cell' }, isEmpty ? '–' : inside);
        return c.head
          ? h('th', { ...attrs, role: 'rowheader', scope: 'row' }, shown)
          : h('td', { ...attrs, role: 'cell' }, shown);
      }),
    );

  const set = (rows, fresh) => {
    const next = new Map();
    rows.forEach((row) => {
      const k = key(row);
      const sign = JSON.stringify(row);
      const old = kept.get(k);
      const tr = old && old.sign === sign ? old.tr : draw(row);
      if (old && old.tr !== tr) takeFocus(old.tr, tr);
      if (!old && fresh) tr.classList.add('fresh');
      next.set(k, { sign, tr });
    });
    let place = body.firstChild;
    for (const { tr } of next.values()) {
      if (tr === place) place = place.nextSibling;
      else body.insertBefore(tr, place);
    }
    while (place) {
      const gone = place;
      place = place.nextSibling;
      gone.remove();
    }
    kept = next;
    none.hidden = rows.length > 0;
    box.hidden = rows.length === 0;
  };
  set([]);
  return { node: h('div', box, none), set, body };
}

// The focus goes on in the row that replaces another.
function takeFocus(from, into) {
  if (!from.contains(document.activeElement)) return;
  const all = 'a, button, input, select';
  const index = [...from.querySelectorAll(all)].indexOf(document.activeElement);
  from.replaceWith(into);
  const same = into.querySelectorAll(all)[index];
  if (same) same.focus();
}

// A table with rows that stay as they are.
export function rows(options, list) {
  const made = table(options);
  made.set(list);
  return made.node;
}

// A list that is read page by page. `fetchPage(next)` answers {items, next}; an empty `next` ends it.
export async function paged(options, fetchPage) {
  const made = table(options);
  const all = [];
  const more = h('button', { type: 'button' }, 'Show more');
  const count = h('span', { class: 'quiet', role: 'status' });
  const foot = h('p', { class: 'more' }, more, count);
  let next;
  const step = async () => {
    const page = await fetchPage(next);
    all.push(...page.items);
    next = page.next;
    made.set(all);
    more.hidden = !next;
    fill(count, all.length ? `${all.length} shown${next ? '' : ', that is all'}` : '');
  };
  more.addEventListener('click', () => step().catch(failed));
  await step();
  return { node: h('div', made.node, foot), all, set: made.set };
}
