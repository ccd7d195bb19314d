import { describe, expect, it } from 'vitest'
import { base64Text, hexLine, type Node, parseJSON, utf8 } from './json'

/** Writes a node back; what is written must be what was read, blanks aside. */
function write(n: Node): string {
  switch (n.kind) {
    case 'object':
      return `{${n.entries.map(([k, v]) => `${JSON.stringify(k)}:${write(v)}`).join(',')}}`
    case 'array':
      return `[${n.items.map(write).join(',')}]`
    case 'string':
      return JSON.stringify(n.value)
    default:
      return n.raw
  }
}
const round = (text: string) => {
  const n = parseJSON(text)
  return n && write(n)
}

describe('JSON as it was written', () => {
  it('keeps every digit of a number', () => {
    for (const n of ['9007199254740993', '12345678901234567890.1234567890', '-0', '1E400', '0.10', '1e-7'])
      expect(round(n)).toBe(n)
  })
  it('keeps order, repeated keys and dangerous ones', () => {
    const text = '{"b":1,"a":2,"a":3,"__proto__":{"x":1},"1":true,"constructor":null}'
    expect(round(text)).toBe(text)
    expect(({} as { x?: number }).x).toBeUndefined()
  })
  it('reads escapes, blanks and all letters', () => {
    expect(round(' {\n"k\\u0041" : [ "\\"\\\\\\/\\n\\ud83d\\ude00", "中文", [ ], { } ]\t}\r\n')).toBe(
      '{"kA":["\\"\\\\/\\n😀","中文",[],{}]}',
    )
  })
  it.each([
    '',
    '{',
    '[1,]',
    '{"a"}',
    '{a:1}',
    "{'a':1}",
    '01',
    '+1',
    '1.',
    'nul',
    'truefalse',
    '"\n"',
    '"\\x"',
    '1 2',
    '[1}',
    '\u00a01',
  ])('refuses %j, as JSON.parse does', text => {
    expect(() => JSON.parse(text)).toThrow()
    expect(parseJSON(text)).toBeUndefined()
  })
  it('refuses what is nested too deeply, and reads what is long', () => {
    expect(parseJSON('['.repeat(200_000))).toBeUndefined()
    expect(parseJSON('['.repeat(300) + ']'.repeat(300))).toBeDefined()
    const long = `{"x":"${'y\\n'.repeat(500_000)}"}`
    expect(parseJSON(long)).toBeDefined()
  })
})

describe('bytes', () => {
  it('are text only when they are UTF-8', () => {
    expect(utf8(new TextEncoder().encode('死信 ✓'))).toBe('死信 ✓')
    expect(utf8(Uint8Array.of(0xff, 0xfe))).toBeUndefined()
    expect(utf8(Uint8Array.of(0xef, 0xbb, 0xbf, 0x41))).toBe('\ufeffA')
  })
  it('are shown as hex, sixteen to a line', () => {
    const b = Uint8Array.from({ length: 20 }, (_, i) => i * 13)
    expect(hexLine(b, 0)).toEqual(['00000000', '00 0d 1a 27 34 41 4e 5b  68 75 82 8f 9c a9 b6 c3', "···'4AN[hu······"])
    expect(hexLine(b, 16)).toEqual(['00000010', 'd0 dd ea f7', '····'])
  })
  it('inside base64 are found, words are not taken for it', () => {
    expect(base64Text(btoa('{"order": 42, "paid": true}'))).toBe('{"order": 42, "paid": true}')
    expect(base64Text('abcdefghijklmnop')).toBeUndefined()
    expect(base64Text('short')).toBeUndefined()
    expect(base64Text('PAY-20261121-004')).toBeUndefined()
  })
})
