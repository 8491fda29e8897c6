// json-rules-engine over a scene of `rules make`: its answers are checked, then counted.
//
//   node json-rules.mjs SCENE SECONDS NODE_MODULES
//
// As its documentation has it for "the first that matches": each line is a rule with a priority of
// its own, and the first success stops the engine. Built and filled before the clock starts. Days
// are given as whole numbers (20261122), since it has no dates, and "starts with" as the operator
// it lacks; a field that is missing is no fact.

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';

const [file, seconds, modules] = process.argv.slice(2);
const { Engine } = createRequire(join(modules, 'x.js'))('json-rules-engine');
const scene = JSON.parse(readFileSync(file, 'utf8'));

const OPERATORS = {
  '=': 'equal', '<': 'lessThan', '>': 'greaterThan', '<=': 'lessThanInclusive',
  '>=': 'greaterThanInclusive', in: 'in', 'starts with': 'startsWith',
};
const IS_NUMBER = new Set(['openInvoices', 'revenue']);

function typed(field, value) {
  if (field === 'customerSince') return Number(value.replaceAll('-', ''));
  return IS_NUMBER.has(field) ? Number(value) : value;
}

function condition({ field, operator, values }) {
  const all = values.map((value) => typed(field, value));
  return { fact: field, operator: OPERATORS[operator], value: operator === 'in' ? all : all[0] };
}

let answer = null;
const engine = new Engine([], { allowUndefinedFacts: true });
engine.addOperator('startsWith', (fact, value) => typeof fact === 'string' && fact.startsWith(value));
scene.lines.forEach((line, index) => engine.addRule({
  conditions: { all: line.conditions.map(condition) },
  priority: scene.lines.length - index,
  event: { type: 'line', params: { index } },
}));
engine.on('success', (event) => {
  answer = event.params.index;
  engine.stop();
});
const callers = scene.callers.map((caller) => Object.fromEntries(
  Object.entries(caller).map(([field, value]) => [field, typed(field, value)]),
));

async function decide(index) {
  answer = null;
  await engine.run(callers[index]);
  if (answer !== scene.answers[index]) {
    throw new Error(`caller ${index}: line ${answer}, right is ${scene.answers[index]}`);
  }
}

// Warm first, for a quarter of the time.
let decisions = 0;
for (const share of [0.25, 1]) {
  const begin = process.hrtime.bigint();
  const until = begin + BigInt(Math.round(Number(seconds) * share * 1e9));
  decisions = 0;
  do {
    await decide(decisions % callers.length);
    decisions += 1;
  } while (process.hrtime.bigint() < until);
  if (share === 1) {
    const took = Number(process.hrtime.bigint() - begin) / 1e9;
    console.log(JSON.stringify({ decisions, perSecond: Math.round(decisions / took) }));
  }
}
