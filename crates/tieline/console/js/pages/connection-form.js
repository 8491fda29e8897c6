// A connection as a form: what its connector takes stands in the connector's manifest.

import { h, fill } from '../dom.js';
import { get } from '../api.js';
import { note } from '../show.js';
import { field } from '../form.js';

// Of the section, what has a field of its own; the rest is kept as it is.
const OWN = ['type', 'prefix', 'deadline', 'allow_private_addresses', 'settings', 'limits'];
const LIMITS = {
  requests_per_minute: 'Requests a minute',
  reserved_for_calls: 'Of these reserved for calls',
  concurrent_calls: 'At once for calls',
  concurrent_background: 'At once in the background',
  timeout_ms: 'A request is given up after, in ms',
};

const lines = (text) =>
  text
    .split('\n')
    .map((l) => l.trim())
    .filter(Boolean);

// Each form of a setting: how it is shown in a field, and read back.
const FORMS = {
  text: { show: (v) => v, read: (t) => t },
  url: { show: (v) => v, read: (t) => t },
  number: { show: (v) => String(v), read: Number, type: 'number' },
  flag: { show: (v) => String(v), read: (t) => t === 'true' },
  list: { show: (v) => v.join('\n'), read: lines, rows: 3, hint: 'One a line.' },
  map: {
    show: (v) =>
      Object.entries(v)
        .map(([k, x]) => `${k} = ${x}`)
        .join('\n'),
    read: (t) =>
      Object.fromEntries(
        lines(t).map((l) => {
          const at = l.indexOf('=');
          if (at < 1) throw new Error(`“${l}” is no pair: write name = value.`);
          return [l.slice(0, at).trim(), l.slice(at + 1).trim()];
        }),
      ),
    rows: 4,
    hint: 'One name = value a line.',
  },
  tables: {
    show: (v) => JSON.stringify(v, null, 2),
    read: (t) => {
      try {
        return JSON.parse(t);
      } catch (e) {
        throw new Error(`This is not JSON: ${e.message}`);
      }
    },
    rows: 6,
    hint: 'As JSON.',
  },
};

const needs = (s) =>
  s.required ? 'Required. ' : s.requiredIf.length ? `Required where ${s.requiredIf[0]} is ${s.requiredIf[1]}. ` : '';
const otherwise = (s) => (s.default ? ` Left out: ${s.default}.` : '');

function input(s, now) {
  const common = { 'data-setting': s.name, required: s.required && now === undefined, wide: true };
  const hint = needs(s) + s.help + otherwise(s);
  if (s.kind === 'secret') {
    const isSet = now !== undefined;
    return field(s.name, {
      ...common,
      required: s.required && !isSet,
      type: 'password',
      autocomplete: 'new-password',
      hint: `${hint}${isSet ? ' It is set, and stays as it is where nothing is typed.' : ''}`,
    });
  }
  if (s.oneOf.length || s.kind === 'flag') {
    const all = s.oneOf.length ? s.oneOf : ['true', 'false'];
    const options = [['', s.default ? `As by default: ${s.default}` : 'Not set'], ...all.map((o) => [o, o])];
    return field(s.name, { ...common, options, value: now === undefined ? '' : String(now), hint });
  }
  const { show, type, rows, hint: how = '' } = FORMS[s.kind];
  return field(s.name, {
    ...common,
    type,
    rows,
    min: type ? 0 : undefined,
    value: now === undefined ? '' : show(now),
    hint: `${hint} ${how}`.trim(),
  });
}

// Answers `{nodes, read(form)}`: the fields, and the section that they make.
export async function connectionForm(section, isNew, signal) {
  const { connectors } = await get('/api/v1/connectors', {}, signal);
  const box = h('div', { class: 'form' });
  const of = (name) => connectors.find((c) => c.name === name);
  const draw = (name) => {
    const c = of(name);
    if (!c) {
      fill(box);
      return;
    }
    const held = name === section.type ? section : { settings: {}, limits: {} };
    const open = c.settings.filter((s) => !s.ofTheFileOnly);
    const filed = c.settings.filter((s) => s.ofTheFileOnly);
    // What one must say comes first; what one rarely says lies behind a fold.
    const isFirst = (s) => s.required || s.requiredIf.length || (held.settings || {})[s.name] !== undefined;
    const some = (list) => list.map((s) => input(s, (held.settings || {})[s.name]));
    fill(
      box,
      note(c.about),
      some(open.filter(isFirst)),
      h('details', h('summary', 'More settings'), h('div', { class: 'form' }, some(open.filter((s) => !isFirst(s))))),
      h(
        'details',
        h('summary', 'Limits'),
        h(
          'div',
          { class: 'form' },
          Object.entries(LIMITS).map(([k, title]) =>
            field(title, {
              'data-limit': k,
              type: 'number',
              min: 0,
              value: (held.limits || {})[k] ?? '',
              hint: `Left out: ${c.limits[k]}.`,
            }),
          ),
        ),
      ),
      filed.length ? note(`Set in tieline.toml alone: ${filed.map((s) => s.name).join(', ')}.`) : null,
    );
  };
  const type = field('System', {
    name: 'type',
    options: [['', 'Choose one'], ...connectors.map((c) => [c.name, c.title])],
    value: section.type || '',
    required: true,
    disabled: !isNew,
    onchange: (e) => draw(e.target.value),
  });
  draw(section.type);
  const rest = Object.fromEntries(Object.entries(section).filter(([k]) => !OWN.includes(k)));
  const nodes = [
    type,
    field('Id prefix', {
      name: 'prefix',
      value: section.prefix || '',
      placeholder: 'CRM',
      hint: 'What the ids of its customers begin with. Unique; a system that knows customers needs one.',
    }),
    field('Deadline', {
      name: 'deadline',
      value: section.deadline || '',
      placeholder: '300ms',
      hint: 'How long a call may wait for it. Left out: as for all.',
    }),
    field('It lies in our own network', {
      name: 'private',
      type: 'checkbox',
      value: section.allow_private_addresses === true,
      hint: 'Without it addresses of a private network are refused.',
    }),
    box,
    h(
      'details',
      h('summary', 'Everything else, as JSON'),
      field('Formats, modules and what is beside it', {
        name: 'rest',
        rows: 8,
        value: Object.keys(rest).length ? JSON.stringify(rest, null, 2) : '',
        hint: 'As in tieline.toml: formats, modules, fresh_for, stale_limit, policy, beside.',
      }),
    ),
  ];
  const read = (f, node) => {
    const c = of(node.elements.type.value);
    if (!c) throw new Error('Choose a system.');
    const was = (c.name === section.type && section.settings) || {};
    const settings = {};
    for (const s of c.settings) {
      if (s.ofTheFileOnly) {
        if (was[s.name] !== undefined) settings[s.name] = was[s.name];
        continue;
      }
      const text = node.querySelector(`[data-setting="${s.name}"]`).value.trim();
      if (s.kind === 'secret') {
        if (text) settings[s.name] = text;
        else if (was[s.name] !== undefined) settings[s.name] = { set: true };
      } else if (text) settings[s.name] = FORMS[s.kind].read(text);
    }
    const limits = {};
    node.querySelectorAll('[data-limit]').forEach((i) => {
      if (i.value !== '') limits[i.dataset.limit] = Number(i.value);
    });
    const more = f.rest ? FORMS.tables.read(f.rest) : {};
    const made = { ...more, type: c.name, settings };
    if (f.prefix) made.prefix = f.prefix;
    if (f.deadline) made.deadline = f.deadline;
    if (f.private) made.allow_private_addresses = true;
    if (Object.keys(limits).length) made.limits = limits;
    return made;
  };
  return { nodes, read };
}
