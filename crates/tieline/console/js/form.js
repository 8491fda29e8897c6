// Buttons, fields and dialogs.

import { h, fill, newId } from './dom.js';
import { failed, problem } from './show.js';

// A button whose work may take a while. It stays in the tab order while it works, so that the focus is not lost.
export function button(text, act, { kind = '', title, label } = {}) {
  const node = h(
    'button',
    {
      type: 'button',
      class: kind,
      title,
      'aria-label': label,
      onclick: async (event) => {
        if (node.getAttribute('aria-disabled')) return;
        node.setAttribute('aria-disabled', 'true');
        try {
          await act(event);
        } catch (e) {
          failed(e);
        } finally {
          node.removeAttribute('aria-disabled');
        }
      },
    },
    text,
  );
  return node;
}

// A field with its label, and a hint that is read with it.
export function field(
  label,
  { name, type = 'text', value = '', hint, options, rows, required, placeholder, wide, ...rest } = {},
) {
  const id = newId(name || 'field');
  const hintId = hint ? `${id}-hint` : undefined;
  const common = { id, name, required, 'aria-describedby': hintId, ...rest };
  let input;
  if (options) {
    // Left to itself a select shows its first option.
    input = h(
      'select',
      common,
      options.map((o) => {
        const [v, text] = Array.isArray(o) ? o : [o, o];
        return h('option', { value: v, selected: v === value }, text);
      }),
    );
  } else if (rows) {
    input = h('textarea', { ...common, rows, placeholder, spellcheck: 'false', value });
  } else if (type === 'checkbox') {
    input = h('input', { ...common, type, checked: value === true });
    return h(
      'div',
      { class: 'field check' },
      input,
      h('label', { for: id }, label),
      hint ? h('p', { class: 'hint', id: hintId }, hint) : null,
    );
  } else {
    input = h('input', { ...common, type, value, placeholder, autocomplete: rest.autocomplete || 'off' });
  }
  return h(
    'div',
    { class: `field${wide ? ' wide' : ''}` },
    h('label', { for: id }, label),
    input,
    hint ? h('p', { class: 'hint', id: hintId }, hint) : null,
  );
}

// What a form holds, by name; a box that is ticked is true.
export function values(form) {
  const held = {};
  for (const input of form.elements) {
    if (!input.name) continue;
    held[input.name] = input.type === 'checkbox' ? input.checked : input.value.trim();
  }
  return held;
}

// A form that says in its own place what the server refused.
export function form(fields, submit, act, { kind = '', more = [], inline = false } = {}) {
  const wrong = h('div');
  const send = h('button', { type: 'submit', class: kind || 'primary' }, submit);
  const node = h(
    'form',
    {
      class: inline ? 'bar' : 'form',
      autocomplete: 'off',
      onsubmit: async (event) => {
        event.preventDefault();
        if (send.getAttribute('aria-disabled')) return;
        send.setAttribute('aria-disabled', 'true');
        fill(wrong);
        try {
          await act(values(node), node);
        } catch (e) {
          if (e.name !== 'AbortError') fill(wrong, problem(e));
        } finally {
          send.removeAttribute('aria-disabled');
        }
      },
    },
    fields,
    h('div', { class: 'actions' }, send, more),
    wrong,
  );
  return node;
}

// Opens a dialog. `make(close)` gives what is inside; it answers what `close` was given.
// The browser keeps the focus inside, and gives it back to where it was.
export function dialog(title, make, { side = false } = {}) {
  return new Promise((resolve) => {
    const id = newId('dialog');
    let result;
    const close = (answer) => {
      result = answer;
      node.close();
    };
    const node = h(
      'dialog',
      {
        class: side ? 'side' : '',
        'aria-labelledby': id,
        onclose: () => {
          node.remove();
          resolve(result);
        },
      },
      h(
        'header',
        h('h2', { id, tabindex: '-1' }, title),
        h('button', { type: 'button', class: 'close', 'aria-label': 'Close', onclick: () => close() }, '×'),
      ),
      h('div', { class: 'inside' }, make(close)),
    );
    // What is beside the dialog closes it, as people expect.
    node.addEventListener('click', (event) => {
      if (event.target === node) close();
    });
    document.body.append(node);
    node.showModal();
  });
}

// Asks before something is done. With `type` the word has to be typed first.
export function confirm(title, inside, action, { danger = false, type } = {}) {
  return dialog(title, (close) =>
    form(
      [h('p', inside), type ? field(`Type ${type} to go on`, { name: 'word', required: true }) : null],
      action,
      async (held) => {
        if (type && held.word !== type) throw new Error(`That is not ${type}.`);
        close(true);
      },
      {
        kind: danger ? 'danger' : 'primary',
        more: [h('button', { type: 'button', onclick: () => close(false) }, 'Cancel')],
      },
    ),
  );
}

export async function copy(text) {
  await navigator.clipboard.writeText(text);
}
