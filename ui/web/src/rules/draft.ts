import type { RulesInForce } from './types'

/** A text that somebody writes, and the file that it began as. */
export interface Draft {
  base: { text: string; etag: string }
  text: string
}

const key = 'dlq.rules.draft'

/** The draft that this tab was left with; it outlives a reload, and a lost log-in. */
export function keptDraft(): Draft | undefined {
  try {
    const d = JSON.parse(sessionStorage.getItem(key) ?? 'null') as Draft | null
    return d && typeof d.text === 'string' && typeof d.base?.text === 'string' && typeof d.base.etag === 'string'
      ? d
      : undefined
  } catch {
    return undefined
  }
}

export function keepDraft(d: Draft | undefined): void {
  try {
    if (d && d.text !== d.base.text) sessionStorage.setItem(key, JSON.stringify(d))
    else sessionStorage.removeItem(key)
  } catch {
    // Storage is full or forbidden: the text is still in the editor.
  }
}

export const freshDraft = (r: Pick<RulesInForce, 'text' | 'etag'>): Draft => ({
  base: { text: r.text, etag: r.etag },
  text: r.text,
})
