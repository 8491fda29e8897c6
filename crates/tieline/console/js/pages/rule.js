// One routing rule: its form, a test against a number or a record, and its draft.

import { h, fill } from '../dom.js';
import { at, del, get, post, put } from '../api.js';
import { can } from '../session.js';
import { badge, code, link, note, said, section } from '../show.js';
import { button, confirm, field, form, values } from '../form.js';
import { words } from '../format.js';
import { lines as traced } from './calls.js';
import { lineWords } from './routing.js';

const OPERATORS = ['=', '<', '<=', '>', '>=', 'in', 'starts with', 'is empty'];
export const KINDS = [['queue', 'Queue'], ['ivr', 'IVR'], ['recording', 'Recording']];

// `5` is a number in a rule, `01234` and `1e3` are text: as the documentation of rules says.
const typed = (text) => (/^-?(0|[1-9]\d*)(\.\d+)?$/.test(text) ? Number(text) : text);

export async function editRule(page, name) {
  const isNew = name === '+';
  const [item, known] = await Promise.all([isNew ? { published: undefined, mistakes: [], warnings: [], attached: [], compared: [], state: 'new' } : get(at`/api/v1/routing/items/rules/${name}`, {}, page.signal), get('/api/v1/connections', {}, page.signal)]);
  const rule = item.draft || item.published || { location: 'did', module: 'contacts', field: '', crm: '', lines: [{ operator: '=', value: '', destination: { type: 'queue', option: '' } }] };
  const may = can('rules');
  page.root.append(page.head(isNew ? 'New rule' : name, { sub: isNew ? undefined : 'Routing rule' }), h('p', link('#/routing', 'All rules')));
  if (!isNew) page.root.append(h('p', badge(item.state), ' ', item.attached.length ? `Hangs at ${item.attached.join(', ')}.` : 'It hangs nowhere: no chain names it.', item.compared.length ? ` Compared as ${[...new Set(item.compared.map((c) => c.as))].join(', ')}.` : ''));
  for (const m of [...item.mistakes]) page.root.append(h('div', { class: 'problem' }, h('p', h('strong', m.message)), h('p', 'At ', code(m.at)), h('p', h('span', { class: 'fix' }, 'To mend it: '), m.fix)));
  for (const w of item.warnings) page.root.append(h('p', badge('warning', 'warn'), ` ${w}`));
  if (item.state === 'going') page.root.append(note('The draft takes this rule away. Saving it brings it back.'));

  const lineBox = h('div', { class: 'form' });
  const head = [
    field('Name', { name: 'name', value: isNew ? '' : name, required: true, readonly: !isNew, hint: 'Shown as destination at a DID or IVR option' }),
    field('Location', { name: 'location', value: rule.location, options: [['did', 'DID'], ['ivr', 'IVR']] }),
    field('Greeting', { name: 'greeting', value: rule.greeting || '', hint: 'What an IVR says first; only with IVR' }),
    field('CRM', { name: 'crm', value: rule.crm, options: known.connections.filter((c) => c.capabilities.includes('lookup') || c.name === rule.crm).map((c) => c.name) }),
    field('Module', { name: 'module', value: rule.module, options: [['leads', 'Leads'], ['contacts', 'Contacts'], ['accounts', 'Accounts']] }),
    field('Field', { name: 'field', value: rule.field, required: true, hint: 'A name of the connection\'s data, or the vendor\'s field behind it' }),
  ];
  const addLine = (l = { operator: '=', value: '', destination: { type: 'queue', option: '' } }) => lineBox.append(lineFields(l, () => count()));
  const count = () => [...lineBox.children].forEach((f, i) => { f.querySelector('legend').textContent = `Line ${i + 1}`; });
  rule.lines.forEach((l) => addLine(l));
  count();

  const read = () => {
    const f = values(edit);
    const body = { location: f.location, crm: f.crm, module: f.module, field: f.field, lines: [...lineBox.children].map(readLine) };
    if (f.greeting) body.greeting = f.greeting;
    return [f.name, body];
  };
  const edit = may ? form([h('div', { class: 'trio' }, head), h('h3', 'Lines: the first that holds wins'), lineBox, h('div', button('Add a line', () => { addLine(); count(); lineBox.lastChild.querySelector('select').focus(); }))], 'Save draft', async () => {
    const [as, body] = read();
    const kept = await put(at`/api/v1/routing/items/rules/${as}`, body);
    said(`The draft of ${as} is kept. It is not in force until it is published.${kept.warnings.length ? ` ${kept.warnings.join(' ')}` : ''}`);
    location.hash = '#/routing';
  }, { more: [isNew ? null : button('Take away…', async () => {
    if (!await confirm(`Take ${name} away?`, [h('p', 'As a draft: it goes when drafts are published.')], 'Draft that it goes', { danger: true })) return;
    await del(at`/api/v1/routing/items/rules/${name}`);
    said(`It is drafted that ${name} goes.`);
    location.hash = '#/routing';
  }, { kind: 'danger' })] }) : h('ol', rule.lines.map((l) => h('li', lineWords(l, rule))));
  if (may) edit.classList.add('broad');
  page.root.append(section('The rule', edit), may ? tryOut(read) : '');
}

function lineFields(l, changed) {
  const conditions = l.all || [l];
  const box = h('div', { class: 'form' });
  const one = (c) => {
    const row = h('div', { class: 'bar condition' },
      field('Field', { name: '', 'data-is': 'field', value: c.field || '', placeholder: 'That of the rule' }),
      field('Operator', { 'data-is': 'operator', options: OPERATORS, value: c.operator || '=' }),
      field('Value', { 'data-is': 'value', value: c.values ? c.values.join(', ') : c.value === undefined ? '' : String(c.value), hint: 'Several for “in”, by comma', wide: true }),
      button('Remove', () => { if (box.children.length > 1) row.remove(); }, { kind: 'small', label: 'Remove this condition' }));
    return row;
  };
  conditions.forEach((c) => box.append(one(c)));
  const whole = h('fieldset', { class: 'line' }, h('legend', 'Line'), box,
    h('div', button('And another condition', () => box.append(one({ operator: '=' })), { kind: 'small' })),
    h('div', { class: 'bar' }, field('Goes to', { 'data-is': 'type', options: KINDS, value: l.destination.type }), field('Name, number or file', { 'data-is': 'option', value: l.destination.option, required: true, wide: true }),
      h('div', { class: 'actions' }, button('Up', () => { if (whole.previousElementSibling) whole.parentNode.insertBefore(whole, whole.previousElementSibling); changed(); }, { kind: 'small', label: 'Move this line up' }),
        button('Down', () => { if (whole.nextElementSibling) whole.parentNode.insertBefore(whole.nextElementSibling, whole); changed(); }, { kind: 'small', label: 'Move this line down' }),
        button('Remove line', () => { if (whole.parentNode.children.length > 1) whole.remove(); changed(); }, { kind: 'small' }))));
  return whole;
}

function readLine(box) {
  const of = (at, name) => at.querySelector(`[data-is="${name}"]`).value.trim();
  const all = [...box.querySelectorAll('.condition')].map((row) => {
    const c = { operator: of(row, 'operator') };
    const v = of(row, 'value');
    if (c.operator === 'in') c.values = v.split(',').map((x) => typed(x.trim())).filter((x) => x !== '');
    else if (c.operator !== 'is empty') c.value = typed(v);
    if (of(row, 'field')) c.field = of(row, 'field');
    return c;
  });
  const destination = { type: of(box, 'type'), option: of(box, 'option') };
  return all.length === 1 && !all[0].field ? { ...all[0], destination } : { all, destination };
}

// Tries what stands in the form, saved or not.
function tryOut(read) {
  const out = h('div', { 'aria-live': 'polite' });
  return section('Test', note('Tries what stands above, saved or not. Nothing is kept, and no call goes anywhere.'), form([
    field('Number', { name: 'number', placeholder: '+15550199999', hint: 'Its record is asked for' }),
    field('Or a record, as JSON', { name: 'record', placeholder: '{"loyaltyTier": "Gold"}', wide: true })], 'Test', async (f) => {
    const body = f.record ? { record: JSON.parse(f.record) } : { number: f.number };
    const [as, rule] = read();
    const told = await post('/api/v1/routing/test', { body: { name: as || 'test', ...rule }, ...body });
    fill(out, h('p', 'Goes to: ', h('strong', told.destination ? words(told.destination.replace(':', ': ')) : 'No line holds: the next rule of the chain, or its default.')), told.warnings.map((w) => h('p', badge('warning', 'warn'), ` ${w}`)), traced(told.lines));
  }, { inline: true }), out);
}
