// What needs somebody now, drawn together from connections, presence, syncs and jobs; what
// was told of before, and to whom.

import { h, fill } from '../dom.js';
import { at, eachOf, get, post } from '../api.js';
import { can } from '../session.js';
import { badge, facts, fromFile, link, note, said, section, to, when } from '../show.js';
import { button } from '../form.js';
import { rows, table } from '../table.js';
import { count, percent, plural, span, words } from '../format.js';

export async function show(page) {
  const alerts = table({
    caption: 'What needs somebody now, the worst first',
    key: (a) => a.where + a.what,
    empty: 'Nothing needs anybody.',
    columns: [
      { name: 'How bad', cell: (a) => (a.bad ? badge('broken', 'bad') : badge('look at it', 'warn')) },
      { name: 'Where', head: true, cell: (a) => link(a.href, a.where) },
      { name: 'What', cell: (a) => a.what },
      { name: 'To mend it', cell: (a) => a.fix || '' },
      { name: 'Since', cell: (a) => when(a.since) },
    ],
  });
  const sum = h('p', { role: 'status' });
  const jobs = h('div');
  const told = h('div');
  let drawn = '';
  const dead = table({
    caption: 'Dead jobs',
    key: (j) => j.id,
    empty: 'No job was given up.',
    columns: [
      { name: 'Job', head: true, cell: (j) => `${words(j.kind)} ${j.id}` },
      { name: 'Connection', cell: (j) => j.connection },
      { name: 'Call', cell: (j) => (j.callId ? link(to('calls', j.callId), j.callId) : '') },
      { name: 'Tries', num: true, cell: (j) => String(j.attempts) },
      { name: 'Why', cell: (j) => j.note },
      { name: 'Since', cell: (j) => when(j.updatedAt) },
      {
        name: 'Redrive',
        cell: (j) =>
          button(
            'Redrive',
            async () => {
              await post(at`/api/v1/jobs/${j.id}/redrive`);
              said(`Job ${j.id} is tried again.`);
              await refresh();
            },
            { kind: 'small', label: `Redrive job ${j.id}` },
          ),
      },
    ],
  });
  const again = button('Redrive all', async () => {
    const { redriven } = await post('/api/v1/jobs/redrive');
    said(`${count(redriven)} tried again.`);
    await refresh();
  });
  const refresh = async () => {
    const [c, p, s] = await Promise.all([connections(page.signal), presence(page.signal), syncs(page.signal)]);
    const all = [...c, ...p, ...s].sort((a, b) => Number(b.bad) - Number(a.bad));
    alerts.set(all);
    fill(
      sum,
      all.length
        ? `${plural(all.filter((a) => a.bad).length, 'thing')} broken, ${all.filter((a) => !a.bad).length} to look at.`
        : 'All is well.',
    );
    const alerting = await get('/api/v1/alerts', {}, page.signal);
    const now = JSON.stringify(alerting);
    if (now !== drawn) fill(told, alerted(alerting));
    drawn = now;
    if (!can('supervise')) return;
    const list = await get('/api/v1/jobs', { state: 'dead', limit: 100 }, page.signal);
    dead.set(list);
    again.hidden = !list.length;
    if (!jobs.firstChild)
      fill(jobs, section('Dead jobs', note('Work for other systems that was tried and given up.'), again, dead.node));
  };
  page.root.append(
    page.head('Alerts', { sub: 'What needs somebody now, in connections, presence, syncs and jobs.' }),
    section('Now', sum, alerts.node),
    jobs,
    told,
  );
  await page.every(10000, refresh);
}

const length = (s) => span(s * 1000);

// What alerts were told, to whom, and from when on.
function alerted({ open, history, channels, thresholds }) {
  return [
    section(
      'Told',
      rows(
        {
          caption: 'What began and what was over, newest first',
          key: (a) => a.at + a.kind + a.of + a.isOver,
          empty: 'Nothing was wrong yet.',
          columns: [
            { name: 'When', head: true, cell: (a) => when(a.at) },
            {
              name: 'State',
              cell: (a) =>
                a.isOver
                  ? badge('over', 'ok')
                  : open.some((o) => o.kind === a.kind && o.of === a.of && o.since === a.since)
                    ? badge('goes on', 'bad')
                    : badge('began', 'warn'),
            },
            { name: 'What', cell: (a) => [h('p', a.title), a.isOver ? null : h('p', { class: 'quiet' }, a.detail)] },
            { name: 'Lasted', cell: (a) => (a.isOver ? span(new Date(a.at) - new Date(a.since)) : '') },
          ],
        },
        history,
      ),
    ),
    section(
      'Who is told',
      fromFile('Who is told'),
      rows(
        {
          caption: 'Channels',
          key: (c) => c.name,
          empty: 'Nobody is told: [alerts.channels] of tieline.toml names none.',
          columns: [
            { name: 'Channel', head: true, cell: (c) => c.name },
            { name: 'Type', cell: (c) => words(c.type) },
            ...(can('admin')
              ? [
                  {
                    name: 'Test',
                    cell: (c) =>
                      button(
                        'Send a test',
                        async () => {
                          const { sent, error } = await post(at`/api/v1/alerts/channels/${c.name}/test`);
                          if (!sent) throw new Error(`${c.name} could not be told: ${error}`);
                          said(`A test was sent to ${c.name}.`);
                        },
                        { kind: 'small', label: `Send a test to ${c.name}` },
                      ),
                  },
                ]
              : []),
          ],
        },
        channels,
      ),
    ),
    section(
      'From when on',
      fromFile('What is a trouble'),
      facts([
        ['Late answers', `above ${percent(thresholds.lateRate)} of a connection's calls in five minutes`],
        ['Answers without the CRM', `above ${percent(thresholds.partialRate)}`],
        ['Over', `when it was not seen for ${length(thresholds.settleS)}`],
        ['Looked at', `every ${length(thresholds.everyS)}`],
      ]),
      note('Those of a sync are its own, under alerts in its settings: more than 10 errors, or 5 minutes, else.'),
    ),
  ];
}

async function connections(signal) {
  const told = await get('/api/v1/connections', {}, signal);
  const all = await eachOf(told.connections, (c) => get(at`/api/v1/connections/${c.name}/health`, {}, signal));
  return all.flatMap((c) => {
    const base = { where: c.name, href: to('connections', c.name) };
    const now = c.errors
      .filter((e) => !e.isOver)
      .map((e) => ({
        ...base,
        bad: e.kind !== 'rate_limited',
        what: `${words(e.kind)} on ${e.doing}: ${e.message}`,
        fix: e.fix,
        since: e.at,
      }));
    if (c.status !== 'ok' && !now.length)
      now.push({
        ...base,
        bad: true,
        what: `${words(c.status)}${c.degradedBy ? ` by ${words(c.degradedBy).toLowerCase()}` : ''}`,
      });
    if (c.breaker.position === 'open') now.push({ ...base, bad: true, what: 'The breaker is open: nothing is asked.' });
    if (c.budget.isLow) now.push({ ...base, bad: false, what: `The rate budget is low, for ${c.budget.resetsInS} s.` });
    if (c.token.status === 'failing' || c.token.status === 'missing')
      now.push({ ...base, bad: c.token.status === 'missing', what: `Token: ${c.token.error || c.token.status}` });
    if (c.rights.status === 'missing' || c.missing.length)
      now.push({
        ...base,
        bad: false,
        what: `Rights are missing: ${[...new Set([...c.rights.missing, ...c.missing])].join(', ')}`,
      });
    if (c.rights.status === 'too_broad')
      now.push({
        ...base,
        bad: false,
        what: `It may do whatever an administrator may, by ${c.rights.administrator}.`,
        since: c.rights.askedAt,
      });
    return now;
  });
}

async function presence(signal) {
  const found = [];
  let after = '';
  let teams = [];
  let read = 0;
  do {
    const told = await get('/api/v1/presence', { after, limit: 500 }, signal);
    teams = told.teams;
    read += told.items.length;
    told.items
      .filter((a) => a.alerts.length)
      .forEach((a) =>
        found.push({
          where: a.name || a.email,
          href: to('presence', a.contactCenter.id || a.crm.id),
          bad: a.alerts.includes('both_work'),
          what: a.alerts.map(words).join(', '),
          since: a.consoleGone || a.decidedAt,
        }),
      );
    after = told.next;
  } while (after && read < 3000);
  for (const t of teams) {
    const base = { where: `Team ${t.name}`, href: `#/presence?team=${encodeURIComponent(t.name)}` };
    [...t.faults, t.contactCenterUnheard, t.crmUnheard]
      .filter(Boolean)
      .forEach((what) => found.push({ ...base, bad: true, what }));
    if (t.aloneCount)
      found.push({ ...base, bad: false, what: `${plural(t.aloneCount, 'agent')} without a certain other.` });
  }
  return found;
}

async function syncs(signal) {
  const { items } = await get('/api/v1/syncs', {}, signal);
  const all = await eachOf(items, (s) => get(at`/api/v1/syncs/${s.name}/health`, {}, signal));
  return items.flatMap((s, i) => {
    const base = { where: `Sync ${s.name}`, href: to('syncs', s.name) };
    const found = [];
    if (s.paused) found.push({ ...base, bad: false, what: `It rests: ${s.paused}` });
    if (s.openReviews)
      found.push({
        ...base,
        href: `#/review?sync=${encodeURIComponent(s.name)}`,
        bad: false,
        what: `${plural(s.openReviews, 'review')} to decide.`,
      });
    if (all[i].dead)
      found.push({
        ...base,
        href: to('syncs', s.name, 'failures'),
        bad: true,
        what: `${plural(all[i].dead, 'record')} given up.`,
      });
    const last = all[i].runs[0];
    if (last && last.state === 'partial')
      found.push({
        ...base,
        href: to('runs', String(last.runId)),
        bad: true,
        what: 'The last run did not come through.',
        since: last.startedAt,
      });
    return found;
  });
}
