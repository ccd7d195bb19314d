import type { GroupInfo, Letter } from '../api/types'
import { apiDuration } from '../i18n/format'
import { code, t, tx } from '../i18n/i18n'
import { Icon, type IconName } from '../parts/Icon'
import { middle } from '../parts/mask'
import { Foreign } from '../parts/Text'
import type { Probe } from './types'

/** Whether a client means it when it answers success; the twin of truthful in the program. */
export function truthful(kind: string, language: string): boolean {
  if (kind === 'grpc' || kind === 'grpc_fifo') return false
  return language.toUpperCase().startsWith('GO') ? kind === 'concurrent' : true
}

/** A client as people tell it from others: its id, language and version. */
export function ClientName({ c }: { c: NonNullable<GroupInfo['clients']>[number] }) {
  return (
    <>
      <Foreign className="mono" text={middle(c.id, 56)} />{' '}
      <small className="quiet">
        {[c.language, c.version.replace(/^V(\d+)_(\d+)_(\d+)$/, '$1.$2.$3'), c.address].filter(Boolean).join(' · ')}
      </small>
    </>
  )
}

const tones: Record<Probe['verdict'], [tone: string, icon: IconName]> = {
  success: ['green', 'check'],
  later: ['amber', 'loop'],
  exception: ['red', 'alert'],
  null: ['amber', 'unknown'],
  timeout: ['amber', 'clock'],
}

export function VerdictChip({ p }: { p: Pick<Probe, 'verdict' | 'trusted'> }) {
  const [tone, icon] = tones[p.verdict] ?? ['grey', 'unknown']
  return (
    <span className={`chip ${p.verdict === 'success' && !p.trusted ? 'amber' : tone}`}>
      <Icon name={icon} size={11} /> {code('probe.short', p.verdict)}
    </span>
  )
}

/** What one client said: verdict, exception, time, and how far it can be relied on. */
export function ProbeAnswer({ p, letter }: { p: Probe; letter: Letter }) {
  return (
    <section className="probe-answer" aria-live="polite">
      <p>
        <VerdictChip p={p} /> <strong>{code('probe.verdict', p.verdict)}</strong>
      </p>
      {p.text && (
        // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard
        <pre className="text" tabIndex={0}>
          <Foreign text={p.text.slice(0, 8000)} />
        </pre>
      )}
      <p className="quiet small">
        {tx('probe.by', { client: <Foreign className="mono" text={middle(p.client_id, 56)} /> })}
        {' · '}
        {t('probe.spent', { d: apiDuration(p.spent) })}
      </p>
      {p.reason && letter.reason_origin === 'probe' && <p className="small">{t('probe.reason')}</p>}
      {!p.trusted && (
        <p className="note-amber">
          <Icon name="alert" size={14} /> {t('probe.untrusted')}
        </p>
      )}
      {p.on_dead && <p className="quiet small">{t('probe.on_dead', { topic: letter.dlq_topic })}</p>}
    </section>
  )
}
