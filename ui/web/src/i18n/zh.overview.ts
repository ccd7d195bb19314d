import type { enOverview } from './en.overview'
import type { Words } from './i18n'

// 总览页的文字。
export const zhOverview: Words<typeof enOverview> = {
  'overview.open': { one: '{n} 条死信待处理', other: '{n} 条死信待处理' },
  'overview.open.none': '没有待处理的死信',
  'overview.oldest': '最早的一条失败于 {at}',
  'overview.unread': { one: '{n} 条死信消息尚未读取', other: '{n} 条死信消息尚未读取' },
  'overview.unread.expire': {
    one: '{n} 条死信消息尚未读取，可能于 {at} 在 broker 过期',
    other: '{n} 条死信消息尚未读取，可能于 {at} 在 broker 过期',
  },
  'overview.gaps': { one: '有 {n} 处丢失区间', other: '有 {n} 处丢失区间' },
  'overview.automation.on': '自动处理已开启',
  'overview.automation.off': '自动处理已关闭',
  'overview.automation.stopped': '所有自动操作已停止',
  'overview.flight': { one: '{n} 条处理中', other: '{n} 条处理中' },
  'overview.replaying': { one: '{n} 条重投结果未定', other: '{n} 条重投结果未定' },
  'overview.replaying.none': '没有正在进行的重投',
  'overview.hours': '最近 24 小时拉取到的失败',
  'overview.hours.n': { one: '{count} 次失败', other: '{count} 次失败' },
  'overview.hours.open': '打开这些失败对应的死信',
  'overview.hours.text': '统计的是失败次数，同一条死信可能失败多次。点击柱子，查看这些失败对应的死信，不限当前状态。',
  'overview.hours.first': '24 小时前',
  'overview.hours.last': '现在',
  'overview.hours.max': '单小时最多 {n}',
  'overview.states': '全部死信',
  'overview.groups': '待处理，按消费组',
  'overview.reasons': '待处理，按失败原因',
  'overview.nothing': '没有待处理的死信。',
  'overview.rest': { one: '其余 {n} 项', other: '其余 {n} 项' },

  'overview.alerts': { one: '{n} 条告警正在触发', other: '{n} 条告警正在触发' },
  'overview.alerts.silenced': { one: '{n} 条已静默的告警正在触发', other: '{n} 条已静默的告警正在触发' },
}
