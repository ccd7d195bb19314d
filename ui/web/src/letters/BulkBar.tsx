import { Suspense, useState } from 'react'
import { useRights } from '../api/queries'
import type { Letter, ListTab } from '../api/types'
import { useKeys } from '../app/keys'
import { count } from '../i18n/format'
import { t, withWords } from '../i18n/i18n'
import { Icon, type IconName } from '../parts/Icon'
import { type Item, Menu } from '../parts/Menu'
import '../style/bulk.css'
import { part } from '../app/part'
import { usePanes } from '../app/width'
import { type Selection, sizeOf } from './selection'

const BulkSheet = part(() => withWords(['operations', 'codes', 'dialogs', 'edit', 'letter'], import('./BulkSheet')))
const ActionSheet = part(() => withWords(['dialogs'], import('./ActionSheet')))

/** What becomes an operation, and what is done to each letter at once. */
export type BulkKind = 'replay' | 'discard' | 'resolve' | 'restore' | 'route'
export type BulkAction = 'take' | 'unquarantine'

interface Props {
  selection: Selection
  tab: ListTab
  /** How many letters match the list's filter; undefined while it is not known. */
  total: { count: number; exact: boolean } | undefined
  onAll: () => void
  onClear: () => void
  /** Called with the letters for which it did not work; they stay marked. */
  onDone: (failed: ReadonlyMap<string, Letter>) => void
}

/** What can be done with the marked letters. */
export function BulkBar({ selection, tab, total, onAll, onClear, onDone }: Props) {
  const [kind, setKind] = useState<BulkKind>()
  const [action, setAction] = useState<BulkAction>()
  const rights = useRights()
  const { n, exact } = sizeOf(selection)
  const letters = selection.all ? [] : [...selection.letters.values()]
  const over = selection.all
    ? tab === 'resolved' || tab === 'discarded'
    : letters.some(l => l.state === 'resolved' || l.state === 'discarded')
  const may = rights.act && n > 0
  const why = rights.act ? undefined : t('why.role')
  useKeys({
    r: () => may && !over && setKind('replay'),
    d: () => may && !over && setKind('discard'),
  })
  const button = (k: BulkKind, icon: IconName, keys?: string, primary = false) => (
    <button
      type="button"
      className={`button small${primary ? ' primary' : ''}`}
      disabled={!may}
      title={why}
      onClick={() => setKind(k)}
    >
      <Icon name={icon} size={14} /> {t(`bulk.${k}`, { n, count: count(n, exact) })} {keys && <kbd>{keys}</kbd>}
    </button>
  )
  // On a phone what is done more rarely stands in the menu.
  const narrow = usePanes() === 1
  const rare: Item[] = (['route', 'resolve'] as const).map(k => ({
    key: k,
    label: t(`bulk.${k}`, { n, count: count(n, exact) }),
    icon: k === 'route' ? 'rules' : 'check',
    why,
    run: () => setKind(k),
  }))
  const one = selection.all ? t('bulk.why.all') : undefined
  const more: Item[] = [
    ...(narrow && !over ? rare : []),
    { key: 'take', label: t('bulk.take'), icon: 'person', why: why ?? one, run: () => setAction('take') },
    {
      key: 'unquarantine',
      label: t('bulk.unquarantine'),
      icon: 'restore',
      why: why ?? one ?? (letters.some(l => l.flags?.includes('quarantined')) ? undefined : t('bulk.why.quarantine')),
      run: () => setAction('unquarantine'),
    },
  ]
  return (
    <div className="bulk-bar" role="toolbar" aria-label={t('bulk')}>
      <span className="bulk-count">
        <strong className="num">{t('bulk.n', { n, count: count(n, exact) })}</strong>
        {selection.all ? (
          <span className="quiet">
            {selection.letters.size > 0 ? t('bulk.all.but', { n: selection.letters.size }) : t('bulk.all')}
          </span>
        ) : (
          total &&
          total.count > n && (
            <button type="button" className="link num" onClick={onAll}>
              {t('bulk.select.all', { n: total.count, count: count(total.count, total.exact) })}
            </button>
          )
        )}
        <button
          type="button"
          className="icon-button"
          aria-label={t('bulk.clear')}
          title={`${t('bulk.clear')} (Esc)`}
          onClick={onClear}
        >
          <Icon name="close" />
        </button>
      </span>
      {over ? button('restore', 'restore', undefined, true) : button('replay', 'replay', 'r', true)}
      {!over && button('discard', 'trash', 'd')}
      {!over && !narrow && button('route', 'rules')}
      {!over && !narrow && button('resolve', 'check')}
      <Menu items={more} button={<Icon name="dots" />} label={t('bulk.more')} className="button small icon" />
      {kind && (
        <Suspense fallback={null}>
          <BulkSheet
            kind={kind}
            selection={selection}
            onClose={started => {
              setKind(undefined)
              if (started) onClear()
            }}
          />
        </Suspense>
      )}
      {action && (
        <Suspense fallback={null}>
          <ActionSheet
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
