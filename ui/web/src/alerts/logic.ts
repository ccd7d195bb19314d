import { parseDuration } from '../i18n/format'
import type { Alert, AlertGroup, AlertRule, AlertValue, Delivery, Labels, Matchers, Receiver, Silence } from './types'

/** The labels that every alert has beside its own. */
const own = (a: Alert, label: string): string =>
  label === 'rule' ? a.rule : label === 'severity' ? a.severity : (a.labels[label] ?? '')

/** Whether matchers choose an alert; the twin of Silence.Matches in Go. */
export function matches(m: Matchers, a: Alert): boolean {
  const all = Object.entries(m)
  return all.length > 0 && all.every(([label, values]) => values.includes(own(a, label)))
}

export type SilencePhase = 'now' | 'later' | 'over'

export function phaseOf(s: Silence, now: number): SilencePhase {
  if (Date.parse(s.ends_at) <= now) return 'over'
  return Date.parse(s.starts_at) > now ? 'later' : 'now'
}

/** The silence that holds an alert back now: of several, the one that ends last. */
export function silenceOf(a: Alert, silences: readonly Silence[], now: number): Silence | undefined {
  return silences
    .filter(s => phaseOf(s, now) === 'now' && matches(s.matchers, a))
    .sort((x, y) => Date.parse(y.ends_at) - Date.parse(x.ends_at))[0]
}

/** One line of the form in which matchers are written. */
export interface MatcherRow {
  id: number
  label: string
  value: string
}

/** Rows of the same label are any of their values. Rows that are not filled in count for nothing. */
export function matchersOf(rows: readonly MatcherRow[]): Matchers {
  const out: Matchers = {}
  for (const { label, value } of rows) {
    const l = label.trim()
    const v = value.trim()
    if (!l || !v) continue
    const have = out[l] ?? []
    if (!have.includes(v)) out[l] = [...have, v]
  }
  return out
}

/** What chooses just this alert: its rule and the labels that tell the rule's instances apart. */
export function matchersFor(a: Alert, rules: readonly AlertRule[]): Matchers {
  const by = rules.find(r => r.name === a.rule)?.by ?? watched
  const out: Matchers = { rule: [a.rule] }
  for (const label of by) if (a.labels[label]) out[label] = [a.labels[label]]
  return out
}

const watched = ['cluster', 'consumer_group', 'topic', 'reason']

export const lengths = ['30m', '1h', '4h', 'tomorrow', 'own'] as const
export type Length = (typeof lengths)[number]

/** When a silence of a length ends, in the viewer's zone; undefined while an own time is not written. */
export function endOf(length: Length, text: string, now: Date): Date | undefined {
  if (length === 'own') {
    const at = new Date(text)
    return text === '' || Number.isNaN(at.getTime()) ? undefined : at
  }
  if (length !== 'tomorrow') return new Date(now.getTime() + parseDuration(length))
  const at = new Date(now)
  at.setDate(at.getDate() + 1)
  at.setHours(9, 0, 0, 0)
  return at
}

/** What an alert is about: the first label that names a thing, in the order of the messages. */
export function subjectOf(labels: Labels): string {
  for (const label of ['consumer_group', 'topic', 'cluster', 'reason']) {
    const v = labels[label]
    if (v) return v
  }
  return ''
}

/** Where an alert is looked at; the twin of notify.Link in Go. */
export function placeOf(a: Pick<Alert, 'signal' | 'labels' | 'threshold' | 'where'>): string {
  switch (a.signal) {
    case 'expiry':
    case 'intake_stalled':
      return '/consumer-groups'
    case 'broker_unreachable':
    case 'disk':
      return '/system'
    case 'rules_refused':
      return '/rules'
  }
  const p = new URLSearchParams()
  for (const label of ['consumer_group', 'topic', 'reason']) {
    const own = a.labels[label]
    for (const v of own ? [own] : (a.where?.[label] ?? [])) p.append(label, v)
  }
  if (a.signal === 'failed_again_ratio') p.set('flag', 'failed_again')
  if (a.signal === 'unclassified_ratio') p.append('reason', 'unknown')
  if (a.signal === 'oldest_open_age' && a.threshold >= 1) p.set('older', `${Math.floor(a.threshold)}s`)
  return p.size > 0 ? `/letters?${p}` : '/letters'
}

/** How a receiver stands with an alert, and since when where that is known. */
export interface Told {
  receiver: string
  how: 'silenced' | 'missing' | 'disabled' | 'pending' | 'waiting' | 'told' | 'telling' | 'failed' | 'not'
  at?: string | undefined
  delivery?: Delivery | undefined
}

/** Who was told of an alert, by receiver. deliveries are the newest ones, newest first. */
export function toldOf(
  a: Alert,
  groups: readonly AlertGroup[],
  receivers: readonly Receiver[] | undefined,
  deliveries: readonly Delivery[],
  silence: Silence | undefined,
): Told[] {
  const since = Date.parse(a.fired_at ?? a.active_since)
  return a.receivers.flatMap(receiver => {
    const group = groups.find(g => g.receiver === receiver)
    const all = deliveries.filter(
      d =>
        d.kind === 'alert' &&
        d.receiver === receiver &&
        d.state !== 'merged' &&
        Date.parse(d.created_at) >= since &&
        d.notification.alerts.some(x => x.id === a.id),
    )
    // Whom one message reached knows of it, whatever became of later ones.
    const delivery = all.find(d => d.state === 'sent') ?? all[0]
    const known = receivers?.find(r => r.name === receiver)
    const to = (how: Told['how'], at?: string): Told[] => [{ receiver, how, at, delivery }]
    if (delivery) {
      const waits = group?.waiting?.[a.id]
      if (waits && a.state === 'firing' && !group.told[a.id]) return to('waiting', waits)
      if (delivery.state === 'sent') return to('told', delivery.changed_at)
      if (delivery.state === 'pending') return to('telling', delivery.next_at)
      return to('failed', delivery.changed_at)
    }
    // What became of one that is over is in its own deliveries.
    if (a.state === 'resolved') return []
    if (group?.told[a.id]) return to('told')
    if (a.state === 'pending') return to('pending')
    if (receivers && !known) return to('missing')
    if (known?.disabled) return to('disabled')
    if (silence) return to('silenced', silence.ends_at)
    const waits = group?.waiting?.[a.id]
    return waits ? to('waiting', waits) : to('not')
  })
}

/** Where a value and its threshold stand on one scale that begins at 0, in percent; the larger of them has room. */
export function toScale(v: number, threshold: number): { bar: number; bound: number } {
  const most = Math.max(threshold / 0.72, v, 1e-9)
  return { bar: (100 * Math.max(0, v)) / most, bound: (100 * Math.max(0, threshold)) / most }
}

/** How near a value is to firing, from 0 (far) to 1 (there). */
export function nearness(v: number, threshold: number, below: boolean): number {
  if (below) return v <= 0 ? 1 : Math.min(1, threshold / v)
  return threshold <= 0 ? (v > 0 ? 1 : 0) : Math.max(0, Math.min(1, v / threshold))
}

/** The value of all rules that is nearest to firing without doing so, for a page on which nothing fires. */
export function nearest(rules: readonly AlertRule[]): { rule: AlertRule; value: AlertValue } | undefined {
  let best: { rule: AlertRule; value: AlertValue } | undefined
  let near = 0
  for (const rule of rules) {
    if (rule.off || rule.unit === 'flag') continue
    for (const value of rule.values) {
      const n = nearness(value.value, rule.threshold, rule.below)
      if (value.state === '' && n > near) {
        best = { rule, value }
        near = n
      }
    }
  }
  return best
}

/** The alert that a value of a rule belongs to. */
export function alertOf(rule: AlertRule, v: AlertValue, alerts: readonly Alert[]): Alert | undefined {
  return alerts.find(a => a.rule === rule.name && rule.by.every(l => (a.labels[l] ?? '') === (v.labels[l] ?? '')))
}

/** A text of JSON with line breaks, for reading; one that is none, or holds numbers that JSON.parse would change, as it is. */
export function pretty(text: string): string {
  if (!/^\s*[[{]/.test(text) || /\d{16}/.test(text.replace(/"(?:[^"\\]|\\.)*"/g, ''))) return text
  try {
    return JSON.stringify(JSON.parse(text), null, 2)
  } catch {
    return text
  }
}

/** A link from rules.yaml, if it is one for a browser. */
export const webLink = (text: string | undefined): string | undefined =>
  text && /^https?:\/\/[^\s]+$/.test(text) ? text : undefined
