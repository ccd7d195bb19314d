import type { Replay } from '../api/types'
import { code, t } from '../i18n/i18n'
import { Icon } from '../parts/Icon'
import { middle } from '../parts/mask'
import { Foreign } from '../parts/Text'
import { Time } from '../parts/Time'
import type { Edit, Editable } from './types'

interface Props {
  e: Editable
  replays: readonly Replay[]
  /** Number of the edit that the text goes on from. */
  base: number
  dirty: boolean
  /** The version that is looked at. */
  chosen: number | undefined
  onWrite: () => void
  onLook: (n: number) => void
}

/** Every version of the message, newest first: the text being written, the edits with who and why, the original. */
export function Versions({ e, replays, base, dirty, chosen, onWrite, onLook }: Props) {
  return (
    <aside className="edit-versions" aria-label={t('edit.versions')}>
      <h3>{t('edit.versions')}</h3>
      <ol>
        {dirty && (
          <li>
            <button type="button" aria-pressed={chosen === undefined} onClick={onWrite}>
              <span>
                <strong>{t('edit.yours')}</strong> <span className="chip amber">{t('edit.yours.unsaved')}</span>
              </span>
            </button>
          </li>
        )}
        {(e.edits ?? []).map(x => (
          <Version
            key={x.number}
            x={x}
            older={x.deaths !== e.deaths}
            sent={replays.some(r => r.edit === x.number)}
            base={x.number === base}
            chosen={chosen === x.number}
            onLook={() => onLook(x.number)}
          />
        ))}
        <li className="edit-origin">
          <Icon name="letters" size={13} /> {t('edit.original')}{' '}
          <span className="quiet small">{t('edit.original.at')}</span>
          {base === 0 && <span className="chip blue">{t('edit.base')}</span>}
        </li>
      </ol>
    </aside>
  )
}

function Version({
  x,
  older,
  sent,
  base,
  chosen,
  onLook,
}: {
  x: Edit
  older: boolean
  sent: boolean
  base: boolean
  chosen: boolean
  onLook: () => void
}) {
  return (
    <li className={older ? 'older' : undefined}>
      <button type="button" aria-pressed={chosen} onClick={onLook}>
        <span>
          <strong>{t('edit.number', { n: x.number })}</strong>{' '}
          <span className="quiet small">
            <Foreign text={code('actor', x.author)} /> · <Time at={x.at} form="moment" />
          </span>
        </span>
        <span className="edit-note">
          <Foreign text={middle(x.note, 160)} />
        </span>
        <span>
          {base && <span className="chip blue">{t('edit.base')}</span>}{' '}
          {sent && <span className="chip green">{t('edit.sent')}</span>}{' '}
          {older && <span className="chip grey">{t('edit.older')}</span>}
        </span>
      </button>
    </li>
  )
}
