import type { Letter } from '../api/types'

/** The letters that a person has marked, and where the last mark was set. */
export interface Selection {
  /** Those marked one by one; with `all`, those that were taken out again. */
  readonly letters: ReadonlyMap<string, Letter>
  readonly anchor: string
  /** Everything that matches the list's filter is marked, whether it is shown or not. */
  readonly all?: { readonly query: string; readonly count: number; readonly exact: boolean }
}

export const nothing: Selection = { letters: new Map(), anchor: '' }

/** Whether a letter is marked. */
export const marked = (s: Selection, id: string): boolean => s.letters.has(id) !== (s.all !== undefined)

/** How many are marked; not exact when the count of what matches is not. */
export const sizeOf = (s: Selection): { n: number; exact: boolean } =>
  s.all ? { n: Math.max(0, s.all.count - s.letters.size), exact: s.all.exact } : { n: s.letters.size, exact: true }

/** Marks or unmarks one letter. */
export function mark(s: Selection, letter: Letter): Selection {
  const letters = new Map(s.letters)
  if (!letters.delete(letter.id)) letters.set(letter.id, letter)
  return { ...s, letters, anchor: letter.id }
}

/**
 * Marks everything from the last mark to this letter, as the list has them. Where all that matches is marked, they are
 * taken out or put back, as this letter is.
 */
export function markRange(s: Selection, letter: Letter, list: readonly Letter[]): Selection {
  const from = list.findIndex(l => l.id === s.anchor)
  const to = list.findIndex(l => l.id === letter.id)
  if (from < 0 || to < 0) return mark(s, letter)
  const letters = new Map(s.letters)
  const back = s.all !== undefined && letters.has(letter.id)
  for (const l of list.slice(Math.min(from, to), Math.max(from, to) + 1))
    if (back) letters.delete(l.id)
    else letters.set(l.id, l)
  return { ...s, letters, anchor: letter.id }
}

/** Marks all of a list, or none when all are marked already. */
export function markAll(s: Selection, list: readonly Letter[]): Selection {
  if (s.all || (list.length > 0 && list.every(l => s.letters.has(l.id)))) return nothing
  const letters = new Map(s.letters)
  for (const l of list) letters.set(l.id, l)
  return { letters, anchor: s.anchor }
}

/** Marks everything that matches a query of the API, of which so many are known. */
export const markMatching = (query: string, total: { count: number; exact: boolean }): Selection => ({
  letters: new Map(),
  anchor: '',
  all: { query, count: total.count, exact: total.exact },
})
