// Everything that is configured, by kind: from the file or made here.

import { h } from '../dom.js';
import { at, get } from '../api.js';
import { badge, link, section, to, when } from '../show.js';
import { rows } from '../table.js';
import { words } from '../format.js';

const KINDS = ['connections', 'queues', 'actions', 'syncs'];

export async function kept(page) {
  const all = await Promise.all(KINDS.map((kind) => get(at`/api/v1/settings/${kind}`, {}, page.signal)));
  return KINDS.map((kind, i) =>
    section(
      words(kind),
      rows(
        {
          caption: words(kind),
          key: (x) => x.name,
          empty: 'None.',
          columns: [
            { name: 'Name', head: true, cell: (x) => link(to('items', kind, x.name), x.name) },
            { name: 'From', cell: (x) => (x.from === 'file' ? 'tieline.toml (read-only)' : 'Made here') },
            { name: 'Changed', cell: (x) => (x.changedAt ? [when(x.changedAt), ` by ${x.changedBy}`] : '') },
            { name: 'State', cell: (x) => (x.problem ? badge('left out', 'bad', x.problem) : badge('served', 'ok')) },
          ],
        },
        all[i].items,
      ),
      h('p'),
      h('a', { class: 'button', href: to('items', kind, '+'), 'aria-label': `Add to ${kind}` }, 'Add'),
    ),
  );
}
