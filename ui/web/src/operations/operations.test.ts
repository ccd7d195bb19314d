import { describe, expect, it } from 'vitest'
import { english } from '../i18n/all'
import { applyCatalog, type Catalog } from '../i18n/i18n'
import { every } from './api'
import { bars } from './bars'
import { listQuery } from './OperationsView'
import {
  badOf,
  canaryOf,
  faster,
  proposed,
  sentOf,
  shares,
  shownStates,
  slower,
  specGap,
  stepGap,
  through,
  warns,
} from './spec'
import type { History, Operation, Spec } from './types'
import { progressWords } from './words'

applyCatalog('en', english as Catalog)

describe('what is proposed', () => {
  it('for a few letters is ten seconds of undo and no more', () => {
    expect(proposed('replay', 20)).toEqual({
      replay: { target: {} },
      pace: { rate: 0, ramp_up: '0s', concurrency: 0 },
      canary: { letters: 0, percent: 0 },
      brake: { of: 0, above: 0 },
      hold: '10s',
    })
  })
  it('for many letters is a canary, a brake and a pace', () => {
    const s = proposed('replay', 21)
    expect(s).toMatchObject({ canary: { letters: 1, percent: 1 }, brake: { of: 20, above: 50 } })
    expect(s.pace.rate).toBeGreaterThan(0)
    expect(s.hold).toBeUndefined()
  })
  it('for acts that send nothing needs neither', () => {
    expect(proposed('discard', 5000)).toMatchObject({ canary: { letters: 0, percent: 0 }, brake: { of: 0 } })
    expect(proposed('discard', 5000).replay).toBeUndefined()
    expect(proposed('route', 3).route).toBe('')
  })
})

describe('a canary', () => {
  it.each([
    [{ letters: 1, percent: 1 }, 1274, 13],
    [{ letters: 5, percent: 1 }, 100, 5],
    [{ letters: 5, percent: 0 }, 3, 3],
    [{ letters: 0, percent: 0 }, 1000, 0],
    [{ letters: 0, percent: 0.1 }, 10, 1],
  ])('of %o takes of %d letters %d', (c, letters, n) => {
    expect(canaryOf(c, letters)).toBe(n)
  })
})

describe('slower and faster', () => {
  it('step through rates that are easy to say', () => {
    expect([slower(50, 0), slower(42, 0), faster(50), faster(42)]).toEqual([20, 20, 100, 50])
  })
  it('end at one a second and at no limit', () => {
    expect(slower(1, 0)).toBeUndefined()
    expect(faster(5000)).toBe(0)
    expect(faster(0)).toBeUndefined()
  })
  it('go from what is reached when there is no limit', () => {
    expect(slower(0, 730)).toBe(500)
    expect(slower(0, 0)).toBe(5000)
  })
})

describe('the bar', () => {
  it('shows one failure among a hundred thousand, and is whole', () => {
    const parts = shares({ confirmed: 99_999, failed_again: 1 })
    expect(parts.map(([s]) => s)).toEqual(['confirmed', 'failed_again'])
    expect(parts[1]?.[1]).toBeGreaterThan(0.4)
    expect(parts.reduce((n, [, w]) => n + w, 0)).toBeCloseTo(100)
  })
  it('of nothing is empty', () => {
    expect(shares({ confirmed: 0 })).toEqual([])
  })
  it('names what a kind can come to, and what has come', () => {
    expect(shownStates({ kind: 'replay', counts: { skipped: 2 } })).toEqual([
      'confirmed',
      'waiting',
      'failed_again',
      'skipped',
      'pending',
    ])
    expect(shownStates({ kind: 'discard', counts: {} })).toEqual(['done', 'pending'])
  })
  it('counts as through what is neither to come nor on its way', () => {
    expect(through({ letters: 10, counts: { pending: 3, sending: 1, waiting: 2, confirmed: 4 } })).toBe(6)
  })
})

describe('a step of a transform', () => {
  it.each([
    [{ do: 'set', path: '/a/b', value: '12.50' }, undefined],
    [{ do: 'set', path: 'a', value: '1' }, 'path'],
    [{ do: 'set', path: '/a', value: 'paid' }, 'value'],
    [{ do: 'set', path: '/a', value: '' }, 'value'],
    [{ do: 'remove', path: '/' }, 'path'],
    [{ do: 'rename', path: '/a', to: '' }, 'to'],
    [{ do: 'rename', path: '/a', to: '/b' }, undefined],
    [{ do: 'set_property', name: 'TAGS', value: '' }, undefined],
    [{ do: 'set_property', name: ' ', value: 'x' }, 'name'],
    [{ do: 'remove_property', name: 'TAGS' }, undefined],
  ] as const)('%o lacks %s', (step, gap) => {
    expect(stepGap(step)).toBe(gap)
  })
})

describe('a spec', () => {
  const spec = (more: Partial<Spec>): Spec => ({ ...proposed('replay', 100), ...more })
  it('is whole as it is proposed', () => {
    expect(specGap(proposed('replay', 5))).toBeUndefined()
    expect(specGap(proposed('discard', 500))).toBeUndefined()
  })
  it('is not asked for with an exact time that is still to be filled in: it would be sent at once', () => {
    expect(specGap(spec({ replay: { target: {}, deliver_at: '' } }))).toBe('deliver_at')
  })
  it('needs a name for another topic or group', () => {
    expect(specGap(spec({ replay: { target: { kind: 'other_topic' } } }))).toBe('name')
    expect(specGap(spec({ replay: { target: { kind: 'other_group', name: 'billing' } } }))).toBeUndefined()
  })
  it('needs a window with two different ends', () => {
    expect(specGap(spec({ window: { from: '02:00', to: '02:00' } }))).toBe('window')
    expect(specGap(spec({ window: { from: '22:00', to: '' } }))).toBe('window')
    expect(specGap(spec({ window: { from: '22:00', to: '05:00' } }))).toBeUndefined()
  })
  it('needs every step filled in', () => {
    expect(specGap(spec({ replay: { target: {}, transform: [{ do: 'remove', path: '' }] } }))).toBe('transform')
  })
})

describe('the history', () => {
  const at = (s: number) => new Date(Date.UTC(2026, 10, 21, 12, 0, s)).toISOString()
  const replay = { kind: 'replay', spec: proposed('replay', 100) } as const
  it('fills the slots in which nothing happened', () => {
    const h: History = {
      slot: '5s',
      points: [
        { at: at(15), counts: { confirmed: 9, failed_again: 1 } },
        { at: at(0), counts: { sending: 10, waiting: 10 } },
      ],
    }
    const { list, max, states, slot } = bars(h, replay)
    expect(slot).toBe(5)
    expect(list.map(b => b.sent)).toEqual([2, 0, 0, 0])
    expect(list[3]?.parts).toEqual([
      { state: 'confirmed', n: 9 },
      { state: 'failed_again', n: 1 },
    ])
    expect(states).toEqual(['confirmed', 'failed_again'])
    expect(max).toBe(2)
  })
  it('joins slots over a long quiet time, and loses no letter', () => {
    const h: History = {
      slot: '5s',
      points: [
        { at: at(0), counts: { waiting: 10 } },
        { at: at(5 * 1000), counts: { confirmed: 10 } },
      ],
    }
    const { list, slot } = bars(h, replay)
    expect(list.length).toBeLessThanOrEqual(240)
    expect(list.reduce((n, b) => n + b.sent * slot, 0)).toBeCloseTo(10)
    expect(list.flatMap(b => b.parts).reduce((n, p) => n + p.n, 0)).toBe(10)
  })
  it('counts what is done where nothing is sent, and what nobody follows as sent', () => {
    const h: History = { slot: '5s', points: [{ at: at(0), counts: { done: 5, unknown: 10 } }] }
    expect(bars(h, { kind: 'discard', spec: proposed('discard', 9) }).list[0]?.sent).toBe(1)
    const elsewhere = { ...replay.spec, replay: { target: { kind: 'other_topic' as const, name: 'x' } } }
    expect(bars(h, { kind: 'replay', spec: elsewhere }).list[0]?.sent).toBe(2)
  })
  it('of nothing is empty', () => {
    expect(bars({ slot: '5s', points: null }, replay).list).toEqual([])
  })
})

describe('the filter of the list', () => {
  it('knows a name for all that act, and leaves out what it does not understand', () => {
    expect(listQuery('state=active&kind=replay&kind=nonsense&actor=anna&x=1')).toBe(
      'state=queued&state=canary&state=running&state=paused&kind=replay&actor=anna',
    )
    expect(listQuery('state=settled&state=bogus')).toBe('state=settled')
    expect(listQuery('')).toBe('')
  })
})

describe('looking again', () => {
  it('is each second while something acts, and not at all when all is settled', () => {
    expect(every({ state: 'running' })).toBe(1000)
    expect(every({ state: 'settling' })).toBeGreaterThan(1000)
    expect(every({ state: 'settled' })).toBe(0)
    expect(every(undefined)).toBe(0)
  })
})

describe('what is said of an operation', () => {
  it('never counts what failed as well as what went well', () => {
    const counts = { pending: 25, failed_again: 3, send_failed: 1, confirmed: 1 }
    expect(sentOf({ counts })).toBe(4)
    expect(badOf({ counts })).toBe(4)
    const o = { kind: 'replay', letters: 30, counts } as unknown as Operation
    expect(progressWords(o)).toBe('4 of 30 sent, 4 failed or unknown')
    expect(progressWords({ ...o, counts: { pending: 29, confirmed: 1 } })).toBe('1 of 30 sent')
    expect(progressWords({ ...o, kind: 'discard', counts: { pending: 20 } })).toBe('10 of 30 finished')
  })

  it('finds no risk only where nothing on the page warns', () => {
    const calm = { doors: [{ door: 'B', warnings: [] }], consumers: [], causes: [] }
    const found = (over: object) => warns({ ...calm, ...over } as unknown as Parameters<typeof warns>[0])
    expect(found({})).toBe(false)
    expect(found({ broker_error: 'away' })).toBe(true)
    expect(found({ doors: [{ door: 'B', warnings: ['group_offline'] }] })).toBe(true)
    expect(found({ doors: [{ door: '', warnings: [] }] })).toBe(true)
    expect(found({ consumers: [{ group: { online: false } }] })).toBe(true)
    expect(found({ causes: [{ same_last_5m: 2 }] })).toBe(true)
  })
})
