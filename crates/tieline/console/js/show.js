// Small parts that every page shows things with.

import { h, fill, announce } from './dom.js';
import { ago, clock } from './format.js';

// Each tone has a shape of its own: nobody needs to tell colours apart.
const MARKS = { ok: '●', info: '◆', warn: '▲', bad: '■', idle: '○' };
const TONES = {
  hit: 'ok',
  ok: 'ok',
  done: 'ok',
  working: 'ok',
  closed: 'ok',
  active: 'ok',
  published: 'ok',
  holds: 'ok',
  matched: 'ok',
  written: 'ok',
  linked: 'ok',
  met: 'ok',
  miss: 'idle',
  unknown: 'idle',
  none: 'idle',
  withdrawn: 'idle',
  spent: 'idle',
  skipped: 'idle',
  revoked: 'idle',
  expired: 'idle',
  fails: 'idle',
  not_asked: 'idle',
  'not reached': 'idle',
  default: 'idle',
  elsewhere: 'idle',
  undone: 'idle',
  partial: 'warn',
  ambiguous: 'warn',
  degraded: 'warn',
  waiting: 'info',
  pending: 'info',
  running: 'info',
  leased: 'info',
  starting: 'info',
  trying: 'warn',
  planned: 'info',
  open: 'info',
  intended: 'warn',
  changed: 'info',
  new: 'info',
  going: 'warn',
  held: 'warn',
  paused: 'warn',
  too_broad: 'warn',
  unheard: 'warn',
  failing: 'bad',
  failed: 'bad',
  faulty: 'bad',
  missing: 'bad',
  dead: 'bad',
  refused: 'bad',
};

export function badge(word, tone = TONES[word] || 'idle', text = word) {
  return h(
    'span',
    { class: `badge ${tone}` },
    h('span', { class: 'mark', 'aria-hidden': 'true' }, MARKS[tone]),
    String(text).replace(/_/g, ' '),
  );
}

// Times are local; the exact one in UTC is in the title.
export const when = (text, options) => (text ? h('time', { datetime: text, title: text }, clock(text, options)) : '–');
export const since = (text) =>
  text ? h('time', { datetime: text, title: clock(text), 'data-since': '' }, ago(text)) : '–';

// What is told as “for 3 min” grows, though its row stays as it is.
setInterval(
  () =>
    document.querySelectorAll('time[data-since]').forEach((t) => {
      const now = ago(t.dateTime);
      if (t.textContent !== now) t.textContent = now;
    }),
  5000,
);

export const code = (text) => (text ? h('code', text) : '–');
export const link = (href, ...inside) => h('a', { href }, ...inside);
export const to = (...parts) => `#/${parts.map(encodeURIComponent).join('/')}`;

// Pairs of name and value. A value that is undefined is left out.
export function facts(pairs, kind = '') {
  return h(
    'dl',
    { class: `facts ${kind}` },
    pairs
      .filter(([, v]) => v !== undefined)
      .map(([name, v]) => h('div', h('dt', name), h('dd', v === '' || v === null ? '–' : v))),
  );
}

export function section(title, ...inside) {
  return h('section', { class: 'part' }, h('h2', title), ...inside);
}

export const note = (...inside) => h('p', { class: 'note' }, ...inside);
export const fromFile = (what = 'It') =>
  h(
    'p',
    { class: 'note readonly' },
    h('span', { class: 'mark', 'aria-hidden': 'true' }, '▪'),
    `Read-only. ${what} stands in tieline.toml and is changed there.`,
  );

export function problem(error) {
  return h(
    'div',
    { class: 'problem', role: 'alert' },
    h('p', h('strong', error.message || String(error))),
    error.at ? h('p', 'At ', h('code', error.at)) : null,
    error.retryAfter ? h('p', `Try again in ${error.retryAfter} s.`) : null,
    error.fix ? h('p', h('span', { class: 'fix' }, 'To mend it: '), error.fix) : null,
    (error.mistakes || []).slice(1).map((m) => h('p', h('code', m.at), ` ${m.message} ${m.fix}`)),
    error.code
      ? h(
          'p',
          { class: 'quiet' },
          error.docs
            ? h('a', { href: error.docs, target: '_blank', rel: 'noopener' }, `About ${error.code}`)
            : h('code', error.code),
        )
      : null,
  );
}

// Fills a box with what `make` answers, or with what went wrong. Answers a function that does it again.
export async function load(box, signal, make) {
  const again = async () => {
    box.setAttribute('aria-busy', 'true');
    const slow = setTimeout(() => {
      if (!box.childNodes.length) fill(box, h('p', { class: 'quiet' }, 'Loading…'));
    }, 150);
    try {
      const made = await make();
      if (signal.aborted) return;
      // Whoever had the focus in what is replaced reads on at its first heading.
      const lost = box.contains(document.activeElement);
      fill(box, made);
      const head = lost && box.querySelector('h2');
      if (head) {
        head.setAttribute('tabindex', '-1');
        head.focus();
      }
    } catch (e) {
      if (signal.aborted || e.name === 'AbortError') return;
      fill(box, problem(e), h('button', { type: 'button', onclick: again }, 'Try again'));
    } finally {
      clearTimeout(slow);
      box.removeAttribute('aria-busy');
    }
  };
  await again();
  return again;
}

function notice(node, lasting) {
  const area = document.getElementById('notices');
  // What went well is only of interest until the next thing does.
  if (!lasting) area.querySelectorAll('.notice:not(.lasting)').forEach((n) => n.remove());
  const box = h(
    'div',
    { class: lasting ? 'notice lasting' : 'notice' },
    node,
    h('button', { type: 'button', class: 'close', 'aria-label': 'Dismiss', onclick: () => box.remove() }, '×'),
  );
  area.append(box);
  while (area.children.length > 4) area.firstChild.remove();
  if (!lasting) setTimeout(() => box.remove(), 7000);
}

export function said(text) {
  announce(text);
  notice(h('p', text), false);
}
export function failed(error) {
  if (error.name !== 'AbortError') notice(problem(error), true);
}
