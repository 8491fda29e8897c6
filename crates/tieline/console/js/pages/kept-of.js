// What is kept of a customer here, and their records in other systems.

import { h } from '../dom.js';
import { ask, at, del, put } from '../api.js';
import { can } from '../session.js';
import { code, link, said, section, to, when } from '../show.js';
import { button, confirm, field, form } from '../form.js';
import { rows } from '../table.js';
import { value } from '../format.js';

// Data that is kept here beyond a call. Whoever changes it must have seen the newest.
export function persistent(c, etag, again) {
  const path = at`/api/v2/customers/${c.externalId}`;
  const write = (body, tag) => ask('PUT', path, { body: { data: body }, headers: tag ? { 'if-match': tag } : {} });
  const save = async (body) => {
    try {
      await write(body, etag);
    } catch (e) {
      if (e.status !== 412) throw e;
      // A call that came meanwhile changes the tag, too. Only a change of what is kept is a reason to stop.
      const now = await ask('GET', path);
      if (JSON.stringify(now.data.persistent) !== JSON.stringify(c.persistent)) throw e;
      await write(body, now.headers.get('etag'));
    }
  };
  const held = Object.entries(c.persistent);
  return section(
    'Kept here',
    rows(
      {
        caption: 'Data kept here',
        key: ([k]) => k,
        empty: 'Nothing is kept of them besides.',
        columns: [
          { name: 'Name', head: true, cell: ([k]) => k },
          { name: 'Value', cell: ([, v]) => value(v) },
          ...(can('context')
            ? [
                {
                  name: 'Remove',
                  cell: ([k]) =>
                    button(
                      'Remove',
                      async () => {
                        await save({ [k]: null });
                        said(`${k} is removed.`);
                        again();
                      },
                      { kind: 'small', label: `Remove ${k}` },
                    ),
                },
              ]
            : []),
        ],
      },
      held,
    ),
    can('context')
      ? form(
          [
            h(
              'div',
              { class: 'bar' },
              field('Name', { name: 'key', required: true }),
              field('Value', { name: 'value', required: true }),
            ),
          ],
          'Keep',
          async (f) => {
            await save({ [f.key]: f.value });
            said(`${f.key} is kept.`);
            again();
          },
          { kind: 'primary' },
        )
      : null,
  );
}

export function linkTable(links, again) {
  return rows(
    {
      caption: 'Records of the same customer in other systems',
      key: (l) => `${l.id}${l.connection}${l.record}`,
      empty: 'No link.',
      columns: [
        { name: 'Connection', head: true, cell: (l) => l.connection },
        { name: 'Record', cell: (l) => code(l.record) },
        { name: 'Of', cell: (l) => (l.externalId ? link(to('customers', l.externalId), l.externalId) : '') },
        { name: 'From', cell: (l) => (l.source === 'field' ? 'A field of the record (read-only)' : 'Made here') },
        { name: 'Since', cell: (l) => when(l.createdAt) },
        ...(can('context')
          ? [
              {
                name: 'Remove',
                cell: (l) =>
                  l.id
                    ? button(
                        'Remove',
                        async () => {
                          if (
                            !(await confirm(
                              'Remove this link?',
                              `${l.externalId} is no longer linked to ${l.record} in ${l.connection}.`,
                              'Remove',
                              { danger: true },
                            ))
                          )
                            return;
                          await del(at`/api/v1/links/${l.id}`);
                          said('The link is removed.');
                          again();
                        },
                        { kind: 'small', label: `Remove the link to ${l.record}` },
                      )
                    : '',
              },
            ]
          : []),
      ],
    },
    links,
  );
}

export function linkForm(id, again) {
  const box = h('details', h('summary', 'Link to a record of another connection'));
  box.append(
    form(
      [
        field('Connection', { name: 'connection', required: true }),
        field('Record there', {
          name: 'record',
          required: true,
          hint: 'Its own id, with or without the prefix of its connection',
        }),
      ],
      'Link',
      async (f) => {
        await put('/api/v1/links', { externalId: id, ...f });
        said('The link is made.');
        again();
      },
    ),
  );
  return box;
}
