import type { Route } from '../api/types'

// Rules, as the REST API writes them.

export interface Diagnostic {
  severity: 'error' | 'warning' | 'hint'
  code: string
  line: number
  column: number
  end_line: number
  end_column: number
  message: { en: string; zh: string }
  suggestion?: string
  rule?: string
}

export interface RuleHits {
  rule: string
  total: number
  day: number
  hours: number[] | null
}

export interface RuleVersion {
  version: number
  sha256: string
  text?: string
  author: string
  note?: string
  at: string
  reverts?: number
}

/** One rule of a text and where it stands. */
export interface RuleLine {
  name: string
  line: number
  end_line: number
  route: Route
  off: boolean
}

/** One alert rule of a text and where it stands. */
export interface AlertLine {
  name: string
  line: number
  end_line: number
  signal: string
  off: boolean
}

export interface RulesInForce {
  version: RuleVersion
  diagnostics: Diagnostic[] | null
  refused: { at: string; text: string; diagnostics: Diagnostic[] | null } | null
  path: string
  /** The file as it is on disk, and what names that state of it. */
  text: string
  etag: string
  writable: { ok: boolean; why?: string; message?: { en: string; zh: string } }
  rules: RuleLine[] | null
  alerts: AlertLine[] | null
  hits: RuleHits[] | null
}
