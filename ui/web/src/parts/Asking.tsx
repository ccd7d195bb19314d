import { useUnanswered, writes } from '../api/client'
import { t } from '../i18n/i18n'
import { Icon } from './Icon'

/** Says beside a dialog's buttons that the answer to what was pressed was lost, and that it is asked for again. */
export function Asking() {
  const asking = useUnanswered().filter(u => u.state === 'asking' && !u.orphan)
  return asking.map(({ write }) => (
    <p key={write.key} className="note-amber asking" role="status">
      <Icon name="clock" size={14} /> {t('asking')}{' '}
      <button type="button" className="link" onClick={() => writes.stop(write.key)}>
        {t('asking.stop')}
      </button>
    </p>
  ))
}
