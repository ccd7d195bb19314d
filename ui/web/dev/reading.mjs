// The imitation of what the program says of bodies for the mock server. It guesses less: a letter says its charset itself.
import { gunzipSync } from 'node:zlib'

/** A body as a text, undefined where it is none in the charset. */
export function decode(bytes, charset) {
  try {
    return new TextDecoder(charset, { fatal: true }).decode(bytes)
  } catch {
    return undefined
  }
}

/** In which charset a letter's body is written, '' for no text. */
export const charsetOf = x => x.charset ?? (decode(x.body, 'utf-8') === undefined ? '' : 'utf-8')

export function reading(x, params) {
  let bytes = x.body
  const said = {
    size: bytes.length,
    state: x.detail.body_state,
    format: '',
    opened: 0,
    over_limit: false,
    more: false,
    broken: false,
    detected: charsetOf(x),
    charset: '',
    text: '',
    wrong: 0,
    pieces: [],
    cut: false,
  }
  if (bytes[0] === 0x1f && bytes[1] === 0x8b) {
    said.format = 'gzip'
    const open = Number(params.get('open') ?? 0)
    const inside = gunzipSync(bytes)
    if (inside.length > Math.max(1 << 20, bytes.length * 200) && !open) return { ...said, over_limit: true }
    bytes = open ? inside.subarray(0, open) : inside
    Object.assign(said, { opened: bytes.length, more: bytes.length < inside.length, detected: x.charset || 'utf-8' })
  }
  said.charset = params.get('charset') ?? said.detected
  if (said.charset) {
    said.text = new TextDecoder(said.charset).decode(bytes)
    said.wrong = said.text.split('\ufffd').length - 1
  } else {
    for (const m of Buffer.from(bytes)
      .toString('latin1')
      .matchAll(/[\x20-\x7e]{4,}/g))
      said.pieces.push({ offset: m.index, text: m[0] })
  }
  return said
}
