// Which pages there are, in which order, and which scope opens each.

export const PAGES = [
  {
    group: 'Calls',
    items: [
      { at: 'calls', name: 'Live calls', scope: 'read', load: () => import('./pages/calls.js') },
      { at: 'customers', name: 'Customers', scope: 'read', load: () => import('./pages/customers.js') },
      { at: 'presence', name: 'Presence', scope: 'read', load: () => import('./pages/presence.js') },
    ],
  },
  {
    group: 'Systems',
    items: [
      { at: 'connections', name: 'Connections', scope: 'read', load: () => import('./pages/connections.js') },
      { at: 'queues', name: 'Queues and actions', scope: 'admin', load: () => import('./pages/queues.js') },
      { at: 'routing', name: 'Routing rules', scope: 'read', load: () => import('./pages/routing.js') },
    ],
  },
  {
    group: 'Contacts',
    items: [
      { at: 'syncs', name: 'Syncs', scope: 'read', load: () => import('./pages/syncs.js') },
      { at: 'review', name: 'Review', scope: 'read', load: () => import('./pages/review.js') },
    ],
  },
  {
    group: 'Watch',
    items: [
      { at: 'alerts', name: 'Alerts', scope: 'read', load: () => import('./pages/alerts.js') },
      { at: 'reports', name: 'Reports', scope: 'read', load: () => import('./pages/reports.js') },
      { at: 'audit', name: 'Audit', scope: 'admin', load: () => import('./pages/audit.js') },
      { at: 'settings', name: 'Settings', load: () => import('./pages/settings.js') },
    ],
  },
];

// Pages that are reached from another, and the one that they belong to.
export const BELOW = {
  runs: { of: 'syncs', name: 'Run', scope: 'read', load: () => import('./pages/run.js') },
  items: { of: 'settings', name: 'Configuration', scope: 'admin', load: () => import('./pages/items.js') },
};

const all = PAGES.flatMap((g) => g.items);
export const find = (name) => all.find((p) => p.at === name) || (BELOW[name] && { at: name, ...BELOW[name] });
