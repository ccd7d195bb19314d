import { describe, expect, it } from 'vitest'
import { chips, emptyFilter, type Filter, filterQuery, filterSearch, parseFilter, parseQuery, toggle } from './filter'

const full: Filter = {
  tab: 'in_flight',
  any: { consumer_group: ['pay-service', 'a&b=c'], reason: ['网络超时'], flag: ['failed_again'], rule: [''] },
  within: '2h',
  older: '5m',
  after: '2026-11-20T00:00:00.000Z',
  before: '2026-11-21T00:00:00.000Z',
  arrivedAfter: '2026-11-20T03:00:00.000Z',
  arrivedBefore: '2026-11-20T04:00:00.000Z',
  q: 'order 42 + 1',
}

describe('the filter in the address', () => {
  it('comes back as it was written', () => {
    expect(parseFilter(filterSearch(full).toString())).toEqual(full)
    expect(parseFilter('')).toEqual(emptyFilter)
    expect(filterSearch(emptyFilter).toString()).toBe('')
  })

  it('narrows by what its search text says', () => {
    expect(parseFilter('q=reason:oom+timed+out+age<2h')).toEqual({
      ...emptyFilter,
      any: { reason: ['oom'] },
      within: '2h',
      q: 'timed out',
    })
  })

  it('names each value once', () => {
    expect(parseFilter('topic=a&topic=a&topic=b').any.topic).toEqual(['a', 'b'])
  })
})

describe('the filter for the API', () => {
  const now = Date.parse('2026-11-21T12:00:30Z')

  it('always names the tab and turns ages into instants', () => {
    const p = new URLSearchParams(filterQuery({ ...emptyFilter, within: '2h', older: '5m' }, now))
    expect(p.get('tab')).toBe('attention')
    expect(p.get('died_after')).toBe('2026-11-21T10:00:00.000Z')
    expect(p.get('died_before')).toBe('2026-11-21T11:55:00.000Z')
    expect(p.get('within')).toBeNull()
  })

  it('takes the narrower of an age and an instant', () => {
    const p = new URLSearchParams(filterQuery({ ...full, within: '30d', older: '' }, now))
    expect(p.get('died_after')).toBe(full.after)
    expect(p.get('died_before')).toBe(full.before)
    expect(p.getAll('consumer_group')).toEqual(['pay-service', 'a&b=c'])
  })
})

describe('what people type', () => {
  it('narrows by name:value and age, and searches for the rest', () => {
    const f = parseQuery('group:pay-service  reason:network_timeout age<2h timed "out of" age>10m', emptyFilter)
    expect(f.any).toEqual({ consumer_group: ['pay-service'], reason: ['network_timeout'] })
    expect(f.within).toBe('2h')
    expect(f.older).toBe('10m')
    expect(f.q).toBe('timed "out of"')
  })

  it('understands quotes, Chinese names and the full-width colon', () => {
    const f = parseQuery('rule:"passing troubles" 消费组：支付 主题:orders', emptyFilter)
    expect(f.any).toEqual({ rule: ['passing troubles'], consumer_group: ['支付'], topic: ['orders'] })
    expect(f.q).toBe('')
  })

  it('leaves alone what only looks like a name', () => {
    const f = parseQuery('http://example.com:80 gateway.pay:443 age<soon', emptyFilter)
    expect(f.any).toEqual({})
    expect(f.q).toBe('http://example.com:80 gateway.pay:443 age<soon')
  })

  it('adds to what narrows already, and never twice', () => {
    const have = toggle(emptyFilter, 'topic', 'orders')
    expect(parseQuery('topic:orders topic:payments', have).any.topic).toEqual(['orders', 'payments'])
  })
})

describe('taking filters off', () => {
  it('leaves the rest as it was', () => {
    const all = chips(full)
    expect(all).toHaveLength(12)
    for (const c of all) expect(chips(c.without)).toHaveLength(11)
    expect(all.find(c => c.value === 'a&b=c')?.without.any.consumer_group).toEqual(['pay-service'])
  })
})
