// Routing rules and chains: what is in force, what is drafted, and how one becomes the other.

import { h, fill } from '../dom.js';
import { at, del, get, post } from '../api.js';
import { can } from '../session.js';
import { badge, link, load, note, problem, said, section, to, when } from '../show.js';
import { button, confirm, dialog, field, form } from '../form.js';
import { rows } from '../table.js';
import { bars } from '../chart.js';
import { count, plural, words } from '../format.js';
import { editRule } from './rule.js';
import { editChain } from './chain.js';

export function show(page) {
  const [part, name] = page.path;
  if (part === 'rules' && name) return editRule(page, name);
  if (part === 'chains' && name) return editChain(page, name);
  return list(page);
}

export const destination = (d) => (d ? `${words(d.type)}: ${d.option}` : 'None');

// A condition as it is read: `loyaltyTier = Gold`.
export const condition = (c, rule) =>
  `${c.field || rule.field} ${c.operator}${c.operator === 'is empty' ? '' : ` ${c.values ? c.values.join(', ') : c.value}`}`;
export const lineWords = (l, rule) =>
  `${(l.all || [l]).map((c) => condition(c, rule)).join(' and ')} → ${destination(l.destination)}`;

const isDraft = (i) => i.state !== 'published';

async function list(page) {
  const box = h('div');
  page.root.append(
    page.head('Routing rules', {
      sub: 'What the CRM says of a caller decides where the call goes.',
      actions: can('rules')
        ? [
            h('a', { class: 'button', href: to('routing', 'rules', '+') }, 'New rule'),
            h('a', { class: 'button', href: to('routing', 'chains', '+') }, 'New chain'),
          ]
        : [],
    }),
    box,
  );
  const again = await load(box, page.signal, async () => {
    const told = await get('/api/v1/routing', {}, page.signal);
    const drafts = [...told.rules, ...told.chains].filter(isDraft);
    const shown = (i) => i.draft || i.published || {};
    const forget = (kind) => (i) =>
      isDraft(i) && can('rules')
        ? button(
            'Forget draft',
            async () => {
              await del(at`/api/v1/routing/items/${kind}/${i.name}`, { draft: true });
              said('The draft is forgotten.');
              again();
            },
            { kind: 'small', label: `Forget draft of ${i.name}` },
          )
        : '';
    const state = (i) => [
      badge(i.state),
      i.mistakes.length ? [' ', badge(plural(i.mistakes.length, 'mistake'), 'bad')] : null,
      i.changedAt ? h('div', { class: 'quiet' }, i.changedBy, ' ', when(i.changedAt)) : null,
    ];
    return [
      drafts.length && can('rules')
        ? section(
            `${plural(drafts.length, 'draft')} not in force`,
            h(
              'div',
              { class: 'actions' },
              button('Publish…', () => publish(drafts, () => again()), { kind: 'primary' }),
              h('span', { class: 'quiet' }, drafts.map((d) => d.name).join(', ')),
            ),
          )
        : null,
      section(
        'Rules',
        rows(
          {
            caption: 'Rules',
            key: (i) => i.name,
            empty: 'No rule yet.',
            columns: [
              { name: 'Rule', head: true, cell: (i) => link(to('routing', 'rules', i.name), i.name) },
              {
                name: 'Looks at',
                cell: (i) => `${shown(i).crm || ''} ${shown(i).module || ''} ${shown(i).field || ''}`,
              },
              {
                name: 'Lines',
                cell: (i) =>
                  h(
                    'ol',
                    (shown(i).lines || []).map((l) => h('li', lineWords(l, shown(i)))),
                  ),
              },
              { name: 'Hangs at', cell: (i) => (i.attached.length ? i.attached.join(', ') : 'Nowhere') },
              { name: 'State', cell: state },
              { name: 'Draft', cell: forget('rules') },
            ],
          },
          told.rules,
        ),
      ),
      section(
        'Chains',
        rows(
          {
            caption: 'Chains: what is asked at a DID or an option of an IVR, in order',
            key: (i) => i.name,
            empty: 'No chain yet.',
            columns: [
              { name: 'Entry', head: true, cell: (i) => link(to('routing', 'chains', i.name), i.name) },
              { name: 'Rules in order', cell: (i) => (shown(i).rules || []).join(', then ') },
              { name: 'Else', cell: (i) => destination(shown(i).default) },
              { name: 'State', cell: state },
              { name: 'Draft', cell: forget('chains') },
            ],
          },
          told.chains,
        ),
      ),
      can('rules') ? replay() : null,
      shadow(page),
      await history(page, told.revision, () => again()),
    ];
  });
}

async function publish(drafts, again) {
  let told;
  let wrong;
  try {
    told = await post('/api/v1/routing/publish', { dryRun: true });
  } catch (e) {
    wrong = e;
  }
  const done = await dialog('Put drafts in force', (close) =>
    form(
      [
        h('p', 'Calls go on meanwhile; each is decided by one rule set.'),
        rows(
          {
            caption: 'Drafts',
            key: (d) => d.name,
            columns: [
              { name: 'What', head: true, cell: (d) => d.name },
              { name: 'Becomes', cell: (d) => badge(d.state) },
            ],
          },
          drafts,
        ),
        wrong
          ? problem(wrong)
          : told.warnings.length
            ? h(
                'ul',
                told.warnings.map((w) => h('li', badge('warning', 'warn'), ` ${w}`)),
              )
            : note('Nothing speaks against it.'),
        field('Also where a destination is not known to the platform', { name: 'anyway', type: 'checkbox' }),
      ],
      'Publish',
      async (f) => {
        const put = await post('/api/v1/routing/publish', { allowUnknownDestinations: f.anyway });
        said(`Rule set ${put.revision} is in force.`);
        close(true);
      },
      { more: [h('button', { type: 'button', onclick: () => close(false) }, 'Cancel')] },
    ),
  );
  if (done) again();
}

// What drafts would have done with the calls there were.
function replay() {
  const box = h('div', { 'aria-live': 'polite' });
  return section(
    'Replay',
    note('Asks what the drafts would have done with the calls there were. Nothing is kept.'),
    form(
      field('Since', { name: 'since', value: '7d', hint: 'A span such as 7d, or a time', required: true }),
      'Replay',
      async (f) => {
        const set = await get('/api/v1/routing/set', { drafts: true });
        const r = await post('/api/v1/routing/replay', {
          since: f.since,
          set: { rules: set.rules, chains: set.chains },
        });
        fill(
          box,
          r.decisions
            ? [
                bars({
                  title: 'Where calls would go',
                  unit: 'decisions',
                  xTitle: 'Outcome',
                  series: [{ name: 'Decisions' }],
                  groups: [
                    { name: 'Where they went', values: [r.same] },
                    { name: 'Elsewhere', values: [r.elsewhere] },
                    { name: 'A value is missing', values: [r.neverFetched] },
                  ],
                }),
                rows(
                  {
                    caption: 'Those that go elsewhere',
                    quiet: false,
                    key: (w) => w.from + w.to,
                    empty: 'None goes elsewhere.',
                    columns: [
                      { name: 'Went to', head: true, cell: (w) => w.from },
                      { name: 'Would go to', cell: (w) => w.to },
                      { name: 'Decisions', num: true, cell: (w) => count(w.decisions) },
                    ],
                  },
                  r.ways,
                ),
                Object.keys(r.lacking).length
                  ? note(
                      `Never fetched: ${Object.entries(r.lacking)
                        .map(([k, n]) => `${k} (${n})`)
                        .join(', ')}`,
                    )
                  : null,
              ]
            : note('No decision was made since then.'),
        );
      },
      { inline: true },
    ),
    box,
  );
}

// What drafts said of calls as they came, beside what is in force.
function shadow(page) {
  const box = h('div');
  load(box, page.signal, async () => {
    const told = await get('/api/v1/routing/shadow', { since: '7d' }, page.signal);
    if (!told.isOn && !told.elsewhere)
      return note('Drafts are not asked beside what is in force: routing.shadow in tieline.toml turns it on.');
    return [
      told.isOn ? null : note('Drafts are not asked any more: these are of before.'),
      h('p', `${count(told.decisions)} decisions in seven days; drafts would have sent ${count(told.elsewhere)} elsewhere.`),
      rows(
        {
          caption: 'Those that drafts would have sent elsewhere',
          key: (w) => w.from + w.to,
          empty: 'None.',
          columns: [
            { name: 'Went to', head: true, cell: (w) => w.from || 'Nowhere' },
            { name: 'Would have gone to', cell: (w) => w.to || 'Nowhere' },
            { name: 'Decisions', num: true, cell: (w) => count(w.decisions) },
          ],
        },
        told.ways,
      ),
    ];
  });
  return section('In the shadow', box);
}

async function history(page, revision, again) {
  const list = await get('/api/v1/routing/history', {}, page.signal);
  return section(
    'History',
    rows(
      {
        caption: 'Rule sets that were put in force, newest first',
        key: (r) => r.revision,
        empty: 'Nothing was put in force yet.',
        columns: [
          {
            name: 'Rule set',
            head: true,
            cell: (r) => [String(r.revision), r.revision === revision ? [' ', badge('in force', 'ok')] : ''],
          },
          { name: 'When', cell: (r) => when(r.at) },
          { name: 'By', cell: (r) => r.by },
          { name: 'What changed', cell: (r) => r.summary },
          ...(can('rules')
            ? [
                {
                  name: 'Back',
                  cell: (r) =>
                    r.revision === revision
                      ? ''
                      : button(
                          'Roll back',
                          async () => {
                            if (
                              !(await confirm(
                                `Put rule set ${r.revision} in force again?`,
                                'It comes into force at once, as a new rule set. Drafts stay drafts.',
                                'Roll back',
                              ))
                            )
                              return;
                            const put = await post('/api/v1/routing/rollback', { revision: r.revision });
                            said(`Rule set ${put.revision} is in force.`);
                            again();
                          },
                          { kind: 'small', label: `Roll back to rule set ${r.revision}` },
                        ),
                },
              ]
            : []),
        ],
      },
      list,
    ),
  );
}
