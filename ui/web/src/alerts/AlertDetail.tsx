import type { ReactNode } from 'react'
import { Link } from 'wouter'
import { apiDuration } from '../i18n/format'
import { code, codeWords, t, tx } from '../i18n/i18n'
import { Icon, type IconName } from '../parts/Icon'
import { plain } from '../parts/mask'
import { ProblemBox } from '../parts/Problem'
import { Foreign } from '../parts/Text'
import { Time } from '../parts/Time'
import { Wait } from '../parts/Wait'
import { useDeliveries, useEvents } from './api'
import { DeliveryTable } from './Deliveries'
import { type Told, webLink } from './logic'
import { ToldMark } from './ToldMark'
import type { Alert, AlertEvent, AlertRule, Delivery, Silence } from './types'
import { amount, bound, DeliveryChip, Gauge, LabelChips, RuleLink, ruleSentence, When } from './words'

interface Props {
  a: Alert
  rule: AlertRule | undefined
  held: Silence | undefined
  told: readonly Told[]
}

/** Why an alert fires, who was told, and everything that happened to it. */
export function AlertDetail({ a, rule, held, told }: Props) {
  return (
    <div className="alert-detail">
      <section aria-label={t('alert.why')}>
        <h4>{t('alert.why')}</h4>
        <Why a={a} rule={rule} />
      </section>
      <section aria-label={t('alert.told')}>
        <h4>{t('alert.told')}</h4>
        {held && <Held s={held} />}
        <ul className="told-rows">
          {told.map(x => (
            <li key={x.receiver}>
              <ToldMark told={x} />
            </li>
          ))}
        </ul>
        {a.receivers.length === 0 && <p className="quiet small">{t('told.nobody')}</p>}
        <TellingDeliveries a={a} />
      </section>
      <section aria-label={t('alert.events')} className="wide">
        <h4>{t('alert.events')}</h4>
        <Events a={a} />
      </section>
    </div>
  )
}

function Why({ a, rule }: { a: Alert; rule: AlertRule | undefined }) {
  const shown = new Set(['summary', 'description'])
  const notes = Object.entries(a.annotations).filter(([k, v]) => v !== '' && !shown.has(k))
  return (
    <>
      {a.unit !== 'flag' && (
        <p className="gauge-line">
          <strong className="num">{amount(a.unit, a.value)}</strong>
          <Gauge v={{ labels: a.labels, value: a.value, state: a.state === 'resolved' ? '' : a.state }} r={a} />
          <span className="quiet small num">{amount(a.unit, a.threshold)}</span>
        </p>
      )}
      <dl className="pairs">
        <dt>{t('alert.rule')}</dt>
        <dd>
          {rule ? (
            <>
              {ruleSentence(rule)}{' '}
              <span className="small">
                (<RuleLink rule={rule}>{t('why.line', { n: rule.line })}</RuleLink>)
              </span>
            </>
          ) : (
            <>
              {bound(a)} <span className="quiet small">({t('alert.rule.gone')})</span>
            </>
          )}
        </dd>
        <dt>{t('alert.holds')}</dt>
        <dd>
          <Time at={a.active_since} form="moment" />{' '}
          <span className="quiet">
            (<Time at={a.active_since} />)
          </span>
        </dd>
        {a.fired_at && (
          <>
            <dt>{t('alert.fired')}</dt>
            <dd>
              <Time at={a.fired_at} form="moment" />
              {rule && rule.for !== '0s' && (
                <span className="quiet"> ({t('alert.fired.after', { d: apiDuration(rule.for) })})</span>
              )}
            </dd>
          </>
        )}
        {a.resolved_at && (
          <>
            <dt>{t('alert.resolved')}</dt>
            <dd>
              <Time at={a.resolved_at} form="moment" />
            </dd>
          </>
        )}
        {Object.keys(a.labels).length > 0 && (
          <>
            <dt>{t('alert.labels')}</dt>
            <dd className="chips">
              <LabelChips labels={a.labels} />
            </dd>
          </>
        )}
        {notes.map(([k, v]) => (
          <Pair key={k} name={<Foreign text={plain(k, 60)} />}>
            {webLink(v) ? (
              <a href={v} target="_blank" rel="noreferrer">
                <Foreign text={v} />
              </a>
            ) : (
              <Foreign text={v} />
            )}
          </Pair>
        ))}
      </dl>
    </>
  )
}

const Pair = ({ name, children }: { name: ReactNode; children: ReactNode }) => (
  <>
    <dt>{name}</dt>
    <dd>{children}</dd>
  </>
)

function Held({ s }: { s: Silence }) {
  return (
    <p className="held-note">
      <Icon name="mute" size={14} />{' '}
      <span>
        {tx('alert.held.by', {
          who: <Foreign text={code('actor', s.author)} />,
          until: <Time at={s.ends_at} form="moment" />,
        })}{' '}
        “<Foreign text={s.note} />” <Link href={`/alerts/silences?silence=${s.id}`}>{t('alert.silence.show')}</Link>
      </span>
    </p>
  )
}

/** The deliveries that told of it. */
function TellingDeliveries({ a }: { a: Alert }) {
  const query = useDeliveries(`alert=${a.id}&limit=20`)
  const items = query.data?.items ?? []
  if (query.error && !query.data) return <ProblemBox error={query.error} again={() => query.refetch()} />
  if (items.length === 0) return null
  return (
    <>
      <DeliveryTable items={items} small />
      {query.data?.next && (
        <Link href={`/alerts/deliveries?alert=${a.id}`} className="small">
          {t('deliveries.all')}
        </Link>
      )}
    </>
  )
}

const icons: Record<string, IconName> = {
  pending: 'clock',
  firing: 'alert',
  resolved: 'check',
  dropped: 'check',
  notified: 'bell',
  silenced: 'mute',
  held_back: 'pause',
}

function Events({ a }: { a: Alert }) {
  const query = useEvents(a.id)
  // What became of each message: a written one is not yet a told receiver.
  const sent = new Map(useDeliveries(`alert=${a.id}&limit=20`).data?.items.map(d => [d.id, d]))
  if (query.error && !query.data) return <ProblemBox error={query.error} again={() => query.refetch()} />
  if (!query.data) return <Wait lines={3} />
  if (query.data.length === 0) return <p className="quiet small">{t('alert.events.none')}</p>
  return (
    <div className="timeline">
      <ol>
        {query.data.map(e => (
          <li key={e.id} className={e.kind === 'firing' ? 'bad' : e.kind === 'resolved' ? 'good' : undefined}>
            <span className="mark">
              <Icon name={icons[e.kind] ?? 'info'} size={12} />
            </span>
            <div className="grow">
              <p>
                <strong>{code('alert.event', e.kind)}</strong>{' '}
                <EventWords e={e} a={a} sent={sent.get(e.delivery_id ?? '')} />
              </p>
            </div>
            <span className="entry-at quiet small num">
              <When at={e.at} />
            </span>
          </li>
        ))}
      </ol>
    </div>
  )
}

function EventWords({ e, a, sent }: { e: AlertEvent; a: Alert; sent: Delivery | undefined }) {
  const about = e.kind === 'pending' || e.kind === 'firing' || e.kind === 'resolved' || e.kind === 'dropped'
  return (
    <span className="quiet">
      {about && a.unit !== 'flag' && t('alert.at.value', { value: amount(a.unit, e.value) })}
      {e.receiver &&
        (e.delivery_id ? (
          <>
            <Link href={`/alerts/deliveries/${e.delivery_id}`}>
              <Foreign text={e.receiver} />
            </Link>{' '}
            {sent && <DeliveryChip d={sent} />}
          </>
        ) : (
          <Foreign text={e.receiver} />
        ))}
      {e.detail && ` · ${codeWords('alert.detail', e.detail) ?? plain(e.detail)}`}
    </span>
  )
}
