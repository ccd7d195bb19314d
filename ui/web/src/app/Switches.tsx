import { Suspense, useState } from 'react'
import { createPortal } from 'react-dom'
import { useRights, useStatus } from '../api/queries'
import { currentLang, setLang, t, withWords } from '../i18n/i18n'
import { Icon, type IconName } from '../parts/Icon'
import { part } from './part'
import { setTheme, type Theme, themes, useTheme } from './theme'

const AutomationDialog = part(() => withWords(['dialogs'], import('./AutomationDialog')))

const icons: Record<Theme, IconName> = { system: 'screen', light: 'sun', dark: 'moon' }

/** Three ways: as the system has it, light, dark. */
export function ThemeSwitch() {
  const theme = useTheme()
  return (
    <fieldset className="switch">
      <legend className="off-screen">{t('theme')}</legend>
      {themes.map(th => (
        <button
          key={th}
          type="button"
          aria-pressed={theme === th}
          aria-label={t(`theme.${th}`)}
          title={t(`theme.${th}`)}
          onClick={() => setTheme(th)}
        >
          <Icon name={icons[th]} size={14} />
        </button>
      ))}
    </fieldset>
  )
}

/** The other language, named in itself. */
export function LangSwitch() {
  const other = currentLang() === 'zh' ? 'en' : 'zh'
  const name = other === 'zh' ? '中文' : 'English'
  return (
    <button type="button" className="lang" lang={other === 'zh' ? 'zh-CN' : 'en'} onClick={() => setLang(other)}>
      {name}
    </button>
  )
}

export function Logo() {
  return (
    <svg className="logo" width="20" height="20" viewBox="0 0 20 20" aria-hidden="true">
      <rect width="20" height="20" rx="5" />
      <path d="M4.5 6.5h11v7.5h-11zM4.5 7l5.5 4 5.5-4" />
    </svg>
  )
}

/** The stop of everything automatic and of every operation, within reach on every page. */
export function StopButton() {
  const a = useStatus().data?.automation
  const rights = useRights()
  const [open, setOpen] = useState(false)
  if (!a) return null
  const words = t(a.stopped ? 'stop.lift' : 'stop')
  return (
    <>
      <button
        type="button"
        className={`button small stop${a.stopped ? ' on' : ''}`}
        disabled={!rights.admin}
        title={rights.admin ? t(a.stopped ? 'stop.lift.text' : 'stop.text') : t('stop.why')}
        onClick={() => setOpen(true)}
      >
        <Icon name={a.stopped ? 'play' : 'stop'} size={14} /> <span>{words}</span>
      </button>
      {open &&
        createPortal(
          <Suspense fallback={null}>
            <AutomationDialog a={a} change={a.stopped ? 'go' : 'stop'} onClose={() => setOpen(false)} />
          </Suspense>,
          document.body,
        )}
    </>
  )
}
