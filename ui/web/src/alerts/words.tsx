import { Link } from 'wouter'
import { apiDuration, count, duration } from '../i18n/format'
import { code, codeWords, formatNumber, type Key, t } from '../i18n/i18n'
import { Reason } from '../letters/words'
import { Icon } from '../parts/Icon'
import { middle, plain } from '../parts/mask'
import { Foreign } from '../parts/Text'
import { Time, useNow } from '../parts/Time'
import { subjectOf, toScale } from './logic'
import type {
  Alert,
  AlertRule,
  AlertSeverity,
  AlertUnit,
  AlertValue,
  Delivery,
  DeliveryState,
  Labels,
  Matchers,
} from './types'

/** A value with its unit, as people say it. */
export function amount(unit: AlertUnit, v: number): string {
  switch (unit) {
    case 'ratio':
      return `${formatNumber(Math.round(v * 1000) / 10)}%`
    case 'duration':
      return duration(Math.max(0, v) * 1000)
    case 'flag':
      return t(v > 0 ? 'alert.yes' : 'alert.no')
    default:
      return count(Math.round(v * 10) / 10)
  }
}

export const labelName = (label: string): string => codeWords('label', label) ?? plain(label, 60)

/** What an alert is about and which rule says so. */
export function AlertTitle({ labels, rule }: { labels: Labels; rule: string }) {
  const subject = subjectOf(labels)
  return subject ? (
    <>
      <strong>
        <Foreign text={middle(subject, 60)} />
      </strong>
      <span className="quiet"> · </span>
      <Foreign text={rule} />
    </>
  ) : (
    <strong>
      <Foreign text={rule} />
    </strong>
  )
}

/** "Open letters, over 100": what is measured and from where on it matters. */
export function bound(a: Pick<AlertRule, 'signal' | 'unit' | 'below' | 'threshold'>): string {
  if (a.unit === 'flag') return code('signal', a.signal)
  return t(a.below ? 'alert.under' : 'alert.over', {
    signal: code('signal', a.signal),
    threshold: amount(a.unit, a.threshold),
  })
}

/** A rule as a sentence. */
export function ruleSentence(r: AlertRule): string {
  const parts = {
    by: r.by.length > 0 ? t('alert.rule.by', { labels: r.by.map(labelName).join(t('alert.and')) }) : '',
    where: whereWords(r.where),
    for: r.for !== '0s' ? t('alert.rule.for', { for: apiDuration(r.for) }) : '',
    signal: code('signal', r.signal),
    threshold: amount(r.unit, r.threshold),
  }
  return t(r.unit === 'flag' ? 'alert.rule.flag' : r.below ? 'alert.rule.below' : 'alert.rule.above', parts)
}

function whereWords(where: Matchers): string {
  const all = Object.entries(where).map(([label, values]) =>
    t('alert.rule.where.one', {
      label: labelName(label),
      values: values.map(v => plain(v, 60)).join(t('alert.or')),
    }),
  )
  return all.length > 0 ? t('alert.rule.where', { all: all.join(t('alert.and')) }) : ''
}

/** Labels with their values, as chips. */
export function LabelChips({ labels, but = [] }: { labels: Labels; but?: readonly string[] }) {
  const shown = Object.entries(labels).filter(([l, v]) => v !== '' && !but.includes(l))
  return (
    <>
      {shown.map(([l, v]) => (
        <span key={l} className="chip grey label-chip">
          {labelName(l)}
          {t('colon')}
          {l === 'reason' ? <Reason reason={v} /> : <Foreign text={middle(v, 48)} />}
        </span>
      ))}
    </>
  )
}

export function MatcherChips({ matchers }: { matchers: Matchers }) {
  return (
    <>
      {Object.entries(matchers).map(([l, values]) => (
        <span key={l} className="chip grey label-chip">
          {labelName(l)}
          {t('colon')}
          {values.map((v, i) => (
            <span key={v}>
              {i > 0 && t('alert.or')}
              <Foreign text={middle(l === 'severity' ? code('alert.severity', v) : v, 48)} />
            </span>
          ))}
        </span>
      ))}
    </>
  )
}

const severityTone: Record<AlertSeverity, string> = { critical: 'red', warning: 'amber', info: 'blue' }

/** How an alert stands: a word, and a sign beside it. */
export function StateChip({ alert, silenced }: { alert: Alert; silenced?: boolean }) {
  if (alert.state === 'resolved')
    return (
      <span className="chip green">
        <Icon name="check" size={12} /> {t('alert.state.resolved')}
      </span>
    )
  if (alert.state === 'pending')
    return (
      <span className="chip grey">
        <Icon name="clock" size={12} /> {t('alert.state.pending')}
      </span>
    )
  const tone = silenced ? 'grey' : severityTone[alert.severity]
  return (
    <span className={`chip ${tone}`}>
      <Icon name={alert.severity === 'info' ? 'info' : 'alert'} size={12} /> {code('alert.severity', alert.severity)}
    </span>
  )
}

const deliveryTone: Record<DeliveryState, string> = {
  pending: 'blue',
  sent: 'green',
  failed: 'red',
  merged: 'grey',
  dropped: 'amber',
  cancelled: 'grey',
}

export function DeliveryChip({ d }: { d: Pick<Delivery, 'state' | 'failures' | 'status'> }) {
  const retried = d.state === 'pending' && d.failures > 0
  return (
    <span className={`chip ${retried ? 'amber' : deliveryTone[d.state]}`}>
      {retried ? t('delivery.retried') : code('delivery.state', d.state)}
    </span>
  )
}

export function receiverType(type: string, format = ''): string {
  return codeWords('receiver.type', format ? `${type}.${format}` : type) ?? plain(type, 40)
}

/** What a delivery says, in one line. */
export function deliveryTitle(d: Delivery): string {
  if (d.kind === 'test') return t('delivery.test')
  const n = d.notification
  const firing = n.alerts.filter(a => a.state === 'firing').length
  const over = n.alerts.length - firing
  const parts: string[] = []
  if (firing > 0) parts.push(t('delivery.firing', { n: firing }))
  if (over > 0) parts.push(t('delivery.resolved', { n: over }))
  if (n.more) parts.push(t('more.n', { n: n.more }))
  return parts.join(t('alert.and'))
}

/** Why a delivery was written and what its alerts are about, a few of them. */
export function deliveryAbout(d: Delivery): string {
  if (d.kind === 'test') return ''
  const reason = d.notification.reason
  const about = subjects(d)
  // That something is over stands in the title already.
  return reason === 'resolved' ? about : [code('notify', reason), about].filter(Boolean).join(' · ')
}

function subjects(d: Delivery): string {
  const names = [...new Set(d.notification.alerts.map(a => subjectOf(a.labels) || a.rule))]
  const shown = names.slice(0, 3).map(n => plain(middle(n, 40)))
  if (names.length > 3) shown.push(t('more.n', { n: names.length - 3 }))
  return shown.join(t('list.comma'))
}

/** A value against its threshold. */
export function Gauge({ v, r }: { v: AlertValue; r: Pick<AlertRule, 'threshold' | 'below' | 'unit'> }) {
  if (r.unit === 'flag') return null
  const { bar, bound } = toScale(v.value, r.threshold)
  return (
    <svg className={`gauge ${v.state || 'calm'}`} viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true">
      <rect className="track" x="0" y="2" width="100" height="4" />
      <rect className="bar" x="0" y="2" width={bar} height="4" />
      <rect className="bound" x={Math.min(99, bound)} y="0" width="1" height="8" />
    </svg>
  )
}

/** Time of day with its seconds; of another day the day and the minute. */
export function When({ at }: { at: string }) {
  const today = new Date(at).toDateString() === new Date(useNow(60_000)).toDateString()
  return <Time at={at} form={today ? 'clock' : 'moment'} />
}

/** A link to a rule's place in rules.yaml. */
export function RuleLink({ rule, children }: { rule: Pick<AlertRule, 'name' | 'line'>; children?: React.ReactNode }) {
  return (
    <Link href={`/rules?line=${rule.line}`} title={t('why.line', { n: rule.line })}>
      {children ?? <Foreign text={rule.name} />}
    </Link>
  )
}

const hints: Record<string, Key> = {
  open_letters: 'alert.show.letters',
  arrivals_per_minute: 'alert.show.letters',
  oldest_open_age: 'alert.show.letters',
  failed_again_ratio: 'alert.show.letters',
  unclassified_ratio: 'alert.show.letters',
  expiry: 'alert.show.groups',
  intake_stalled: 'alert.show.groups',
  broker_unreachable: 'alert.show.system',
  disk: 'alert.show.system',
  rules_refused: 'alert.show.rules',
}

export const placeWords = (signal: string): string => t(hints[signal] ?? 'alert.show.letters')
