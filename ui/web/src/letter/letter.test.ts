import { describe, expect, it } from 'vitest'
import type { DoorOption, Replay, ReplayOptions, State } from '../api/types'
import { states, tabOf } from '../api/types'
import { snoozeTimes } from './ActDialog'
import { mayStart } from './acts'
import { split } from './properties'
import { stepsOf } from './ReplayWay'
import { unitOf } from './rawtime'
import { risky } from './replayWords'

const replay = (over: Partial<Replay>): Replay =>
  ({ intended_at: '2026-11-21T10:00:00Z', outcome: 'sending', ...over }) as Replay
const way = (over: Partial<Replay>) =>
  stepsOf(replay(over))
    .map(s => s.state)
    .join(' ')

describe('the way of a replay', () => {
  const sent_at = '2026-11-21T10:00:01Z'
  const seen_at = '2026-11-21T10:00:11Z'
  const settled_at = '2026-11-21T10:00:20Z'
  it.each([
    ['being sent', {}, 'done now todo todo'],
    ['with the broker', { outcome: 'waiting', sent_at }, 'done done now todo'],
    ['with the consumer', { outcome: 'waiting', sent_at, seen_at }, 'done done done now'],
    ['confirmed', { outcome: 'confirmed', sent_at, seen_at, settled_at }, 'done done done done'],
    ['confirmed unseen', { outcome: 'confirmed', sent_at, settled_at }, 'done done done done'],
    ['assumed', { outcome: 'assumed', sent_at, settled_at }, 'done done unknown done'],
    ['failed again', { outcome: 'failed_again', sent_at, settled_at }, 'done done done bad'],
    ['surely not sent', { outcome: 'send_failed', settled_at }, 'done bad todo todo'],
    ['evidence gone', { outcome: 'unknown', sent_at, settled_at }, 'done done unknown unknown'],
    ['nobody knows whether it was sent', { outcome: 'unknown', settled_at }, 'done unknown todo unknown'],
  ] as [string, Partial<Replay>, string][])('%s', (_, over, want) => {
    expect(way(over)).toBe(want)
  })
})

describe('what may be done', () => {
  it.each([
    ['replay', 'open snoozed scheduled'],
    ['discard', 'open snoozed scheduled'],
    ['resolve', 'open snoozed scheduled'],
    ['restore', 'resolved discarded'],
    ['snooze', 'open'],
    ['cancel', 'scheduled compensating'],
    ['route', 'open'],
    ['notes', states.join(' ')],
  ] as const)('%s from %s', (act, from) => {
    expect(states.filter(s => mayStart(act, s)).join(' ')).toBe(from)
  })
  it('stands in one tab each', () => {
    const inFlight: State[] = ['scheduled', 'sending', 'awaiting', 'compensating']
    for (const s of states) expect(tabOf(s) === 'in_flight').toBe(inFlight.includes(s))
  })
})

describe('one click', () => {
  const o = {} as ReplayOptions
  const door = (...warnings: string[]) => ({ warnings }) as DoorOption
  it('is enough where there is no surprise', () => {
    expect(risky(o, door())).toBe(false)
    expect(risky(o, door('group_offline', 'out_of_order'))).toBe(false)
  })
  it('opens the options where there is one', () => {
    for (const w of ['other_groups', 'kind_unknown', 'possible_duplicate', 'confirmed_before'])
      expect(risky(o, door(w))).toBe(true)
    expect(risky({ ...o, confirmed_at: '2026-11-21T10:00:00Z' }, door())).toBe(true)
  })
})

describe('snoozing', () => {
  it('ends this morning where it begins in the night', () => {
    const at = (hour: number, minute: number) => {
      const x = snoozeTimes(new Date(2026, 10, 21, hour, minute))[2]
      return `${x?.key} ${x?.at.getDate()} ${x?.at.getHours()}`
    }
    expect(at(1, 17)).toBe('morning 21 9')
    expect(at(5, 59)).toBe('morning 21 9')
    expect(at(6, 0)).toBe('tomorrow 22 9')
    expect(at(23, 59)).toBe('tomorrow 22 9')
  })

  it('ends in the future, in the morning, on the next Monday', () => {
    for (let day = 1; day <= 7; day++) {
      const now = new Date(2026, 10, day, 10, 30)
      const times = snoozeTimes(now)
      for (const x of times) expect(x.at.getTime()).toBeGreaterThan(now.getTime())
      const monday = times.find(x => x.key === 'monday')?.at
      expect(monday?.getDay()).toBe(1)
      expect(monday?.getHours()).toBe(9)
      expect((monday?.getTime() ?? 0) - now.getTime()).toBeLessThanOrEqual(7 * 86_400_000)
    }
  })
})

describe('a time that is none in milliseconds', () => {
  it('is read as what its producer may have meant, and else as nothing', () => {
    const now = Date.parse('2026-11-21T10:00:00Z')
    expect(unitOf('1763719200000000', now)).toEqual({ unit: 'us', at: '2025-11-21T10:00:00.000Z' })
    expect(unitOf('1763719200000000000', now)?.unit).toBe('ns')
    for (const raw of ['-1', '9223372036854775807', '-9223372036854775808', '1763719200000000000000'])
      expect(unitOf(raw, now)).toBeUndefined()
  })
})

describe('properties', () => {
  it('are the user’s first and the broker’s apart, sorted', () => {
    const { user, broker } = split({ UNIQ_KEY: '1', zeta: '2', KEYS: '3', alpha: '4', DELAY: '5', toString: '6' })
    expect(user.map(([k]) => k)).toEqual(['KEYS', 'alpha', 'toString', 'zeta'])
    expect(broker.map(([k]) => k)).toEqual(['DELAY', 'UNIQ_KEY'])
  })
})
