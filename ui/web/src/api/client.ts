import { useSyncExternalStore } from 'react'
import type { ProblemBody } from './types'
import { Lost, type Unanswered, type Write, Writes } from './writes'

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
  if (error instanceof Lost) return new Problem(error.body)
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
  if (!body?.code) {
    // Something on the way says that it has no answer of the console.
    const code = res.status === 401 ? 'unauthorized' : res.status >= 500 ? 'offline' : 'internal'
    body = { code, status: res.status, detail: `HTTP ${res.status}` }
  }
  if (res.status === 401) unauthorized.dispatchEvent(new Event('unauthorized'))
  return new Problem(body)
}

/** Asks once, and reads the answer to its end. No answer, or a cut one, is a Problem "offline". */
async function send<T>(path: string, init: RequestInit, read: (res: Response) => Promise<T>): Promise<T> {
  try {
    const res = await fetch(base + path, { credentials: 'same-origin', ...init })
    if (!res.ok) throw await problemOf(res)
    return await read(res)
  } catch (e) {
    if (e instanceof Problem || (e instanceof DOMException && e.name === 'AbortError')) throw e
    throw new Problem({ code: 'offline' })
  }
}

/** Reads JSON. */
export async function get<T>(path: string, signal?: AbortSignal): Promise<T> {
  return send(
    path,
    { headers: { Accept: 'application/json' }, signal: signal ?? null },
    res => res.json() as Promise<T>,
  )
}

/** Reads exact bytes. */
export async function getBytes(path: string, signal?: AbortSignal): Promise<Uint8Array> {
  return send(path, { signal: signal ?? null }, async res => new Uint8Array(await res.arrayBuffer()))
}

/** 128 random bits as hex; crypto.randomUUID is missing where the page is served without TLS from another machine. */
export function randomID(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), b => b.toString(16).padStart(2, '0')).join('')
}

// An answer that is not the console's leaves open whether the write was done.
async function sendWrite(w: Write, signal: AbortSignal): Promise<string> {
  try {
    return await send(w.path, { method: w.method, headers: w.headers, body: w.body, signal }, async res => {
      const text = await res.text()
      if (text) JSON.parse(text)
      return text
    })
  } catch (e) {
    const answered = e instanceof Problem && e.code !== 'offline'
    throw answered ? e : new Lost({ code: 'unanswered' })
  }
}

/** The writes whose answers were lost. */
export const writes = new Writes(sendWrite)
export const useUnanswered = (): readonly Unanswered[] => useSyncExternalStore(writes.subscribe, writes.snapshot)

function writeOf(
  method: Write['method'],
  path: string,
  body?: unknown,
  key?: string,
  more?: Record<string, string>,
): Write {
  key ??= randomID()
  const headers: Record<string, string> = { Accept: 'application/json', 'Idempotency-Key': key, ...more }
  if (body !== undefined) headers['Content-Type'] = 'application/json'
  return { key, method, path, body: body === undefined ? null : JSON.stringify(body), headers }
}

/**
 * Writes JSON. The same key makes a repeated write the same write. While its answer is lost it is asked for again; when
 * that was in vain the Problem is "unanswered": whether it was done is not known.
 */
export async function write<T>(
  method: Write['method'],
  path: string,
  body?: unknown,
  key?: string,
  more?: Record<string, string>,
): Promise<T> {
  const text = await writes.send(writeOf(method, path, body, key, more))
  return (text ? JSON.parse(text) : undefined) as T
}

/** Logs in or out: asked once, and what is in it is kept nowhere. */
export async function writeSession(method: 'POST' | 'DELETE', body?: unknown): Promise<void> {
  const w = writeOf(method, '/session', body)
  await send(w.path, { method, headers: w.headers, body: w.body }, res => res.text())
}

/** Asks with a body, changes nothing, and gives the answer as a stream. */
export async function stream(path: string, body: unknown, signal: AbortSignal): Promise<ReadableStream<Uint8Array>> {
  const headers = { Accept: 'application/x-ndjson', 'Content-Type': 'application/json' }
  const init = { method: 'POST', headers, body: JSON.stringify(body), signal }
  return send(path, init, async res => res.body ?? new ReadableStream())
}

/** Asks with a body and changes nothing. */
export async function ask<T>(path: string, body: unknown, signal?: AbortSignal): Promise<T> {
  const headers = { Accept: 'application/json', 'Content-Type': 'application/json' }
  const init = { method: 'POST', headers, body: JSON.stringify(body), signal: signal ?? null }
  return send(path, init, res => res.json() as Promise<T>)
}
