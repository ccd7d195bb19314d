import type { ReactNode } from 'react'
import { Link, useLocation, useSearch } from 'wouter'
import { useRights } from '../api/queries'
import { useKeys } from '../app/keys'
import { apiDuration, count, duration, parseDuration } from '../i18n/format'
import { t, tx } from '../i18n/i18n'
import { Reason } from '../letters/words'
import { Icon } from '../parts/Icon'
import { plain } from '../parts/mask'
import { Foreign } from '../parts/Text'
import { Time, useNow } from '../parts/Time'
import { AlertDetail } from './AlertDetail'
import type { Shared } from './AlertsView'
import { useDeliveries, useReceivers } from './api'
import { nearest, placeOf, silenceOf, type Told, toldOf, webLink } from './logic'
import { NoRules, Untold } from './Teach'
import { ToldMark } from './ToldMark'
import type { Alert, AlertRule, Silence } from './types'
import { AlertTitle, amount, bound, LabelChips, placeWords, StateChip } from './words'

/** What fires, what waits to, and what is over. */
export function Now({ data, silences, silence }: Shared) {
  const receivers = useReceivers().data
  const deliveries = useDeliveries('limit=50').data?.items ?? []
  const params = new URLSearchParams(useSearch())
  const id = params.get('alert')
  const since = params.get('since')
  const isOpen = (a: Alert) => a.id === id && (!since || a.active_since === since)
  const now = useNow(5000)
  const card = (a: Alert) => {
    const held = a.state === 'resolved' ? undefined : silenceOf(a, silences, now)
    return (
      <AlertCard
        key={`${a.id} ${a.active_since}`}
        a={a}
        rule={data.rules.find(r => r.name === a.rule)}
        open={isOpen(a)}
        held={held}
        told={toldOf(a, data.groups, receivers, deliveries, held)}
        silence={silence}
      />
    )
  }
  const firing = data.items.filter(a => a.state === 'firing')
  const pending = data.items.filter(a => a.state === 'pending')
  const silenced = firing.filter(a => silenceOf(a, silences, now)).length
  const [, go] = useLocation()
  useKeys(id ? { Escape: () => go('/alerts') } : {})
  const shown = data.items.find(isOpen) ?? data.recent.find(isOpen)
  return (
    <>
      {receivers && <Untold rules={data.rules} receivers={receivers} />}
      {id && !shown && (
        <p className="hint">
          {t('alert.gone')} <Link href="/alerts">{t('alerts.all')}</Link>
        </p>
      )}
      {data.rules.length === 0 && data.items.length === 0 ? (
        <NoRules />
      ) : firing.length === 0 ? (
        <Calm rules={data.rules} />
      ) : (
        <Section
          name={t('alerts.firing.title')}
          count={[
            count(firing.length - silenced),
            ...(silenced > 0 ? [t('alerts.firing.silenced', { n: silenced })] : []),
          ].join(' · ')}
        >
          {firing.map(card)}
        </Section>
      )}
      {pending.length > 0 && <Section name={t('alerts.pending.title')}>{pending.map(card)}</Section>}
      {data.recent.length > 0 && (
        <Section name={t('alerts.recent.title')} quiet>
          {data.recent.map(a => (a === shown ? card(a) : <Over key={`${a.id} ${a.active_since}`} a={a} />))}
        </Section>
      )}
    </>
  )
}

interface SectionProps {
  name: string
  count?: string
  quiet?: boolean
  children: ReactNode
}

function Section({ name, count, quiet, children }: SectionProps) {
  return (
    <section className={quiet ? 'alert-list over' : 'alert-list'} aria-label={name}>
      <h2>
        {name} {count && <span className="quiet num">{count}</span>}
      </h2>
      <ul>{children}</ul>
    </section>
  )
}

/** Nothing fires: how many rules are watched, and which of them is nearest. */
function Calm({ rules }: { rules: readonly AlertRule[] }) {
  const watched = rules.filter(r => !r.off)
  const near = nearest(rules)
  return (
    <div className="empty calm">
      <span className="calm-mark">
        <Icon name="check" size={20} />
      </span>
      <h2>{t('alerts.firing.none')}</h2>
      <p>{t('alerts.watched', { n: watched.length })}</p>
      {near && (
        <p>
          {tx('alerts.nearest', {
            rule: <RuleName r={near.rule} />,
            value: amount(near.rule.unit, near.value.value),
            bound: bound(near.rule),
          })}{' '}
          <LabelChips labels={near.value.labels} />
        </p>
      )}
      <Link href="/alerts/rules" className="button">
        {t('alerts.whynot')}
      </Link>
    </div>
  )
}

const RuleName = ({ r }: { r: AlertRule }) => (
  <Link href={`/alerts/rules?rule=${encodeURIComponent(r.name)}`}>
    <Foreign text={r.name} />
  </Link>
)

interface CardProps {
  a: Alert
  rule: AlertRule | undefined
  open: boolean
  held: Silence | undefined
  told: readonly Told[]
  silence: (a: Alert) => void
}

function AlertCard({ a, rule, open, held, told, silence }: CardProps) {
  const rights = useRights()
  const runbook = webLink(a.annotations.runbook ?? a.annotations.runbook_url)
  const summary = a.annotations.summary ?? a.annotations.description
  const tone = a.state === 'firing' ? (held ? 'held' : a.severity) : a.state
  return (
    <li className={`alert-card ${tone}${open ? ' open' : ''}`} id={`alert-${a.id}`}>
      <div className="alert-top">
        <h3 className="grow">
          <Link href={open ? '/alerts' : `/alerts?alert=${a.id}`} aria-expanded={open} className="alert-title">
            <Icon name={open ? 'down' : 'right'} size={14} />
            <span>
              <AlertTitle labels={a.labels} rule={a.rule} />
            </span>
          </Link>
        </h3>
        {a.state === 'firing' && held && (
          <span className="chip grey">
            <Icon name="mute" size={12} /> {t('alert.silenced')}
          </span>
        )}
        <StateChip alert={a} silenced={!!held} />
      </div>
      <p className="alert-why">
        {a.unit !== 'flag' && <strong className="alert-value num">{amount(a.unit, a.value)}</strong>}{' '}
        <span>{bound(a)}</span>{' '}
        <span className="quiet">
          <Since a={a} rule={rule} />
        </span>
      </p>
      {summary && (
        <p className="alert-summary">
          <Foreign text={plain(summary, 400)} />
        </p>
      )}
      {(a.reasons ?? []).length > 0 && (
        <p className="small quiet alert-reasons">
          {t('alert.reasons')}
          {t('colon')}
          {(a.reasons ?? []).map(r => (
            <span key={r.value}>
              <Reason reason={r.value} /> <span className="num">{r.count}</span>
            </span>
          ))}
        </p>
      )}
      <div className="alert-foot">
        <span className="told-list grow">
          {told.map(x => (
            <ToldMark key={x.receiver} told={x} />
          ))}
          {a.receivers.length === 0 && <span className="quiet small">{t('told.nobody')}</span>}
        </span>
        <span className="alert-acts">
          {runbook && (
            <a href={runbook} target="_blank" rel="noreferrer" className="button small">
              <Icon name="note" size={13} /> {t('alert.runbook')}
            </a>
          )}
          <Link href={placeOf(a)} className="button small">
            {placeWords(a.signal)}
          </Link>
          {a.state !== 'resolved' &&
            (held ? (
              <Link href={`/alerts/silences?silence=${held.id}`} className="button small">
                <Icon name="mute" size={13} /> {t('alert.silence.show')}
              </Link>
            ) : (
              <button
                type="button"
                className="button small"
                disabled={!rights.act}
                title={rights.act ? undefined : t('why.role')}
                onClick={() => silence(a)}
              >
                <Icon name="mute" size={13} /> {t('silence.do')}
              </button>
            ))}
        </span>
      </div>
      {open && <AlertDetail a={a} rule={rule} held={held} told={told} />}
    </li>
  )
}

/** Since when, and what comes next. */
function Since({ a, rule }: { a: Alert; rule: AlertRule | undefined }) {
  const now = useNow(5000)
  if (a.state === 'resolved' && a.fired_at && a.resolved_at)
    return tx('alert.lasted', {
      d: duration(Date.parse(a.resolved_at) - Date.parse(a.fired_at)),
      at: <Time at={a.resolved_at} />,
    })
  const since = tx('alert.since', { at: <Time at={a.active_since} form="age" /> })
  if (a.state === 'pending' && rule) {
    const at = new Date(Date.parse(a.active_since) + parseDuration(rule.for)).toISOString()
    return (
      <>
        {since} · {tx('alert.fires', { at: <Time at={at} form="in" /> })}
      </>
    )
  }
  // It goes on firing for a while after its condition ended.
  if (rule && rule.keep_firing_for !== '0s' && now - Date.parse(a.held_at) > 30_000)
    return (
      <>
        {since} · {tx('alert.held', { at: <Time at={a.held_at} />, keep: apiDuration(rule.keep_firing_for) })}
      </>
    )
  return since
}

/** One line of an alert that is over. */
function Over({ a }: { a: Alert }) {
  return (
    <li className="over-line">
      <Icon name="check" size={13} className="good" />
      <Link href={`/alerts?alert=${a.id}&since=${encodeURIComponent(a.active_since)}`} className="alert-title grow">
        <span>
          <AlertTitle labels={a.labels} rule={a.rule} />
        </span>
      </Link>
      <span className="quiet small num">
        <Since a={a} rule={undefined} />
      </span>
    </li>
  )
}
