// Charts as SVG: lines over time and bars by name, with axes, units, a title and a
// description, and the same numbers in a table behind each for those who read.
// Series differ by dash and mark as well as by colour.

import { h, s, newId } from './dom.js';
import { rows } from './table.js';
import { clock, count } from './format.js';

const W = 540;
const H = 216;
const PAD = { left: 60, right: 16, top: 14, bottom: 44 };

// Round steps: 1, 2 or 5 times a power of ten.
export function ticks(max, wanted = 4) {
  if (!(max > 0)) return [0, 1];
  const raw = max / wanted;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((n) => n * power).find((n) => n >= raw);
  const all = [];
  for (let v = 0; v < max + step * 0.999; v += step) all.push(Number(v.toPrecision(6)));
  return all;
}

function frame({ title, desc, unit, max, xTitle, format = count }) {
  const ids = [newId('title'), newId('desc')];
  const marks = ticks(max);
  const top = marks[marks.length - 1];
  const y = (v) => PAD.top + (H - PAD.top - PAD.bottom) * (1 - v / top);
  const svg = s(
    'svg',
    { viewBox: `0 0 ${W} ${H}`, role: 'img', 'aria-labelledby': ids.join(' ') },
    s('title', { id: ids[0] }, title),
    s('desc', { id: ids[1] }, desc),
    marks.map((v) => [
      s('line', { class: 'grid', x1: PAD.left, x2: W - PAD.right, y1: y(v), y2: y(v) }),
      s('text', { class: 'tick', x: PAD.left - 8, y: y(v) + 4, 'text-anchor': 'end' }, format(v)),
    ]),
    s(
      'text',
      {
        class: 'unit',
        x: 14,
        y: PAD.top + (H - PAD.top - PAD.bottom) / 2,
        'text-anchor': 'middle',
        transform: `rotate(-90 14 ${PAD.top + (H - PAD.top - PAD.bottom) / 2})`,
      },
      unit,
    ),
    s('line', { class: 'axis', x1: PAD.left, x2: W - PAD.right, y1: y(0), y2: y(0) }),
    s('text', { class: 'unit', x: (W + PAD.left - PAD.right) / 2, y: H - 4, 'text-anchor': 'middle' }, xTitle),
  );
  return { svg, y };
}

function around(title, svg, series, table) {
  const legend = newId('legend');
  return h(
    'figure',
    { class: 'chart' },
    h(
      'figcaption',
      h('strong', title),
      series.length > 1
        ? h(
            'ul',
            { class: 'legend' },
            series.map((line, i) =>
              h(
                'li',
                s(
                  'svg',
                  { viewBox: '0 0 28 10', 'aria-hidden': 'true' },
                  line.bar
                    ? [
                        i ? hatches(`${legend}-${i}`) : null,
                        s('rect', { class: `bar s${i}`, x: 2, y: 0, width: 24, height: 10 }),
                        i ? s('rect', { fill: `url(#${legend}-${i}-${i})`, x: 2, y: 0, width: 24, height: 10 }) : null,
                      ]
                    : [s('line', { class: `line s${i}`, x1: 0, x2: 28, y1: 5, y2: 5 }), mark(i, 14, 5)],
                ),
                line.name,
              ),
            ),
          )
        : null,
    ),
    svg,
    h('details', h('summary', 'Show the numbers'), table),
  );
}

function mark(i, x, y) {
  if (i % 3 === 1) return s('rect', { class: `dot s${i}`, x: x - 3, y: y - 3, width: 6, height: 6 });
  if (i % 3 === 2) return s('path', { class: `dot s${i}`, d: `M${x} ${y - 4}l4 7h-8z` });
  return s('circle', { class: `dot s${i}`, cx: x, cy: y, r: 3 });
}

// points: [{at: ISO time, values: [one for each series, or null]}]
export function lines({
  title,
  unit,
  xTitle = 'Time',
  series,
  points,
  format = count,
  label = (at) => clock(at, { seconds: false }),
  max,
}) {
  const most = max || Math.max(0, ...points.flatMap((p) => p.values.filter((v) => v !== null)));
  const last = points[points.length - 1];
  const desc = last
    ? `${points.length} points. Last, at ${label(last.at)}: ${series.map((x, i) => `${x.name} ${last.values[i] === null ? 'none' : format(last.values[i])}`).join(', ')}. Unit: ${unit}.`
    : 'No points yet.';
  const { svg, y } = frame({ title, desc, unit, max: most, xTitle, format });
  // Where a point stands is when it was: measurements need not be evenly apart.
  const times = points.map((p) => Number(new Date(p.at)));
  const width = times.length ? times[times.length - 1] - times[0] : 0;
  const x = (i) => PAD.left + (W - PAD.left - PAD.right) * (width ? (times[i] - times[0]) / width : 0.5);
  series.forEach((line, n) => {
    let d = '';
    let pen = false;
    points.forEach((p, i) => {
      if (p.values[n] === null) {
        pen = false;
        return;
      }
      d += `${pen ? 'L' : 'M'}${x(i).toFixed(1)} ${y(p.values[n]).toFixed(1)}`;
      pen = true;
    });
    svg.append(s('path', { class: `line s${n}`, d }));
    if (points.length <= 40)
      points.forEach((p, i) => {
        if (p.values[n] !== null) svg.append(mark(n, x(i), y(p.values[n])));
      });
  });
  // The first, the last, and of those between as many as have room.
  const room = 78;
  const end = points.length - 1;
  let placed = -room;
  points.forEach((p, i) => {
    if (i !== end && (x(i) - placed < room || x(end) - x(i) < room * 1.2)) return;
    placed = x(i);
    const anchor = !width ? 'middle' : i === 0 ? 'start' : i === end ? 'end' : 'middle';
    svg.append(s('text', { class: 'tick', x: x(i), y: H - PAD.bottom + 17, 'text-anchor': anchor }, label(p.at)));
  });
  return around(
    title,
    svg,
    series,
    rows(
      {
        caption: `${title}, ${unit}`,
        key: (p) => p.at,
        cards: false,
        columns: [
          { name: xTitle, head: true, cell: (p) => label(p.at) },
          ...series.map((line, i) => ({
            name: line.name,
            num: true,
            cell: (p) => (p.values[i] === null ? '' : format(p.values[i])),
          })),
        ],
      },
      points,
    ),
  );
}

const hatches = (id) =>
  s(
    'defs',
    [45, 0, -45].map((turn, i) =>
      s(
        'pattern',
        {
          id: `${id}-${i + 1}`,
          width: 6,
          height: 6,
          patternUnits: 'userSpaceOnUse',
          patternTransform: `rotate(${turn})`,
        },
        s('line', { class: 'hatch', x1: 0, x2: 6, y1: 3, y2: 3 }),
      ),
    ),
  );

// groups: [{name, values: [one for each series]}]; the bars of a group stand side by side.
export function bars({ title, unit, xTitle, series, groups, format = count }) {
  const most = Math.max(0, ...groups.flatMap((g) => g.values));
  const desc = groups
    .map(
      (g) =>
        `${g.name}: ${series.map((x, i) => `${series.length > 1 ? `${x.name} ` : ''}${format(g.values[i])}`).join(', ')}`,
    )
    .join('; ');
  const { svg, y } = frame({ title, desc: `${desc}. Unit: ${unit}.`, unit, max: most, xTitle, format });
  const wide = (W - PAD.left - PAD.right) / Math.max(1, groups.length);
  const bar = Math.min(46, (wide * 0.72) / series.length);
  // Bars differ by their hatching, too.
  const hatch = newId('hatch');
  svg.append(hatches(hatch));
  const letters = Math.max(4, Math.floor(wide / 6.2));
  groups.forEach((g, i) => {
    const middle = PAD.left + wide * (i + 0.5);
    g.values.forEach((v, n) => {
      const place = {
        x: middle - (bar * series.length) / 2 + bar * n,
        width: Math.max(1, bar - 2),
        y: y(v),
        height: Math.max(0, y(0) - y(v)),
      };
      svg.append(s('rect', { class: `bar s${n}`, ...place }, s('title', `${g.name}, ${series[n].name}: ${format(v)}`)));
      if (n) svg.append(s('rect', { fill: `url(#${hatch}-${n})`, 'pointer-events': 'none', ...place }));
    });
    const name = String(g.name);
    svg.append(
      s(
        'text',
        { class: 'tick', x: middle, y: H - PAD.bottom + 17, 'text-anchor': 'middle' },
        name.length > letters ? `${name.slice(0, letters - 1)}…` : name,
      ),
    );
  });
  return around(
    title,
    svg,
    series.map((x) => ({ ...x, bar: true })),
    rows(
      {
        caption: `${title}, ${unit}`,
        key: (g) => g.name,
        cards: false,
        columns: [
          { name: xTitle, head: true, cell: (g) => g.name },
          ...series.map((x, i) => ({ name: x.name, num: true, cell: (g) => format(g.values[i]) })),
        ],
      },
      groups,
    ),
  );
}
