// Two records side by side, field by field.

import { h } from '../dom.js';
import { badge, code, when } from '../show.js';
import { rows } from '../table.js';
import { value } from '../format.js';

// Fields that the two systems name differently, yet mean the same: the map of the guides.
// Others stand where their own name is.
const SAME = {
  FirstName: 'firstName',
  LastName: 'lastName',
  Email: 'workEmail',
  Phone: 'workPhone',
  AccountId: 'externalOrganization.externalId',
  'Contact.Id': 'externalId',
};

// [{left name, right name, left value, right value, agreed}]
export function sides(pair) {
  const left = { ...pair.left.fields };
  const right = { ...pair.right.fields };
  const agreed = { ...pair.agreed };
  const list = [];
  for (const name of Object.keys(left)) {
    const key = Object.keys(agreed).find((k) => k.split('>')[0] === name);
    const other = [SAME[name], key && key.split('>')[1], name].find((n) => n && n in right);
    list.push({
      left: name,
      right: other || '',
      l: value(left[name]),
      r: other ? value(right[other]) : '',
      was: key ? value(agreed[key]) : '',
    });
    delete right[other];
  }
  for (const name of Object.keys(right)) {
    const key = Object.keys(agreed).find((k) => k.split('>')[1] === name);
    list.push({ left: '', right: name, l: '', r: value(right[name]), was: key ? value(agreed[key]) : '' });
  }
  return list;
}

// Case, and how a number is written, are no difference that a person would see.
const isNumber = (v) => /^[+\d(][\d\s().-]{6,}$/.test(v);
const digits = (v) => v.replace(/\D/g, '').replace(/^0+/, '');
export function isSame(a, b) {
  if (isNumber(a) && isNumber(b)) return digits(a).endsWith(digits(b)) || digits(b).endsWith(digits(a));
  return a.trim().toLowerCase() === b.trim().toLowerCase();
}

export function pairView(pair, marked = '') {
  const [both, alone] = [pair.left.state === 'present' && pair.right.state === 'present', pair.left.state !== 'never'];
  const head = (word, half) => [
    h('strong', word),
    ' ',
    badge(half.state, half.state === 'present' ? 'ok' : 'idle'),
    ' ',
    half.id ? code(half.id) : '',
    half.modifiedAt ? [' changed ', when(half.modifiedAt)] : '',
    half.modifiedBy ? ` by ${half.modifiedBy}` : '',
    half.mergedInto ? ` merged into ${half.mergedInto}` : '',
  ];
  return h(
    'div',
    alone ? h('p', head('Left', pair.left)) : null,
    pair.right.state !== 'never' ? h('p', head('Right', pair.right)) : null,
    pair.failure ? h('p', badge('failed'), ` ${pair.failure}`) : null,
    rows(
      {
        caption: `Pair ${pair.pair}, field by field`,
        key: (f) => f.left + f.right,
        cards: true,
        rowClass: (f) =>
          (marked && f.left === marked.split('>')[0]) || (both && f.left && f.right && !isSame(f.l, f.r))
            ? 'differs'
            : '',
        columns: [
          {
            name: 'Field',
            head: true,
            cell: (f) => [f.left && f.right && f.left !== f.right ? `${f.left} / ${f.right}` : f.left || f.right],
          },
          ...(alone ? [{ name: 'Left', cell: (f) => f.l }] : []),
          ...(pair.right.state !== 'never' ? [{ name: 'Right', cell: (f) => f.r }] : []),
          ...(Object.keys(pair.agreed).length ? [{ name: 'Agreed before', cell: (f) => f.was }] : []),
          ...(both
            ? [{ name: 'Same', cell: (f) => (f.left && f.right ? (isSame(f.l, f.r) ? 'Same' : 'Differs') : '') }]
            : []),
        ],
      },
      sides(pair),
    ),
  );
}

// Several pairs beside each other, to say which of them is meant: a column for each, and
// a row for each field under whichever name a side has for it.
export function compareView(first, others) {
  const names = [];
  const of = (pair) => {
    const held = {};
    for (const f of sides(pair)) {
      const name = f.right || SAME[f.left] || f.left;
      if (!names.includes(name)) names.push(name);
      held[name] = f.l && f.r && !isSame(f.l, f.r) ? `${f.l} | ${f.r}` : f.l || f.r;
    }
    return held;
  };
  const all = [first, ...others].map((pair) => ({ pair, held: of(pair) }));
  const where = (p) => [p.left, p.right].filter((x) => x.state === 'present').map((x) => code(x.id));
  const line = (name) => ({ name, cells: all.map((x) => x.held[name] || '') });
  const differs = (cells) =>
    cells.slice(1).map((c) => (cells[0] && c ? (isSame(cells[0], c) ? 'same' : 'differs') : ''));
  return h(
    'div',
    rows(
      {
        caption: 'The record beside those that could be meant',
        key: (r) => r.name,
        columns: [
          { name: 'Field', head: true, cell: (r) => r.name },
          ...all.map((x, i) => ({
            name: i ? `Candidate ${i}` : 'The record',
            cell: (r) => {
              if (r.ids) return r.ids[i];
              const verdict = i ? differs(r.cells)[i - 1] : '';
              return r.cells[i]
                ? [r.cells[i], verdict ? [' ', badge(verdict, verdict === 'same' ? 'ok' : 'warn')] : null]
                : '';
            },
          })),
        ],
      },
      [
        { name: 'Pair', ids: all.map((x) => String(x.pair.pair)) },
        { name: 'Ids', ids: all.map((x) => h('div', where(x.pair))) },
        ...names.map(line),
        {
          name: 'Changed',
          ids: all.map((x) =>
            h(
              'div',
              [x.pair.left, x.pair.right].filter((y) => y.modifiedAt).map((y) => h('div', when(y.modifiedAt))),
            ),
          ),
        },
      ],
    ),
  );
}
