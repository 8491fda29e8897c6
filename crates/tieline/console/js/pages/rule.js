// One routing rule: its form, a test against a number or a record, and its draft.

import { h, fill } from '../dom.js';
import { at, del, get, post, put } from '../api.js';
import { can } from '../session.js';
import { badge, code, link, note, said, section } from '../show.js';
import { button, confirm, field, form, values } from '../form.js';
import { words } from '../format.js';
import { lines as traced } from './call.js';
import { lineFields, readLine } from './rule-line.js';
import { lineWords } from './routing.js';

export async function editRule(page, name) {
  const isNew = name === '+';
  const [item, known] = await Promise.all([
    isNew
      ? { published: undefined, mistakes: [], warnings: [], attached: [], compared: [], state: 'new' }
      : get(at`/api/v1/routing/items/rules/${name}`, {}, page.signal),
    get('/api/v1/connections', {}, page.signal),
  ]);
  const rule = item.draft ||
    item.published || {
      location: 'did',
      module: 'contacts',
      field: '',
      crm: '',
      lines: [{ operator: '=', value: '', destination: { type: 'queue', option: '' } }],
    };
  const may = can('rules');
  page.root.append(
    page.head(isNew ? 'New rule' : name, { sub: isNew ? undefined : 'Routing rule' }),
    h('p', link('#/routing', 'All rules')),
  );
  if (!isNew)
    page.root.append(
      h(
        'p',
        badge(item.state),
        ' ',
        item.attached.length ? `Hangs at ${item.attached.join(', ')}.` : 'It hangs nowhere: no chain names it.',
        item.compared.length ? ` Compared as ${[...new Set(item.compared.map((c) => c.as))].join(', ')}.` : '',
      ),
    );
  for (const m of [...item.mistakes])
    page.root.append(
      h(
        'div',
        { class: 'problem' },
        h('p', h('strong', m.message)),
        h('p', 'At ', code(m.at)),
        h('p', h('span', { class: 'fix' }, 'To mend it: '), m.fix),
      ),
    );
  for (const w of item.warnings) page.root.append(h('p', badge('warning', 'warn'), ` ${w}`));
  if (item.state === 'going') page.root.append(note('The draft takes this rule away. Saving it brings it back.'));

  const lineBox = h('div', { class: 'form' });
  const head = [
    field('Name', {
      name: 'name',
      value: isNew ? '' : name,
      required: true,
      readonly: !isNew,
      hint: 'Shown as destination at a DID or IVR option',
    }),
    field('Location', {
      name: 'location',
      value: rule.location,
      options: [
        ['did', 'DID'],
        ['ivr', 'IVR'],
      ],
    }),
    field('Greeting', { name: 'greeting', value: rule.greeting || '', hint: 'What an IVR says first; only with IVR' }),
    field('CRM', {
      name: 'crm',
      value: rule.crm,
      options: known.connections
        .filter((c) => c.capabilities.includes('lookup') || c.name === rule.crm)
        .map((c) => c.name),
    }),
    field('Module', {
      name: 'module',
      value: rule.module,
      options: [
        ['leads', 'Leads'],
        ['contacts', 'Contacts'],
        ['accounts', 'Accounts'],
      ],
    }),
    field('Field', {
      name: 'field',
      value: rule.field,
      required: true,
      hint: "A name of the connection's data, or the vendor's field behind it",
    }),
  ];
  const addLine = (l = { operator: '=', value: '', destination: { type: 'queue', option: '' } }) =>
    lineBox.append(lineFields(l, () => count()));
  const count = () =>
    [...lineBox.children].forEach((f, i) => {
      f.querySelector('legend').textContent = `Line ${i + 1}`;
    });
  rule.lines.forEach((l) => addLine(l));
  count();

  const read = () => {
    const f = values(edit);
    const body = {
      location: f.location,
      crm: f.crm,
      module: f.module,
      field: f.field,
      lines: [...lineBox.children].map(readLine),
    };
    if (f.greeting) body.greeting = f.greeting;
    return [f.name, body];
  };
  const edit = may
    ? form(
        [
          h('div', { class: 'trio' }, head),
          h('h3', 'Lines: the first that holds wins'),
          lineBox,
          h(
            'div',
            button('Add a line', () => {
              addLine();
              count();
              lineBox.lastChild.querySelector('select').focus();
            }),
          ),
        ],
        'Save draft',
        async () => {
          const [as, body] = read();
          const kept = await put(at`/api/v1/routing/items/rules/${as}`, body);
          said(
            `The draft of ${as} is kept. It is not in force until it is published.${kept.warnings.length ? ` ${kept.warnings.join(' ')}` : ''}`,
          );
          location.hash = '#/routing';
        },
        {
          more: [
            isNew
              ? null
              : button(
                  'Take away…',
                  async () => {
                    if (
                      !(await confirm(
                        `Take ${name} away?`,
                        'As a draft: it goes when drafts are published.',
                        'Draft that it goes',
                        { danger: true },
                      ))
                    )
                      return;
                    await del(at`/api/v1/routing/items/rules/${name}`);
                    said(`It is drafted that ${name} goes.`);
                    location.hash = '#/routing';
                  },
                  { kind: 'danger' },
                ),
          ],
        },
      )
    : h(
        'ol',
        rule.lines.map((l) => h('li', lineWords(l, rule))),
      );
  if (may) edit.classList.add('broad');
  page.root.append(section('The rule', edit), may ? tryOut(read) : '');
}

// Tries what stands in the form, saved or not.
function tryOut(read) {
  const out = h('div', { 'aria-live': 'polite' });
  return section(
    'Test',
    note('Tries what stands above, saved or not. Nothing is kept, and no call goes anywhere.'),
    form(
      [
        field('Number', { name: 'number', placeholder: '+15550199999', hint: 'Its record is asked for' }),
        field('Or a record, as JSON', { name: 'record', placeholder: '{"loyaltyTier": "Gold"}', wide: true }),
      ],
      'Test',
      async (f) => {
        const body = f.record ? { record: JSON.parse(f.record) } : { number: f.number };
        const [as, rule] = read();
        const told = await post('/api/v1/routing/test', { body: { name: as || 'test', ...rule }, ...body });
        fill(
          out,
          h(
            'p',
            'Goes to: ',
            h(
              'strong',
              told.destination
                ? words(told.destination.replace(':', ': '))
                : 'No line holds: the next rule of the chain, or its default.',
            ),
          ),
          told.warnings.map((w) => h('p', badge('warning', 'warn'), ` ${w}`)),
          traced(told.lines),
        );
      },
      { inline: true },
    ),
    out,
  );
}
