import { useSyncExternalStore } from 'react'
import type { Operation } from './types'

// Small operations that were started here, by their numbers: each can be undone for a while, wherever one is by then.
let numbers: readonly number[] = []
const listeners = new Set<() => void>()

function set(next: readonly number[]): void {
  numbers = next
  for (const l of listeners) l()
}

/** Shows an operation that waits for its beginning, with its undo. */
export function hold(o: Operation): void {
  if (!numbers.includes(o.number)) set([...numbers, o.number])
}

/** Takes it away. */
export function release(n: number): void {
  set(numbers.filter(x => x !== n))
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener)
  return () => listeners.delete(listener)
}

export const useHeld = (): readonly number[] => useSyncExternalStore(subscribe, () => numbers)
