import type { Status } from './types'

export interface Changes {
  arrived: number
  changed: string[]
  /** Not every change is named. */
  more: boolean
}

/** How the page stands with the stream of events. */
export interface LiveState {
  kind: 'live' | 'paused' | 'lost' | 'connecting'
  /** Milliseconds since the epoch, for "lost". */
  since: number
}

interface Handlers {
  changes: (c: Changes) => void
  status: (s: Status) => void
  /** The connection is there again after it was lost. */
  back: () => void
  /** Something was missed: everything may have changed. */
  resync: () => void
}

/** Follows the server's events, connects again when the connection is lost, and can be paused. */
export class Live {
  private source: EventSource | undefined
  private state: LiveState = { kind: 'connecting', since: 0 }
  private readonly listeners = new Set<() => void>()
  private wait = 1000
  private timer = 0
  private lastEvent = ''
  private stopped = true
  private paused = false
  private readonly url: string
  private readonly handlers: Handlers

  constructor(url: string, handlers: Handlers) {
    this.url = url
    this.handlers = handlers
  }

  subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener)
    return () => this.listeners.delete(listener)
  }
  snapshot = (): LiveState => this.state

  start(): void {
    if (!this.stopped) return
    this.stopped = false
    this.connect()
  }

  stop(): void {
    this.stopped = true
    clearTimeout(this.timer)
    this.source?.close()
    this.source = undefined
    this.set('connecting')
  }

  /** Stops showing what happens, or starts again and catches up. */
  toggle(): void {
    this.paused = !this.paused
    if (!this.paused) this.handlers.resync()
    this.set(this.paused ? 'paused' : this.source?.readyState === EventSource.OPEN ? 'live' : 'connecting')
  }

  private set(kind: LiveState['kind']): void {
    if (this.state.kind === kind) return
    this.state = { kind, since: Date.now() }
    for (const l of this.listeners) l()
  }

  private connect(): void {
    const source = new EventSource(this.url)
    this.source = source
    source.onopen = () => {
      this.wait = 1000
      if (this.state.kind === 'lost') this.handlers.back()
      this.set(this.paused ? 'paused' : 'live')
    }
    source.onerror = () => {
      if (!this.paused) this.set('lost')
      // The browser tries again by itself after a cut; after a refusal it gives up, so this does it.
      if (source.readyState === EventSource.CLOSED && !this.stopped) {
        clearTimeout(this.timer)
        this.timer = window.setTimeout(() => this.connect(), this.wait)
        this.wait = Math.min(this.wait * 2, 15_000)
      }
    }
    source.addEventListener('hello', e => {
      const { last_event } = JSON.parse(e.data) as { last_event: string }
      if (this.lastEvent !== '' && this.lastEvent !== last_event && !this.paused) this.handlers.resync()
      this.lastEvent = last_event
    })
    source.addEventListener('changes', e => {
      const c = JSON.parse(e.data) as Partial<Changes> & { last_event: string }
      this.lastEvent = c.last_event
      if (!this.paused)
        this.handlers.changes({ arrived: c.arrived ?? 0, changed: c.changed ?? [], more: c.more ?? false })
    })
    source.addEventListener('status', e => this.handlers.status(JSON.parse(e.data) as Status))
    source.addEventListener('resync', () => {
      if (!this.paused) this.handlers.resync()
    })
  }
}
