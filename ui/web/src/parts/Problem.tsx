import type { ReactNode } from 'react'
import { asProblem } from '../api/client'
import { codeWords, t } from '../i18n/i18n'
import { Icon } from './Icon'
import { plain } from './mask'

/** What went wrong, to what, and what to do: shown beside the thing that failed. */
export function ProblemBox({
  error,
  children,
  again,
}: {
  error: unknown
  children?: ReactNode
  again?: (() => void) | undefined
}) {
  const { body } = asProblem(error)
  // The server's own sentence says more than the code alone; the code's words are the page's language.
  const title = codeWords('problem', body.code) ?? body.title ?? body.code
  return (
    <div className="problem" role="alert">
      <Icon name="alert" />
      <div>
        <strong>{title}</strong>
        {body.detail && body.detail !== title && <p>{plain(body.detail, 600)}</p>}
        {body.hint && <p className="quiet">{plain(body.hint, 600)}</p>}
        {children}
        {again && (
          <button type="button" className="button small" onClick={again}>
            {t('again')}
          </button>
        )}
      </div>
    </div>
  )
}
