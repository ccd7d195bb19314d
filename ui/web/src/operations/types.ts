// The shapes of operations in the REST API: the JSON forms of dlq/operation.go. Lists may be null, as Go writes them.
import type { Door, Facet, GroupInfo, Letter, Outcome, Route } from '../api/types'

export const kinds = ['replay', 'discard', 'restore', 'route', 'resolve'] as const
export type Kind = (typeof kinds)[number]

export const operationStates = ['draft', 'queued', 'canary', 'running', 'paused', 'settling', 'settled'] as const
export type OperationState = (typeof operationStates)[number]

export const itemStates = [
  'pending',
  'sending',
  'waiting',
  'confirmed',
  'assumed',
  'failed_again',
  'send_failed',
  'unknown',
  'skipped',
  'done',
] as const
export type ItemState = (typeof itemStates)[number]

export type End = 'completed' | 'cancelled' | 'failed'
export type Cause = 'by_hand' | 'breaker' | 'canary' | 'window' | 'stop'

export interface Total {
  count: number
  exact: boolean
}

export type TargetKind = '' | 'topic' | 'other_topic' | 'other_group'

export interface Target {
  kind?: TargetKind
  name?: string
  topic?: string
}

export const transformDos = ['set', 'remove', 'rename', 'set_property', 'remove_property'] as const
export type TransformDo = (typeof transformDos)[number]

/** One change of each message. Paths are JSON Pointers. */
export interface TransformStep {
  do: TransformDo
  path?: string
  to?: string
  value?: string
  name?: string
}

export interface ReplaySpec {
  door?: Door
  target: Target
  as_new?: boolean
  delay?: string
  deliver_at?: string
  spread?: string
  keep_order?: boolean
  transform?: TransformStep[]
  include_quarantined?: boolean
  include_stale?: boolean
}

export interface Pace {
  /** Letters per second and consumer group; 0 for no limit. */
  rate: number
  ramp_up: string
  /** Sends under way at once, 1 to 16; 0 for 16. */
  concurrency: number
}

export interface Window {
  from: string
  to: string
  zone?: string
}

export interface Spec {
  replay?: ReplaySpec
  route?: Route | ''
  pace: Pace
  canary: { letters: number; percent: number }
  brake: { of: number; above: number }
  window?: Window
  hold?: string
}

export interface DoorPreview {
  consumer_group: string
  door?: Door | ''
  why: string
  target?: string
  receivers: string[] | null
  complete: boolean
  warnings: string[] | null
  letters: number
}

export interface TransformSample {
  letter_id: string
  title: string
  before: string
  after: string
  cut?: boolean
  properties: Record<string, string> | null
  error?: string
}

export interface Preview {
  at: string
  letters: number
  eligible: number
  skipped: Record<string, number> | null
  consumer_groups: Facet[] | null
  topics: Facet[] | null
  reasons: Facet[] | null
  routes: Facet[] | null
  oldest_died?: string
  newest_died?: string
  near_expiry: number
  replayed_before: number
  failed_again: number
  quarantined: number
  stale: number
  examined: number
  duplicates: number
  order_risk: number
  doors: DoorPreview[] | null
  consumers: { letters: number; group: GroupInfo; error?: string }[] | null
  causes: { fingerprint: string; reason: string; reason_text?: string; letters: number; same_last_5m: number }[] | null
  samples?: TransformSample[]
  transform_errors: number
  broker_error?: string
  sends_per_second?: number
  duration_estimate?: string
}

export interface Drift {
  at: string
  gone: number
  arrived: Total
}

export interface Operation {
  id: string
  number: number
  version: number
  kind: Kind
  state: OperationState
  end?: End
  cause?: Cause
  cause_detail?: Record<string, string>
  actor: string
  note: string
  query?: string
  spec: Spec
  letters: number
  counts: Partial<Record<ItemState, number>>
  preview?: Preview
  drift?: Drift
  canary_letters: number
  created_at: string
  hold_until?: string
  started_at?: string
  resumed_at?: string
  ended_at?: string
  settled_at?: string
  changed_at: string
  rate: number
  done_at?: string
  opens_at?: string
  waits_for?: string
  pace_limit?: number
}

export interface Item {
  letter_id: string
  position: number
  state: ItemState
  detail?: string
  tries: number
  changed_at?: string
  letter?: Letter
  replay?: { id: string; door: Door; outcome: Outcome; detail?: string; error?: string; sent_at?: string }
}

export interface ItemPage {
  items: Item[] | null
  next?: string
  total: Total
}

export interface OperationPage {
  items: Operation[] | null
  next?: string
  total: Total
}

export interface History {
  slot: string
  points: { at: string; counts: Partial<Record<ItemState, number>> }[] | null
}

export interface OperationEvent {
  id: string
  at: string
  kind: string
  actor: string
  note?: string
  detail?: Record<string, string>
}

/** Which letters an operation takes: those of a list's query, or those named, without the exceptions. */
export type Choice = { query: string; except?: string[] } | { ids: string[] }

/** Whether it may still act on letters, now or when it is resumed. */
export const acts = (s: OperationState): boolean =>
  s === 'queued' || s === 'canary' || s === 'running' || s === 'paused'

/** The letters of an operation in some state. */
export const inState = (o: { counts: Operation['counts'] }, ...states: ItemState[]): number =>
  states.reduce((n, s) => n + (o.counts[s] ?? 0), 0)
