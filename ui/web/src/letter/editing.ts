import { utf8 } from './json'
import { isOwn } from './properties'
import type { Edit, Editable, EditableProperty } from './types'

/** One property as a row of the form. */
export interface Row {
  /** Tells rows apart while their names are being typed. */
  readonly key: number
  readonly name: string
  readonly value: string
}

/** What somebody is writing, and what it began as. */
export interface Draft {
  /** Number of the edit that it goes on from; 0 for the original. */
  readonly base: number
  readonly text: string
  readonly rows: readonly Row[]
}

/** A draft in the form that the API takes. */
export interface Changes {
  body: Uint8Array
  bodyChanged: boolean
  set: Record<string, string>
  remove: string[]
}

export const bodyMax = 4 << 20
/** What RocketMQ allows, less what a replay adds: its id, its count, where it goes. */
export const propertiesMax = 32_767 - 600

// Those of the machinery that belong to the user all the same, first and under names of their own.
const own = ['TAGS', 'KEYS']

export function fromBase64(text: string): Uint8Array {
  const raw = atob(text)
  const bytes = new Uint8Array(raw.length)
  for (let i = 0; i < raw.length; i++) bytes[i] = raw.charCodeAt(i)
  return bytes
}

export function toBase64(bytes: Uint8Array): string {
  let raw = ''
  for (let i = 0; i < bytes.length; i += 0x8000) raw += String.fromCharCode(...bytes.subarray(i, i + 0x8000))
  return btoa(raw)
}

/** Why the body cannot be edited; undefined when it can. */
export function bodyLocked(e: Editable): 'undecoded' | 'binary' | undefined {
  if (e.undecoded) return 'undecoded'
  return textOf(e.body) === undefined ? 'binary' : undefined
}

/** A body as text; undefined when its bytes are none, so that reading and writing it again would change them. */
export const textOf = (body: string): string | undefined => utf8(fromBase64(body))

const open = (p: EditableProperty) => !p.locked && !p.stripped

/** The properties that may be changed: tags and keys first, the others by name. */
function originals(e: Editable): Map<string, string> {
  const all = new Map((e.properties ?? []).filter(open).map(p => [p.name, p.value]))
  const first = own.map((n): [string, string] => [n, all.get(n) ?? ''])
  const rest = [...all].filter(([n]) => !own.includes(n)).sort(([a], [b]) => (a < b ? -1 : 1))
  return new Map([...first, ...rest])
}

let keys = 0
export const newRow = (name = '', value = ''): Row => ({ key: ++keys, name, value })

/** The original, or one of its edits, as the beginning of a draft. */
export function draftOf(e: Editable, edit?: Edit): Draft {
  const props = originals(e)
  for (const n of edit?.remove ?? []) props.set(n, '')
  for (const [n, v] of Object.entries(edit?.set ?? {})) props.set(n, v)
  const gone = new Set(edit?.remove ?? [])
  return {
    base: edit && edit.deaths === e.deaths ? edit.number : 0,
    text: textOf(edit?.body ?? e.body) ?? '',
    rows: [...props].filter(([n]) => own.includes(n) || !gone.has(n)).map(([n, v]) => newRow(n, v)),
  }
}

/** How a draft differs from the original. */
export function changesOf(e: Editable, d: Draft): Changes {
  const original = fromBase64(e.body)
  const body = bodyLocked(e) ? original : new TextEncoder().encode(d.text)
  const had = new Map((e.properties ?? []).filter(open).map(p => [p.name, p.value]))
  const has = new Map(
    d.rows.filter(r => r.name && !(own.includes(r.name) && r.value === '')).map(r => [r.name, r.value]),
  )
  const set: Record<string, string> = {}
  for (const [n, v] of has) if (had.get(n) !== v) set[n] = v
  return {
    body,
    bodyChanged: body.length !== original.length || body.some((b, i) => b !== original[i]),
    set,
    remove: [...had.keys()].filter(n => !has.has(n)),
  }
}

export const nothingChanged = (c: Changes): boolean =>
  !c.bodyChanged && Object.keys(c.set).length === 0 && c.remove.length === 0

/** How one property changes; undefined for what was, or will be, not there. */
export interface PropertyChange {
  name: string
  before: string | undefined
  after: string | undefined
  sensitive: boolean
}

export function propertyChanges(e: Editable, c: Pick<Changes, 'set' | 'remove'>): PropertyChange[] {
  const had = new Map((e.properties ?? []).map(p => [p.name, p]))
  return [...Object.keys(c.set), ...c.remove].sort().map(name => ({
    name,
    before: had.get(name)?.value,
    after: c.set[name],
    sensitive: had.get(name)?.sensitive ?? secretive(name),
  }))
}

// A new property has not been looked at by the server yet.
const secretive = (name: string) => /pass|secret|token|auth|credential|cookie|session|api[-_.]?key|private/i.test(name)

/** What is wrong with a name of a property. */
export type RowFault = 'name' | 'twice' | 'own' | 'sign'

export function rowFault(rows: readonly Row[], r: Row): RowFault | undefined {
  if (own.includes(r.name)) return separators.test(r.value) ? 'sign' : undefined
  if (r.name.trim() === '') return 'name'
  if (isOwn(r.name) && r.name !== '__SHARDINGKEY') return 'own'
  if (rows.some(o => o.key !== r.key && o.name === r.name)) return 'twice'
  return separators.test(r.name + r.value) ? 'sign' : undefined
}

// RocketMQ separates properties by the characters 1 and 2.
// biome-ignore lint/suspicious/noControlCharactersInRegex: finding control characters is what this is for
const separators = /[\u0000-\u0002]/

/** The bytes that properties take in a message: each name and value, and the two characters that separate them. */
export function propertiesSize(e: Editable, d: Draft): number {
  const enc = new TextEncoder()
  const kept = (e.properties ?? []).filter(p => p.locked && !p.stripped)
  return [...kept, ...d.rows.filter(r => r.name && r.value)].reduce(
    (n, p) => n + enc.encode(p.name).length + enc.encode(p.value).length + 2,
    0,
  )
}
