import type { ProblemBody } from './types'

/** An answer of the API that is not a success, or no answer at all (code "offline"). */
export class Problem extends Error {
  readonly body: ProblemBody
  constructor(body: ProblemBody) {
    super(body.detail || body.title || body.code)
    this.name = 'Problem'
    this.body = body
  }
  get code(): string {
    return this.body.code
  }
}

/** Turns anything that was thrown into a Problem. */
export function asProblem(error: unknown): Problem {
  if (error instanceof Problem) return error
  return new Problem({ code: 'internal', detail: error instanceof Error ? error.message : String(error) })
}

const base = '/api/v1'

/** Called when the API says that nobody is logged in; the frame shows the log-in screen then. */
export const unauthorized = new EventTarget()

async function problemOf(res: Response): Promise<Problem> {
  let body: ProblemBody | undefined
  try {
    body = (await res.json()) as ProblemBody
  } catch {
    // The answer is no JSON (a proxy's page, for example): only its status is worth showing.
  }
  if (!body?.code)
    body = { code: res.status === 401 ? 'unauthorized' : 'internal', status: res.status, detail: `HTTP ${res.status}` }
  if (res.status === 401) unauthorized.dispatchEvent(new Event('unauthorized'))
  return new Problem(body)
}

async function send(path: string, init: RequestInit): Promise<Response> {
  let res: Response
  try {
    res = await fetch(base + path, { credentials: 'same-origin', ...init })
  } catch (e) {
    if (e instanceof DOMException && e.name === 'AbortError') throw e
    throw new Problem({ code: 'offline' })
  }
  if (!res.ok) throw await problemOf(res)
  return res
}

/** Reads JSON. */
export async function get<T>(path: string, signal?: AbortSignal): Promise<T> {
  const res = await send(path, { headers: { Accept: 'application/json' }, signal: signal ?? null })
  return (await res.json()) as T
}

/** Reads exact bytes, and a header that says what they are. */
export async function getBytes(path: string, header: string, signal?: AbortSignal): Promise<[Uint8Array, string]> {
  const res = await send(path, { signal: signal ?? null })
  return [new Uint8Array(await res.arrayBuffer()), res.headers.get(header) ?? '']
}

/** 128 random bits as hex; crypto.randomUUID is missing where the page is served without TLS from another machine. */
export function randomID(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), b => b.toString(16).padStart(2, '0')).join('')
}

/** Writes JSON. The same key makes a repeated write the same write. */
export async function write<T>(
  method: 'POST' | 'PUT' | 'DELETE',
  path: string,
  body?: unknown,
  key?: string,
  more?: Record<string, string>,
): Promise<T> {
  const headers: Record<string, string> = { Accept: 'application/json', 'Idempotency-Key': key ?? randomID(), ...more }
  if (body !== undefined) headers['Content-Type'] = 'application/json'
  const res = await send(path, { method, headers, body: body === undefined ? null : JSON.stringify(body) })
  const text = await res.text()
  return (text ? JSON.parse(text) : undefined) as T
}

/** Asks with a body, changes nothing, and gives the answer as a stream. */
export async function stream(path: string, body: unknown, signal: AbortSignal): Promise<ReadableStream<Uint8Array>> {
  const headers = { Accept: 'application/x-ndjson', 'Content-Type': 'application/json' }
  const res = await send(path, { method: 'POST', headers, body: JSON.stringify(body), signal })
  return res.body ?? new ReadableStream()
}

/** Asks with a body and changes nothing. */
export async function ask<T>(path: string, body: unknown, signal?: AbortSignal): Promise<T> {
  const headers = { Accept: 'application/json', 'Content-Type': 'application/json' }
  const res = await send(path, { method: 'POST', headers, body: JSON.stringify(body), signal: signal ?? null })
  return (await res.json()) as T
}
