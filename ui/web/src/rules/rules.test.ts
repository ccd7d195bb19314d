import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { bringTogether, settled } from './merge'
import { offers, type Schema, type Seen } from './schema'
import { lines } from './stream'
import { where } from './where'

const schema = JSON.parse(readFileSync('../../docs/rules.schema.json', 'utf8')) as Schema
const seen: Seen = {
  reasons: ['network_timeout', '库存不足'],
  consumer_groups: ['pay-service'],
  topics: ['orders'],
  clusters: [],
  businesses: ['payment'],
  tags: [],
  properties: ['FAILURE_REASON', '__connect.errors.topic'],
  body_paths: ['order_id'],
  compensations: ['settle'],
  receivers: ['ops'],
}

/** The place of the | in a text. */
const place = (text: string) => where(text.replace('|', ''), text.indexOf('|'))
const labels = (text: string) => offers(schema, seen, place(text)).map(o => o.label)

const head = 'version: 1\nrules:\n  - name: a\n    match: {reason: [x]}\n    route: retry\n'

describe('where', () => {
  it.each([
    ['|', [], 'key'],
    ['version: 1\nru|', [], 'key'],
    ['version: |', ['version'], 'value'],
    [`${head}    |`, ['rules', '[]'], 'key'],
    [`${head}    ret|`, ['rules', '[]'], 'key'],
    [`${head}  - |`, ['rules', '[]'], 'key'],
    [`${head}  - name: b\n    route: |`, ['rules', '[]', 'route'], 'value'],
    [`${head}  - name: b\n    match: {|`, ['rules', '[]', 'match'], 'key'],
    [`${head}  - name: b\n    match: {reason: |`, ['rules', '[]', 'match', 'reason'], 'value'],
    [`${head}  - name: b\n    match: {reason: [a, |`, ['rules', '[]', 'match', 'reason', '[]'], 'value'],
    [`${head}  - name: b\n    match: {reason: [a], |`, ['rules', '[]', 'match'], 'key'],
    [`${head}  - name: b\n    match: {any: [{reason: a}, {to|`, ['rules', '[]', 'match', 'any', '[]'], 'key'],
    [`${head}  - name: b\n    match:\n      consumer_group: |`, ['rules', '[]', 'match', 'consumer_group'], 'value'],
    [`${head}  - name: b\n    match:\n      |`, ['rules', '[]', 'match'], 'key'],
    [`${head}  - name: b\n    match:\n      reason:\n        - |`, ['rules', '[]', 'match', 'reason', '[]'], 'key'],
    [`${head}alerts:\n- name: x\n  |`, ['alerts', '[]'], 'key'],
    [`${head}compensations:\n  settle: {|`, ['compensations', 'settle'], 'key'],
    [`${head}  # - name: c\n  - {name: "a: b", |`, ['rules', '[]'], 'key'],
    [`${head}|`, [], 'key'],
  ] as const)('%j', (text, path, kind) => {
    const found = place(text)
    expect([found.path, found.kind]).toEqual([path, kind])
  })

  it('knows where the word begins', () => {
    const text = `${head}  - name: b\n    match: {reason: [a, netw`
    expect(text.slice(where(text, text.length).from)).toBe('netw')
    const key = `${head}    rou`
    expect(key.slice(where(key, key.length).from)).toBe('rou')
  })

  it('never fails, whatever the text', () => {
    for (const text of [
      '{',
      '[[[',
      '- - - a',
      '\t\t- :',
      '"',
      ': : :',
      'a: "b',
      '---',
      '}}]]',
      '- {a: [',
      '\u0000',
      'a:\r\n  b',
    ])
      for (let i = 0; i <= text.length; i++) expect(where(text, i).from).toBeLessThanOrEqual(text.length)
  })
})

describe('offers', () => {
  it('keys of the schema, those that must be there marked', () => {
    expect(labels('ru|')).toContain('rules')
    const rule = offers(schema, seen, place(`${head}  - |`))
    expect(rule.find(o => o.label === 'route')).toMatchObject({ kind: 'key', needed: true })
    expect(rule.find(o => o.label === 'off')).toBeDefined()
  })
  it('limits of automation', () => {
    expect(labels('automation:\n  |')).toEqual(['max_age', 'rate', 'quarantine_after', 'stale_after'])
    expect(labels('automation:\n  quarantine_after: |')).toEqual(['3'])
    expect(labels('automation:\n  stale_after:\n    - |')).toEqual(['topic', 'after'])
  })
  it('values of the schema', () => {
    expect(labels(`${head}  - name: b\n    route: |`)).toEqual(['retry', 'manual', 'compensate', 'discard'])
    expect(labels(`${head}  - name: b\n    off: |`)).toEqual(['true', 'false'])
  })
  it('values that were really seen', () => {
    expect(labels(`${head}  - name: b\n    match: {reason: [|`)).toContain('库存不足')
    expect(labels(`${head}  - name: b\n    match: {reason: {prefix: |`)).toContain('network_timeout')
    expect(labels(`${head}  - name: b\n    match: {any: [{consumer_group: |`)).toEqual(['pay-service'])
    expect(labels(`${head}  - name: b\n    match: {|`)).toContain('property."__connect.errors.topic"')
    expect(labels(`${head}  - name: b\n    compensate: |`)).toEqual(['settle'])
    expect(labels('automation:\n  stale_after:\n    - {topic: |')).toEqual(['orders'])
    expect(labels('facts:\n  reason: [|')).toContain('property.FAILURE_REASON')
  })
})

describe('lines', () => {
  it('gives each line of a stream once, wherever it is cut', async () => {
    const text = '{"done":1}\n{"done":2,"r":"库存"}\n\n{"done":3}'
    const bytes = new TextEncoder().encode(text)
    for (let cut = 0; cut <= bytes.length; cut++) {
      const stream = new ReadableStream<Uint8Array>({
        start(c) {
          c.enqueue(bytes.slice(0, cut))
          c.enqueue(bytes.slice(cut))
          c.close()
        },
      })
      const got: unknown[] = []
      for await (const line of lines(stream)) got.push(JSON.parse(line))
      expect(got).toEqual([{ done: 1 }, { done: 2, r: '库存' }, { done: 3 }])
    }
  })
})

describe('bringing two texts together', () => {
  const base = 'a\nb\nc\nd\ne'
  it('takes both changes where they do not touch', () => {
    const regions = bringTogether('A\nb\nc\nd\ne', base, 'a\nb\nc\nd\nE\nf')
    expect(regions.every(r => 'ok' in r)).toBe(true)
    expect(settled(regions, [])).toBe('A\nb\nc\nd\nE\nf')
  })
  it('asks where both changed the same place, and loses neither text', () => {
    const regions = bringTogether('a\nb\nmine\nd\ne', base, 'a\nb\ntheirs\nd\ne')
    expect(regions.filter(r => !('ok' in r))).toEqual([{ mine: ['mine'], base: ['c'], theirs: ['theirs'] }])
    expect(settled(regions, ['theirs'])).toBe('a\nb\ntheirs\nd\ne')
    expect(settled(regions, [])).toBe('a\nb\nmine\nd\ne')
    expect(settled(regions, ['both'])).toBe('a\nb\ntheirs\nmine\nd\ne')
  })
  it('is no question when both changed it alike', () => {
    expect(settled(bringTogether('a\nx\nc\nd\ne', base, 'a\nx\nc\nd\ne'), [])).toBe('a\nx\nc\nd\ne')
  })
})
