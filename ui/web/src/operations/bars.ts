import { parseDuration } from '../i18n/format'
import { barOrder } from './spec'
import type { History, ItemState, Operation } from './types'

/** One slot of time of an operation's history. */
export interface Bar {
  /** Milliseconds since the epoch: its begin. */
  at: number
  /** Letters per second that were sent, or acted on. */
  sent: number
  /** Outcomes that came in this slot, those settled well first. */
  parts: { state: ItemState; n: number }[]
}

// What a bar is made of. A letter is sent when it begins to wait; what was skipped never was.
const outcomes: readonly ItemState[] = barOrder.filter(
  s => s !== 'pending' && s !== 'sending' && s !== 'waiting' && s !== 'skipped',
)
// More bars than this could not be told apart.
const most = 240

/** The history as bars without gaps: slots in which nothing happened are not in the API's answer. */
export function bars(
  h: History,
  o: Pick<Operation, 'kind' | 'spec'>,
): { list: Bar[]; max: number; states: ItemState[]; slot: number } {
  const slotMs = parseDuration(h.slot) || 5000
  const points = [...(h.points ?? [])].sort((a, b) => Date.parse(a.at) - Date.parse(b.at))
  const first = points[0]
  const last = points[points.length - 1]
  if (!first || !last) return { list: [], max: 1, states: [], slot: slotMs / 1000 }
  const from = Date.parse(first.at)
  const n = Math.round((Date.parse(last.at) - from) / slotMs) + 1
  // A quiet time longer than the chart is drawn in wider slots.
  const join = Math.ceil(n / most)
  const slot = slotMs * join
  const seconds = slot / 1000
  const sums = Array.from({ length: Math.ceil(n / join) }, () => ({}) as Partial<Record<ItemState, number>>)
  for (const p of points) {
    const sum = sums[Math.floor((Date.parse(p.at) - from) / slot)]
    if (sum) for (const [s, m] of Object.entries(p.counts) as [ItemState, number][]) sum[s] = (sum[s] ?? 0) + m
  }
  // Nobody is followed after a send to another topic: it is unknown at once.
  const acted: ItemState =
    o.kind !== 'replay' ? 'done' : o.spec.replay?.target.kind === 'other_topic' ? 'unknown' : 'waiting'
  const list = sums.map((sum, i) => ({
    at: from + i * slot,
    sent: (sum[acted] ?? 0) / seconds,
    parts: outcomes.filter(s => (sum[s] ?? 0) > 0).map(state => ({ state, n: sum[state] ?? 0 })),
  }))
  const states = outcomes.filter(s => list.some(b => b.parts.some(p => p.state === s)))
  const max = Math.max(0.2, ...list.map(b => Math.max(b.sent, b.parts.reduce((m, p) => m + p.n, 0) / seconds)))
  return { list, max, states, slot: seconds }
}
