// Builds elements. Data only ever becomes text or an attribute, never markup,
// so that no record can bring a script along.

const SVG = 'http://www.w3.org/2000/svg';

// h('p', {class: 'x', onclick: f}, 'text', node, [more]); attributes may be left out.
export function h(tag, attrs, ...children) {
  return build(document.createElement(tag), attrs, children);
}

// The same for drawings.
export function s(tag, attrs, ...children) {
  return build(document.createElementNS(SVG, tag), attrs, children);
}

function build(element, attrs, children) {
  if (
    attrs === null ||
    attrs === undefined ||
    typeof attrs !== 'object' ||
    attrs instanceof Node ||
    Array.isArray(attrs)
  ) {
    children.unshift(attrs);
    attrs = {};
  }
  for (const [name, value] of Object.entries(attrs)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith('on')) element.addEventListener(name.slice(2), value);
    else if (name === 'value' && 'value' in element) element.value = value;
    else element.setAttribute(name, value === true ? '' : value);
  }
  put(element, children);
  // A select knows its options only now.
  if (element.tagName === 'SELECT' && attrs.value !== undefined) element.value = attrs.value;
  return element;
}

function put(element, children) {
  for (const child of children) {
    if (child === undefined || child === null || child === false || child === '') continue;
    if (Array.isArray(child)) put(element, child);
    else element.append(child instanceof Node ? child : String(child));
  }
}

// Puts other children in the place of those there are.
export function fill(element, ...children) {
  element.replaceChildren();
  put(element, children);
  return element;
}

let ids = 0;
export const newId = (word) => `${word}-${++ids}`;

// Said aloud by a screen reader, seen by nobody.
export function announce(text) {
  const live = document.getElementById('live');
  live.textContent = '';
  // The same words twice are only said twice when the region was empty between.
  setTimeout(() => {
    live.textContent = text;
  }, 60);
}
