// A line of a rule as fields: one condition or several, and where the call goes.

import { h } from '../dom.js';
import { button, field } from '../form.js';

const OPERATORS = ['=', '<', '<=', '>', '>=', 'in', 'starts with', 'is empty'];
export const KINDS = [
  ['queue', 'Queue'],
  ['ivr', 'IVR'],
  ['recording', 'Recording'],
];

// `5` is a number in a rule, `01234` and `1e3` are text: as the documentation of rules says.
const typed = (text) => (/^-?(0|[1-9]\d*)(\.\d+)?$/.test(text) ? Number(text) : text);

export function lineFields(l, changed) {
  const conditions = l.all || [l];
  const box = h('div', { class: 'form' });
  const one = (c) => {
    const row = h(
      'div',
      { class: 'bar condition' },
      field('Field', { name: '', 'data-is': 'field', value: c.field || '', placeholder: 'That of the rule' }),
      field('Operator', { 'data-is': 'operator', options: OPERATORS, value: c.operator || '=' }),
      field('Value', {
        'data-is': 'value',
        value: c.values ? c.values.join(', ') : c.value === undefined ? '' : String(c.value),
        hint: 'Several for “in”, by comma',
        wide: true,
      }),
      button(
        'Remove',
        () => {
          if (box.children.length > 1) row.remove();
        },
        { kind: 'small', label: 'Remove this condition' },
      ),
    );
    return row;
  };
  conditions.forEach((c) => box.append(one(c)));
  const whole = h(
    'fieldset',
    { class: 'line' },
    h('legend', 'Line'),
    box,
    h(
      'div',
      button('And another condition', () => box.append(one({ operator: '=' })), { kind: 'small' }),
    ),
    h(
      'div',
      { class: 'bar' },
      field('Goes to', { 'data-is': 'type', options: KINDS, value: l.destination.type }),
      field('Name, number or file', { 'data-is': 'option', value: l.destination.option, required: true, wide: true }),
      h(
        'div',
        { class: 'actions' },
        button(
          'Up',
          () => {
            if (whole.previousElementSibling) whole.parentNode.insertBefore(whole, whole.previousElementSibling);
            changed();
          },
          { kind: 'small', label: 'Move this line up' },
        ),
        button(
          'Down',
          () => {
            if (whole.nextElementSibling) whole.parentNode.insertBefore(whole.nextElementSibling, whole);
            changed();
          },
          { kind: 'small', label: 'Move this line down' },
        ),
        button(
          'Remove line',
          () => {
            if (whole.parentNode.children.length > 1) whole.remove();
            changed();
          },
          { kind: 'small' },
        ),
      ),
    ),
  );
  return whole;
}

export function readLine(box) {
  const of = (at, name) => at.querySelector(`[data-is="${name}"]`).value.trim();
  const all = [...box.querySelectorAll('.condition')].map((row) => {
    const c = { operator: of(row, 'operator') };
    const v = of(row, 'value');
    if (c.operator === 'in')
      c.values = v
        .split(',')
        .map((x) => typed(x.trim()))
        .filter((x) => x !== '');
    else if (c.operator !== 'is empty') c.value = typed(v);
    if (of(row, 'field')) c.field = of(row, 'field');
    return c;
  });
  const destination = { type: of(box, 'type'), option: of(box, 'option') };
  return all.length === 1 && !all[0].field ? { ...all[0], destination } : { all, destination };
}
