// Edits and probes, as the REST API writes them.

/** One changed version of a letter's message. It belongs to the dead copy that it was made from. */
export interface Edit {
  letter_id: string
  number: number
  /** Number of the edit that it goes on from; 0 for the original. */
  base: number
  /** The letter's deaths when it was made. */
  deaths: number
  author: string
  note: string
  at: string
  /** Base64. */
  body: string
  /** Properties that differ from the original's. */
  set: Record<string, string> | null
  /** Properties of the original that are gone. */
  remove: string[] | null
}

export interface EditableProperty {
  name: string
  value: string
  /** RocketMQ's or this console's own. */
  locked: boolean
  /** It belongs to the journey that is over and is not sent. */
  stripped: boolean
  sensitive: boolean
}

/** A letter's message as an editor opens it. */
export interface Editable {
  letter_id: string
  version: number
  deaths: number
  /** Base64; out of its envelope. */
  body: string
  /** Still compressed. */
  undecoded: boolean
  /** In which the body is written; '' for no text. */
  charset: string
  /** The bodies are texts in UTF-8, to be written in the charset again. */
  transcript: boolean
  properties: EditableProperty[] | null
  edits: Edit[] | null
}

/** What a body says. */
export interface BodyText {
  size: number
  state: string
  /** How it is compressed; '' for not. */
  format: string
  opened: number
  over_limit: boolean
  more: boolean
  broken: boolean
  detected: string
  charset: string
  text: string
  wrong: number
  pieces: { offset: number; text: string }[] | null
  cut: boolean
}

export type ProbeVerdict = 'success' | 'later' | 'exception' | 'null' | 'timeout'

/** What one probe found. */
export interface Probe {
  letter_id: string
  at: string
  actor: string
  note?: string
  client_id: string
  language?: string
  verdict: ProbeVerdict
  text?: string
  reason?: string
  spent: string
  /** False: this kind of client answers success also when it failed. */
  trusted: boolean
  /** The dead copy was used: the listener saw the topic %DLQ%<group>. */
  on_dead?: boolean
}
