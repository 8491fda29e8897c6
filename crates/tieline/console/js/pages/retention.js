// For how long what is kept is kept.

import { get } from '../api.js';
import { facts, fromFile, note, section } from '../show.js';
import { plural } from '../format.js';

const kept = (seconds) =>
  !seconds
    ? 'For ever'
    : seconds % 86400
      ? `${plural(Math.round(seconds / 360) / 10, 'hour')}`
      : plural(seconds / 86400, 'day');

export async function retention(page) {
  const told = await get('/api/v1/retention', {}, page.signal);
  return section(
    'Retention',
    fromFile('How long things are kept'),
    facts([
      ['Calls, with all that hangs on them', kept(told.callsS)],
      ['What syncs have written', kept(told.syncJournalS)],
      ["What became of agents' presence", kept(told.presenceS)],
      ["Agents' corrections", kept(told.correctionsS)],
    ]),
    note('What is older is forgotten once an hour, for real. The number of a customer\u2019s calls stays.'),
  );
}
