import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { enAlerts } from '../i18n/en.alerts'
import { parseFilter } from '../letters/filter'
import {
  alertOf,
  endOf,
  matchersFor,
  matchersOf,
  matches,
  nearest,
  nearness,
  phaseOf,
  placeOf,
  pretty,
  silenceOf,
  subjectOf,
  toldOf,
  toScale,
  webLink,
} from './logic'
import type { Alert, AlertRule, Delivery, Receiver, Silence } from './types'

const noon = Date.parse('2026-11-21T12:00:00Z')
const at = (minutes: number) => new Date(noon + minutes * 60_000).toISOString()

const alert = (more: Partial<Alert> = {}): Alert => ({
  id: '00000000000000a1',
  rule: 'dead letters pile up',
  signal: 'open_letters',
  state: 'firing',
  severity: 'warning',
  labels: { consumer_group: 'pay-service', team: 'money' },
  annotations: {},
  receivers: ['ops', 'oncall'],
  unit: 'count',
  value: 212,
  threshold: 100,
  below: false,
  active_since: at(-10),
  held_at: at(0),
  fired_at: at(-5),
  rule_version: 1,
  ...more,
})
const rule = (more: Partial<AlertRule> = {}): AlertRule => ({
  name: 'dead letters pile up',
  signal: 'open_letters',
  unit: 'count',
  below: false,
  threshold: 100,
  for: '5m',
  keep_firing_for: '0s',
  severity: 'warning',
  by: ['consumer_group'],
  where: {},
  receivers: ['ops'],
  off: false,
  line: 3,
  values: [],
  ...more,
})
const silence = (matchers: Silence['matchers'], from = -60, to = 60): Silence => ({
  id: `sil_${from}_${to}`,
  matchers,
  starts_at: at(from),
  ends_at: at(to),
  author: 'anna',
  note: 'x',
  created_at: at(from),
})

describe('matchers', () => {
  it('join labels by and, values by or; rule and severity are labels too', () => {
    const a = alert()
    expect(matches({ consumer_group: ['stock', 'pay-service'] }, a)).toBe(true)
    expect(matches({ consumer_group: ['pay-service'], rule: ['other'] }, a)).toBe(false)
    expect(matches({ rule: ['dead letters pile up'], severity: ['warning'], team: ['money'] }, a)).toBe(true)
    expect(matches({ consumer_group: ['pay'] }, a)).toBe(false)
    expect(matches({ topic: ['orders'] }, a)).toBe(false)
    expect(matches({}, a)).toBe(false)
  })
  it('are made of rows; rows of one label are any of their values, empty ones nothing', () => {
    const rows = [
      { id: 1, label: 'rule', value: ' a ' },
      { id: 2, label: 'rule', value: 'b' },
      { id: 3, label: 'rule', value: 'a' },
      { id: 4, label: 'topic', value: '' },
      { id: 5, label: ' ', value: 'x' },
    ]
    expect(matchersOf(rows)).toEqual({ rule: ['a', 'b'] })
    expect(matchersOf([])).toEqual({})
  })
  it('for an alert name its rule and what tells its instances apart', () => {
    expect(matchersFor(alert(), [rule()])).toEqual({ rule: ['dead letters pile up'], consumer_group: ['pay-service'] })
    expect(matchersFor(alert(), [])).toEqual({ rule: ['dead letters pile up'], consumer_group: ['pay-service'] })
    expect(matchersFor(alert({ labels: { team: 'money' } }), [rule({ by: [] })])).toEqual({
      rule: ['dead letters pile up'],
    })
  })
})

describe('a silence', () => {
  it('holds back from its start to just before its end', () => {
    const s = silence({ severity: ['warning'] })
    expect(phaseOf(s, noon)).toBe('now')
    expect(phaseOf(s, noon + 3_600_000)).toBe('over')
    expect(phaseOf(s, noon - 3_600_000)).toBe('now')
    expect(phaseOf(s, noon - 3_600_001)).toBe('later')
  })
  it('is the one that ends last', () => {
    const long = silence({ severity: ['warning'] }, -60, 90)
    const all = [silence({ severity: ['warning'] }), long, silence({ severity: ['info'] }, -60, 900)]
    expect(silenceOf(alert(), all, noon)).toBe(long)
    expect(silenceOf(alert({ severity: 'critical' }), all, noon)).toBeUndefined()
  })
  it('lasts for a time, until nine the next morning, or until an own time', () => {
    const now = new Date(2026, 10, 21, 23, 30)
    expect(endOf('30m', '', now)).toEqual(new Date(2026, 10, 22, 0, 0))
    expect(endOf('4h', '', now)).toEqual(new Date(2026, 10, 22, 3, 30))
    expect(endOf('tomorrow', '', now)).toEqual(new Date(2026, 10, 22, 9, 0))
    expect(endOf('own', '2026-12-01T08:15', now)).toEqual(new Date(2026, 11, 1, 8, 15))
    expect(endOf('own', '', now)).toBeUndefined()
    expect(endOf('own', 'soon', now)).toBeUndefined()
  })
})

describe('who was told', () => {
  const told = (id = alert().id) => ({ receiver: 'ops', told: { [id]: 'firing' as const } })
  const ops: Receiver = {
    name: 'ops',
    type: 'webhook',
    format: '',
    locale: 'en',
    host: '',
    per_minute: 0,
    signed: false,
  }
  const delivery = (state: Delivery['state'], more: Partial<Delivery> = {}): Delivery => ({
    id: 'dlv_1',
    kind: 'alert',
    receiver: 'ops',
    type: 'webhook',
    state,
    notification: { reason: 'first', at: at(-4), alerts: [alert()] },
    attempts: 1,
    failures: 0,
    created_at: at(-4),
    changed_at: at(-3),
    ...more,
  })
  const how = (a: Alert, ...rest: Parameters<typeof toldOf> extends [Alert, ...infer R] ? R : never) =>
    toldOf(a, ...rest).map(x => x.how)
  const one = (more: Partial<Alert> = {}) => alert({ receivers: ['ops'], ...more })

  it('is what became of the newest delivery of this firing', () => {
    expect(toldOf(one(), [told()], [ops], [delivery('sent')], undefined)).toMatchObject([{ how: 'told', at: at(-3) }])
    expect(how(one(), [told()], [ops], [delivery('failed')], undefined)).toEqual(['failed'])
    const pending = delivery('pending', { next_at: at(1) })
    expect(toldOf(one(), [told()], [ops], [pending, delivery('failed')], undefined)).toMatchObject([
      { how: 'telling', at: at(1) },
    ])
    expect(how(one(), [told()], [ops], [pending, delivery('failed'), delivery('sent')], undefined)).toEqual(['told'])
    expect(how(one(), [told()], [ops], [delivery('merged'), delivery('sent')], undefined)).toEqual(['told'])
  })
  it('does not count what was said of an earlier firing, to others, or as a test', () => {
    const others = [
      delivery('sent', { created_at: at(-6) }),
      delivery('sent', { receiver: 'oncall' }),
      delivery('sent', { kind: 'test' }),
    ]
    expect(how(one(), [], [ops], others, undefined)).toEqual(['not'])
  })
  it('says why nobody was told', () => {
    expect(how(one(), [], [ops], [], silence({ team: ['money'] }))).toEqual(['silenced'])
    expect(how(one(), [], [{ ...ops, disabled: 'no address' }], [], undefined)).toEqual(['disabled'])
    expect(how(one(), [], [], [], undefined)).toEqual(['missing'])
    expect(how(one({ state: 'pending' }), [], [ops], [], undefined)).toEqual(['pending'])
    expect(
      toldOf(one(), [{ receiver: 'ops', told: {}, waiting: { [one().id]: at(0) } }], [ops], [], undefined),
    ).toMatchObject([{ how: 'waiting', at: at(0) }])
  })
  it('believes the book where the delivery is not at hand, and is silent about what is over', () => {
    expect(how(one(), [told()], [ops], [], undefined)).toEqual(['told'])
    expect(how(one({ state: 'resolved' }), [], [ops], [], undefined)).toEqual([])
  })
})

describe('values beside thresholds', () => {
  it('is drawn to scale, its value and its threshold alike', () => {
    for (const [v, threshold] of [
      [0, 10],
      [5, 10],
      [10, 10],
      [12, 10],
      [400, 10],
      [3600, 7200],
    ] as const) {
      const { bar, bound } = toScale(v, threshold)
      expect(bar / bound).toBeCloseTo(v / threshold)
      expect(Math.max(bar, bound)).toBeLessThanOrEqual(100)
    }
    expect(toScale(3, 0)).toEqual({ bar: 100, bound: 0 })
    expect(toScale(-1, 10).bar).toBe(0)
  })

  it('are near from either side', () => {
    expect(nearness(50, 100, false)).toBe(0.5)
    expect(nearness(500, 100, false)).toBe(1)
    expect(nearness(-1, 100, false)).toBe(0)
    expect(nearness(1, 0, false)).toBe(1)
    expect(nearness(0, 0, false)).toBe(0)
    expect(nearness(7200, 3600, true)).toBe(0.5)
    expect(nearness(0, 3600, true)).toBe(1)
  })
  it('name the one that is nearest without firing', () => {
    const v = (value: number, state: '' | 'firing' = '') => ({ labels: {}, value, state })
    const off = rule({ name: 'off', off: true, values: [v(99)] })
    const flag = rule({ name: 'flag', unit: 'flag', threshold: 0, values: [v(1)] })
    const count = rule({ values: [v(300, 'firing'), v(57), v(12)] })
    const expiry = rule({ name: 'expiry', below: true, threshold: 3600, values: [v(4000)] })
    expect(nearest([off, flag, count])).toEqual({ rule: count, value: v(57) })
    expect(nearest([off, flag, count, expiry])?.rule).toBe(expiry)
    expect(nearest([off, flag])).toBeUndefined()
  })
  it('lead to their alert', () => {
    const value = { labels: { consumer_group: 'pay-service' }, value: 212, state: 'firing' as const }
    expect(alertOf(rule(), value, [alert({ labels: { consumer_group: 'stock' } }), alert()])?.labels.team).toBe('money')
    expect(alertOf(rule({ name: 'other' }), value, [alert()])).toBeUndefined()
  })
})

describe('where an alert leads', () => {
  const filter = (a: Alert) => parseFilter(placeOf(a).replace(/^[^?]*\??/, ''))
  it('is the list, as the page reads it', () => {
    expect(placeOf(alert({ labels: {} }))).toBe('/letters')
    const a = alert({ labels: { consumer_group: 'a&b', reason: 'x=y' }, where: { topic: ['t1', 't2'], reason: ['z'] } })
    expect(filter(a).any).toEqual({ consumer_group: ['a&b'], reason: ['x=y'], topic: ['t1', 't2'] })
    expect(filter(alert({ signal: 'oldest_open_age', threshold: 86400 })).older).toBe('86400s')
    expect(filter(alert({ signal: 'failed_again_ratio' })).any.flag).toEqual(['failed_again'])
    expect(filter(alert({ signal: 'unclassified_ratio' })).any.reason).toEqual(['unknown'])
  })
  it('is another view where there is no list', () => {
    const places = ['expiry', 'intake_stalled', 'broker_unreachable', 'disk', 'rules_refused']
    expect(places.map(signal => placeOf(alert({ signal })))).toEqual([
      '/consumer-groups',
      '/consumer-groups',
      '/system',
      '/system',
      '/rules',
    ])
  })
  it('is named by its first label', () => {
    expect(subjectOf({ reason: 'r', topic: 't' })).toBe('t')
    expect(subjectOf({ team: 'x' })).toBe('')
  })
})

describe('texts of others', () => {
  it('are broken into lines only when nothing of them changes', () => {
    expect(pretty('{"a":[1,"2"]}')).toBe('{\n  "a": [\n    1,\n    "2"\n  ]\n}')
    for (const same of ['plain', '{"a":', '{"a":12345678901234567890}', '', '"x"']) expect(pretty(same)).toBe(same)
    expect(pretty('{"id":"12345678901234567890"}')).toContain('\n')
  })
  it('become links only when they are for a browser', () => {
    expect(webLink('https://wiki.example/x')).toBe('https://wiki.example/x')
    for (const bad of ['javascript:alert(1)', 'data:text/html,x', '//x', 'https://a b', '', undefined])
      expect(webLink(bad)).toBeUndefined()
  })
})

describe('words', () => {
  const repo = join(import.meta.dirname, '../../../..')
  const read = (path: string) => readFileSync(join(repo, path), 'utf8')
  const sources = (folder: string) =>
    readdirSync(join(repo, folder))
      .filter(f => f.endsWith('.go') && !f.endsWith('_test.go'))
      .map(f => read(folder + f))
      .join('\n')
  const found = (text: string, form: RegExp) => [...text.matchAll(form)].map(m => m[1] ?? '')
  it.each([
    ['signals', 'alerts/', /^\tsignal\w+\s+= "(\w+)"/gm, 'signal', 10],
    ['labels', 'alerts/', /^\tlabel\w+\s+= "(\w+)"/gm, 'label', 4],
    ['details of events', 'alerts/', /^\tDetail\w+\s+= "(\w+)"/gm, 'alert.detail', 8],
    ['details of events', 'store/', /Detail: "(\w+)"/g, 'alert.detail', 1],
    ['types of receivers', 'alerts/notify/', /^\tType\w+\s+= "(\w+)"/gm, 'receiver.type', 6],
    ['languages', 'alerts/notify/', /^\tLocale\w+\s+= "(\w+)"/gm, 'receiver.locale', 3],
  ])('exist for all %s of %s', (_, folder, form, family, least) => {
    const codes = [...new Set(found(sources(folder), form))]
    expect(codes.length).toBeGreaterThanOrEqual(least)
    for (const c of codes) expect(enAlerts, `${family}.${c}`).toHaveProperty([`${family}.${c}`])
  })
  const api = read('docs/openapi.yaml')
  it.each([
    ['AlertState', 'alert.state'],
    ['AlertSeverity', 'alert.severity'],
    ['AlertEventKind', 'alert.event'],
    ['DeliveryState', 'delivery.state'],
    ['NotificationReason', 'notify'],
  ])('exist for %s', (schema, family) => {
    const list = /^ {6}enum: \[(.*)\]$/m.exec(api.slice(api.indexOf(`\n    ${schema}:\n`)))?.[1]?.split(', ') ?? []
    expect(list.length).toBeGreaterThan(2)
    for (const c of list) expect(enAlerts).toHaveProperty([`${family}.${c}`])
  })
})
