import { describe, expect, it } from 'vitest'
import type { Letter } from '../api/types'
import { mark, markAll, marked, markMatching, markRange, nothing, sizeOf } from './selection'
import { countNew } from './useLetters'
import { initials } from './words'

const letters = (...ids: string[]): Letter[] => ids.map(id => ({ id }) as Letter)
const list = letters('9', '8', '7', '6', '5')
const at = (i: number): Letter => list[i] as Letter

describe('new letters', () => {
  it('are those before the first one that is shown', () => {
    expect(countNew(list, letters('12', '11', '9', '8'))).toBe(2)
    expect(countNew(list, list)).toBe(0)
  })
  it('are not those that slipped up because others left', () => {
    expect(countNew(list, letters('8', '6', '5', '4', '3'))).toBe(0)
  })
  it('are all when nothing is shown any more', () => {
    expect(countNew(list, letters('30', '29', '28'))).toBe(3)
    expect(countNew(list, [])).toBe(0)
  })
})

describe('marking letters', () => {
  it('marks and unmarks one', () => {
    const one = mark(nothing, at(1))
    expect([...one.letters.keys()]).toEqual(['8'])
    expect(mark(one, at(1)).letters.size).toBe(0)
  })
  it('marks a range in both directions and keeps what was marked', () => {
    expect([...markRange(mark(nothing, at(3)), at(1), list).letters.keys()].sort()).toEqual(['6', '7', '8'])
    expect([...markRange(mark(mark(nothing, at(0)), at(2)), at(4), list).letters.keys()].sort()).toEqual([
      '5',
      '6',
      '7',
      '9',
    ])
  })
  it('marks only the one when the range has lost its beginning', () => {
    expect([...markRange({ letters: new Map(), anchor: 'gone' }, at(2), list).letters.keys()]).toEqual(['7'])
  })
  it('marks all, then none', () => {
    const all = markAll(nothing, list)
    expect(all.letters.size).toBe(5)
    expect(markAll(all, list).letters.size).toBe(0)
    expect(markAll(nothing, []).letters.size).toBe(0)
  })
})

describe('marking all that match', () => {
  const all = markMatching('tab=attention', { count: 1312, exact: true })
  it('marks what is not even shown', () => {
    expect(marked(all, 'never seen')).toBe(true)
    expect(sizeOf(all)).toEqual({ n: 1312, exact: true })
    expect(sizeOf(markMatching('', { count: 10_000, exact: false }))).toEqual({ n: 10_000, exact: false })
  })
  it('takes letters out one by one and in ranges, and puts them back', () => {
    const one = mark(all, at(1))
    expect([marked(one, '8'), marked(one, '7'), sizeOf(one).n]).toEqual([false, true, 1311])
    const range = markRange(one, at(3), list)
    expect([...range.letters.keys()]).toEqual(['8', '7', '6'])
    expect(range.all?.query).toBe('tab=attention')
    const back = markRange({ ...range, anchor: '8' }, at(2), list)
    expect([...back.letters.keys()]).toEqual(['6'])
    expect(sizeOf(mark(one, at(1))).n).toBe(1312)
  })
  it('ends with the box over the list', () => {
    expect(markAll(mark(all, at(1)), list)).toBe(nothing)
  })
})

describe('initials', () => {
  it.each([
    ['li.wei', 'LW'],
    ['anna', 'AN'],
    ['ops@example.com', 'OP'],
    ['王小明', '王小'],
    ['', ''],
  ])('of %s are %s', (name, want) => {
    expect(initials(name)).toBe(want)
  })
})
