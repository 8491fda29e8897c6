// Everything that was decided for one call: who it is from, where it went, how it was
// handled, and what was written elsewhere.

import { h } from '../dom.js';
import { at, get } from '../api.js';
import { badge, code, facts, link, load, note, to, when } from '../show.js';
import { rows } from '../table.js';
import { span, value, words } from '../format.js';

const hasRecord = (id) => id && !id.startsWith('PHONE:') && id !== 'UNKNOWN';
export const customer = (id) =>
  hasRecord(id)
    ? link(to('customers', id), id)
    : h('span', { class: 'quiet', title: id }, id ? (id === 'UNKNOWN' ? 'Withheld' : 'Not identified') : '–');

export async function one(page, id) {
  const box = h('div', { class: 'part' });
  page.root.append(page.head('Call', { sub: h('code', id) }), h('p', link('#/calls', 'All calls')), box);
  await load(box, page.signal, () => trace(id, page.signal));
}

// Everything there is to know of one call.
export async function trace(id, signal) {
  const [call, told] = await Promise.all([
    get(at`/api/v1/calls/${id}`, {}, signal),
    get(at`/api/v1/calls/${id}/explain`, {}, signal),
  ]);
  const look = told.lookup;
  const out = call.outcome;
  const data = Object.entries(call.data || {});
  return [
    h(
      'section',
      { class: 'part' },
      h('h2', 'Call'),
      facts([
        ['Call id', code(call.callId)],
        ['Arrived', when(call.arrivedAt)],
        ['From', call.fromNumber || call.email || 'Withheld'],
        ['Direction', `${words(call.direction)}, ${call.mediaType}`],
        ['Queue', call.queue],
        ['Customer', customer(call.externalId)],
        ['Calls before', String(call.previousInteractionCount)],
        ...data.map(([k, v]) => [k, value(v)]),
      ]),
    ),
    h(
      'section',
      { class: 'part' },
      h('h2', 'Lookup'),
      look
        ? facts([
            ['Status', badge(look.status)],
            ['Source', words(look.source)],
            ['Connection', look.connection ? link(to('connections', look.connection), look.connection) : ''],
            [
              'Answered in',
              [
                `${span(look.answeredMs)} of ${span(look.deadlineMs)} `,
                look.answeredMs > look.deadlineMs ? badge('late', 'warn') : null,
              ],
            ],
            ['Record', look.externalId],
            ['Known better', look.identifiedAt ? when(look.identifiedAt) : 'No'],
            ['Candidates', look.candidates ? String(look.candidates) : 'None'],
            ["Agent's correction", look.correctedTo || 'None'],
            [
              'Warnings',
              look.warnings.length
                ? h(
                    'ul',
                    look.warnings.map((w) => h('li', w)),
                  )
                : 'None',
            ],
          ])
        : note('Nobody looked this call up.'),
    ),
    h(
      'section',
      { class: 'part' },
      h('h2', 'Routing'),
      told.decisions.length ? told.decisions.map(decision) : note('No routing decision was asked for.'),
    ),
    h(
      'section',
      { class: 'part' },
      h('h2', 'Handling'),
      out.startedAt
        ? facts([
            ['Started', when(out.startedAt)],
            ['Ended', out.endedAt ? when(out.endedAt) : 'Goes on'],
            ['Talk', span(out.talkMs)],
            ['Hold', span(out.holdMs)],
            ['After-call work', span(out.acwMs)],
            ['Handle time', `${span(out.handleMs)}${out.estimated ? ', estimated' : ''}`],
            ['Agent', out.userId],
            ['Wrap-up', out.wrapUp.join(', ')],
            [
              'Activity in the CRM',
              `${words(out.journal)}${out.journalRecord ? ` (${out.journalConnection}: ${out.journalRecord})` : ''}`,
            ],
          ])
        : note('No event of this call was told yet.'),
    ),
    h(
      'section',
      { class: 'part' },
      h('h2', 'Writes to other systems'),
      told.writes.length
        ? rows(
            {
              caption: 'Writes',
              key: (w) => w.what + w.connection + w.state,
              columns: [
                { name: 'What', head: true, cell: (w) => words(w.what) },
                { name: 'Connection', cell: (w) => w.connection },
                { name: 'State', cell: (w) => badge(w.state) },
                { name: 'Note', cell: (w) => w.note },
              ],
            },
            told.writes,
          )
        : note('None.'),
    ),
  ];
}

function decision(d) {
  return [
    facts([
      ['Decided', [when(d.at), ` in ${span(d.tookMs)}`]],
      ['Entry', code(d.entry)],
      ['Status', badge(d.status)],
      ['Destination', d.destination || 'None'],
      ['Reason', d.reason],
      ['Rule set', String(d.revision)],
      ['The draft would say', d.shadow || undefined],
      ['Warnings', d.warnings.length ? d.warnings.join('; ') : undefined],
      [
        'Asked',
        d.asked.length
          ? d.asked
              .map((a) => `${a.connection} (${a.source}, ${span(a.tookMs)}${a.failure ? `, ${a.failure}` : ''})`)
              .join(', ')
          : undefined,
      ],
    ]),
    lines(d.lines),
  ];
}

// Each line of a rule, and what became of it.
export function lines(list) {
  return h(
    'ol',
    { class: 'trace' },
    list.map((l) =>
      h(
        'li',
        h(
          'p',
          badge(l.verdict),
          ` ${l.rule && l.rule !== 'tried' ? `${l.rule}, line ${l.line}` : `Line ${l.line}`} → `,
          h('strong', l.destination),
        ),
        h(
          'ul',
          l.conditions.map((c) =>
            h(
              'li',
              { class: 'quiet' },
              `${c.words}: ${c.verdict}. Seen: ${c.seen || 'nothing'} (compared as ${c.comparedAs}, ${c.connection})`,
            ),
          ),
        ),
      ),
    ),
  );
}
