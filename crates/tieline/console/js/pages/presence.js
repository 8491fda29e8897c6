// Agents who work in two systems: what both show, who decided it, and the pause.

import { h } from '../dom.js';
import { at, get, post } from '../api.js';
import { can } from '../session.js';
import { badge, code, facts, failed, link, load, said, section, since, to, when } from '../show.js';
import { button, confirm, field, values } from '../form.js';
import { paged, table } from '../table.js';
import { plural, words } from '../format.js';

const ALERTS = {
  drift: 'Differs from what was set',
  console_gone: 'CRM console gone',
  both_work: 'Work in both at once',
};
const PAGE = 200;

export function show(page) {
  if (page.path[0]) return story(page, page.path[0]);
  return list(page);
}

const side = (s) =>
  h(
    'div',
    h('strong', s.status || s.statusId || 'Not read yet'),
    ' ',
    h('span', { class: 'quiet' }, 'for ', since(s.since)),
    s.work && s.work !== 'free' ? h('div', badge(s.work, s.work === 'missed' ? 'warn' : 'info')) : null,
    s.target && s.target !== s.status ? h('div', { class: 'quiet' }, `to be ${s.target}`) : null,
  );

const marks = (a) =>
  h(
    'div',
    { class: 'badges' },
    a.isPaused ? badge('paused') : a.isSettled ? badge('in step', 'ok') : badge('being set', 'info'),
    a.alerts.map((x) => badge(x, 'bad', ALERTS[x] || words(x))),
  );

const rest = async (path, verb, who, after) => {
  const told = await post(`${path}/${verb}`);
  said(
    told.hasChanged
      ? `${who} is ${verb === 'pause' ? 'paused' : 'kept in step again'}.`
      : `Nothing changed: ${who} was so already.`,
  );
  await after();
};

const agentPath = (a) => at`/api/v1/presence/agents/${a.contactCenter.id || a.crm.id}`;
const turn = (a, after) =>
  button(
    a.isPaused ? 'Resume' : 'Pause',
    () => rest(agentPath(a), a.isPaused ? 'resume' : 'pause', a.name || a.email, after),
    { kind: 'small', label: `${a.isPaused ? 'Resume' : 'Pause'} ${a.name || a.email}` },
  );

async function list(page) {
  const held = { team: page.query.get('team') || '', only: page.query.get('only') || '' };
  let told = { items: [], teams: [] };
  let refresh = async () => {};
  const teams = table({
    caption: 'Teams',
    key: (t) => t.name,
    empty: 'No team is configured: add a [[presence]] section to tieline.toml.',
    columns: [
      { name: 'Team', head: true, cell: (t) => t.name },
      { name: 'Standing', cell: (t) => badge(t.standing) },
      { name: 'Way of working', cell: (t) => words(t.scenario) },
      { name: 'Between', cell: (t) => `${t.contactCenter} and ${t.crm}` },
      { name: 'Agents', num: true, cell: (t) => String(t.agents) },
      {
        name: 'Left alone',
        num: true,
        cell: (t) => (t.aloneCount ? h('span', { title: t.alone.join(', ') }, String(t.aloneCount)) : '0'),
      },
      { name: 'Waiting to be set', num: true, cell: (t) => String(t.contactCenterBacklog + t.crmBacklog) },
      {
        name: 'Faults',
        cell: (t) => {
          const all = [...t.faults, t.contactCenterUnheard, t.crmUnheard].filter(Boolean);
          return all.length
            ? h(
                'ul',
                all.map((f) => h('li', f)),
              )
            : 'None';
        },
      },
      ...(can('supervise')
        ? [
            {
              name: 'Pause',
              cell: (t) =>
                h(
                  'div',
                  { class: 'actions' },
                  button(
                    'Pause',
                    async () => {
                      if (
                        await confirm(
                          `Pause the team ${t.name}?`,
                          `${plural(t.agents, 'agent')} ${t.agents === 1 ? 'is' : 'are'} left alone until the team is resumed: nothing is set for them in either system.`,
                          'Pause the team',
                        )
                      )
                        await rest(at`/api/v1/presence/teams/${t.name}`, 'pause', `The team ${t.name}`, refresh);
                    },
                    { kind: 'small', label: `Pause the team ${t.name}` },
                  ),
                  button(
                    'Resume',
                    () => rest(at`/api/v1/presence/teams/${t.name}`, 'resume', `The team ${t.name}`, refresh),
                    { kind: 'small', label: `Resume the team ${t.name}` },
                  ),
                ),
            },
          ]
        : []),
    ],
  });
  const agents = table({
    caption: 'Agents',
    key: (a) => `${a.team}/${a.contactCenter.id}/${a.crm.id}`,
    empty: 'No agent that fits.',
    columns: [
      {
        name: 'Agent',
        head: true,
        cell: (a) => link(to('presence', a.contactCenter.id || a.crm.id), a.name || a.email),
      },
      { name: 'Team', cell: (a) => a.team },
      { name: 'Contact center', cell: (a) => side(a.contactCenter) },
      { name: 'CRM', cell: (a) => side(a.crm) },
      {
        name: 'Decided by',
        cell: (a) =>
          a.decidedBy
            ? h('div', words(a.decidedBy), ' ', h('span', { class: 'quiet' }, since(a.decidedAt), ' ago'))
            : 'Nobody yet',
      },
      { name: 'State', cell: marks },
      ...(can('supervise') ? [{ name: 'Pause', cell: (a) => turn(a, refresh) }] : []),
    ],
  });
  const teamBox = h('div');
  const drawTeams = () => {
    const names = told.teams.map((t) => t.name);
    if (teamBox.dataset.names === names.join()) return;
    teamBox.dataset.names = names.join();
    teamBox.replaceChildren(field('Team', { name: 'team', value: held.team, options: [['', 'All'], ...names] }));
  };
  const bar = h(
    'form',
    {
      class: 'bar',
      'aria-label': 'Filter',
      onsubmit: (e) => e.preventDefault(),
      onchange: () => {
        Object.assign(held, values(bar));
        page.setQuery(held);
        refresh().catch(failed);
      },
    },
    teamBox,
    field('Show', {
      name: 'only',
      value: held.only,
      options: [
        ['', 'Everybody'],
        ['alert', 'With an alert'],
        ['unsettled', 'Not in step'],
        ['paused', 'Paused'],
      ],
    }),
  );
  const fits = (a) =>
    !held.only || (held.only === 'alert' ? a.alerts.length : held.only === 'paused' ? a.isPaused : !a.isSettled);
  const count = h('p', { class: 'quiet' });
  refresh = async () => {
    // Page by page: a team may have some thousand agents. More than 2,000 are narrowed by team.
    let after = '';
    const items = [];
    do {
      told = await get('/api/v1/presence', { team: held.team, after, limit: PAGE }, page.signal);
      items.push(...told.items);
      after = told.next;
    } while (after && items.length < 2000);
    drawTeams();
    teams.set(told.teams);
    const some = items.filter(fits);
    agents.set(some);
    count.textContent = `${plural(some.length, 'agent')}${after ? '; there are more: choose a team' : ''}`;
    return items.length > PAGE ? 15000 : 3000;
  };
  page.root.append(
    page.head('Presence', { sub: 'Agents who work in the contact center and in the CRM, and what both show.' }),
    section('Teams', teams.node),
    section('Agents', bar, agents.node, count),
  );
  await page.every(3000, () => refresh());
}

async function story(page, id) {
  const box = h('div');
  const path = at`/api/v1/presence/agents/${id}`;
  page.root.append(page.head('Agent'), h('p', link('#/presence', 'All agents')), box);
  let again = async () => {};
  again = await load(box, page.signal, async () => {
    const { agent: a } = await get(path, { limit: 1 }, page.signal);
    page.root.querySelector('h1').textContent = a.name || a.email;
    document.title = `${a.name || a.email} – Tieline`;
    const half = (title, s) =>
      section(
        title,
        facts([
          ['Shows', s.status || s.statusId],
          ['Since', when(s.since)],
          ['Is to show', s.target || 'Left alone'],
          ['Work', words(s.work)],
          ['Id', code(s.id)],
        ]),
      );
    const lines = await paged(
      {
        caption: 'What became of them, newest first',
        key: (l) => l.at + l.what + l.side + l.status + l.note,
        empty: 'Nothing yet.',
        columns: [
          { name: 'When', head: true, cell: (l) => when(l.at) },
          { name: 'What', cell: (l) => words(l.what) },
          { name: 'Where', cell: (l) => words(l.side) },
          { name: 'Status', cell: (l) => l.status },
          { name: 'Note', cell: (l) => (l.note.includes(' ') ? l.note : words(l.note)) },
        ],
      },
      async (before) => {
        const told = await get(path, { before, limit: 100 }, page.signal);
        return { items: told.lines, next: told.next };
      },
    );
    return [
      h(
        'div',
        { class: 'columns' },
        section(
          'Standing',
          facts([
            ['Team', a.team],
            ['Mail', a.email],
            ['State', marks(a)],
            ['Decided by', a.decidedBy ? words(a.decidedBy) : 'Nobody yet'],
            ['Decided', when(a.decidedAt)],
            ['Console gone', a.consoleGone ? [when(a.consoleGone)] : 'No'],
          ]),
          can('supervise')
            ? h(
                'p',
                turn(a, () => again()),
              )
            : null,
        ),
        half('Contact center', a.contactCenter),
        half('CRM', a.crm),
      ),
      section('Story', lines.node),
    ];
  });
}
