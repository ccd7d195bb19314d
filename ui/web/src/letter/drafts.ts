import type { Draft } from './editing'

// Texts that were not saved, by letter: closing the sheet loses nothing. They stay in memory and nowhere else, because a
// body may be secret.
const kept = new Map<string, Draft>()

export const keptDraft = (letterID: string): Draft | undefined => kept.get(letterID)

export function keepDraft(letterID: string, d: Draft | undefined): void {
  if (d) kept.set(letterID, d)
  else kept.delete(letterID)
}

// Leaving the page would forget them.
window.addEventListener('beforeunload', e => {
  if (kept.size > 0) e.preventDefault()
})
