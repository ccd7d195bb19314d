import type { Probe } from '../letter/types'
import type { Diagnostic, RuleVersion } from '../rules/types'

// The shapes of the REST API. They are the JSON forms of the nouns in the Go package dlq; a name here is a JSON tag there.

export type State =
  | 'open'
  | 'snoozed'
  | 'scheduled'
  | 'sending'
  | 'awaiting'
  | 'compensating'
  | 'resolved'
  | 'discarded'
export type Tab = 'attention' | 'in_flight' | 'snoozed' | 'resolved' | 'discarded'
/** What a list can show: one tab, or the letters of all. */
export type ListTab = Tab | 'all'
export type Route = 'retry' | 'manual' | 'compensate' | 'discard'
export type Severity = 'critical' | 'high' | 'normal' | 'low'
export type Door = 'A' | 'B' | 'C' | 'P' | 'D'
export type Outcome = 'sending' | 'waiting' | 'confirmed' | 'assumed' | 'failed_again' | 'send_failed' | 'unknown'
export type Role = 'viewer' | 'operator' | 'admin' | 'reporter'

export const tabs: readonly Tab[] = ['attention', 'in_flight', 'snoozed', 'resolved', 'discarded']
export const listTabs: readonly ListTab[] = [...tabs, 'all']
export const states: readonly State[] = [
  'open',
  'snoozed',
  'scheduled',
  'sending',
  'awaiting',
  'compensating',
  'resolved',
  'discarded',
]
export const routes: readonly Route[] = ['retry', 'manual', 'compensate', 'discard']

/** The tab that shows letters of a state; the twin of State.Tab in Go. */
export function tabOf(state: State): Tab {
  switch (state) {
    case 'open':
      return 'attention'
    case 'snoozed':
    case 'resolved':
    case 'discarded':
      return state
    default:
      return 'in_flight'
  }
}

export interface Letter {
  id: string
  version: number
  state: State
  resolution?: string
  route: Route
  hold?: string
  severity: Severity
  flags: string[] | null
  owner?: string
  runbook?: string
  labels?: string[]
  reason: string
  reason_text?: string
  reason_origin: string
  reason_field?: string
  fingerprint: string
  /** The earlier death that gave the reason; absent where the newest one did. */
  reason_death?: string
  business?: string
  envelope?: string
  cluster: string
  consumer_group: string
  topic: string
  dlq_topic: string
  broker: string
  message_id: string
  origin_message_id?: string
  unique_key?: string
  keys?: string[]
  tags?: string
  attempts: number
  retry_count?: number
  deaths: number
  replays: number
  size: number
  born_at: string
  died_at: string
  arrived_at: string
  changed_at: string
  /** Milliseconds since 1970 as the message has them, where they are not born_at. */
  born_raw?: string
  died_raw?: string
  due_at?: string
  expires_at?: string
  rule: string
  rule_version: number
}

/** What a person calls the letter: its first key, else its UNIQ_KEY, else the id of the dead copy. */
export function titleOf(letter: Letter): string {
  return letter.keys?.[0] || letter.unique_key || letter.message_id
}

export interface Queue {
  cluster: string
  broker: string
  topic: string
  number: number
}

export interface Death extends Queue {
  id: string
  offset: string
  stored_at: string
  message_id: string
  phys_offset: string
  attempts: number
  replay_id?: string
  arrived_at: string
  foreign_replay?: boolean
  reason?: string
  reason_text?: string
  reason_origin?: string
  reason_field?: string
  fingerprint?: string
  route?: Route
  severity?: Severity
  rule?: string
  rule_version?: number
}

export interface Replay {
  id: string
  letter_id: string
  number: number
  door: Door
  why: string
  cluster: string
  consumer_group: string
  target: string
  topic: string
  unique_key: string
  as_new?: boolean
  delay?: string
  delay_level?: number
  deliver_at?: string
  automatic: boolean
  /** Number of the operation that it belongs to. */
  operation?: number
  target_kind?: TargetKind
  /** Number of the edit that was sent. */
  edit?: number
  transformed?: boolean
  actor: string
  note?: string
  intended_at: string
  sent_at?: string
  seen_at?: string
  settled_at?: string
  outcome: Outcome
  detail?: string
  error?: string
  receipt: { broker?: string; queue: number; offset: string; message_id?: string; weak?: boolean }
  next_look?: string
  looks: number
  online_for?: string
}

export interface LetterEvent {
  id: string
  letter_id: string
  at: string
  kind: string
  actor: string
  replay_id?: string
  rule?: string
  note?: string
  detail?: Record<string, string>
}

export interface CallAttempt {
  call_id: string
  number: number
  at: string
  duration: string
  status: number
  answer?: string
  error?: string
  address?: string
}

export interface Call {
  id: string
  letter_id: string
  name: string
  state: string
  attempts: number
  next_at?: string
  verdict?: string
  reason?: string
  refs?: { kind: string; id: string; url?: string }[]
  error?: string
  created_at: string
  changed_at: string
  log?: CallAttempt[]
}

export interface Detail extends Letter {
  properties: Record<string, string> | null
  escaped_properties?: string[]
  sys_flag: number
  born_host?: string
  store_host?: string
  body_state: 'plain' | 'inflated' | 'undecoded' | 'over_limit'
  history: Death[] | null
  replay_list: Replay[] | null
  events: LetterEvent[] | null
  calls: Call[] | null
}

export interface Page {
  items: Letter[] | null
  next?: string
  total: { count: number; exact: boolean }
  /** Deaths of these letters in the window of arrival, where the filter has one. */
  deaths?: { count: number; exact: boolean }
  examined?: number
  search_lag?: number
}

export interface Facet {
  value: string
  count: number
}

export interface Facets {
  tabs: Partial<Record<Tab, number>>
  consumer_groups: Facet[] | null
  topics: Facet[] | null
  reasons: Facet[] | null
  rules: Facet[] | null
  routes: Facet[] | null
  /** False: only the newest letters were looked at, `examined` of each tab or of what the text finds. */
  exact: boolean
  examined?: number
}

export interface Summary {
  tabs: Partial<Record<Tab, number>>
  states: Partial<Record<State, number>>
  oldest_open?: string
  arrived_24h: number
  arrived_hours: number[] | null
  unread: number
  unread_expires_at?: string
  gaps: number
  search_lag: number
  letters: number
  last_event: string
}

export interface ClusterStatus {
  cluster: string
  name_servers: string[] | null
  reachable: boolean
  since?: string
  error?: string
  hint?: string
  tls?: 'full' | 'any_name' | 'unchecked'
  simulated: boolean
  brokers?: string[]
  foreign_console: boolean
  consoles?: { id: string; host: string; address?: string; automation: boolean; since?: string }[]
  consoles_error?: string
  members?: BrokerState[]
}

export interface BrokerState {
  name: string
  address?: string
  role: 'master' | 'slave' | 'gone'
  /** Since when it does not answer; absent while it does. */
  away_since?: string
  why?: string
  error?: string
}

export interface Automation {
  on: boolean
  stopped: boolean
  since?: string
  changed_at?: string
  actor?: string
  note?: string
  version: number
}

export interface Status {
  version: string
  cluster: ClusterStatus
  automation: Automation
  rules: { version: number; refused: boolean; errors: number }
  alerts: { firing: number; silenced: number; critical: number; pending: number }
  store: { full: boolean; search_lag: number; file?: FileStatus }
  intake: { stalled: boolean; since?: string }
  demo?: { shop_url?: string }
}

export interface DoorOption {
  door: Door
  allowed: boolean
  why: string
  warnings: string[] | null
  target: string
  receivers: string[] | null
  complete: boolean
  delays: boolean
  timer: boolean
  new_key: boolean
  broker?: string
}

export interface GroupInfo {
  name: string
  exists: boolean
  kind: string
  kind_why: string
  online: boolean
  reads_retry?: boolean
  last_seen?: string
  clients?: { id: string; address: string; language: string; version: string }[]
  topics?: string[]
  lag: number
  max_retry: number
  brokers_away?: string[]
  serving?: string[]
}

export interface Capabilities {
  broker: string
  version: string
  major: number
  levels: string[] | null
  timer: boolean
  timer_max?: string
  orderly_diverts: boolean
  refuses_empty: boolean
  max_message: number
}

export interface ReplayOptions {
  letter_id: string
  version: number
  allowed: boolean
  why?: string
  default: Door | ''
  doors: DoorOption[] | null
  levels: { level: number; delay: string }[] | null
  timer: boolean
  timer_max?: string
  default_delay: string
  group: GroupInfo
  broker: Capabilities
  same_last_5m: number
  confirmed_at?: string
  dead_copy_until?: string
  unwraps: boolean
  broker_error?: string
  brokers_away?: string[]
  holder_error?: string
}

/** To whom a replay goes: "" is the failed consumer group alone. */
export type TargetKind = '' | 'topic' | 'other_topic' | 'other_group'

export interface Target {
  kind?: TargetKind
  name?: string
  topic?: string
}

export interface ReplayRequest {
  version: number
  target?: Target
  /** Number of the edit that is sent; the original without one. */
  edit?: number
  door?: Door
  delay?: string
  deliver_at?: string
  as_new?: boolean
  note?: string
}

export interface Clause {
  field: string
  op: string
  want: string[] | null
  got?: string[]
  have: boolean
  ok: boolean
  not?: boolean
  depth?: number
  group?: string
  line?: number
}

export interface RuleTrace {
  rule: string
  line: number
  matched: boolean
  clauses: Clause[] | null
}

export interface Verdict {
  rule: string
  rule_version: number
  route: Route
  severity: Severity
  owner?: string
  runbook?: string
  labels?: string[]
  note?: string
  over_budget?: boolean
  retry?: { delay: string; backoff: number; max: number; max_delay: string }
  compensation?: { name: string; disabled?: boolean }
}

export interface Explanation {
  verdict: Verdict
  rules: RuleTrace[] | null
}

export interface ActionResult {
  id: string
  ok: boolean
  letter?: Letter
  replay?: Replay
  probe?: Probe
  error?: ProblemBody
}

/** An error as the API writes it (RFC 9457). */
export interface ProblemBody {
  title?: string
  status?: number
  code: string
  detail?: string
  hint?: string
  params?: Record<string, string>
  letter?: Letter
  /** What is wrong with a text of the rules. */
  diagnostics?: Diagnostic[]
  /** The rules file as somebody else left it. */
  rules?: { text: string; etag: string; version: RuleVersion }
  request_id?: string
  /** An earlier try of the same write was not answered: it may have been done by that. Not from the console. */
  after_lost?: boolean
}

/** Whether the data file is still the one that the console works on. */
export interface FileStatus {
  state: 'ok' | 'copy' | 'removed' | 'replaced' | 'log_removed'
  path?: string
  from?: { host: string; path: string; at: string }
}
