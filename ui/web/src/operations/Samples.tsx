import { useState } from 'react'
import { Link } from 'wouter'
import { t } from '../i18n/i18n'
import { BodyChange } from '../letter/Compare'
import { Icon } from '../parts/Icon'
import { middle, plain } from '../parts/mask'
import { Said } from '../parts/Said'
import { Foreign } from '../parts/Text'
import '../style/edit.css'
import type { TransformSample } from './types'

interface Props {
  samples: readonly TransformSample[]
  errors: number
  of: number
}

/** What a transform does to some of the letters: their messages before and after, line by line. */
export function Samples({ samples, errors, of }: Props) {
  const [at, setAt] = useState(0)
  const s = samples[Math.min(at, samples.length - 1)]
  if (!s) return null
  return (
    <section className="op-samples" aria-label={t('samples')}>
      <div className="op-samples-head">
        <h4>{t('samples')}</h4>
        {samples.length > 1 && (
          <span className="switch words">
            {samples.map((x, i) => (
              <button
                key={x.letter_id}
                type="button"
                aria-pressed={x === s}
                aria-label={t('samples.n', { n: i + 1, of: samples.length })}
                onClick={() => setAt(i)}
              >
                {i + 1}
                {x.error ? ' !' : ''}
              </button>
            ))}
          </span>
        )}
      </div>
      {errors > 0 && (
        <p className="note-amber">
          <Icon name="alert" size={14} /> {t('samples.errors', { n: errors, of })}
        </p>
      )}
      <p className="small">
        <Link href={`/letters/${s.letter_id}`} className="mono">
          <Foreign text={middle(s.title, 40)} />
        </Link>
      </p>
      {s.error ? (
        <p className="field-error">
          <Said text={s.error} />
        </p>
      ) : (
        <>
          <BodyChange before={s.before} after={s.after} />
          {Object.entries(s.properties ?? {}).map(([name, value]) => (
            <p key={name} className="small mono op-prop">
              <Foreign text={plain(name, 80)} />{' '}
              {value === '' ? (
                <span className="bad">{t('samples.removed')}</span>
              ) : (
                <span className="good">
                  = <Foreign text={plain(value, 200)} />
                </span>
              )}
            </p>
          ))}
        </>
      )}
      {s.cut && <p className="quiet small">{t('samples.cut')}</p>}
    </section>
  )
}
