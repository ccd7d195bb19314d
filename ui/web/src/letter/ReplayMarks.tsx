import { Link } from 'wouter'
import type { Replay } from '../api/types'
import { code, t } from '../i18n/i18n'

/** What sets a replay apart: its operation, what was changed in the message, to whom it went. */
export function ReplayMarks({ r }: { r: Pick<Replay, 'operation' | 'edit' | 'transformed' | 'target_kind'> }) {
  return (
    <>
      {r.operation ? (
        <>
          {' · '}
          <Link href={`/operations/${r.operation}`}>{t('way.operation', { n: String(r.operation) })}</Link>
        </>
      ) : null}
      {r.edit ? (
        <>
          {' '}
          <span className="chip blue">{t('way.edit', { n: r.edit })}</span>
        </>
      ) : null}
      {r.transformed && (
        <>
          {' '}
          <span className="chip blue">{t('way.transformed')}</span>
        </>
      )}
      {r.target_kind && (
        <>
          {' '}
          <span className="chip amber">{code('way.target', r.target_kind)}</span>
        </>
      )}
    </>
  )
}
