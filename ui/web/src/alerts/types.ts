// The shapes of the alerts API. A name here is a JSON tag of the Go package dlq.

export type AlertState = 'pending' | 'firing' | 'resolved'
export type AlertSeverity = 'critical' | 'warning' | 'info'
export type AlertUnit = 'count' | 'ratio' | 'duration' | 'flag'
export type Labels = Record<string, string>
export type Matchers = Record<string, string[]>

export interface Alert {
  id: string
  rule: string
  signal: string
  state: AlertState
  severity: AlertSeverity
  labels: Labels
  annotations: Labels
  receivers: string[]
  unit: AlertUnit
  value: number
  threshold: number
  below: boolean
  active_since: string
  held_at: string
  fired_at?: string
  resolved_at?: string
  silence_id?: string
  rule_version: number
  reasons?: { value: string; count: number }[]
  where?: Matchers
}

export interface AlertValue {
  labels: Labels
  value: number
  state: '' | 'pending' | 'firing'
}

export interface AlertRule {
  name: string
  signal: string
  unit: AlertUnit
  below: boolean
  threshold: number
  for: string
  keep_firing_for: string
  severity: AlertSeverity
  by: string[]
  where: Matchers
  receivers: string[]
  off: boolean
  line: number
  evaluated_at?: string
  error?: string
  values: AlertValue[]
  more_values?: number
}

export interface AlertGroup {
  receiver: string
  told: Record<string, AlertState>
  waiting?: Record<string, string>
  sent_at?: string
}

export interface Alerts {
  items: Alert[]
  recent: Alert[]
  rules: AlertRule[]
  groups: AlertGroup[]
  evaluated_at?: string
}

export interface AlertEvent {
  id: string
  alert_id: string
  rule: string
  kind: string
  at: string
  value: number
  receiver?: string
  delivery_id?: string
  silence_id?: string
  detail?: string
}

export interface Silence {
  id: string
  matchers: Matchers
  starts_at: string
  ends_at: string
  author: string
  note: string
  created_at: string
  ended_by?: string
}

export interface Receiver {
  name: string
  type: string
  format: string
  locale: string
  host: string
  per_minute: number
  /** What it is told is signed with a secret of its own. */
  signed: boolean
  disabled?: string
  needs?: string
}

export type DeliveryState = 'pending' | 'sent' | 'failed' | 'merged' | 'dropped' | 'cancelled'
export const deliveryStates: readonly DeliveryState[] = ['pending', 'sent', 'failed', 'merged', 'dropped', 'cancelled']

export interface Attempt {
  delivery_id: string
  number: number
  by_hand?: boolean
  at: string
  duration: string
  url: string
  headers?: Record<string, string>
  request?: string
  status: number
  answer?: string
  error?: string
  address?: string
}

export interface Delivery {
  id: string
  kind: 'alert' | 'test'
  receiver: string
  type: string
  state: DeliveryState
  notification: { reason: string; at: string; alerts: Alert[]; more?: number }
  attempts: number
  failures: number
  next_at?: string
  status?: number
  error?: string
  merged_into?: string
  actor?: string
  created_at: string
  changed_at: string
  log?: Attempt[]
}

export interface DeliveryPage {
  items: Delivery[]
  next?: string
}
