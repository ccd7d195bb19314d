import { type ListTab, listTabs } from '../api/types'
import { parseDuration } from '../i18n/format'

/** Fields of a filter that take several values, any of which will do. They are named as in the API. */
export const fields = [
  'consumer_group',
  'topic',
  'reason',
  'rule',
  'route',
  'state',
  'origin',
  'severity',
  'flag',
  'owner',
  'fingerprint',
  'outcome',
] as const
export type Field = (typeof fields)[number]

/** Which letters the list shows. It lives in the page's address and nowhere else. */
export interface Filter {
  tab: ListTab
  any: Partial<Record<Field, readonly string[]>>
  /** Only letters that died within this time: a duration such as 2h. */
  within: string
  /** Only letters that died longer ago. */
  older: string
  /** Only letters that died at or after / before an instant (RFC 3339). */
  after: string
  before: string
  /** Only letters of which a death was read at or after / before an instant. */
  arrivedAfter: string
  arrivedBefore: string
  q: string
}

export const emptyFilter: Filter = {
  tab: 'attention',
  any: {},
  within: '',
  older: '',
  after: '',
  before: '',
  arrivedAfter: '',
  arrivedBefore: '',
  q: '',
}

/** Reads the filter from the page's address, narrowings in its search text too. mistakesIn says what is not understood. */
export function parseFilter(search: string): Filter {
  const p = new URLSearchParams(search)
  return parseQuery(p.get('q') ?? '', narrowings(p))
}

function narrowings(p: URLSearchParams): Filter {
  const tab = p.get('tab') as ListTab
  const any: Filter['any'] = {}
  for (const f of fields) {
    const values = [...new Set(p.getAll(f))]
    if (values.length > 0) any[f] = values
  }
  const duration = (name: string) => {
    const v = p.get(name) ?? ''
    return parseDuration(v) > 0 ? v : ''
  }
  const instant = (name: string) => {
    const v = p.get(name) ?? ''
    return Number.isNaN(Date.parse(v)) ? '' : v
  }
  return {
    tab: listTabs.includes(tab) ? tab : 'attention',
    any,
    within: duration('within'),
    older: duration('older'),
    after: instant('died_after'),
    before: instant('died_before'),
    arrivedAfter: instant('arrived_after'),
    arrivedBefore: instant('arrived_before'),
    q: '',
  }
}

/** Writes the filter as the page's address has it, always in the same order. */
export function filterSearch(f: Filter): URLSearchParams {
  const p = new URLSearchParams()
  if (f.tab !== 'attention') p.set('tab', f.tab)
  for (const name of fields) for (const v of f.any[name] ?? []) p.append(name, v)
  if (f.within) p.set('within', f.within)
  if (f.older) p.set('older', f.older)
  if (f.after) p.set('died_after', f.after)
  if (f.before) p.set('died_before', f.before)
  if (f.arrivedAfter) p.set('arrived_after', f.arrivedAfter)
  if (f.arrivedBefore) p.set('arrived_before', f.arrivedBefore)
  if (f.q) p.set('q', f.q)
  return p
}

/** Writes the filter as the API wants it. Ages become instants, whole minutes so that they can be cached. */
export function filterQuery(f: Filter, now: number): string {
  const p = filterSearch({ ...f, within: '', older: '', after: '', before: '' })
  p.set('tab', f.tab)
  const back = (d: string) => Math.floor((now - parseDuration(d)) / 60_000) * 60_000
  const after = Math.max(f.after ? Date.parse(f.after) : 0, f.within ? back(f.within) : 0)
  const before = Math.min(
    f.before ? Date.parse(f.before) : Number.POSITIVE_INFINITY,
    f.older ? back(f.older) : Number.POSITIVE_INFINITY,
  )
  if (after > 0) p.set('died_after', new Date(after).toISOString())
  if (before < Number.POSITIVE_INFINITY) p.set('died_before', new Date(before).toISOString())
  return p.toString()
}

/** Adds or takes away one value. */
export function toggle(f: Filter, field: Field, value: string): Filter {
  const have = f.any[field] ?? []
  const next = have.includes(value) ? have.filter(v => v !== value) : [...have, value]
  const any = { ...f.any }
  if (next.length > 0) any[field] = next
  else delete any[field]
  return { ...f, any }
}

// Narrowings that have one value.
const single = ['within', 'older', 'after', 'before', 'arrivedAfter', 'arrivedBefore', 'q'] as const

/** One narrowing of the list, with the filter that is left without it. */
export interface Chip {
  field: Field | (typeof single)[number]
  value: string
  without: Filter
}

export function chips(f: Filter): Chip[] {
  const all: Chip[] = []
  for (const field of fields)
    for (const value of f.any[field] ?? []) all.push({ field, value, without: toggle(f, field, value) })
  for (const field of single) if (f[field]) all.push({ field, value: f[field], without: { ...f, [field]: '' } })
  return all
}

// What people type before the colon. The longer names are those of the API.
export const typed: Readonly<Record<string, Field>> = {
  group: 'consumer_group',
  consumer_group: 'consumer_group',
  topic: 'topic',
  reason: 'reason',
  rule: 'rule',
  route: 'route',
  state: 'state',
  origin: 'origin',
  severity: 'severity',
  flag: 'flag',
  owner: 'owner',
  fingerprint: 'fingerprint',
  outcome: 'outcome',
  消费组: 'consumer_group',
  主题: 'topic',
  原因: 'reason',
  规则: 'rule',
}

/** Words of a search: a name with a value, a text in quotes, or anything without a blank. */
export const words = /[^\s:"：]+[:：]"[^"]*"|"[^"]*"|\S+/g

/** Reads what a person typed into the search field: name:value and age<2h narrow, all else is searched for. */
export function parseQuery(text: string, f: Filter): Filter {
  let next: Filter = { ...f, q: '' }
  const rest: string[] = []
  for (const [word] of text.matchAll(words)) {
    const aged = /^age(<=?|>=?)(\S+)$/.exec(word)
    if (aged?.[2] && parseDuration(aged[2]) > 0) {
      next = aged[1]?.startsWith('<') ? { ...next, within: aged[2] } : { ...next, older: aged[2] }
      continue
    }
    const named = /^([^\s:"：]+)[:：](.+)$/.exec(word)
    const field = named?.[1] ? typed[named[1].toLowerCase()] : undefined
    const value = named?.[2]?.replace(/^"(.*)"$/, '$1')
    if (field && value) {
      if (!next.any[field]?.includes(value)) next = toggle(next, field, value)
      continue
    }
    rest.push(word)
  }
  next.q = rest.join(' ')
  return next
}
