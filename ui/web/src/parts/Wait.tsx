import { t } from '../i18n/i18n'

/** A place that is being filled: it keeps the layout and appears only after 200 ms (by its style). */
export function Wait({ lines = 3 }: { lines?: number }) {
  return (
    <div className="wait" role="status" aria-label={t('loading')}>
      {Array.from({ length: lines }, (_, i) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: grey lines have no identity
        <span key={i} />
      ))}
    </div>
  )
}
