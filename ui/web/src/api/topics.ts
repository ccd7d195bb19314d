import type { GroupInfo, Queue } from './types'

// Dead-letter topics, what was lost in them, and whose they are, in the JSON of the REST API.

export interface TopicInfo extends Queue {
  consumer_group: string
  perm: number
  readable: boolean
  min: string
  max: string
  next: string
  unread: number
  oldest_unread?: string
  expires_at?: string
  last_error?: string
  checked_at: string
}

export interface Gap extends Queue {
  id: string
  kind: 'expired' | 'truncated' | 'unreadable'
  from: string
  to: string
  count: string
  at: string
}

/** One consumer group with dead letters. `info` is what the cluster says of it now; it is asked for by name. */
export interface ConsumerGroup {
  name: string
  letters_open: number
  letters_in_flight: number
  unread: number
  readable: boolean
  oldest_unread?: string
  expires_at?: string
  last_error?: string
  topics: TopicInfo[] | null
  info?: GroupInfo
  info_error?: string
}
