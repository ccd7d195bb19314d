import type { Letter } from '../api/types'

/** The letters that a person has marked, and where the last mark was set. */
export interface Selection {
  readonly letters: ReadonlyMap<string, Letter>
  readonly anchor: string
}

export const nothing: Selection = { letters: new Map(), anchor: '' }

/** Marks or unmarks one letter. */
export function mark(s: Selection, letter: Letter): Selection {
  const letters = new Map(s.letters)
  if (!letters.delete(letter.id)) letters.set(letter.id, letter)
  return { letters, anchor: letter.id }
}

/** Marks everything from the last mark to this letter, as the list has them. */
export function markRange(s: Selection, letter: Letter, list: readonly Letter[]): Selection {
  const from = list.findIndex(l => l.id === s.anchor)
  const to = list.findIndex(l => l.id === letter.id)
  if (from < 0 || to < 0) return mark(s, letter)
  const letters = new Map(s.letters)
  for (const l of list.slice(Math.min(from, to), Math.max(from, to) + 1)) letters.set(l.id, l)
  return { letters, anchor: letter.id }
}

/** Marks all of a list, or none when all are marked already. */
export function markAll(s: Selection, list: readonly Letter[]): Selection {
  if (list.length > 0 && list.every(l => s.letters.has(l.id))) return nothing
  const letters = new Map(s.letters)
  for (const l of list) letters.set(l.id, l)
  return { letters, anchor: s.anchor }
}
