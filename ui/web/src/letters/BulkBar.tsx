import { lazy, Suspense, useState } from 'react'
import { useRights } from '../api/queries'
import type { Letter } from '../api/types'
import { useKeys } from '../app/keys'
import { loadMore, t } from '../i18n/i18n'
import { Icon } from '../parts/Icon'
import '../style/bulk.css'
import type { Selection } from './selection'

const BulkSheet = lazy(() => loadMore(import('./BulkSheet')))

export type BulkAction = 'replay' | 'discard' | 'resolve' | 'restore' | 'take' | 'route'

interface Props {
  selection: Selection
  onClear: () => void
  /** Called with the letters for which it did not work; they stay marked. */
  onDone: (failed: ReadonlyMap<string, Letter>) => void
}

/** What can be done with the marked letters. */
export function BulkBar({ selection, onClear, onDone }: Props) {
  const [action, setAction] = useState<BulkAction>()
  const rights = useRights()
  const letters = [...selection.letters.values()]
  const n = letters.length
  const over = letters.some(l => l.state === 'resolved' || l.state === 'discarded')
  const why = rights.act ? undefined : t('why.role')
  useKeys({
    r: () => rights.act && setAction('replay'),
    d: () => rights.act && setAction('discard'),
  })
  const button = (
    a: BulkAction,
    words: string,
    icon: 'replay' | 'trash' | 'restore' | 'person' | 'check' | 'rules',
    keys?: string,
    primary = false,
  ) => (
    <button
      type="button"
      className={`button small${primary ? ' primary' : ''}`}
      disabled={!rights.act}
      title={why}
      onClick={() => setAction(a)}
    >
      <Icon name={icon} size={14} /> {words} {keys && <kbd>{keys}</kbd>}
    </button>
  )
  return (
    <div className="bulk-bar" role="toolbar" aria-label={t('bulk')}>
      <strong className="num">{t('bulk.n', { n })}</strong>
      {button('replay', t('bulk.replay'), 'replay', 'r', true)}
      {button('discard', t('bulk.discard'), 'trash', 'd')}
      {button('take', t('bulk.take'), 'person')}
      {!over && button('route', t('bulk.route'), 'rules')}
      {over ? button('restore', t('bulk.restore'), 'restore') : button('resolve', t('bulk.resolve'), 'check')}
      <button
        type="button"
        className="icon-button"
        aria-label={t('bulk.clear')}
        title={`${t('bulk.clear')} (Esc)`}
        onClick={onClear}
      >
        <Icon name="close" />
      </button>
      {action && (
        <Suspense fallback={null}>
          <BulkSheet
            action={action}
            letters={letters}
            onClose={failed => {
              setAction(undefined)
              if (failed) onDone(failed)
            }}
          />
        </Suspense>
      )}
    </div>
  )
}
