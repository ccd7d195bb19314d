import { live, useLive } from '../api/queries'
import { duration } from '../i18n/format'
import { t } from '../i18n/i18n'
import { useNow } from '../parts/Time'

/** Whether the page follows what happens; a click pauses it and starts it again. */
export function LiveDot() {
  const state = useLive()
  const now = useNow()
  const words =
    state.kind === 'lost' ? t('live.lost', { d: duration(Math.max(1000, now - state.since)) }) : t(`live.${state.kind}`)
  return (
    <button
      type="button"
      className={`live ${state.kind}`}
      title={t(state.kind === 'paused' ? 'live.resume' : 'live.pause')}
      onClick={() => live.toggle()}
    >
      <span className="dot" />
      <span aria-live="polite">{words}</span>
    </button>
  )
}
