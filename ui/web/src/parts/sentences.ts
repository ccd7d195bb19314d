import { currentLang, type Key, t } from '../i18n/i18n'

// Sentences of the server that come without a code and are seen often, as the program writes them; a name in braces
// stands for what it puts there. English is shown as it comes.
const sentences = {
  'said.no_answer': 'the broker {broker} does not answer',
  'said.no_answer.time': 'the broker did not answer in time',
  'said.no_answer.sent': 'the broker {broker} did not answer: whether it has the message is not known',
  'said.not_asked': 'the broker could not be asked',
  'said.no_broker': 'no broker answers ({brokers})',
  'said.no_server': 'no name server answers ({servers})',
  'said.no_master': 'the broker {broker} has no master now',
  'said.no_cluster': 'no cluster is connected: no name server is set',
  'said.diverted': 'the broker {broker} put the message straight into the dead-letter queue',
  'said.unread': 'the topic {topic} may not be read: its permission is write only',
  'said.stopped': 'the console was stopping, so nothing was sent',
  'said.stop.sent': 'the global stop is on, so nothing was sent',
  'said.stop': 'the global stop is on: no selection is replayed or probed, and no operation starts',
  'said.earlier': 'whether the earlier replay arrived cannot be found out now, so nothing was sent',
  'said.nobody': 'nobody of the consumer group {group} is online',
  'said.no_client': 'the consumer group {group} has no client {client} online',
  'said.no_listener': "the client {client} has no listener for the message's topic",
  'said.unasked_client': 'the client {client} cannot be asked through the broker {broker}',
  'said.message_gone': 'no broker has the message any more, neither as it was produced nor the dead copy',
  'said.unconfirmed': 'no consumer has confirmed letter {id}: its last probe was no success that can be trusted',
  'said.body_big': 'the body has {size} bytes; brokers take {most} at the most',
  'said.props_big': 'the properties have {size} bytes with those that a replay adds; brokers take {most} at the most',
  'said.body_locked': 'the body could not be decompressed, so it cannot be edited',
  'said.edit_base': 'there is no edit {n} of this dead copy to go on from',
  'said.disk': 'the disk of the database is full or failing',
  'said.owned': "letter {id} is {owner}'s",
} as const satisfies Partial<Record<Key, string>>

/** The words of the program for each sentence, for the test that looks them up in its sources. */
export const known: Readonly<Record<string, string>> = sentences

const forms = Object.entries(sentences).map(
  ([key, text]) =>
    [
      key as Key,
      new RegExp(`^${text.replace(/[.*+?^$()|[\]\\]/g, '\\$&').replace(/\{(\w+)\}/g, '(?<$1>.+?)')}$`, 's'),
    ] as const,
)

/** A sentence of the server in the page's language; undefined where it is English anyway, or not known. */
export function sentenceWords(text: string): string | undefined {
  if (currentLang() === 'en') return undefined
  for (const [key, form] of forms) {
    const hit = form.exec(text)
    if (!hit) continue
    const words = t(key, hit.groups)
    return words === key ? undefined : words
  }
  return undefined
}
