import { type FormEvent, useEffect, useRef, useState } from 'react'
import { asProblem, type Problem, writeSession } from '../api/client'
import { t } from '../i18n/i18n'
import { ProblemBox } from '../parts/Problem'
import '../style/login.css'
import { LangSwitch, Logo, ThemeSwitch } from './Switches'

/** Asks for the token once; the server keeps it in a cookie that no script can read. */
export default function Login({ onDone }: { onDone: () => void }) {
  const [token, setToken] = useState('')
  const [busy, setBusy] = useState(false)
  const [problem, setProblem] = useState<Problem>()
  const field = useRef<HTMLInputElement>(null)
  useEffect(() => field.current?.focus(), [])

  const submit = async (e: FormEvent) => {
    e.preventDefault()
    if (!token.trim()) return
    setBusy(true)
    setProblem(undefined)
    try {
      await writeSession('POST', { token: token.trim() })
      onDone()
    } catch (err) {
      setProblem(asProblem(err))
      setBusy(false)
      field.current?.select()
    }
  }
  return (
    <main className="login">
      <form onSubmit={submit}>
        <h1>
          <Logo /> {t('app')}
        </h1>
        <p className="quiet">{t('login.text')}</p>
        <label>
          {t('login.token')}
          <input
            ref={field}
            type="password"
            name="token"
            autoComplete="current-password"
            spellCheck={false}
            value={token}
            onChange={e => setToken(e.target.value)}
          />
        </label>
        {problem &&
          (problem.code === 'unauthorized' ? (
            <p className="field-error" role="alert">
              {t('login.wrong')}
            </p>
          ) : (
            <ProblemBox error={problem} />
          ))}
        <button type="submit" className="button primary" disabled={busy || !token.trim()}>
          {t('login.do')}
        </button>
        <p className="quiet small">{t('login.how')}</p>
      </form>
      <footer>
        <LangSwitch />
        <ThemeSwitch />
      </footer>
    </main>
  )
}
