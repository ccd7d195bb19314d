import { diff3Merge } from 'node-diff3'

/** A part of two people's texts brought together: settled, or changed by both. */
export type Region = { ok: string[] } | { mine: string[]; base: string[]; theirs: string[] }

/** Brings two texts together that began as the same one, line by line. What both changed in different ways is a conflict. */
export function bringTogether(mine: string, base: string, theirs: string): Region[] {
  const merged = diff3Merge(mine.split('\n'), base.split('\n'), theirs.split('\n'), { excludeFalseConflicts: true })
  return merged.map(r =>
    r.ok ? { ok: r.ok } : { mine: r.conflict?.a ?? [], base: r.conflict?.o ?? [], theirs: r.conflict?.b ?? [] },
  )
}

export type Choice = 'mine' | 'theirs' | 'both'

/** The text that comes of it; choices are those for the conflicts, in their order, mine where none was made. */
export function settled(regions: readonly Region[], choices: readonly (Choice | undefined)[]): string {
  let n = 0
  return regions
    .flatMap(r => {
      if ('ok' in r) return r.ok
      const choice = choices[n++] ?? 'mine'
      return choice === 'both' ? [...r.theirs, ...r.mine] : r[choice]
    })
    .join('\n')
}
