import { apiDuration } from '../i18n/format'
import { t } from '../i18n/i18n'
import { Copy } from '../parts/Copy'
import { Icon } from '../parts/Icon'
import { plain } from '../parts/mask'
import { Foreign } from '../parts/Text'
import '../style/deliveries.css'
import { Said } from '../parts/Said'
import { pretty } from './logic'
import type { Attempt, Delivery } from './types'
import { When } from './words'

/** Every request of a delivery with its answer, newest first; the newest is open. */
export function Attempts({ d }: { d: Delivery }) {
  const log = d.log ?? []
  if (log.length === 0) return <p className="quiet small">{t('delivery.log.none')}</p>
  return (
    <ol className="requests">
      {log.map((a, i) => (
        <li key={a.number}>
          <One a={a} open={i === 0} />
        </li>
      ))}
      {d.attempts > log.length && (
        <li className="quiet small">{t('delivery.log.rest', { n: d.attempts - log.length })}</li>
      )}
    </ol>
  )
}

function One({ a, open }: { a: Attempt; open: boolean }) {
  const good = !a.error && a.status >= 200 && a.status < 300
  const headers = Object.entries(a.headers ?? {})
  return (
    <details className="request" open={open}>
      <summary>
        <Icon name={good ? 'check' : 'alert'} size={14} className={good ? 'good' : 'bad'} />
        <span className="num">{t('call.attempt', { n: a.number })}</span>{' '}
        <span className="num">{a.status > 0 ? `HTTP ${a.status}` : t('call.no_answer')}</span>{' '}
        <span className="quiet num">{apiDuration(a.duration)}</span>{' '}
        {a.by_hand && <span className="chip grey">{t('delivery.by_hand')}</span>}
        <span className="quiet num request-at">
          <When at={a.at} />
        </span>
      </summary>
      {a.error && (
        <p className="bad small">
          <Said text={a.error} />
        </p>
      )}
      <div className="exchange">
        <section aria-label={t('delivery.request')}>
          <p className="exchange-name">
            {t('delivery.request')} <span className="quiet mono small">POST {plain(a.url, 120)}</span>
          </p>
          {headers.length > 0 && (
            <pre className="headers">{headers.map(([k, v]) => `${k}: ${plain(v, 200)}`).join('\n')}</pre>
          )}
          <Body text={a.request ?? ''} />
        </section>
        <section aria-label={t('delivery.answer')}>
          <p className="exchange-name">
            {t('delivery.answer')}{' '}
            <span className="quiet mono small">
              {a.status > 0 ? a.status : '–'}
              {a.address ? ` · ${plain(a.address, 60)}` : ''}
            </span>
          </p>
          <Body text={a.answer ?? ''} />
        </section>
      </div>
    </details>
  )
}

function Body({ text }: { text: string }) {
  if (text === '') return <p className="quiet small">{t('delivery.body.none')}</p>
  return (
    <div className="exchange-body">
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard */}
      <pre tabIndex={0}>
        <Foreign text={pretty(text)} />
      </pre>
      <Copy value={text} />
    </div>
  )
}
