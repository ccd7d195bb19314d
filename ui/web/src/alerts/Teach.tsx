import { Link } from 'wouter'
import { t, tx } from '../i18n/i18n'
import { Copy } from '../parts/Copy'
import { Icon } from '../parts/Icon'
import { Foreign } from '../parts/Text'
import type { AlertRule, Receiver } from './types'

export const receiverSnippet = `receivers:
  ops: {type: webhook, url: env:DLQ_OPS_URL, secret: env:DLQ_OPS_SECRET}
`

export const ruleSnippet = `alerts:
  - name: dead letters pile up
    signal: open_letters
    by: [consumer_group]
    above: 100
    for: 5m
    severity: warning
    receivers: [ops]
`

/** A piece of rules.yaml to begin with. */
export function Snippet({ text }: { text: string }) {
  return (
    <div className="snippet">
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard */}
      <pre tabIndex={0}>{text}</pre>
      <Copy value={text} label={t('copy')} />
    </div>
  )
}

/** No rule is there: how one looks. */
export function NoRules() {
  return (
    <div className="empty">
      <h2>{t('alerts.none')}</h2>
      <p>{t('alerts.none.text')}</p>
      <Snippet text={ruleSnippet} />
      <Link href="/rules" className="button">
        {t('alert.show.rules')}
      </Link>
    </div>
  )
}

/** How a receiver is switched on. */
export function Needs({ needs }: { needs: string | undefined }) {
  if (needs?.startsWith('env:'))
    return (
      <>
        {tx('receiver.needs.env', {
          name: (
            <code>
              <Foreign text={needs.slice(4)} />
            </code>
          ),
        })}
      </>
    )
  if (needs?.startsWith('file:'))
    return (
      <>
        {tx('receiver.needs.file', {
          path: (
            <code>
              <Foreign text={needs.slice(5)} />
            </code>
          ),
        })}
      </>
    )
  return null
}

/** Said above everything while there are rules, but nobody whom they could tell. */
export function Untold({ rules, receivers }: { rules: readonly AlertRule[]; receivers: readonly Receiver[] }) {
  const named = new Set(rules.filter(r => !r.off).flatMap(r => r.receivers))
  if (named.size === 0 || receivers.some(r => named.has(r.name) && !r.disabled)) return null
  const off = receivers.filter(r => named.has(r.name))
  return (
    <div className="teach" role="note">
      <Icon name="mute" />
      <div>
        <strong>{t('receivers.untold')}</strong>
        <p>{t('receivers.untold.text')}</p>
        <ul>
          {off.slice(0, 3).map(r => (
            <li key={r.name}>
              <Link href="/alerts/receivers">
                <Foreign text={r.name} />
              </Link>
              {t('colon')}
              {r.needs ? <Needs needs={r.needs} /> : <Foreign text={r.disabled ?? ''} />}
            </li>
          ))}
        </ul>
      </div>
    </div>
  )
}
