// Starts the console: asks who is there, draws the frame, and follows the address.
//
// `#/calls/abc?status=miss` is the page `calls`, with the path [abc] and a query.
// A page gets a `page` object and draws into `page.root`; when it is left,
// `page.signal` is aborted, and with it whatever the page still waits for.

import { h, fill, announce } from './dom.js';
import { onOldToken, onSignedOut } from './api.js';
import { askWho, can, session, signIn, signOut } from './session.js';
import { failed, problem } from './show.js';
import { clock } from './format.js';
import { PAGES, find } from './nav.js';

const shell = document.getElementById('shell');
let main;
let leave = new AbortController();
let first = true;

const here = () => {
  const [path, query] = location.hash.replace(/^#\/?/, '').split('?');
  return { parts: path.split('/').filter(Boolean).map(decodeURIComponent), query: new URLSearchParams(query || '') };
};

function draw() {
  const list = PAGES.map((g) => [g.group, g.items.filter((p) => can(p.scope))]).filter(([, items]) => items.length);
  const menu = h(
    'button',
    {
      type: 'button',
      class: 'menu',
      'aria-expanded': 'false',
      'aria-controls': 'nav',
      onclick: () => unfold(menu.getAttribute('aria-expanded') !== 'true'),
    },
    'Menu',
  );
  const nav = h(
    'nav',
    { id: 'nav', 'aria-label': 'Main' },
    list.map(([group, items]) => [
      h('p', { class: 'group' }, group),
      h(
        'ul',
        items.map((p) => h('li', h('a', { href: `#/${p.at}`, 'data-at': p.at, onclick: () => unfold(false) }, p.name))),
      ),
    ]),
    h(
      'div',
      { class: 'who' },
      h('p', h('strong', session.user.fullName || session.user.name), h('span', { class: 'quiet' }, session.user.role)),
      themeSwitch(),
      h(
        'button',
        {
          type: 'button',
          onclick: () =>
            signOut()
              .then(() => begin('You are signed out.'))
              .catch(failed),
        },
        'Sign out',
      ),
    ),
  );
  main = h('main', { id: 'main', tabindex: '-1' });
  fill(shell, h('header', { class: 'top' }, h('a', { class: 'brand', href: '#/' }, 'Tieline'), menu), nav, main);
}

function unfold(open) {
  shell.querySelector('.menu').setAttribute('aria-expanded', String(open));
  shell.querySelector('nav').classList.toggle('open', open);
}

function themeSwitch() {
  const now = document.documentElement.dataset.theme || 'auto';
  return h(
    'label',
    { class: 'theme' },
    h('span', 'Theme'),
    h(
      'select',
      {
        value: now,
        onchange: (event) => {
          const to = event.target.value;
          try {
            if (to === 'auto') localStorage.removeItem('tieline.theme');
            else localStorage.setItem('tieline.theme', to);
          } catch {
            /* it holds until the page is left */
          }
          if (to === 'auto') delete document.documentElement.dataset.theme;
          else document.documentElement.dataset.theme = to;
        },
      },
      [
        ['auto', 'As the system'],
        ['light', 'Light'],
        ['dark', 'Dark'],
      ].map(([v, t]) => h('option', { value: v }, t)),
    ),
  );
}

// What a page has to work with.
function pageFor(parts, query, name) {
  const root = h('div', { class: 'page' });
  const { signal } = leave;
  const fresh = h('span', { class: 'fresh quiet' });
  return {
    root,
    path: parts,
    query,
    signal,
    // The heading, and beside it what can be done here.
    head(title, { sub, actions = [] } = {}) {
      document.title = `${title} – Tieline`;
      return h(
        'header',
        { class: 'head' },
        h('div', h('h1', { tabindex: '-1' }, title), sub ? h('p', { class: 'quiet' }, sub) : null),
        h('div', { class: 'actions' }, fresh, actions),
      );
    },
    // Other values behind the ?, without drawing the page anew.
    setQuery(held) {
      const set = new URLSearchParams(Object.entries(held).filter(([, v]) => v));
      const at = `#/${[name, ...parts].map(encodeURIComponent).join('/')}${set.size ? `?${set}` : ''}`;
      history.replaceState(null, '', at);
    },
    // Does something now and again, as long as the page is looked at. One that
    // fails is told beside the heading, and is tried again.
    every(ms, act) {
      let good = null;
      let wrong = null;
      let wait = ms;
      let timer;
      const turn = async () => {
        clearTimeout(timer);
        if (signal.aborted) return;
        if (!document.hidden) {
          try {
            // What takes many requests says itself when it may be asked again.
            wait = (await act()) || ms;
            good = new Date();
            if (wrong) wrong.remove();
            fill(fresh, `Updated ${clock(good)}`);
            fresh.classList.remove('stale');
          } catch (e) {
            if (signal.aborted) return;
            if (!good) {
              // Nothing to show yet: what went wrong is the page.
              if (wrong) wrong.remove();
              root.append((wrong = problem(e)));
              timer = setTimeout(turn, Math.max(ms, 10000));
              return;
            }
            if (!fresh.classList.contains('stale')) announce('This page is not up to date.');
            fill(fresh, `Not up to date since ${clock(good)}: ${e.message}`);
            fresh.classList.add('stale');
          }
        }
        if (!signal.aborted) timer = setTimeout(turn, wait);
      };
      const seen = () => {
        if (!document.hidden) turn();
      };
      document.addEventListener('visibilitychange', seen, { signal });
      signal.addEventListener('abort', () => clearTimeout(timer));
      return turn();
    },
  };
}

async function follow() {
  if (!session.user) return;
  leave.abort();
  leave = new AbortController();
  document.querySelectorAll('dialog').forEach((d) => d.close());
  const { parts, query } = here();
  const name = parts.shift() || firstPage();
  const entry = find(name);
  shell.querySelectorAll('nav a').forEach((a) => {
    if (a.dataset.at === name || (entry && a.dataset.at === entry.of)) a.setAttribute('aria-current', 'page');
    else a.removeAttribute('aria-current');
  });
  const page = pageFor(parts, query, name);
  const { signal } = leave;
  const show = (node) => {
    fill(main, node);
    main.dataset.page = name;
    if (!first) land();
    first = false;
  };
  if (!entry || !can(entry.scope)) {
    page.root.append(
      page.head(entry ? 'Not for your role' : 'No such page'),
      h(
        'p',
        entry
          ? `This page needs the scope ${entry.scope}. Ask an administrator for another role.`
          : 'There is nothing at this address.',
      ),
      h('p', h('a', { href: '#/' }, 'To the first page')),
    );
    show(page.root);
    return;
  }
  try {
    const module = await entry.load();
    if (signal.aborted) return;
    const drawn = module.show(page);
    show(page.root);
    await drawn;
    // A page that had to ask before it could draw has its heading only now.
    if (!signal.aborted && document.activeElement === main) land();
  } catch (e) {
    if (signal.aborted || e.name === 'AbortError') return;
    if (!page.root.querySelector('h1')) page.root.append(page.head(entry.name));
    page.root.append(problem(e));
    if (!page.root.isConnected) show(page.root);
  }
}

const firstPage = () => PAGES.flatMap((g) => g.items).find((p) => can(p.scope)).at;

// Another page: its heading is where one reads on.
function land() {
  window.scrollTo(0, 0);
  (main.querySelector('h1') || main).focus({ preventScroll: true });
}

async function begin(why) {
  leave.abort();
  first = true;
  try {
    await askWho();
  } catch (e) {
    session.user = null;
    signIn(shell, begin, e);
    return;
  }
  if (!session.user) {
    signIn(shell, () => begin(), typeof why === 'string' ? why : undefined);
    return;
  }
  draw();
  follow();
}

onOldToken(askWho);
onSignedOut(() => {
  if (session.user) {
    session.user = null;
    begin('Your session has ended. Sign in again.');
  }
});
document.getElementById('skip').addEventListener('click', (event) => {
  // The address tells the page, so it may not be changed to #main.
  event.preventDefault();
  const target = document.querySelector('#main');
  if (target) {
    target.setAttribute('tabindex', '-1');
    target.focus();
  }
});
window.addEventListener('hashchange', follow);
begin();
