import { describe, expect, it } from 'vitest'
import { mask, masked, middle, plain } from './mask'

describe('hidden characters', () => {
  it.each([
    ['\u202e', 'U+202E'],
    ['\u2066', 'U+2066'],
    ['\u200b', 'U+200B'],
    ['\u0000', 'U+0000'],
    ['\u001b', 'U+001B'],
    ['\u0085', 'U+0085'],
    ['\u00ad', 'U+00AD'],
    ['\ufeff', 'U+FEFF'],
    ['\u3164', 'U+3164'],
    ['\u2028', 'U+2028'],
    ['\ud800', 'U+D800'],
    ['\u{e0041}', 'U+E0041'],
  ])('%j is shown as %s', (char, name) => {
    expect(mask(`a${char}b`)).toEqual([{ text: 'a' }, { text: char, name }, { text: 'b' }])
    expect(masked(`a${char}b`)).toBe(true)
  })
  it('leaves ordinary text of all kinds alone', () => {
    for (const text of ['', 'plain', 'tab\tline\r\nend', '死信，中文标点。', 'العربية', '😀👩', 'e\u0301'])
      expect(masked(text)).toBe(false)
  })
  it('loses nothing', () => {
    const text = '\u202ea\u200b\u200bb\u0000'
    expect(
      mask(text)
        .map(p => p.text)
        .join(''),
    ).toBe(text)
  })
  it('names them in places that take text alone, and cuts those', () => {
    expect(plain('evil\u202egnp')).toBe('evil⟨U+202E⟩gnp')
    expect(plain('x'.repeat(1000), 10)).toBe(`${'x'.repeat(10)}…`)
  })
})

describe('cutting an id in its middle', () => {
  it('keeps both ends', () => {
    expect(middle('7F00000100002A9F0000000000012345', 12)).toBe('7F0000…12345')
    expect(middle('short', 12)).toBe('short')
    expect(Array.from(middle('x'.repeat(1_000_000), 24))).toHaveLength(24)
  })
  it('never cuts a character in two', () => {
    expect(middle('😀😀😀😀😀😀', 4)).toBe('😀😀…😀')
  })
})
