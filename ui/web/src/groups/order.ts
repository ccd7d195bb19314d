import type { ConsumerGroup } from '../api/topics'

/** By what the consumer groups can be put in order. */
export const orders = ['name', 'open', 'flight', 'lag', 'unread'] as const
export type Order = (typeof orders)[number]

const of: Record<Exclude<Order, 'name'>, (g: ConsumerGroup) => number> = {
  open: g => g.letters_open,
  flight: g => g.letters_in_flight,
  lag: g => g.info?.lag ?? -1,
  unread: g => g.unread,
}

/** The consumer groups whose names hold a text, in an order; a minus before it turns it round. Names go by their digits' values. */
export function arrange(groups: readonly ConsumerGroup[], text: string, sort: string): ConsumerGroup[] {
  const want = text.trim().toLowerCase()
  const down = sort.startsWith('-')
  const by = orders.find(o => o === sort.replace(/^-/, '')) ?? 'name'
  const names = new Intl.Collator('en', { numeric: true })
  return groups
    .filter(g => g.name.toLowerCase().includes(want))
    .sort((a, b) => {
      const byName = names.compare(a.name, b.name)
      if (by === 'name') return down ? -byName : byName
      return (of[by](a) - of[by](b)) * (down ? -1 : 1) || byName
    })
}
