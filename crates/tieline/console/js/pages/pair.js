// Two records side by side, field by field.

import { h } from '../dom.js';
import { badge, code, when } from '../show.js';
import { rows } from '../table.js';
import { value } from '../format.js';

// Fields that the two systems name differently, yet mean the same: the map of the guides.
// Others stand where their own name is.
const SAME = { FirstName: 'firstName', LastName: 'lastName', Email: 'workEmail', Phone: 'workPhone', AccountId: 'externalOrganization.externalId', 'Contact.Id': 'externalId' };

// [{left name, right name, left value, right value, agreed}]
export function sides(pair) {
  const left = { ...pair.left.fields };
  const right = { ...pair.right.fields };
  const agreed = { ...pair.agreed };
  const list = [];
  for (const name of Object.keys(left)) {
    const key = Object.keys(agreed).find((k) => k.split('>')[0] === name);
    const other = [SAME[name], key && key.split('>')[1], name].find((n) => n && n in right);
    list.push({ left: name, right: other || '', l: value(left[name]), r: other ? value(right[other]) : '', was: key ? value(agreed[key]) : '' });
    delete right[other];
  }
  for (const name of Object.keys(right)) {
    const key = Object.keys(agreed).find((k) => k.split('>')[1] === name);
    list.push({ left: '', right: name, l: '', r: value(right[name]), was: key ? value(agreed[key]) : '' });
  }
  return list;
}

// Spaces and marks in a number, and case, are no difference that a person would see.
const plain = (v) => v.toLowerCase().replace(/[\s().-]/g, '').replace(/^\+/, '');

export function pairView(pair, marked = '') {
  const [both, alone] = [pair.left.state === 'present' && pair.right.state === 'present', pair.left.state !== 'never'];
  const head = (word, half) => [h('strong', word), ' ', badge(half.state, half.state === 'present' ? 'ok' : 'idle'), ' ', half.id ? code(half.id) : '', half.modifiedAt ? [' changed ', when(half.modifiedAt)] : '', half.modifiedBy ? ` by ${half.modifiedBy}` : '', half.mergedInto ? ` merged into ${half.mergedInto}` : ''];
  return h('div',
    alone ? h('p', head('Left', pair.left)) : null,
    pair.right.state !== 'never' ? h('p', head('Right', pair.right)) : null,
    pair.failure ? h('p', badge('failed'), ` ${pair.failure}`) : null,
    rows({ caption: `Pair ${pair.pair}, field by field`, key: (f) => f.left + f.right, cards: true,
      rowClass: (f) => (`${f.left}>` === `${marked.split('>')[0]}>` ? 'differs' : both && f.left && f.right && plain(f.l) !== plain(f.r) ? 'differs' : ''),
      columns: [
        { name: 'Field', head: true, cell: (f) => [f.left && f.right && f.left !== f.right ? `${f.left} / ${f.right}` : f.left || f.right] },
        ...(alone ? [{ name: 'Left', cell: (f) => f.l }] : []),
        ...(pair.right.state !== 'never' ? [{ name: 'Right', cell: (f) => f.r }] : []),
        ...(Object.keys(pair.agreed).length ? [{ name: 'Agreed before', cell: (f) => f.was }] : []),
        ...(both ? [{ name: 'Same', cell: (f) => (f.left && f.right ? (plain(f.l) === plain(f.r) ? 'Same' : 'Differs') : '') }] : []),
      ] }, sides(pair)));
}
