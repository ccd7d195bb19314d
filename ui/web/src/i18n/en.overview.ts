// English words of the overview.
export const enOverview = {
  'overview.open': { one: '{n} letter needs attention', other: '{n} letters need attention' },
  'overview.open.none': 'No letter needs attention',
  'overview.oldest': 'the oldest died {at}',
  'overview.unread': { one: '{n} dead message is not yet read', other: '{n} dead messages are not yet read' },
  'overview.unread.expire': {
    one: '{n} dead message is not yet read and may expire at the broker {at}',
    other: '{n} dead messages are not yet read and may expire at the broker {at}',
  },
  'overview.gaps': { one: '{n} gap in what was read', other: '{n} gaps in what was read' },
  'overview.automation.on': 'automation is on',
  'overview.automation.off': 'automation is off',
  'overview.automation.stopped': 'everything automatic is stopped',
  'overview.flight': { one: '{n} letter is in flight', other: '{n} letters are in flight' },
  'overview.replaying': { one: '{n} replay has no outcome yet', other: '{n} replays have no outcome yet' },
  'overview.replaying.none': 'nothing is being replayed',
  'overview.hours': 'Deaths read in the last 24 hours',
  'overview.hours.n': { one: '{count} death', other: '{count} deaths' },
  'overview.hours.open': 'opens the letters of these deaths',
  'overview.hours.text':
    'Deaths, not letters: a letter can die more than once. A bar opens the letters of its deaths, in whatever state they are now.',
  'overview.hours.first': '24 h ago',
  'overview.hours.last': 'now',
  'overview.hours.max': 'most in an hour: {n}',
  'overview.states': 'All letters',
  'overview.groups': 'Open, by consumer group',
  'overview.reasons': 'Open, by reason',
  'overview.nothing': 'Nothing is open.',
  'overview.rest': { one: '{n} other', other: '{n} others' },

  'overview.alerts': { one: '{n} alert fires', other: '{n} alerts fire' },
  'overview.alerts.silenced': { one: '{n} silenced alert fires', other: '{n} silenced alerts fire' },
} as const
