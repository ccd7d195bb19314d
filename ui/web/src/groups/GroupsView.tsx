import { useState } from 'react'
import { Link } from 'wouter'
import { useGroupInfos, useGroups } from '../api/queries'
import type { ConsumerGroup, GroupInfo } from '../api/types'
import { count } from '../i18n/format'
import { code, codeWords, t, tx } from '../i18n/i18n'
import { Icon } from '../parts/Icon'
import { plain } from '../parts/mask'
import { ProblemBox } from '../parts/Problem'
import { Said } from '../parts/Said'
import { Table } from '../parts/Table'
import { Foreign } from '../parts/Text'
import { Time } from '../parts/Time'
import { Wait } from '../parts/Wait'
import '../style/groups.css'
import '../style/view.css'
import { Topics } from './Topics'

// The API answers for so many groups at once.
const atOnce = 20

/** The consumer groups with dead letters: what is open, what is unread, who is there. */
export default function GroupsView() {
  const query = useGroups()
  const groups = query.data ?? []
  const infos = useGroupInfos(groups.slice(0, atOnce).map(g => g.name)).data
  const info = new Map((infos ?? []).map(g => [g.name, g]))
  return (
    <div className="view groups">
      <header className="view-head">
        <h1>{t('nav.groups')}</h1>
        <p className="quiet">{t('groups.text')}</p>
      </header>
      {query.error && groups.length === 0 ? (
        <ProblemBox error={query.error} again={() => query.refetch()} />
      ) : !query.data ? (
        <Wait lines={8} />
      ) : groups.length === 0 ? (
        <div className="empty">
          <h2>{t('groups.none')}</h2>
          <p>{t('empty.attention.text')}</p>
        </div>
      ) : (
        <Table
          head={[
            t('list.group'),
            [t('groups.open'), 'right'],
            [t('groups.flight'), 'right'],
            [t('groups.kind'), 'wide-only'],
            t('groups.online'),
            [t('groups.lag'), 'right wide-only'],
            [t('groups.unread'), 'right'],
            t('groups.expires'),
          ]}
        >
          {groups.map(g => (
            <Group key={g.name} g={g} asked={info.get(g.name)} />
          ))}
        </Table>
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
            <Foreign text={g.name} />
          </button>
          {!g.readable && (
            <span className="chip amber">
              <Icon name="alert" size={12} /> {t('groups.unreadable')}
            </span>
          )}
        </th>
        <td className="right num">
          <Link href={link} className={g.letters_open > 0 ? 'strong' : 'quiet'}>
            {count(g.letters_open)}
          </Link>
        </td>
        <td className="right num">
          <Link href={`${link}&tab=in_flight`} className={g.letters_in_flight > 0 ? undefined : 'quiet'}>
            {count(g.letters_in_flight)}
          </Link>
        </td>
        <td className="wide-only">
          {i ? code('group.kind', i.kind) : <span className="quiet">{known?.info_error ? '?' : '…'}</span>}
        </td>
        <td>{i && <Online i={i} />}</td>
        <td className="right num wide-only">{i && i.lag >= 0 ? count(i.lag) : <span className="quiet">–</span>}</td>
        <td className="right num">
          {g.unread > 0 ? <strong>{count(g.unread)}</strong> : <span className="quiet">0</span>}
        </td>
        <td className="num">
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
                {n > 0 && ', '}
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
