// Settings: one's own sign-in for everybody, and for administrators what the server keeps.

import { h } from '../dom.js';
import { can } from '../session.js';
import { load, to } from '../show.js';
import { account } from './account.js';
import { users } from './users.js';
import { keys } from './keys.js';
import { corrections, erasures, reconcile, store } from './upkeep.js';
import { kept } from './kept.js';
import { retention } from './retention.js';

const TABS = {
  account: { name: 'Your sign-in', draw: account },
  users: { name: 'Users', scope: 'admin', draw: users },
  keys: { name: 'API keys', scope: 'admin', draw: keys },
  overrides: { name: 'Overrides', scope: 'admin', draw: corrections },
  configuration: { name: 'Configuration', scope: 'admin', draw: kept },
  retention: { name: 'Retention', scope: 'read', draw: retention },
  reconcile: { name: 'Reconciliation', scope: 'admin', draw: reconcile },
  erasures: { name: 'Erasures', scope: 'admin', draw: erasures },
  store: { name: 'Store', scope: 'admin', draw: store },
};

const isOpen = (t) => t && can(t.scope);

export async function show(page) {
  const tab = isOpen(TABS[page.path[0]]) ? page.path[0] : 'account';
  const box = h('div');
  page.root.append(
    page.head('Settings'),
    h(
      'nav',
      { class: 'tabs', 'aria-label': 'Parts of the settings' },
      Object.entries(TABS)
        .filter(([, t]) => isOpen(t))
        .map(([at, t]) =>
          h('a', { href: to('settings', at), 'aria-current': at === tab ? 'page' : undefined }, t.name),
        ),
    ),
    box,
  );
  const again = await load(box, page.signal, () => TABS[tab].draw(page, () => again()));
}
