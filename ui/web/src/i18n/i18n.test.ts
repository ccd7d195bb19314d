import { afterEach, describe, expect, it } from 'vitest'
import * as all from './all'
import { age, apiDuration, bytes, count, duration, moment, parseDuration } from './format'
import { applyCatalog, type Catalog, code, type Key, type Plural, t } from './i18n'

const english: Record<string, string | Plural> = all.english
const chinese: Record<string, string | Plural> = all.chinese
const use = (lang: 'en' | 'zh') => applyCatalog(lang, (lang === 'en' ? english : chinese) as unknown as Catalog)
afterEach(() => use('en'))
use('en')

const texts = (w: string | Plural) => (typeof w === 'string' ? [w] : [w.one, w.other])
const places = (s: string) => [...s.matchAll(/\{(\w+)\}/g)].map(m => m[1]).sort()

describe('the two catalogues', () => {
  it('have the same keys', () => {
    expect(Object.keys(chinese).sort()).toEqual(Object.keys(english).sort())
  })
  it('have the same places in each message', () => {
    for (const [key, word] of Object.entries(english)) {
      const other = chinese[key]
      expect(typeof other, key).toBe(typeof word)
      // The last text of a plural names all places; "one" may say it without the number.
      const last = (w: string | Plural) => places(texts(w).at(-1) ?? '')
      expect(last(other ?? ''), key).toEqual(last(word))
      for (const s of texts(word)) for (const p of places(s)) expect(last(word), key).toContain(p)
    }
  })
  it('say nothing in silence, and are not each other', () => {
    const same = new Set(['list.space'])
    for (const [key, word] of Object.entries(english)) {
      for (const s of [...texts(word)]) expect(s, key).not.toBe('')
      for (const s of texts(chinese[key] ?? '')) if (!same.has(key)) expect(s, key).not.toBe('')
      const letters = /[A-Za-z]{4,}/.test(texts(word)[0] ?? '')
      const latin = /^(body\.json|group\.kind\.(pop|grpc|grpc_fifo)|search\.hint)/.test(key)
      if (letters && !latin) expect(texts(chinese[key] ?? '')[0], key).toMatch(/[\u4e00-\u9fff]/)
    }
  })
  it('write Chinese with its own punctuation, and a blank beside Latin letters and digits', () => {
    for (const [key, word] of Object.entries(chinese))
      for (const s of texts(word)) {
        expect(s, key).not.toMatch(/[\u4e00-\u9fff][,;:!?]/)
        expect(s, key).not.toMatch(/[\u4e00-\u9fff][A-Za-z0-9]|[A-Za-z0-9][\u4e00-\u9fff]/)
      }
  })
})

describe('messages', () => {
  it('take the plural of their language', () => {
    expect(t('nav.open', { n: 1 })).toBe('1 letter needs attention')
    expect(t('nav.open', { n: 1312 })).toBe('1\u202f312 letters need attention')
    use('zh')
    expect(t('nav.open', { n: 1 })).toBe('1 条死信待处理')
  })
  it('put text in its place as it is, also when it looks like a pattern', () => {
    expect(t('filter.q', { q: '$& {q} <b>' })).toBe('contains “$& {q} <b>”')
  })
  it('show a code without words as it is', () => {
    expect(code('state', 'brand_new')).toBe('brand_new')
    expect(t('no.such.key' as Key)).toBe('no.such.key')
  })
})

describe('durations', () => {
  it.each([
    [0, '0 s', '0 秒'],
    [250, '250 ms', '250 毫秒'],
    [59_999, '59 s', '59 秒'],
    [180_000, '3 m', '3 分钟'],
    [150_000, '2 m 30 s', '2 分钟 30 秒'],
    [7_800_000, '2 h 10 m', '2 小时 10 分钟'],
    [90_000_000, '1 d 1 h', '1 天 1 小时'],
    [30 * 86_400_000 + 3_600_000, '30 d', '30 天'],
  ])('%d ms', (ms, inEnglish, inChinese) => {
    expect(duration(ms)).toBe(inEnglish)
    use('zh')
    expect(duration(ms)).toBe(inChinese)
  })
  it('are read as the API writes them', () => {
    expect(parseDuration('1h30m')).toBe(5_400_000)
    expect(parseDuration('2d')).toBe(172_800_000)
    expect(parseDuration('250ms')).toBe(250)
    expect(parseDuration('2.5µs')).toBeCloseTo(0.0025)
    for (const bad of ['', '5', 'five', '1x', '-5m', '1h 30m']) expect(parseDuration(bad)).toBeNaN()
    expect(apiDuration('10s')).toBe('10 s')
    expect(apiDuration('whenever')).toBe('whenever')
  })
  it('say how long ago in one unit', () => {
    expect(age(-5000)).toBe('just now')
    expect(age(3_700_000)).toBe('1 h')
  })
})

describe('numbers and times', () => {
  it('group digits and admit a cap', () => {
    expect(count(10_000, false)).toBe('10\u202f000+')
    expect(count(0, false)).toBe('0')
    expect(bytes(1_000_000)).toBe('976.6 KB')
  })
  it('leave out what is today', () => {
    const now = new Date(2026, 10, 21, 15, 0)
    expect(moment(new Date(2026, 10, 21, 9, 5), now)).toBe('09:05')
    expect(moment(new Date(2026, 10, 20, 9, 5), now)).toBe('20 Nov 09:05')
    expect(moment(new Date(2025, 0, 2, 9, 5), now)).toBe('2 Jan 2025 09:05')
  })
})
