// Properties that RocketMQ, its clients or this console write. All others are the user's.
// Names are those of apache/rocketmq common/message/MessageConst; each has its meaning in the catalogues as prop.NAME.
const known = new Set([
  'KEYS',
  'TAGS',
  'WAIT',
  'DELAY',
  'RETRY_TOPIC',
  'REAL_TOPIC',
  'REAL_QID',
  'TRAN_MSG',
  'PGROUP',
  'MIN_OFFSET',
  'MAX_OFFSET',
  'BUYER_ID',
  'ORIGIN_MESSAGE_ID',
  'TRANSFER_FLAG',
  'CORRECTION_FLAG',
  'MQ2_FLAG',
  'RECONSUME_TIME',
  'MSG_REGION',
  'TRACE_ON',
  'UNIQ_KEY',
  'EXTEND_UNIQ_INFO',
  'MAX_RECONSUME_TIMES',
  'CONSUME_START_TIME',
  'POP_CK',
  'POP_CK_OFFSET',
  '1ST_POP_TIME',
  'TRAN_PREPARED_QUEUE_OFFSET',
  'DUP_INFO',
  '__SHARDINGKEY',
  'INSTANCE_ID',
  'CORRELATION_ID',
  'REPLY_TO_CLIENT',
  'TTL',
  'CLUSTER',
  'MSG_TYPE',
  'TIMER_DELAY_SEC',
  'TIMER_DELAY_MS',
  'TIMER_DELIVER_MS',
  'TIMER_OUT_MS',
  'TIMER_ENQUEUE_MS',
  'TIMER_DEQUEUE_MS',
  'TIMER_ROLL_TIMES',
  'DLQ_ORIGIN_TOPIC',
  'DLQ_ORIGIN_MESSAGE_ID',
  'ORIGIN_GROUP',
  'INNER_MULTI_DISPATCH',
  'INNER_MULTI_QUEUE_OFFSET',
  'TRACE_CONTEXT',
  'CRC32',
  '__CRC32#',
  'INNER_NUM',
  'BORN_HOST',
  'BORN_TIMESTAMP',
  'DLQ_REPLAY_ID',
  'DLQ_REPLAY_COUNT',
  'DLQ_ORIGIN_UNIQ_KEY',
])

export const isOwn = (name: string): boolean => known.has(name)

// What users put in although RocketMQ knows the names.
const users = new Set(['KEYS', 'TAGS', '__SHARDINGKEY', 'DLQ_REPLAY_ID', 'DLQ_REPLAY_COUNT', 'DLQ_ORIGIN_UNIQ_KEY'])

/** Splits properties into those of people and those of the machinery, each in the order of their names. */
export function split(properties: Record<string, string>): { user: [string, string][]; broker: [string, string][] } {
  const all = Object.entries(properties).sort(([a], [b]) => (a < b ? -1 : 1))
  return {
    user: all.filter(([k]) => !known.has(k) || users.has(k)),
    broker: all.filter(([k]) => known.has(k) && !users.has(k)),
  }
}
