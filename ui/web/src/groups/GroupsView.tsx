import { useState } from 'react'
import { Link, useLocation, useSearch } from 'wouter'
import { useGroupInfos, useGroups } from '../api/queries'
import type { ConsumerGroup } from '../api/topics'
import type { GroupInfo } from '../api/types'
import { count } from '../i18n/format'
import { code, codeWords, t, tx } from '../i18n/i18n'
import { Icon } from '../parts/Icon'
import { plain } from '../parts/mask'
import { ProblemBox } from '../parts/Problem'
import { Said } from '../parts/Said'
import { type Sortable, Table } from '../parts/Table'
import { Foreign, Name } from '../parts/Text'
import { Time } from '../parts/Time'
import { Wait } from '../parts/Wait'
import '../style/groups.css'
import '../style/view.css'
import { arrange, type Order } from './order'
import { Topics } from './Topics'

// The API answers for so many groups at once; twice as many are asked about without being opened.
const atOnce = 20

/** The consumer groups with dead letters: what is open, what is unread, who is there. */
export default function GroupsView() {
  const query = useGroups()
  const [, go] = useLocation()
  const params = new URLSearchParams(useSearch())
  const q = params.get('q') ?? ''
  const sort = params.get('sort') ?? '-open'
  const known = new Map<string, ConsumerGroup>()
  // What is asked of the cluster does not depend on what it answers: the order by lag comes after.
  const asked = arrange(query.data ?? [], q, sort.endsWith('lag') ? '-open' : sort).map(g => g.name)
  const first = useGroupInfos(asked.slice(0, atOnce)).data ?? []
  const second = useGroupInfos(asked.slice(atOnce, 2 * atOnce)).data ?? []
  for (const g of [...first, ...second]) known.set(g.name, g)
  const groups = arrange(
    (query.data ?? []).map(g => {
      const info = known.get(g.name)?.info
      return info ? { ...g, info } : g
    }),
    q,
    sort,
  )
  const set = (name: string, value: string) => {
    const p = new URLSearchParams(params)
    if (value) p.set(name, value)
    else p.delete(name)
    go(`/consumer-groups${p.size ? `?${p}` : ''}`, { replace: true })
  }
  const column = (order: Order, name: string, className = 'right'): Sortable => ({
    name,
    className,
    sort: sort === order ? 'ascending' : sort === `-${order}` ? 'descending' : 'none',
    onSort: () => set('sort', (order === 'name' ? sort === order : sort !== `-${order}`) ? `-${order}` : order),
  })
  return (
    <div className="view groups">
      <header className="view-head">
        <h1>{t('nav.groups')}</h1>
        <p className="quiet">{t('groups.text')}</p>
      </header>
      {query.error && !query.data ? (
        <ProblemBox error={query.error} again={() => query.refetch()} />
      ) : !query.data ? (
        <Wait lines={8} />
      ) : query.data.length === 0 ? (
        <div className="empty">
          <h2>{t('groups.none')}</h2>
          <p>{t('empty.attention.text')}</p>
        </div>
      ) : (
        <>
          <div className="list-filter">
            <input
              type="search"
              aria-label={t('groups.search')}
              placeholder={t('groups.search')}
              value={q}
              onChange={e => set('q', e.target.value)}
            />
            <span className="quiet small num">
              {groups.length === query.data.length
                ? t('groups.n', { n: groups.length })
                : t('groups.of', { n: groups.length, all: query.data.length })}
            </span>
          </div>
          <Table
            className="groups-table"
            head={[
              column('name', t('list.group'), ''),
              column('open', t('groups.open')),
              column('flight', t('groups.flight')),
              [t('groups.kind'), 'wide-only'],
              t('groups.online'),
              column('lag', t('groups.lag'), 'right wide-only'),
              column('unread', t('groups.unread')),
              t('groups.expires'),
            ]}
          >
            {groups.map(g => (
              <Group key={g.name} g={g} asked={known.get(g.name)} />
            ))}
          </Table>
        </>
      )}
    </div>
  )
}

function Group({ g, asked }: { g: ConsumerGroup; asked: ConsumerGroup | undefined }) {
  const [open, setOpen] = useState(!g.readable)
  // Beyond the first ones the cluster is asked when the row is opened.
  const own = useGroupInfos(open && !asked ? [g.name] : []).data?.[0]
  const known = asked ?? own
  const i = known?.info
  const link = `/letters?consumer_group=${encodeURIComponent(g.name)}`
  return (
    <>
      <tr>
        <th scope="row">
          <button type="button" className="fold" aria-expanded={open} onClick={() => setOpen(o => !o)}>
            <Icon name={open ? 'down' : 'right'} size={14} />
            <Name text={g.name} tail={16} />
          </button>
          {!g.readable && (
            <span className="chip amber">
              <Icon name="alert" size={12} /> {t('groups.unreadable')}
            </span>
          )}
        </th>
        <td className="right num" data-label={t('groups.open')}>
          <Link href={link} className={g.letters_open > 0 ? 'strong' : 'quiet'}>
            {count(g.letters_open)}
          </Link>
        </td>
        <td className="right num" data-label={t('groups.flight')}>
          <Link href={`${link}&tab=in_flight`} className={g.letters_in_flight > 0 ? undefined : 'quiet'}>
            {count(g.letters_in_flight)}
          </Link>
        </td>
        <td className="wide-only">
          {i ? code('group.kind', i.kind) : <span className="quiet">{known?.info_error ? '?' : '…'}</span>}
        </td>
        <td className="online">{i ? <Online i={i} /> : <span className="quiet">–</span>}</td>
        <td className="right num wide-only">{i && i.lag >= 0 ? count(i.lag) : <span className="quiet">–</span>}</td>
        <td className="right num" data-label={t('groups.unread')}>
          {g.unread > 0 ? <strong>{count(g.unread)}</strong> : <span className="quiet">0</span>}
        </td>
        <td className="num expires" data-label={t('groups.expires')}>
          {g.expires_at ? <Time at={g.expires_at} form="moment" /> : <span className="quiet">–</span>}
        </td>
      </tr>
      {open && (
        <tr className="unfolded">
          <td colSpan={8}>
            {known?.info_error && (
              <p className="note-amber">
                <Said text={known.info_error} />
              </p>
            )}
            {g.last_error && (
              <p className="note-amber">
                <Said text={g.last_error} />
              </p>
            )}
            {i && <Info i={i} />}
            <Topics topics={g.topics ?? []} />
          </td>
        </tr>
      )}
    </>
  )
}

function Online({ i }: { i: GroupInfo }) {
  return i.online ? (
    <span className="good">
      <span className="dot on" /> {t('cause.online', { n: i.clients?.length ?? 0 })}
    </span>
  ) : (
    <span className="amber">
      <span className="dot off" />{' '}
      {i.last_seen ? tx('cause.offline.since', { at: <Time at={i.last_seen} /> }) : t('cause.offline')}
    </span>
  )
}

function Info({ i }: { i: GroupInfo }) {
  return (
    <dl className="pairs">
      <dt>{t('groups.kind')}</dt>
      <dd>
        {code('group.kind', i.kind)}
        {codeWords('group.why', i.kind_why) ? ` — ${codeWords('group.why', i.kind_why)}` : ''}
      </dd>
      {i.max_retry >= 0 && (
        <>
          <dt>{t('groups.max_retry')}</dt>
          <dd className="num">{i.max_retry}</dd>
        </>
      )}
      {(i.topics ?? []).length > 0 && (
        <>
          <dt>{t('groups.topics')}</dt>
          <dd>
            {(i.topics ?? []).map((topic, n) => (
              <span key={topic}>
                {n > 0 && t('list.comma')}
                <Foreign text={topic} />
              </span>
            ))}
          </dd>
        </>
      )}
      {(i.clients ?? []).length > 0 && (
        <>
          <dt>{t('groups.clients')}</dt>
          <dd>
            {(i.clients ?? []).slice(0, 20).map(c => (
              <div key={c.id} className="mono small">
                <Foreign text={c.id} />{' '}
                <span className="quiet">{`${plain(c.language)} ${plain(c.version)} ${plain(c.address)}`}</span>
              </div>
            ))}
            {(i.clients ?? []).length > 20 && (
              <span className="quiet">{t('more.n', { n: (i.clients ?? []).length - 20 })}</span>
            )}
          </dd>
        </>
      )}
    </dl>
  )
}
