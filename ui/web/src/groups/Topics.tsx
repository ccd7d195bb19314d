import { useState } from 'react'
import { asProblem, type Problem, write } from '../api/client'
import { client, useRights } from '../api/queries'
import type { TopicInfo } from '../api/topics'
import { count } from '../i18n/format'
import { t, tx } from '../i18n/i18n'
import { Icon } from '../parts/Icon'
import { plain } from '../parts/mask'
import { ProblemBox } from '../parts/Problem'
import { Said } from '../parts/Said'
import { Table } from '../parts/Table'
import { Foreign } from '../parts/Text'
import { Time } from '../parts/Time'
import '../style/topics.css'

/** The dead-letter topics of a group, one line for each broker, with the repair of those that cannot be read. */
export function Topics({ topics }: { topics: readonly TopicInfo[] }) {
  const broken = [...new Set(topics.filter(x => !x.readable).map(x => x.topic))]
  return (
    <>
      {broken.map(topic => (
        <Repair key={topic} topic={topic} />
      ))}
      <Table
        head={[
          t('topics.place'),
          t('topics.perm'),
          [t('topics.held'), 'right'],
          [t('topics.next'), 'right'],
          [t('groups.unread'), 'right'],
          t('groups.expires'),
          t('topics.checked'),
        ]}
        small
      >
        {topics.map(x => (
          <tr key={`${x.broker} ${x.topic} ${x.number}`}>
            <th scope="row" className="mono">
              <Foreign text={x.topic} />{' '}
              <span className="quiet">{t('topics.on', { broker: plain(x.broker), queue: String(x.number) })}</span>
              {x.last_error && (
                <div className="bad">
                  <Said text={x.last_error} />
                </div>
              )}
            </th>
            <td>
              <span className={x.readable ? undefined : 'amber'}>
                {t(x.perm === 2 ? 'perm.2' : x.perm === 4 ? 'perm.4' : x.perm === 6 ? 'perm.6' : 'perm.0')}
              </span>
            </td>
            <td className="right num">
              {x.min}–{x.max}
            </td>
            <td className="right num">{x.next}</td>
            <td className="right num">{count(x.unread)}</td>
            <td className="num">{x.expires_at ? <Time at={x.expires_at} form="moment" /> : '–'}</td>
            <td className="num">
              <Time at={x.checked_at} />
            </td>
          </tr>
        ))}
      </Table>
    </>
  )
}

/** A topic that can be written but not read (RocketMQ 4.9 and 5.x make dead-letter topics so): one click makes it readable. */
function Repair({ topic }: { topic: string }) {
  const rights = useRights()
  const [busy, setBusy] = useState(false)
  const [problem, setProblem] = useState<Problem>()
  const repair = async () => {
    setBusy(true)
    setProblem(undefined)
    try {
      await write('POST', `/topics/${encodeURIComponent(topic)}/repair`)
      for (const key of ['groups', 'group-infos', 'topics']) client.invalidateQueries({ queryKey: [key] })
    } catch (e) {
      setProblem(asProblem(e))
    }
    setBusy(false)
  }
  return (
    <div className="repair">
      <p>
        <Icon name="alert" size={14} className="amber" /> {tx('topics.broken', { topic: <code>{plain(topic)}</code> })}
      </p>
      <button
        type="button"
        className="button small"
        disabled={busy || !rights.admin}
        title={rights.admin ? undefined : t('why.admin')}
        onClick={repair}
      >
        <Icon name="wrench" size={14} /> {busy ? t('working') : t('topics.repair')}
      </button>
      {!rights.admin && <span className="quiet small">{t('why.admin')}</span>}
      {problem && <ProblemBox error={problem} />}
    </div>
  )
}
