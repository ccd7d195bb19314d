import type { ReactNode } from 'react'
import { Link } from 'wouter'
import { useFacets, useStatus, useSummary } from '../api/queries'
import type { Status, Summary } from '../api/types'
import { count } from '../i18n/format'
import { t, tx } from '../i18n/i18n'
import { ProblemBox } from '../parts/Problem'
import { Time } from '../parts/Time'
import { Wait } from '../parts/Wait'
import '../style/overview.css'
import '../style/view.css'
import { Bars, Hours, Split } from './charts'

/** The state of the whole: one sentence, then what opens a list. */
export default function OverviewView() {
  const summary = useSummary()
  const status = useStatus().data
  const facets = useFacets('tab=attention').data
  if (summary.error && !summary.data)
    return (
      <div className="view">
        <ProblemBox error={summary.error} again={() => summary.refetch()} />
      </div>
    )
  if (!summary.data)
    return (
      <div className="view">
        <Wait lines={10} />
      </div>
    )
  const s = summary.data
  return (
    <div className="view overview">
      <h1 className="off-screen">{t('nav.overview')}</h1>
      <p className="sentence">{sentence(s, status)}</p>
      {s.letters === 0 && (
        <div className="empty">
          <h2>{t('empty.attention')}</h2>
          <p>{t('empty.attention.text')}</p>
        </div>
      )}
      <div className="cards">
        <section className="card" aria-label={t('overview.hours')}>
          <h2>
            {t('overview.hours')}{' '}
            <span className="quiet num">
              {t('overview.hours.n', { n: s.arrived_24h, count: count(s.arrived_24h) })}
            </span>
          </h2>
          <Hours hours={s.arrived_hours ?? []} />
        </section>
        <section className="card" aria-label={t('overview.states')}>
          <h2>
            {t('overview.states')}{' '}
            <span className="quiet num">{t('letters', { n: s.letters, count: count(s.letters) })}</span>
          </h2>
          <Split tabs={s.tabs} />
        </section>
        <section className="card" aria-label={t('overview.groups')}>
          <h2>{t('overview.groups')}</h2>
          <Bars facets={facets?.consumer_groups ?? []} field="consumer_group" empty={t('overview.nothing')} />
        </section>
        <section className="card" aria-label={t('overview.reasons')}>
          <h2>{t('overview.reasons')}</h2>
          <Bars facets={facets?.reasons ?? []} field="reason" empty={t('overview.nothing')} />
        </section>
      </div>
    </div>
  )
}

/** The state in words, from what matters most to what matters least. */
function sentence(s: Summary, status: Status | undefined): ReactNode {
  const open = s.tabs.attention ?? 0
  const flight = s.tabs.in_flight ?? 0
  const sending = (s.states.sending ?? 0) + (s.states.awaiting ?? 0)
  const parts: [string, ReactNode][] = [
    [
      'open',
      <Link key="open" href="/letters" className={open > 0 ? 'hot' : undefined}>
        {open > 0 ? t('overview.open', { n: open }) : t('overview.open.none')}
      </Link>,
    ],
  ]
  if (s.oldest_open) parts.push(['oldest', tx('overview.oldest', { at: <Time at={s.oldest_open} /> })])
  const alerts = status?.alerts
  if (alerts && alerts.firing > 0) {
    const n = alerts.firing - alerts.silenced
    parts.push([
      'alerts',
      <Link key="alerts" href="/alerts" className={n > 0 ? 'hot' : undefined}>
        {n > 0 ? t('overview.alerts', { n }) : t('overview.alerts.silenced', { n: alerts.firing })}
      </Link>,
    ])
  }
  if (s.unread > 0)
    parts.push([
      'unread',
      <Link key="unread" href="/consumer-groups">
        {s.unread_expires_at
          ? tx('overview.unread.expire', { n: s.unread, at: <Time at={s.unread_expires_at} form="moment" /> })
          : t('overview.unread', { n: s.unread })}
      </Link>,
    ])
  if (s.gaps > 0)
    parts.push([
      'gaps',
      <Link key="gaps" href="/system" className="hot">
        {t('overview.gaps', { n: s.gaps })}
      </Link>,
    ])
  if (status) {
    const a = status.automation
    parts.push([
      'automation',
      <Link key="automation" href="/system">
        {t(a.stopped ? 'overview.automation.stopped' : a.on ? 'overview.automation.on' : 'overview.automation.off')}
      </Link>,
    ])
  }
  parts.push([
    'flight',
    flight > 0 ? (
      <Link key="flight" href={`/letters?tab=in_flight${sending > 0 ? '&state=sending&state=awaiting' : ''}`}>
        {sending > 0 ? t('overview.replaying', { n: sending }) : t('overview.flight', { n: flight })}
      </Link>
    ) : (
      t('overview.replaying.none')
    ),
  ])
  return (
    <>
      {parts.map(([key, words], i) => (
        <span key={key}>
          {i > 0 && t('list.separator')}
          {words}
        </span>
      ))}
      {t('list.end')}
    </>
  )
}
