import { listTabs, routes, type State, states } from '../api/types'
import { parseDuration } from '../i18n/format'
import { fields, typed, words } from './filter'
import { shows } from './show'

/** A part of the page's address, or a word of the search, that cannot be understood. */
export interface Mistake {
  /** What is wrong: a filter that does not exist, or a value that is none of its filter. */
  kind: 'name' | 'value' | 'duration' | 'instant'
  name: string
  value: string
  /** The name or value that was probably meant. */
  near?: string
  /** The values that exist, where they are few. */
  known?: readonly string[]
  /** Addresses: with what was probably meant, with the word as text to search for, and without the word. */
  fixed?: string
  asText?: string
  without: string
}

// Values of the filters that have a closed set of them; the twin of the lists in the Go package dlq.
const closed: Readonly<Record<string, readonly string[]>> = {
  tab: listTabs,
  show: shows,
  state: states satisfies readonly State[],
  route: routes,
  severity: ['critical', 'high', 'normal', 'low'],
  origin: ['property', 'body', 'envelope', 'report', 'unbound_report', 'probe', 'broker', 'unknown'],
  flag: ['failed_again', 'regressed', 'quarantined', 'possible_duplicate', 'send_failed', 'outcome_unknown', 'edited'],
  outcome: ['sending', 'waiting', 'confirmed', 'assumed', 'failed_again', 'send_failed', 'unknown'],
}
const ages = ['within', 'older']
const instants = ['died_after', 'died_before', 'arrived_after', 'arrived_before']
// Parameters of the view that narrow nothing.
const others = ['letter', 'q', 'show']
const names: readonly string[] = [...fields, 'tab', ...ages, ...instants, ...others]

/** Finds what cannot be understood in the page's address. Nothing may be listed, let alone selected, while there is any. */
export function mistakesIn(search: string): Mistake[] {
  const p = new URLSearchParams(search)
  const found: Mistake[] = []
  const rename = (from: string, to: string) =>
    new URLSearchParams([...p].map(([k, v]): [string, string] => [k === from ? to : k, v])).toString()
  const replace = (name: string, old: string, by: string | undefined) =>
    new URLSearchParams(
      [...p].flatMap(([k, v]): [string, string][] =>
        k !== name || v !== old ? [[k, v]] : by === undefined ? [] : [[k, by]],
      ),
    ).toString()
  for (const [name, value] of p) {
    if (!names.includes(name)) {
      const near = nearest(name, names)
      found.push({
        kind: 'name',
        name,
        value,
        without: replace(name, value, undefined),
        ...(near && { near, fixed: rename(name, near) }),
      })
      continue
    }
    const known = closed[name]
    const without = replace(name, value, undefined)
    if (known && !known.includes(value)) {
      const near = nearest(value, known)
      found.push({
        kind: 'value',
        name,
        value,
        known,
        without,
        ...(near && { near, fixed: replace(name, value, near) }),
      })
    } else if (ages.includes(name) && !(parseDuration(value) > 0))
      found.push({ kind: 'duration', name, value, without })
    else if (instants.includes(name) && Number.isNaN(Date.parse(value)))
      found.push({ kind: 'instant', name, value, without })
  }
  const q = p.get('q') ?? ''
  for (const [word] of q.matchAll(words)) {
    const put = (by: string) => replace('q', q, q.replace(word, by).trim() || undefined)
    const text = { asText: put(`"${word.replaceAll('"', '')}"`), without: put('') }
    const aged = /^(age)[<>]=?(.+)$/i.exec(word)
    if (aged?.[1] && aged[2]) {
      found.push({ kind: 'duration', name: aged[1], value: aged[2], ...text })
      continue
    }
    const named = qualified.exec(word)
    if (!named?.[1]) continue
    const near = nearest(named[1], Object.keys(typed))
    found.push({
      kind: 'name',
      name: named[1],
      value: named[2] ?? '',
      ...(near && { near, fixed: put(`${near}${word.slice(named[1].length)}`) }),
      ...text,
    })
  }
  return found
}

// A name before a colon is of letters, digits, _ and - only: gateway.pay:443, http://x and a::b are text. The API agrees.
const qualified = /^(\p{L}[\p{L}\d_-]*)[:：]([^:：/].*)$/u

/** The word that differs least, if it differs by at most two letters and less than half of it. */
export function nearest(word: string, known: readonly string[]): string | undefined {
  let best: string | undefined
  let least = Math.min(3, Math.ceil(word.length / 2))
  if (word.length > 80) return undefined
  for (const k of known) {
    const d = distance(word.toLowerCase(), k)
    if (d < least) [best, least] = [k, d]
  }
  return best
}

// Letters to change, add, leave out, or exchange with their neighbour.
function distance(a: string, b: string): number {
  const rows: number[][] = [Array.from({ length: b.length + 1 }, (_, j) => j)]
  const at = (i: number, j: number) => rows[i]?.[j] ?? 0
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    rows.push(row)
    for (let j = 1; j <= b.length; j++) {
      let n = Math.min(at(i - 1, j) + 1, (row[j - 1] ?? 0) + 1, at(i - 1, j - 1) + (a[i - 1] === b[j - 1] ? 0 : 1))
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) n = Math.min(n, at(i - 2, j - 2) + 1)
      row.push(n)
    }
  }
  return at(a.length, b.length)
}
