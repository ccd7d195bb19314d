import { describe, expect, it } from 'vitest'
import { hourOf } from './charts'

describe('the bars of the last 24 hours', () => {
  it('are hours of the clock, as the console counts them', () => {
    const now = Date.parse('2026-11-21T10:47:12Z')
    expect(new Date(hourOf(now, 24, 23)).toISOString()).toBe('2026-11-21T10:00:00.000Z')
    expect(new Date(hourOf(now, 24, 0)).toISOString()).toBe('2026-11-20T11:00:00.000Z')
  })
})
