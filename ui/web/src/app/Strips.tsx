import type { ReactNode } from 'react'
import { Link } from 'wouter'
import { useLive, useStatus } from '../api/queries'
import type { Status } from '../api/types'
import { code, t, tx } from '../i18n/i18n'
import { Icon, type IconName } from '../parts/Icon'
import { middle, plain } from '../parts/mask'
import { Said } from '../parts/Said'
import { Foreign } from '../parts/Text'
import { Time, useNow } from '../parts/Time'
import { FileStrip } from './FileStrip'

interface Strip {
  key: string
  kind: 'bad' | 'warn' | 'calm'
  icon: IconName
  words: ReactNode
}

/** What changes everything, worst first. */
export function stripsOf(s: Status): Strip[] {
  const all: Strip[] = []
  const add = (key: string, kind: Strip['kind'], icon: IconName, words: ReactNode) =>
    all.push({ key, kind, icon, words })
  if (s.store.file && s.store.file.state !== 'ok') add('file', 'bad', 'alert', <FileStrip file={s.store.file} />)
  if (s.store.full) add('full', 'bad', 'alert', t('strip.full'))
  if (!s.cluster.reachable)
    add(
      'broker',
      'bad',
      'alert',
      <>
        {s.cluster.since
          ? tx('strip.broker.since', { since: <Time at={s.cluster.since} form="moment" /> })
          : t('strip.broker')}{' '}
        <span className="quiet">
          {(s.cluster.name_servers ?? []).join(', ')}
          {s.cluster.error && (
            <>
              {' · '}
              <Said text={s.cluster.error} />
            </>
          )}
          {s.cluster.hint && (
            <>
              {' · '}
              <Said text={s.cluster.hint} />
            </>
          )}
        </span>
      </>,
    )
  else
    for (const b of s.cluster.members ?? [])
      if (b.away_since)
        add(
          `broker ${b.name}`,
          'warn',
          'alert',
          <>
            {tx(`strip.member.${b.role}`, {
              broker: <Foreign text={b.name} />,
              since: <Time at={b.away_since} form="moment" />,
            })}{' '}
            {b.address && <span className="quiet">{plain(b.address)}</span>}
          </>,
        )
  if (s.cluster.reachable && s.intake.stalled)
    add(
      'intake',
      'bad',
      'alert',
      s.intake.since
        ? tx('strip.intake.since', { since: <Time at={s.intake.since} form="moment" /> })
        : t('strip.intake'),
    )
  if (s.rules.refused)
    add(
      'rules',
      'warn',
      'rules',
      <>
        {t('strip.rules')} <Link href="/rules">{t('strip.rules.look', { n: s.rules.errors })}</Link>
      </>,
    )
  if (s.automation.stopped)
    add(
      'stopped',
      'warn',
      'stop',
      <>
        {t('strip.stopped')}{' '}
        {s.automation.actor && s.automation.changed_at && s.automation.note && (
          <span>
            {tx('strip.stopped.by', {
              who: <Foreign text={code('actor', s.automation.actor)} />,
              at: <Time at={s.automation.changed_at} form="moment" />,
              note: <Foreign text={plain(s.automation.note, 200)} />,
            })}{' '}
          </span>
        )}
        <Link href="/system">{t('strip.change')}</Link>
      </>,
    )
  else if (!s.automation.on)
    add(
      'off',
      'calm',
      'pause',
      <>
        {t(s.automation.actor === 'console' ? 'strip.off.console' : 'strip.off')}{' '}
        <Link href="/system">{t('strip.change')}</Link>
      </>,
    )
  if (s.cluster.tls === 'unchecked' || s.cluster.tls === 'any_name')
    add('tls', 'warn', 'alert', t(`strip.tls.${s.cluster.tls}`))
  const acting = s.cluster.consoles?.find(c => c.automation)
  const other = acting ?? s.cluster.consoles?.[0]
  if (other)
    add(
      'consoles',
      acting ? 'warn' : 'calm',
      'info',
      tx(acting ? 'strip.console.acts' : 'strip.console.there', {
        host: <Foreign text={`${middle(other.host, 40)} (${other.address ?? ''})`} />,
      }),
    )
  else if (s.cluster.foreign_console) add('foreign', 'warn', 'info', t('strip.foreign'))
  return all
}

/** The strips on top of every view. */
export default function Strips() {
  const status = useStatus().data
  const live = useLive()
  const now = useNow(5000)
  const alone = live.kind === 'lost' && now - live.since > 5000
  const strips = status ? stripsOf(status) : []
  return (
    <section className="strips" aria-label={t('strips')}>
      {status?.cluster.simulated && (
        <p className="strip simulated">
          <strong>{t('strip.simulated')}</strong> {t('strip.simulated.text')}
        </p>
      )}
      {alone && (
        <p className="strip bad" role="alert">
          <Icon name="alert" />
          <span>{t('strip.lost')}</span>
        </p>
      )}
      {strips.map(s => (
        <p key={s.key} className={`strip ${s.kind}`}>
          <Icon name={s.icon} />
          <span>{s.words}</span>
        </p>
      ))}
      {status?.demo?.shop_url && <Shop url={status.demo.shop_url} />}
    </section>
  )
}

function Shop({ url }: { url: string }) {
  // Only an address of the web may become a link.
  if (!/^https?:\/\//.test(url)) return null
  return (
    <p className="strip calm">
      <Icon name="info" />
      <span>
        {tx('strip.demo', {
          shop: (
            <a href={url} target="_blank" rel="noreferrer">
              {t('strip.demo.shop')}
            </a>
          ),
        })}
      </span>
    </p>
  )
}
