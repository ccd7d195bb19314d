import type { ReactNode } from 'react'
import { Link } from 'wouter'
import { t, tx } from '../i18n/i18n'
import { Icon } from '../parts/Icon'
import { Foreign } from '../parts/Text'
import { Time, useNow } from '../parts/Time'
import type { Told } from './logic'

/** One receiver, and whether it knows. */
export function ToldMark({ told }: { told: Told }) {
  const { receiver, how, at, delivery } = told
  const now = useNow(1000)
  const bad = how === 'failed' || how === 'missing' || how === 'disabled'
  const icon = how === 'told' ? 'check' : how === 'silenced' ? 'mute' : bad ? 'alert' : 'clock'
  const words = (
    <>
      <Icon name={icon} size={13} className={how === 'told' ? 'good' : bad ? 'bad' : undefined} />
      <Foreign text={receiver} /> <span className={bad ? 'bad' : 'quiet'}>{toldWords(how, at, now)}</span>
    </>
  )
  return delivery ? (
    <Link href={`/alerts/deliveries/${delivery.id}`} className="told">
      {words}
    </Link>
  ) : (
    <span className="told">{words}</span>
  )
}

function toldWords(how: Told['how'], at: string | undefined, now: number): ReactNode {
  switch (how) {
    case 'told':
      return at ? tx('told.told.at', { at: <Time at={at} /> }) : t('told.told')
    case 'telling':
      return at && Date.parse(at) > now ? tx('told.telling.at', { at: <Time at={at} form="in" /> }) : t('told.telling')
    case 'waiting':
      return t('told.waiting')
    case 'silenced':
      return at ? tx('told.silenced', { at: <Time at={at} form="moment" /> }) : t('alert.silenced')
    default:
      return t(`told.${how}`)
  }
}
