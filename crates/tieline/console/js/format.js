// Numbers, times and words as people read them.

const two = (n) => String(n).padStart(2, '0');

export function clock(text, { seconds = true } = {}) {
  if (!text) return '';
  const t = new Date(text);
  if (Number.isNaN(+t)) return String(text);
  const time = `${two(t.getHours())}:${two(t.getMinutes())}${seconds ? `:${two(t.getSeconds())}` : ''}`;
  const now = new Date();
  if (t.toDateString() === now.toDateString()) return time;
  return `${t.getFullYear()}-${two(t.getMonth() + 1)}-${two(t.getDate())} ${time}`;
}

export function day(text) {
  const t = new Date(text);
  return `${t.getUTCFullYear()}-${two(t.getUTCMonth() + 1)}-${two(t.getUTCDate())}`;
}

// 950 ms, 2.4 s, 3 min 20 s, 2 h 5 min, 3 d
export function span(ms) {
  if (ms === undefined || ms === null) return '';
  if (ms < 10) return `${Math.round(ms * 10) / 10} ms`;
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 10000) return `${(ms / 1000).toFixed(1)} s`;
  const s = Math.round(ms / 1000);
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min ${s % 60} s`;
  if (s < 172800) return `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min`;
  return `${Math.floor(s / 86400)} d`;
}

export const ago = (text) => (text ? span(Math.max(0, Date.now() - new Date(text))) : '');

const grouped = new Intl.NumberFormat('en', { maximumFractionDigits: 2 });
export const count = (n) => (n === undefined || n === null ? '' : grouped.format(n));
export const percent = (share, digits = 1) => `${(share * 100).toFixed(digits)} %`;

// `both_at_once` -> `Both at once`
export function words(name) {
  const text = String(name || '')
    .replace(/[_.]/g, ' ')
    .replace(/\b(crm|ivr|did|api|sql)\b/g, (w) => w.toUpperCase());
  return text.charAt(0).toUpperCase() + text.slice(1);
}

// An id that nobody reads to its end: its last characters.
export const short = (id) => (/^[0-9a-f]{8}-[0-9a-f-]{27}$/.test(id || '') ? `…${id.slice(-6)}` : id || '');

export const plural = (n, one, many = `${one}s`) => `${count(n)} ${n === 1 ? one : many}`;

// A value of a record, in one line.
export function value(v) {
  if (v === null || v === undefined) return '';
  if (Array.isArray(v)) return v.map(value).join(', ');
  if (typeof v === 'object') {
    if (v.e164 || v.display) return v.e164 || v.display;
    return Object.entries(v)
      .map(([k, x]) => `${words(k).toLowerCase()}: ${value(x) || 'none'}`)
      .join(', ');
  }
  return String(v);
}
