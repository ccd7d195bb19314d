import { useSyncExternalStore } from 'react'
import { asProblem, type Problem, randomID, write } from '../api/client'
import { landed } from '../api/queries'
import type { Letter, Replay, ReplayRequest } from '../api/types'

/** How long a replay can be undone before it is asked for. */
export const undoFor = 10_000

/** A replay that a person asked for, from the click until its answer was seen. */
export interface Pending {
  readonly key: string
  readonly letterID: string
  readonly title: string
  readonly group: string
  /** Delay in the API's form; "" for at once. */
  readonly delay: string
  readonly request: ReplayRequest
  /** Milliseconds since the epoch at which it will be asked for. */
  readonly at: number
  /** unknown: its answer was lost, and asking for it was given up. */
  readonly state: 'waiting' | 'sending' | 'done' | 'failed' | 'unknown'
  readonly problem?: Problem
  readonly replay?: Replay
}

type Send = (p: Pending) => Promise<{ replay: Replay; letter: Letter }>

/** Holds replays back for the time of Undo. It lives outside the views, so that moving about in the page keeps them. */
export class UndoQueue {
  private items: readonly Pending[] = []
  private readonly timers = new Map<string, number>()
  private readonly listeners = new Set<() => void>()
  private readonly send: Send

  constructor(send: Send) {
    this.send = send
  }

  subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener)
    return () => this.listeners.delete(listener)
  }
  snapshot = (): readonly Pending[] => this.items

  /** The replay of a letter that is not over. */
  of(letterID: string): Pending | undefined {
    return this.items.find(p => p.letterID === letterID && (p.state === 'waiting' || p.state === 'sending'))
  }

  /** Begins the time of Undo. A letter that is waiting already is left as it is. */
  add(letter: { id: string; title: string; group: string }, request: ReplayRequest): void {
    if (this.of(letter.id)) return
    const p: Pending = {
      key: randomID(),
      letterID: letter.id,
      title: letter.title,
      group: letter.group,
      delay: request.delay ?? '',
      request,
      at: Date.now() + undoFor,
      state: 'waiting',
    }
    // An older failure of the same letter is over now.
    this.set([...this.items.filter(o => o.letterID !== letter.id), p])
    this.timers.set(
      p.key,
      window.setTimeout(() => this.fire(p.key), undoFor),
    )
  }

  /** Undo: nothing was sent. */
  cancel(key: string): void {
    const p = this.items.find(o => o.key === key)
    if (p?.state !== 'waiting') return
    this.clear(key)
    this.set(this.items.filter(o => o.key !== key))
  }

  /** Sends without waiting for the rest of the time. */
  fire(key: string): void {
    const p = this.items.find(o => o.key === key)
    if (p?.state !== 'waiting') return
    this.clear(key)
    this.ask(p)
  }

  /** Asks for the answer of one that is unknown, under the same key: it is sent once at the most. */
  again(key: string): void {
    const p = this.items.find(o => o.key === key)
    if (p?.state === 'unknown') this.ask(p)
  }

  private ask({ problem: _, ...p }: Pending): void {
    const { key } = p
    this.put({ ...p, state: 'sending' })
    this.send(p).then(
      ({ replay, letter }) => {
        landed(letter)
        this.put({ ...p, state: 'done', replay })
        this.timers.set(
          key,
          window.setTimeout(() => this.dismiss(key), 6000),
        )
      },
      e => {
        const problem = asProblem(e)
        if (problem.body.letter) landed(problem.body.letter)
        this.put({ ...p, state: problem.code === 'unanswered' ? 'unknown' : 'failed', problem })
      },
    )
  }

  /** Takes a finished one away. */
  dismiss(key: string): void {
    const p = this.items.find(o => o.key === key)
    if (!p || p.state === 'waiting' || p.state === 'sending') return
    this.clear(key)
    this.set(this.items.filter(o => o.key !== key))
  }

  private clear(key: string): void {
    clearTimeout(this.timers.get(key))
    this.timers.delete(key)
  }
  private put(p: Pending): void {
    this.set(this.items.map(o => (o.key === p.key ? p : o)))
  }
  private set(items: readonly Pending[]): void {
    this.items = items
    for (const l of this.listeners) l()
  }
}

/** The page's own queue. */
export const undo = new UndoQueue(p => write('POST', `/letters/${p.letterID}/replay`, p.request, p.key))

export const usePending = () => useSyncExternalStore(undo.subscribe, undo.snapshot)

// Leaving the page would forget what was not asked for yet.
window.addEventListener('beforeunload', e => {
  if (undo.snapshot().some(p => p.state === 'waiting')) e.preventDefault()
})
