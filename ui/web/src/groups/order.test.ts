import { describe, expect, it } from 'vitest'
import type { ConsumerGroup } from '../api/topics'
import { arrange } from './order'

const group = (name: string, letters_open: number, lag?: number) =>
  ({
    name,
    letters_open,
    letters_in_flight: 0,
    unread: 0,
    ...(lag !== undefined && { info: { lag } }),
  }) as ConsumerGroup
const groups = [group('GID_pay_10', 3), group('GID_pay_9', 7, 5), group('GID_stock_1', 7)]
const names = (text: string, sort: string) => arrange(groups, text, sort).map(g => g.name)

describe('consumer groups', () => {
  it('go by name, with numbers by their value', () => {
    expect(names('', '')).toEqual(['GID_pay_9', 'GID_pay_10', 'GID_stock_1'])
    expect(names('', '-name')).toEqual(['GID_stock_1', 'GID_pay_10', 'GID_pay_9'])
    expect(names('', 'nonsense')).toEqual(names('', 'name'))
  })
  it('go by a number, equal ones by name, unknown ones last or first', () => {
    expect(names('', '-open')).toEqual(['GID_pay_9', 'GID_stock_1', 'GID_pay_10'])
    expect(names('', '-lag')[0]).toBe('GID_pay_9')
  })
  it('are found by any part of their names', () => {
    expect(names('PAY_', '')).toEqual(['GID_pay_9', 'GID_pay_10'])
    expect(names('nobody', '')).toEqual([])
  })
})
