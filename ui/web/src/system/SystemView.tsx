import { useGaps, useSession, useStatus, useSummary, useTopics } from '../api/queries'
import type { Gap } from '../api/topics'
import type { BrokerState } from '../api/types'
import { Topics } from '../groups/Topics'
import { count } from '../i18n/format'
import { code, t, tx } from '../i18n/i18n'
import { Icon } from '../parts/Icon'
import { plain } from '../parts/mask'
import { ProblemBox } from '../parts/Problem'
import { Said } from '../parts/Said'
import { Table } from '../parts/Table'
import { Foreign } from '../parts/Text'
import { Time } from '../parts/Time'
import { Wait } from '../parts/Wait'
import '../style/system.css'
import '../style/view.css'
import { AccessCard } from './AccessCard'
import { AutomationCard } from './AutomationCard'

/** How the console itself stands: automation, cluster, intake, gaps, store. */
export default function SystemView() {
  const status = useStatus()
  const topics = useTopics()
  const gaps = useGaps()
  const summary = useSummary().data
  const session = useSession().data
  const s = status.data
  if (status.error && !s)
    return (
      <div className="view">
        <ProblemBox error={status.error} again={() => status.refetch()} />
      </div>
    )
  if (!s)
    return (
      <div className="view">
        <Wait lines={10} />
      </div>
    )
  return (
    <div className="view system">
      <header className="view-head">
        <h1>{t('nav.system')}</h1>
      </header>
      <div className="cards">
        <AutomationCard a={s.automation} />
        <section className="card" aria-label={t('system.cluster')}>
          <h2>{t('system.cluster')}</h2>
          <dl className="pairs">
            <dt>{t('system.state')}</dt>
            <dd>
              {s.cluster.reachable ? (
                <span className="good">
                  <Icon name="check" size={14} /> {t('system.reachable')}
                </span>
              ) : (
                <span className="bad">
                  <Icon name="alert" size={14} /> {t('system.unreachable')}
                </span>
              )}
              {s.cluster.since && (
                <span className="quiet">
                  {' '}
                  {tx('system.since', { at: <Time at={s.cluster.since} form="moment" /> })}
                </span>
              )}
              {s.cluster.error && (
                <div className="bad small">
                  <Said text={s.cluster.error} />
                </div>
              )}
            </dd>
            {s.cluster.cluster && (
              <>
                <dt>{t('system.cluster')}</dt>
                <dd>
                  <Foreign text={s.cluster.cluster} />
                </dd>
              </>
            )}
            <dt>{t('system.servers')}</dt>
            <dd className="mono">
              {(s.cluster.name_servers ?? []).map(n => (
                <div key={n}>{plain(n)}</div>
              ))}
            </dd>
            {(s.cluster.members ?? []).length > 0 && (
              <>
                <dt>{t('system.brokers')}</dt>
                <dd>
                  {(s.cluster.members ?? []).map(b => (
                    <Member key={b.name} b={b} />
                  ))}
                </dd>
              </>
            )}
            {s.cluster.simulated && (
              <>
                <dt />
                <dd className="amber">{t('strip.simulated')}</dd>
              </>
            )}
          </dl>
        </section>
        <section className="card" aria-label={t('system.console')}>
          <h2>{t('system.console')}</h2>
          <dl className="pairs">
            <dt>{t('system.version')}</dt>
            <dd className="num">{plain(s.version)}</dd>
            <dt>{t('system.letters')}</dt>
            <dd className="num">{summary ? count(summary.letters) : '…'}</dd>
            <dt>{t('system.store')}</dt>
            <dd>
              {s.store.full ? (
                <span className="bad">{t('system.full')}</span>
              ) : (
                <span className="good">{t('system.fine')}</span>
              )}
            </dd>
            <dt>{t('system.search')}</dt>
            <dd className="num">
              {s.store.search_lag > 0 ? t('list.lag', { n: s.store.search_lag }) : t('system.current')}
            </dd>
            <dt>{t('system.links')}</dt>
            <dd className="links">
              <a href="/metrics">/metrics</a> <a href="/healthz">/healthz</a> <a href="/readyz">/readyz</a>{' '}
              <a href="/api/v1/openapi.yaml">openapi.yaml</a>
            </dd>
          </dl>
        </section>
        <section className="card wide" aria-label={t('system.intake')}>
          <h2>
            {t('system.intake')} {s.intake.stalled && <span className="chip red">{t('strip.intake')}</span>}
          </h2>
          {topics.error && !topics.data ? (
            <ProblemBox error={topics.error} again={() => topics.refetch()} />
          ) : topics.data ? (
            topics.data.length > 0 ? (
              <Topics topics={topics.data} />
            ) : (
              <p className="quiet">{t('system.no_topics')}</p>
            )
          ) : (
            <Wait lines={3} />
          )}
        </section>
        <section className="card wide" aria-label={t('gaps')}>
          <h2>
            {t('gaps')} <span className="quiet num">{gaps.data ? count(gaps.data.length) : ''}</span>
          </h2>
          <p className="quiet small">{t('gaps.text')}</p>
          {gaps.error && !gaps.data ? (
            <ProblemBox error={gaps.error} again={() => gaps.refetch()} />
          ) : (
            (gaps.data ?? []).length > 0 && <Gaps gaps={gaps.data ?? []} />
          )}
        </section>
        {session?.login === 'done' && session.role === 'admin' && <AccessCard />}
      </div>
    </div>
  )
}

/** One broker: where it is and, when it is away, since when and why. */
function Member({ b }: { b: BrokerState }) {
  return (
    <div>
      <span className={b.away_since ? 'amber' : 'good'}>
        <Icon name={b.away_since ? 'alert' : 'check'} size={14} />
      </span>{' '}
      <span className="mono">
        <Foreign text={b.name} />
      </span>{' '}
      {b.address && <span className="quiet mono">{plain(b.address)}</span>}
      {b.away_since && (
        <span className="amber">
          {' · '}
          {tx(`broker.away.${b.role}`, { since: <Time at={b.away_since} form="moment" /> })}
        </span>
      )}
      {b.why && <div className="quiet small">{code('broker.why', b.why)}</div>}
    </div>
  )
}

function Gaps({ gaps }: { gaps: readonly Gap[] }) {
  return (
    <Table
      head={[t('topics.place'), t('gaps.kind'), [t('gaps.range'), 'right'], [t('gaps.count'), 'right'], t('gaps.at')]}
      small
    >
      {gaps.map(g => (
        <tr key={g.id}>
          <th scope="row" className="mono">
            <Foreign text={g.topic} />{' '}
            <span className="quiet">{t('topics.on', { broker: plain(g.broker), queue: String(g.number) })}</span>
          </th>
          <td>{code('gap', g.kind)}</td>
          <td className="right num">
            {g.from}–{g.to}
          </td>
          <td className="right num">{g.kind === 'truncated' ? '?' : g.count}</td>
          <td className="num">
            <Time at={g.at} form="moment" />
          </td>
        </tr>
      ))}
    </Table>
  )
}
