import { Link } from 'wouter'
import { t } from '../i18n/i18n'
import '../style/view.css'

export default function NotFound() {
  return (
    <div className="view">
      <div className="empty">
        <h1>{t('notfound')}</h1>
        <p>{t('notfound.text')}</p>
        <Link href="/letters" className="button">
          {t('nav.letters')}
        </Link>
      </div>
    </div>
  )
}
