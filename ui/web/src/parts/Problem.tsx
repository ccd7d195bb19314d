import { type ReactNode, useEffect } from 'react'
import { asProblem } from '../api/client'
import { errorWords, type Params, t, useLang } from '../i18n/i18n'
import { Icon } from './Icon'
import { plain } from './mask'
import { problemWords } from './problemWords'
import { Original } from './Said'

/** What went wrong, to what, and what to do: shown beside the thing that failed. */
export function ProblemBox({
  error,
  about,
  children,
  again,
}: {
  error: unknown
  /** The consumer group and the topic that it is about. */
  about?: Params | undefined
  children?: ReactNode
  again?: (() => void) | undefined
}) {
  useLang()
  // Errors can come before the view that brings the words for their codes.
  useEffect(() => {
    errorWords()
  }, [])
  const { body } = asProblem(error)
  const { title, detail, hint, original } = problemWords(body, about)
  return (
    <div className="problem" role="alert">
      <Icon name="alert" />
      <div>
        <strong>{plain(title, 600)}</strong>
        {detail && detail !== title && <p>{plain(detail, 600)}</p>}
        {hint && <p className="quiet">{plain(hint, 600)}</p>}
        {body.after_lost && <p>{t('problem.after_lost')}</p>}
        {original && <Original text={original} />}
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
