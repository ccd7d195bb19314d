import { useMemo, useState } from 'react'
import { t, tx } from '../i18n/i18n'
import { Dialog } from '../parts/Dialog'
import { Icon } from '../parts/Icon'
import { Foreign } from '../parts/Text'
import { Time } from '../parts/Time'
import { bringTogether, type Choice, settled } from './merge'
import type { RuleVersion } from './types'

const choices: readonly Choice[] = ['theirs', 'mine', 'both']

/** Two people changed the file at once: what both wrote, beside what it was, and one text that comes of it. */
export function Conflict({
  mine,
  base,
  theirs,
  by,
  onDone,
  onClose,
}: {
  mine: string
  base: string
  theirs: string
  by: RuleVersion
  onDone: (text: string) => void
  onClose: () => void
}) {
  const regions = useMemo(() => bringTogether(mine, base, theirs), [mine, base, theirs])
  const conflicts = regions.filter(r => !('ok' in r)) as { mine: string[]; base: string[]; theirs: string[] }[]
  const [chosen, setChosen] = useState<(Choice | undefined)[]>([])
  const open = conflicts.filter((_, i) => !chosen[i]).length
  return (
    <Dialog title={t('conflict.title')} kind="sheet" className="conflict" onClose={onClose}>
      <div className="dialog-body">
        <p>
          {tx('conflict.who', {
            who: <Foreign text={by.author} />,
            at: <Time at={by.at} form="moment" />,
            n: by.version,
          })}
          {by.note && (
            <>
              {' '}
              “<Foreign text={by.note} />”
            </>
          )}
        </p>
        <p>{conflicts.length === 0 ? t('conflict.none') : t('conflict.some', { n: conflicts.length })}</p>
        {conflicts.map((c, i) => (
          // biome-ignore lint/suspicious/noArrayIndexKey: conflicts of two texts that do not change
          <fieldset key={i} className="hunk">
            <legend>{t('conflict.place', { n: i + 1, of: conflicts.length })}</legend>
            <div className="three">
              {(['theirs', 'base', 'mine'] as const).map(side => (
                <div
                  key={side}
                  className={chosen[i] === side || (chosen[i] === 'both' && side !== 'base') ? 'taken' : undefined}
                >
                  <h3>{t(`conflict.${side}`)}</h3>
                  <pre className="mono">
                    <Foreign text={c[side].join('\n') || t('conflict.nothing')} />
                  </pre>
                </div>
              ))}
            </div>
            <div className="switch words">
              {choices.map(choice => (
                <button
                  key={choice}
                  type="button"
                  aria-pressed={chosen[i] === choice}
                  onClick={() => setChosen(conflicts.map((_, j) => (j === i ? choice : chosen[j])))}
                >
                  {t(`conflict.take.${choice}`)}
                </button>
              ))}
            </div>
          </fieldset>
        ))}
        <p className="quiet">
          <Icon name="info" size={14} /> {t('conflict.then')}
        </p>
      </div>
      <footer>
        <button type="button" className="button" onClick={onClose}>
          {t('conflict.later')}
        </button>
        <button
          type="button"
          className="button primary"
          disabled={open > 0}
          onClick={() => onDone(settled(regions, chosen))}
        >
          {open > 0 ? t('conflict.open', { n: open }) : t('conflict.do')}
        </button>
      </footer>
    </Dialog>
  )
}
