import type { Role } from './types'

// Who is let in, in the JSON of the REST API.

export interface Session {
  actor: string
  role: Role | ''
  login: 'none' | 'required' | 'done'
}

/** A log-in of a browser, as admins see it. */
export interface OpenSession {
  id: string
  actor: string
  role: Role
  address: string
  since: string
  used_at: string
  ends_at: string
  own: boolean
}

/** A token that lets in, without what is secret of it. */
export interface KnownToken {
  actor: string
  role: Role
  consumer_groups: string[] | null
  expires_at?: string
  used_at?: string
  address?: string
}
