import { describe, expect, it } from 'vitest'
import {
  bodyLocked,
  changesOf,
  type Draft,
  draftOf,
  fromBase64,
  newRow,
  nothingChanged,
  propertiesSize,
  propertyChanges,
  rowFault,
  toBase64,
} from './editing'
import { jsonFault, layJSON, parseJSON } from './json'
import { compare } from './lines'
import type { Edit, Editable } from './types'

const bytes = (text: string) => new TextEncoder().encode(text)
const message = (body: Uint8Array | string, over: Partial<Editable> = {}): Editable => ({
  letter_id: '7',
  version: 3,
  deaths: 1,
  body: toBase64(typeof body === 'string' ? bytes(body) : body),
  undecoded: false,
  charset: 'utf-8',
  transcript: false,
  properties: [
    { name: 'KEYS', value: 'A-1', locked: false, stripped: false, sensitive: false },
    { name: 'shop', value: '12', locked: false, stripped: false, sensitive: false },
    { name: 'api_token', value: 's3', locked: false, stripped: false, sensitive: true },
    { name: 'UNIQ_KEY', value: 'U', locked: true, stripped: false, sensitive: false },
    { name: 'DELAY', value: '5', locked: true, stripped: true, sensitive: false },
  ],
  edits: [],
  ...over,
})
const row = (d: Draft, name: string, value: string): Draft => ({
  ...d,
  rows: d.rows.map(r => (r.name === name ? { ...r, value } : r)),
})

describe('a draft', () => {
  it('of the original changes nothing, to the last byte', () => {
    for (const text of ['', '{"n":90071992547409931001}', 'a\r\nb\rc\n', '\ufeffbom', '汉字 😀', '\u0000\u202e']) {
      const e = message(text)
      const c = changesOf(e, draftOf(e))
      expect(c.body).toEqual(bytes(text))
      expect(nothingChanged(c)).toBe(true)
    }
  })

  it('names what differs from the original, also when it goes on from an edit', () => {
    const e = message('{}')
    const edit: Edit = {
      letter_id: '7',
      number: 2,
      base: 0,
      deaths: 1,
      author: 'anna',
      note: '',
      at: '',
      body: toBase64(bytes('{"a":1}')),
      set: { shop: '13', extra: 'x' },
      remove: ['api_token'],
    }
    const d = draftOf(e, edit)
    expect(d).toMatchObject({ base: 2, text: '{"a":1}' })
    expect(changesOf(e, d)).toMatchObject({
      bodyChanged: true,
      set: { shop: '13', extra: 'x' },
      remove: ['api_token'],
    })
    expect(changesOf(e, row(d, 'shop', '12')).set).toEqual({ extra: 'x' })
    expect(draftOf({ ...e, deaths: 2 }, edit).base).toBe(0)
  })

  it('takes away tags and keys that are emptied, adds and renames others', () => {
    const e = message('{}')
    const d = draftOf(e)
    expect(d.rows.map(r => r.name)).toEqual(['TAGS', 'KEYS', 'api_token', 'shop'])
    const c = changesOf(e, {
      ...d,
      rows: [
        ...d.rows.map(r => (r.name === 'KEYS' ? { ...r, value: '' } : r.name === 'shop' ? { ...r, name: 'store' } : r)),
        newRow('new', ''),
      ],
    })
    expect(c.set).toEqual({ store: '12', new: '' })
    expect(c.remove).toEqual(['KEYS', 'shop'])
    expect(propertyChanges(e, c)).toEqual([
      { name: 'KEYS', before: 'A-1', after: undefined, sensitive: false },
      { name: 'new', before: undefined, after: '', sensitive: false },
      { name: 'shop', before: '12', after: undefined, sensitive: false },
      { name: 'store', before: undefined, after: '12', sensitive: false },
    ])
  })

  it('leaves a body alone that is not text', () => {
    const binary = new Uint8Array([0xff, 0x00, 0x80])
    const e = message(binary)
    expect(bodyLocked(e)).toBe('binary')
    expect(bodyLocked(message('x', { undecoded: true }))).toBe('undecoded')
    const c = changesOf(e, row(draftOf(e), 'shop', '9'))
    expect(c).toMatchObject({ bodyChanged: false, set: { shop: '9' } })
    expect(c.body).toEqual(binary)
  })

  it('says what is wrong with a name', () => {
    const rows = [newRow('TAGS', ''), newRow('a', '1'), newRow('a', '2'), newRow('UNIQ_KEY', 'x'), newRow('', 'x')]
    expect(rows.map(r => rowFault(rows, r))).toEqual([undefined, 'twice', 'twice', 'own', 'name'])
    const sign = newRow('b', 'x\u0001y')
    expect(rowFault([sign], sign)).toBe('sign')
  })

  it('counts the properties that are sent, in bytes', () => {
    const e = message('{}')
    const sent = ['KEYS', 'A-1', 'shop', '12', 'api_token', 's3', 'UNIQ_KEY', 'U'].join('').length + 4 * 2
    expect(propertiesSize(e, draftOf(e))).toBe(sent)
    expect(propertiesSize(e, row(draftOf(e), 'shop', '汉'))).toBe(sent + 1)
  })

  it('survives base64 of any length', () => {
    const big = Uint8Array.from({ length: 100_001 }, (_, i) => i % 256)
    const text = toBase64(big)
    expect(text).toBe(Buffer.from(big).toString('base64'))
    expect(Buffer.from(fromBase64(text)).equals(Buffer.from(big))).toBe(true)
  })
})

describe('JSON', () => {
  it('is laid out without touching a token', () => {
    const text = '{"n":90071992547409931.10,"s":"a\\u0041\\" ,:{}","e":[],"o":{},"a":[1,[2],{"k":null}],"n":1}'
    const laid = layJSON(text, true)
    expect(laid).toBe(
      `{
  "n": 90071992547409931.10,
  "s": "a\\u0041\\" ,:{}",
  "e": [],
  "o": {},
  "a": [
    1,
    [
      2
    ],
    {
      "k": null
    }
  ],
  "n": 1
}`,
    )
    expect(parseJSON(laid)).toEqual(parseJSON(text))
    expect(layJSON(laid, false)).toBe(text)
    expect(layJSON(' 12 ', true)).toBe('12')
  })

  it('says where it stops being JSON', () => {
    expect(jsonFault('{"a": [1, 2]}')).toBeUndefined()
    expect(jsonFault('{\n "a": 1,\n}')).toMatchObject({ line: 3, column: 1 })
    expect(jsonFault('{"汉😀" 1}')).toMatchObject({ line: 1, column: 7 })
    expect(jsonFault('{} x')).toMatchObject({ column: 4 })
    expect(jsonFault('')).toMatchObject({ line: 1, column: 1 })
  })
})

describe('a comparison', () => {
  const show = (a: string, b: string) => compare(a, b).map(l => (l.sign === '@' ? `@${l.n}` : `${l.sign}${l.text}`))
  it('shows what changed, with a few lines around it', () => {
    const a = Array.from({ length: 20 }, (_, i) => `line ${i}`)
    const b = a.with(9, 'other').toSpliced(17, 1)
    expect(show(a.join('\n'), b.join('\n'))).toEqual([
      '@6',
      ' line 6',
      ' line 7',
      ' line 8',
      '-line 9',
      '+other',
      ' line 10',
      ' line 11',
      ' line 12',
      ' line 13',
      ' line 14',
      ' line 15',
      ' line 16',
      '-line 17',
      ' line 18',
      ' line 19',
    ])
    expect(show('x', 'x')).toEqual([])
    expect(show('', 'x')).toEqual(['-', '+x'])
  })
  it('marks the part of a line that differs, by whole characters', () => {
    expect(compare('"n": 12,', '"n": 15,')).toEqual([
      { sign: '-', text: '"n": 12,', from: 6, to: 7 },
      { sign: '+', text: '"n": 15,', from: 6, to: 7 },
    ])
    expect(compare('a😀b', 'a😁b')).toMatchObject([
      { from: 1, to: 3 },
      { from: 1, to: 3 },
    ])
  })
  it('of very many lines does not take for ever', () => {
    const many = (s: string) => Array.from({ length: 60_000 }, (_, i) => (i % 2 ? '},' : `${s}${i}`)).join('\n')
    const from = performance.now()
    expect(compare(many('a'), many('b')).length).toBeGreaterThan(100_000)
    expect(performance.now() - from).toBeLessThan(2000)
  })
})
