import type { ItemState, Kind, Operation, Preview, Spec, TransformStep } from './types'

/** Up to so many letters an operation begins after ten seconds in which it can be undone, without a canary. */
export const few = 20
export const undoTime = '10s'

/** How an operation of so many letters acts when nobody says otherwise. */
export function proposed(kind: Kind, letters: number): Spec {
  const small = letters <= few
  const careful = kind === 'replay' && !small
  return {
    ...(kind === 'replay' && { replay: { target: {} } }),
    ...(kind === 'route' && { route: '' }),
    pace: { rate: careful ? 50 : 0, ramp_up: careful ? '30s' : '0s', concurrency: 0 },
    canary: careful ? { letters: 1, percent: 1 } : { letters: 0, percent: 0 },
    brake: careful ? { of: 20, above: 50 } : { of: 0, above: 0 },
    ...(small && { hold: undoTime }),
  }
}

/** How many letters a canary takes of so many. */
export const canaryOf = (c: Spec['canary'], letters: number): number =>
  Math.min(letters, Math.max(c.letters, Math.ceil((c.percent * letters) / 100)))

/** The rates that slower and faster step through, in letters per second and consumer group; 0 is no limit. */
const ladder = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000]

/** The next lower rate. Without a limit it is the next one below what is being reached. */
export function slower(rate: number, reached: number): number | undefined {
  const from = rate > 0 ? rate : reached > 0 ? reached : Number.POSITIVE_INFINITY
  return ladder.findLast(r => r < from)
}

/** The next higher rate; above the highest there is no limit. */
export function faster(rate: number): number | undefined {
  if (rate <= 0) return undefined
  return ladder.find(r => r > rate) ?? 0
}

/** The parts of an operation's bar, from what is settled well to what has not begun. */
export const barOrder: readonly ItemState[] = [
  'confirmed',
  'done',
  'assumed',
  'waiting',
  'sending',
  'failed_again',
  'send_failed',
  'unknown',
  'skipped',
  'pending',
]

/** The states that a kind of operation can bring a letter into, those without letters left out where they are rare. */
export function shownStates(o: Pick<Operation, 'kind' | 'counts'>): ItemState[] {
  const always: readonly ItemState[] =
    o.kind === 'replay' ? ['confirmed', 'waiting', 'failed_again', 'pending'] : ['done', 'pending']
  return barOrder.filter(s => (o.counts[s] ?? 0) > 0 || always.includes(s))
}

/** How much of a bar each state takes, in percent. Whatever there is at all can be seen. */
export function shares(counts: Operation['counts'], least = 0.5): [ItemState, number][] {
  const total = barOrder.reduce((n, s) => n + (counts[s] ?? 0), 0)
  if (total === 0) return []
  const parts = barOrder
    .filter(s => (counts[s] ?? 0) > 0)
    .map(s => [s, Math.max(least, (100 * (counts[s] ?? 0)) / total)] as [ItemState, number])
  const sum = parts.reduce((n, [, w]) => n + w, 0)
  return parts.map(([s, w]) => [s, (100 * w) / sum])
}

/** Letters that the operation is through with, for better or worse: neither to come nor on their way. */
export const through = (o: Pick<Operation, 'letters' | 'counts'>): number =>
  o.letters - (o.counts.pending ?? 0) - (o.counts.sending ?? 0)

/** Letters of a replay that reached the broker, whatever became of them there. */
export const sentOf = (o: Pick<Operation, 'counts'>): number =>
  (['waiting', 'confirmed', 'assumed', 'failed_again', 'unknown'] as const).reduce((n, s) => n + (o.counts[s] ?? 0), 0)

/** Letters that did not go well so far. */
export const badOf = (o: Pick<Operation, 'counts'>): number =>
  (['failed_again', 'send_failed', 'unknown'] as const).reduce((n, s) => n + (o.counts[s] ?? 0), 0)

/** Whether anything below the risks warns: of a way, of its receivers, or of a cause that is still there. */
export const warns = (p: Pick<Preview, 'broker_error' | 'doors' | 'consumers' | 'causes'>): boolean =>
  !!p.broker_error ||
  (p.doors ?? []).some(d => !d.door || (d.warnings ?? []).length > 0) ||
  (p.consumers ?? []).some(g => !!g.error || !g.group.online) ||
  (p.causes ?? []).some(c => c.same_last_5m > 0)

/** What is missing in a step of a transform: the field that must be filled in or is wrong. */
export function stepGap(s: TransformStep): 'path' | 'to' | 'value' | 'name' | undefined {
  const pointer = (p: string | undefined) => !!p && p.startsWith('/') && p.length > 1
  switch (s.do) {
    case 'set':
      return !pointer(s.path) ? 'path' : isJSON(s.value) ? undefined : 'value'
    case 'remove':
      return pointer(s.path) ? undefined : 'path'
    case 'rename':
      return !pointer(s.path) ? 'path' : pointer(s.to) ? undefined : 'to'
    case 'set_property':
      return !s.name?.trim() ? 'name' : s.value === undefined ? 'value' : undefined
    case 'remove_property':
      return s.name?.trim() ? undefined : 'name'
  }
}

function isJSON(text: string | undefined): boolean {
  try {
    JSON.parse(text ?? '')
    return true
  } catch {
    return false
  }
}

/** Whether a spec can be asked for; else which part of it is not filled in. */
export function specGap(s: Spec): 'transform' | 'name' | 'deliver_at' | 'window' | undefined {
  const r = s.replay
  if (r?.transform?.some(step => stepGap(step))) return 'transform'
  if ((r?.target.kind === 'other_topic' || r?.target.kind === 'other_group') && !r.target.name?.trim()) return 'name'
  if (r?.deliver_at !== undefined && Number.isNaN(Date.parse(r.deliver_at))) return 'deliver_at'
  if (s.window && (!clock.test(s.window.from) || !clock.test(s.window.to) || s.window.from === s.window.to))
    return 'window'
  return undefined
}
const clock = /^([01]\d|2[0-3]):[0-5]\d$/
