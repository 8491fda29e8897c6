// A chain: which rules are asked at an entry, in which order, and where a call goes else.

import { h, fill } from '../dom.js';
import { at, del, get, put } from '../api.js';
import { can } from '../session.js';
import { badge, code, link, note, said, section } from '../show.js';
import { button, confirm, field, form } from '../form.js';
import { KINDS } from './rule-line.js';
import { destination } from './routing.js';

export async function editChain(page, name) {
  const isNew = name === '+';
  const [item, all] = await Promise.all([
    isNew ? { mistakes: [], state: 'new' } : get(at`/api/v1/routing/items/chains/${name}`, {}, page.signal),
    get('/api/v1/routing', {}, page.signal),
  ]);
  const chain = item.draft || item.published || { rules: [], default: { type: 'queue', option: '' } };
  page.root.append(
    page.head(isNew ? 'New chain' : name, { sub: isNew ? undefined : 'Chain' }),
    h('p', link('#/routing', 'All rules')),
  );
  if (!isNew) page.root.append(h('p', badge(item.state)));
  for (const m of item.mistakes)
    page.root.append(
      h(
        'div',
        { class: 'problem' },
        h('p', h('strong', m.message)),
        h('p', 'At ', code(m.at)),
        h('p', h('span', { class: 'fix' }, 'To mend it: '), m.fix),
      ),
    );
  if (!can('rules')) {
    page.root.append(
      section(
        'The chain',
        h(
          'ol',
          chain.rules.map((r) => h('li', r)),
        ),
        note(`Else: ${destination(chain.default)}`),
      ),
    );
    return;
  }

  let rules = [...chain.rules];
  const names = all.rules.map((r) => r.name);
  const listed = h('div');
  const move = (i, by) => {
    const [r] = rules.splice(i, 1);
    rules.splice(i + by, 0, r);
    draw();
  };
  const draw = () =>
    fill(
      listed,
      rules.length
        ? h(
            'ol',
            { class: 'trace' },
            rules.map((r, i) =>
              h(
                'li',
                h(
                  'div',
                  { class: 'actions' },
                  `${i + 1}. `,
                  link(`#/routing/rules/${encodeURIComponent(r)}`, r),
                  i > 0 ? button('Up', () => move(i, -1), { kind: 'small', label: `Move ${r} up` }) : null,
                  i < rules.length - 1
                    ? button('Down', () => move(i, 1), { kind: 'small', label: `Move ${r} down` })
                    : null,
                  button(
                    'Remove',
                    () => {
                      rules = rules.filter((x) => x !== r);
                      draw();
                    },
                    { kind: 'small', label: `Remove ${r}` },
                  ),
                ),
              ),
            ),
          )
        : note('No rule: every call goes to the default.'),
    );
  draw();
  const adder = field('Add a rule', {
    name: 'add',
    options: [['', 'Choose…'], ...names],
    onchange: (e) => {
      if (e.target.value && !rules.includes(e.target.value)) rules.push(e.target.value);
      e.target.value = '';
      draw();
    },
  });
  page.root.append(
    section(
      'The chain',
      form(
        [
          field('Entry', {
            name: 'entry',
            value: isNew ? '' : name,
            readonly: !isNew,
            required: true,
            placeholder: 'did:+15550190000 or ivr:Main menu/2',
          }),
          h('h3', 'Rules, asked in order'),
          listed,
          adder,
          h('h3', 'Else'),
          h(
            'div',
            { class: 'bar' },
            field('Goes to', { name: 'type', options: KINDS, value: chain.default.type }),
            field('Name, number or file', { name: 'option', value: chain.default.option, required: true, wide: true }),
          ),
        ],
        'Save draft',
        async (f) => {
          await put(at`/api/v1/routing/items/chains/${f.entry}`, {
            rules,
            default: { type: f.type, option: f.option },
          });
          said(`The draft of ${f.entry} is kept. It is not in force until it is published.`);
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
                        `Take the chain of ${name} away?`,
                        'As a draft: it goes when drafts are published.',
                        'Draft that it goes',
                        { danger: true },
                      ))
                    )
                      return;
                    await del(at`/api/v1/routing/items/chains/${name}`);
                    said('It is drafted that it goes.');
                    location.hash = '#/routing';
                  },
                  { kind: 'danger' },
                ),
          ],
        },
      ),
    ),
  );
}
