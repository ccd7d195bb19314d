import type { Place } from './where'

/** The part of JSON Schema that rules.yaml's schema uses. */
export interface Schema {
  $ref?: string
  $defs?: Record<string, Schema>
  description?: string
  type?: string | string[]
  properties?: Record<string, Schema | boolean>
  patternProperties?: Record<string, Schema>
  additionalProperties?: Schema | boolean
  items?: Schema
  anyOf?: Schema[]
  oneOf?: Schema[]
  enum?: unknown[]
  const?: unknown
  default?: unknown
  required?: string[]
}

/** What was really seen, and what the text itself defines. */
export interface Seen {
  reasons: string[]
  consumer_groups: string[]
  topics: string[]
  clusters: string[]
  businesses: string[]
  tags: string[]
  properties: string[]
  body_paths: string[]
  compensations: string[]
  receivers: string[]
}

export interface Offer {
  label: string
  /** What the schema says of it; '' for values that were seen. */
  info: string
  kind: 'key' | 'value' | 'seen'
  /** A key that must be there. */
  needed: boolean
}

/** Every way of reading a part of the schema: references followed, alternatives side by side. */
function forms(root: Schema, s: Schema | boolean | undefined, depth = 0): Schema[] {
  if (s === undefined || typeof s === 'boolean' || depth > 8) return []
  if (s.$ref) {
    const name = s.$ref.replace('#/$defs/', '')
    return forms(root, root.$defs?.[name], depth + 1).map(f =>
      s.description || s.default !== undefined
        ? {
            ...f,
            description: s.description ?? f.description ?? '',
            ...(s.default !== undefined && { default: s.default }),
          }
        : f,
    )
  }
  const other = [...(s.anyOf ?? []), ...(s.oneOf ?? [])].flatMap(x => forms(root, x, depth + 1))
  return [s, ...other]
}

function step(root: Schema, s: Schema, key: string): Schema[] {
  if (key === '[]') return forms(root, s.items)
  const own = s.properties?.[key]
  if (own !== undefined) return forms(root, own)
  for (const [pattern, of] of Object.entries(s.patternProperties ?? {}))
    if (new RegExp(pattern).test(key)) return forms(root, of)
  return forms(root, s.additionalProperties)
}

/** The parts of the schema that a path leads to. */
export function at(root: Schema, path: readonly string[]): Schema[] {
  let here = forms(root, root)
  for (const key of path) here = here.flatMap(s => step(root, s, key))
  return here
}

const fields: Record<string, keyof Seen> = {
  reason: 'reasons',
  consumer_group: 'consumer_groups',
  topic: 'topics',
  cluster: 'clusters',
  business: 'businesses',
  tags: 'tags',
}

/** What can be written at a place. */
export function offers(root: Schema, seen: Seen, place: Place): Offer[] {
  const here = at(root, place.path)
  const out = new Map<string, Offer>()
  const add = (label: string, kind: Offer['kind'], info = '', needed = false) => {
    if (label !== '' && !out.has(label)) out.set(label, { label, info, kind, needed })
  }
  if (place.kind === 'key') {
    for (const s of here) {
      for (const [key, of] of Object.entries(s.properties ?? {})) {
        if (of === false) continue
        add(key, 'key', forms(root, of).find(f => f.description)?.description ?? '', s.required?.includes(key))
      }
      if (s.patternProperties && place.path.includes('match')) {
        for (const p of seen.properties) add(`property.${/[.]/.test(p) ? `"${p}"` : p}`, 'seen')
        for (const p of seen.body_paths) add(`body.${p}`, 'seen')
      }
    }
  }
  // A member of a block list is a value as well as the beginning of a mapping.
  if (place.kind === 'value' || place.path.at(-1) === '[]') {
    for (const s of here) {
      for (const v of [...(s.enum ?? []), ...(s.const !== undefined ? [s.const] : [])])
        add(String(v), 'value', s.description)
      if (s.type === 'boolean') for (const v of ['true', 'false']) add(v, 'value', s.description)
      if (s.default !== undefined) add(String(s.default), 'value', s.description)
    }
    for (const v of known(seen, place.path)) add(v, 'seen')
  }
  return [...out.values()]
}

/** Values that exist for the field that a path is about. */
function known(seen: Seen, path: readonly string[]): string[] {
  const keys = path.filter(k => k !== '[]')
  const last = keys.at(-1) ?? ''
  if (keys[0] === 'facts') {
    const sources = [
      ...seen.properties.map(p => `property.${/[.]/.test(p) ? `"${p}"` : p}`),
      ...seen.body_paths.map(p => `body.${p}`),
    ]
    return [
      ...sources,
      ...(last === 'business'
        ? ['envelope']
        : ['report', 'probe', ...(last === 'reason' ? ['envelope', 'broker'] : [])]),
    ]
  }
  if (last === 'compensate') return seen.compensations
  if (last === 'receivers') return seen.receivers
  if (keys[0] === 'alerts' && last === 'by') return ['cluster', 'consumer_group', 'topic', 'reason']
  const field = [...keys].reverse().find(k => k in fields)
  if (field && ['match', 'where', 'stale_after'].some(k => keys.includes(k))) return seen[fields[field] as keyof Seen]
  return []
}
