import { describe, expect, it } from 'vitest'
import { emptyFilter, filterSearch, parseQuery } from './filter'
import { mistakesIn, nearest } from './mistakes'

const short = (search: string) => mistakesIn(search).map(m => [m.kind, m.name, m.value, m.near ?? ''].join(' '))

describe('mistakes in the address', () => {
  it('are values that are none, and filters that do not exist', () => {
    expect(short('tab=nonsense')).toEqual(['value tab nonsense '])
    expect(short('tab=resolvd&state=opne')).toEqual(['value tab resolvd resolved', 'value state opne open'])
    expect(short('within=banana&older=-1h')).toEqual(['duration within banana ', 'duration older -1h '])
    expect(short('died_after=yesterday')).toEqual(['instant died_after yesterday '])
    expect(short('consumergroup=a')).toEqual(['name consumergroup a consumer_group'])
    expect(short('flag=&route=x&severity=hgih&outcome=lost')).toHaveLength(4)
  })

  it('are none in addresses that the page itself writes', () => {
    expect(short('')).toEqual([])
    const any = { consumer_group: ['a&b=c', ''], rule: ['foo:bar'], state: ['open'], outcome: ['unknown'] }
    const p = filterSearch({
      ...emptyFilter,
      tab: 'in_flight',
      any,
      within: '2h',
      q: '"foo:bar" https://x:1 gateway.pay:443',
    })
    p.set('letter', '7')
    expect(short(p.toString())).toEqual([])
  })

  it('are names before a colon that search does not know', () => {
    const typed = parseQuery('reason:oom foo:bar ruel:"a b" age<banana text', emptyFilter)
    expect(typed.any).toEqual({ reason: ['oom'] })
    expect(short(filterSearch(typed).toString())).toEqual([
      'name foo bar ',
      'name ruel "a b" rule',
      'duration age banana ',
    ])
  })

  it('come with ways out', () => {
    const [foo] = mistakesIn('tab=snoozed&q=a+foo:bar+b')
    expect(new URLSearchParams(foo?.asText).get('q')).toBe('a "foo:bar" b')
    expect(new URLSearchParams(foo?.without).get('q')).toBe('a  b')
    expect(new URLSearchParams(foo?.without).get('tab')).toBe('snoozed')
    expect(mistakesIn(foo?.asText ?? '')).toEqual([])
    const [ruel] = mistakesIn('q=ruel:"a b"')
    expect(new URLSearchParams(ruel?.fixed).get('q')).toBe('rule:"a b"')
    expect(mistakesIn('tab=resolvd&q=x')[0]?.fixed).toBe('tab=resolved&q=x')
    expect(mistakesIn('consumergroup=a')[0]?.fixed).toBe('consumer_group=a')
  })
})

it('the nearest word', () => {
  expect(nearest('Opne', ['open', 'snoozed'])).toBe('open')
  expect(nearest('zzz', ['open'])).toBeUndefined()
})
