// Who is calling, beside the agent's own page: name, tier, open case, who else it could be, one click to correct it, and
// what there was before.

import { fill, h } from './dom.js';
import { follow } from './live.js';
import { SignedOut, signIn } from './sign-in.js';

const state = document.getElementById('state');
const calls = document.getElementById('calls');
// Calls that are shown at once: an agent has one or two, and the last ones.
const SHOWN = 5;
// Shown first, by these names; the rest follows in the order of the alphabet.
const FIRST = ['loyaltyTier', 'crmCaseId', 'previousInteractionCount'];

const cards = new Map();
let held = null;

function say(text, kind = '') {
  if (state.textContent !== text) state.textContent = text;
  state.className = kind;
}

async function ask(path, about = {}) {
  const headers = { authorization: `Bearer ${(await token()).token}`, ...about.headers };
  const answer = await fetch(path, { ...about, headers });
  const body = await answer.json().catch(() => ({}));
  if (answer.ok) return body;
  throw new Error([body.error?.message, body.error?.fix].filter(Boolean).join(' ') || `Status ${answer.status}`);
}

let next = null;
// One that has a fifth of its life left at least.
async function token() {
  if (held && Date.now() < held.until) return held;
  const got = await next();
  held = { ...got, until: Date.now() + got.expiresIn * 800 };
  return held;
}

// `loyaltyTier` reads as "Loyalty tier".
const words = (name) => {
  const spaced = name.replace(/([a-z0-9])([A-Z])/g, '$1 $2').replaceAll('_', ' ').toLowerCase();
  return spaced.charAt(0).toUpperCase() + spaced.slice(1);
};
const shown = (value) => (value !== null && typeof value === 'object' ? JSON.stringify(value) : String(value ?? ''));
const when = (text) => (text ? new Date(text).toLocaleString([], { dateStyle: 'medium', timeStyle: 'short' }) : '');

const STATUS = {
  hit: ['Known', 'ok'],
  miss: ['Not in the CRM', ''],
  partial: ['Being looked up', 'warn'],
  ambiguous: ['Several people', 'warn'],
  unknown: ['Number withheld', ''],
};

function facts(call) {
  const all = { ...call.data, ...call.callData };
  const names = [...FIRST.filter((name) => name in all), ...Object.keys(all).filter((n) => !FIRST.includes(n)).sort()];
  const rows = names.filter((name) => shown(all[name]) !== '').map((name) => [words(name), shown(all[name])]);
  if (call.email) rows.push(['E-mail', call.email]);
  if (call.fromNumber) rows.push(['Number', call.fromNumber]);
  if (call.queue) rows.push(['Queue', call.queue]);
  return h('dl', {}, rows.flatMap(([name, value]) => [h('dt', {}, name), h('dd', {}, value)]));
}

// One click says who it is.
function candidates(card) {
  const { call } = card;
  const all = call.candidates.filter((one) => one.externalId !== call.externalId);
  const choose = (externalId, node) => correct(card, externalId, node);
  const list = all.map((one) =>
    h('li', {}, h('button', { type: 'button', onclick: (event) => choose(one.externalId, event.target) }, `It is ${one.name || one.externalId}`)),
  );
  const id = `other-${call.callId}`;
  const other = h(
    'form',
    {
      onsubmit: (event) => {
        event.preventDefault();
        const input = event.target.elements.id;
        if (input.value.trim()) choose(input.value.trim(), event.target.querySelector('button'));
      },
    },
    h('label', { for: id, class: 'quiet' }, 'Somebody else: id of their record'),
    h('input', { id, name: 'id', autocomplete: 'off', spellcheck: 'false', placeholder: 'CRM:…' }),
    h('button', {}, 'Correct'),
  );
  return [list.length ? h('h3', {}, 'Who is it?') : null, list.length ? h('ul', {}, list) : null, other, card.said];
}

async function correct(card, newExternalId, node) {
  node.disabled = true;
  fill(card.said, 'Being asked …');
  try {
    const told = await ask(`/api/v1/calls/${encodeURIComponent(card.call.callId)}/context`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ newExternalId, reason: 'chosen in the widget' }),
    });
    fill(card.said, told.confirmed ? `It is ${told.name || told.externalId} now.` : `Not changed: ${told.reason}`);
    if (told.confirmed) {
      const { externalId, name, email, data } = told;
      card.call = { ...card.call, externalId, name, email, status: 'hit', candidates: [], data: { ...card.call.data, ...data } };
      card.past = null;
      draw(card);
    }
  } catch (e) {
    fill(card.said, e.message);
  }
  node.disabled = false;
}

async function past(card) {
  const box = h('div', {});
  card.past = box;
  try {
    const { calls: all } = await ask(`/api/v1/calls/${encodeURIComponent(card.call.callId)}/history`);
    const line = (one) => {
      const about = [when(one.arrivedAt), words(one.mediaType || 'voice'), one.queue, ...one.outcome.wrapUp];
      return h('li', {}, about.filter(Boolean).join(' · '));
    };
    fill(box, h('h3', {}, 'Before'), all.length ? h('ul', { class: 'past' }, all.map(line)) : h('p', { class: 'quiet' }, 'No earlier call.'));
  } catch (e) {
    fill(box, h('p', { class: 'quiet' }, `What was before cannot be shown: ${e.message}`));
  }
}

function draw(card) {
  const { call } = card;
  const [text, kind] = STATUS[call.status] || [call.status, ''];
  const isOver = Boolean(call.outcome?.endedAt);
  if (!card.past) past(card);
  // Whoever is typing an id goes on typing it.
  const typed = card.node.querySelector('input');
  const [value, isHere] = [typed?.value || '', document.activeElement === typed && typed];
  fill(
    card.node,
    h('h2', {}, call.name || call.fromNumber || 'Somebody'),
    h(
      'p',
      {},
      h('span', { class: `badge ${kind}` }, text),
      ' ',
      h('span', { class: 'quiet' }, isOver ? `ended ${when(call.outcome.endedAt)}` : when(call.arrivedAt)),
    ),
    facts(call),
    call.url ? h('p', {}, h('a', { href: call.url, target: '_blank', rel: 'noopener' }, 'Open the record')) : null,
    ...candidates(card),
    card.past,
  );
  card.node.className = isOver ? 'over' : '';
  const input = card.node.querySelector('input');
  input.value = value;
  if (isHere) input.focus();
}

function news(message) {
  if (message.type === 'reset') {
    cards.clear();
    fill(calls);
  }
  const { call } = message;
  if (!call) return;
  let card = cards.get(call.callId);
  if (!card) {
    card = { node: h('article', { 'data-call': call.callId }), said: h('p', { role: 'status', class: 'quiet' }), past: null };
    cards.set(call.callId, card);
    calls.prepend(card.node);
  }
  const isOther = card.call && card.call.externalId !== call.externalId;
  card.call = call;
  if (isOther) card.past = null;
  draw(card);
  for (const [id, old] of [...cards].slice(0, Math.max(0, cards.size - SHOWN))) {
    old.node.remove();
    cards.delete(id);
  }
}

async function begin() {
  say('Signing in …');
  try {
    next = await signIn();
    await token();
  } catch (e) {
    fill(calls, h('button', { type: 'button', onclick: () => location.reload() }, 'Try again'));
    return say(e.message, 'bad');
  }
  say('Waiting for a call.');
  follow(
    (held) =>
      held.callId
        ? `/api/v1/calls/${encodeURIComponent(held.callId)}/news`
        : `/api/v1/agents/${encodeURIComponent(held.agent)}/news`,
    token,
    {
      news,
      state: (way, isStale) => {
        document.body.dataset.way = way;
        if (isStale) say('The line is lost: what is shown may be old. Trying again …', 'stale');
        else say(cards.size ? '' : 'Waiting for a call.');
      },
      end: (e) => {
        say(e.message, 'bad');
        return e instanceof SignedOut;
      },
    },
  );
}

begin();
