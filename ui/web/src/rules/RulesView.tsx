import { useQuery } from '@tanstack/react-query'
import { Suspense, useCallback, useEffect, useLayoutEffect, useMemo, useRef, useState } from 'react'
import { useLocation, useSearch } from 'wouter'
import { ask, asProblem, get, type Problem } from '../api/client'
import { client, useRights, useRules } from '../api/queries'
import { useKeys } from '../app/keys'
import { code, currentLang, t, tx } from '../i18n/i18n'
import { Copy } from '../parts/Copy'
import { Icon } from '../parts/Icon'
import { plain } from '../parts/mask'
import { ProblemBox } from '../parts/Problem'
import { Foreign } from '../parts/Text'
import { Time } from '../parts/Time'
import { Wait } from '../parts/Wait'
import type { Diagnostic, RulesInForce, RuleVersion } from './types'
import '../style/rules.css'
import '../style/view.css'
import { part } from '../app/part'
import { Backtest } from './Backtest'
import { Conflict } from './Conflict'
import { type Draft, freshDraft, keepDraft, keptDraft } from './draft'
import type { EditorHandle } from './Editor'
import { RuleList, type SwitchOf } from './RuleList'
import { SaveDialog, type Saving } from './SaveDialog'
import type { Schema, Seen } from './schema'
import { useBacktest, useCheck } from './useRulesText'
import { Versions } from './Versions'

const Editor = part(() => import('./Editor'))

/** rules.yaml as a document: its rules with what each catches, the text, and what a change of it would change. */
export default function RulesView() {
  const query = useRules()
  if (query.error && !query.data)
    return (
      <div className="view">
        <ProblemBox error={query.error} again={() => query.refetch()} />
      </div>
    )
  if (!query.data)
    return (
      <div className="view">
        <Wait lines={12} />
      </div>
    )
  return <Rules r={query.data} />
}

const none: readonly Diagnostic[] = []
const nothing: Omit<Seen, 'compensations' | 'receivers'> = {
  reasons: [],
  consumer_groups: [],
  topics: [],
  clusters: [],
  businesses: [],
  tags: [],
  properties: [],
  body_paths: [],
}

/** The draft of this tab: the file, until somebody writes. While nothing is written it follows the file. */
function useDraft(r: RulesInForce) {
  const [draft, change] = useState<Draft>(() => keptDraft() ?? freshDraft(r))
  // Whoever types is ahead of what is drawn: the editor takes a text from here only when this number rises.
  const [loaded, load] = useState(0)
  const setDraft = useCallback((d: Draft) => {
    change(d)
    load(n => n + 1)
  }, [])
  const dirty = draft.text !== draft.base.text
  // At once: what is typed meanwhile would be lost.
  useLayoutEffect(() => {
    if (!dirty && draft.base.etag !== r.etag) setDraft(freshDraft(r))
  }, [dirty, draft, r, setDraft])
  useEffect(() => keepDraft(draft), [draft])
  useEffect(() => {
    if (!dirty) return
    const ask = (e: BeforeUnloadEvent) => e.preventDefault()
    window.addEventListener('beforeunload', ask)
    return () => window.removeEventListener('beforeunload', ask)
  }, [dirty])
  const write = useCallback((text: string) => change(d => (d.text === text ? d : { ...d, text })), [])
  return { draft, dirty, loaded, setDraft, write }
}

function Rules({ r }: { r: RulesInForce }) {
  const params = new URLSearchParams(useSearch())
  const [, go] = useLocation()
  const rights = useRights()
  const editor = useRef<EditorHandle>(null)
  const { draft, dirty, loaded, setDraft, write } = useDraft(r)
  const { checked, problem: unchecked } = useCheck(draft.text, rights.act)
  const fresh = checked?.text === draft.text
  // Before the first answer, and for those who may not ask, what the file itself was found to be.
  const found = checked?.diagnostics ?? (dirty ? none : ((r.refused ? r.refused.diagnostics : r.diagnostics) ?? none))
  const errors = found.filter(d => d.severity === 'error').length
  const test = useBacktest(draft.text, r.version.version, rights.act && fresh && errors === 0)
  const schema = useQuery({
    queryKey: ['rules-schema'],
    queryFn: ({ signal }) => get<Schema>('/rules/schema', signal),
    staleTime: Number.POSITIVE_INFINITY,
  })
  const values = useQuery({
    queryKey: ['rules-completions'],
    queryFn: ({ signal }) => get<typeof nothing>('/rules/completions', signal),
    staleTime: 60_000,
    enabled: rights.act,
  })
  const seen = useMemo<Seen>(
    () => ({
      ...(values.data ?? nothing),
      compensations: checked?.compensations ?? [],
      receivers: checked?.receivers ?? [],
    }),
    [values.data, checked],
  )
  const [line, setLine] = useState(0)
  const [saving, setSaving] = useState<Saving>()
  const [conflict, setConflict] = useState<{ text: string; etag: string; version: RuleVersion }>()
  const [history, setHistory] = useState<number>()
  const [problem, setProblem] = useState<Problem>()
  const [saved, setSaved] = useState(0)

  const jump = useCallback((n: number, focus = true) => {
    setLine(n)
    editor.current?.jump(n, focus)
  }, [])
  const edit = useCallback(
    async (body: { switch?: SwitchOf; letter_id?: string; route?: string }) => {
      setProblem(undefined)
      try {
        const e = await ask<{ text: string; line: number }>('/rules/edit', { text: draft.text, ...body })
        editor.current?.replace(e.text)
        jump(e.line, body.switch === undefined)
      } catch (err) {
        setProblem(asProblem(err))
      }
    },
    [draft.text, jump],
  )

  // What the address asks for, once the editor is there: a line, a rule, or a new rule for a letter.
  const [ready, setReady] = useState(false)
  const asked = useRef('')
  const wish = params.toString()
  useEffect(() => {
    if (!ready || asked.current === wish) return
    const from = params.get('letter')
    if (from && !rights.known) return
    asked.current = wish
    if (from && rights.act) {
      edit({ letter_id: from })
      go('/rules', { replace: true })
      return
    }
    const named = (checked?.rules ?? r.rules ?? []).find(x => x.name === params.get('rule'))
    const n = Number(params.get('line')) || named?.line || 0
    if (n) jump(n, false)
    // A letter was judged by a version that may not be in force any more.
    const version = Number(params.get('version'))
    if (version > 0 && version !== r.version.version) setHistory(version)
  })

  const nextFinding = () => editor.current?.nextFinding()
  const save = () => {
    if (dirty && rights.admin && r.writable.ok && fresh && errors === 0) setSaving({ text: draft.text })
  }
  useKeys({ F8: nextFinding })
  const moved = dirty && r.etag !== draft.base.etag
  const cannot = !rights.admin
    ? t('rules.save.admin')
    : !r.writable.ok
      ? t('rules.save.readonly')
      : !dirty
        ? t('rules.save.same')
        : errors > 0
          ? t('rules.save.wrong', { n: errors })
          : !fresh
            ? t('rules.save.checking')
            : ''
  return (
    <div className="view rules">
      <header className="view-head">
        <h1>{t('nav.rules')}</h1>
        <p className="quiet">
          {r.version.version > 0
            ? tx(r.version.author === 'file' ? 'rules.version.file' : 'rules.version', {
                n: r.version.version,
                at: <Time at={r.version.at} form="moment" />,
                who: <Foreign text={code('actor', r.version.author)} />,
              })
            : t('rules.none')}
          {r.version.note && (
            <>
              {' '}
              · “<Foreign text={r.version.note} />”
            </>
          )}{' '}
          · <code>{plain(r.path)}</code>{' '}
          <button type="button" className="link" onClick={() => setHistory(r.version.version)}>
            {t('versions')}
          </button>
        </p>
      </header>
      {r.refused && (
        <div className="problem" role="alert">
          <Icon name="alert" />
          <div>
            <strong>{t('rules.refused')}</strong>
            <p>
              {tx('rules.refused.text', { at: <Time at={r.refused.at} form="moment" />, version: r.version.version })}
            </p>
          </div>
        </div>
      )}
      {!r.writable.ok && rights.admin && (
        <div className="notice" role="status">
          <Icon name="info" />
          <div>
            <strong>{t('rules.readonly')}</strong>
            <p>
              {r.writable.message && plain(currentLang() === 'zh' ? r.writable.message.zh : r.writable.message.en, 400)}{' '}
              {t('rules.readonly.text')}
            </p>
          </div>
        </div>
      )}
      {moved && (
        <div className="notice amber" role="status">
          <Icon name="alert" />
          <div>
            <strong>{t('rules.moved')}</strong>
            <p>{t('rules.moved.text')}</p>
            <button
              type="button"
              className="button small"
              onClick={() => setConflict({ text: r.text, etag: r.etag, version: r.version })}
            >
              {t('rules.moved.look')}
            </button>
          </div>
        </div>
      )}
      {(problem ?? unchecked) && <ProblemBox error={problem ?? unchecked} />}
      <div className="rules-grid">
        <RuleList
          rules={checked?.rules ?? r.rules ?? []}
          alerts={checked?.alerts ?? r.alerts ?? []}
          hits={r.hits ?? []}
          found={found}
          line={line}
          onJump={jump}
          onSwitch={rights.act ? s => edit({ switch: s }) : undefined}
        />
        <section aria-label={t('rules.file')} className="rules-file">
          <div className="rules-file-head">
            <output className="grow">
              {found.length === 0 ? (
                <span className="good">
                  <Icon name="check" size={14} /> {t('rules.clean')}
                </span>
              ) : (
                <button type="button" className={`link${errors > 0 ? ' red' : ''}`} title="F8" onClick={nextFinding}>
                  {t('rules.found', { n: found.length })} <kbd>F8</kbd>
                </button>
              )}
              {saved > 0 && !dirty && saved === r.version.version && (
                <span className="good"> · {t('rules.saved', { n: saved })}</span>
              )}
            </output>
            <Copy value={draft.text} label={t('copy')} />
            {dirty && (
              <button type="button" className="button small" onClick={() => setDraft(freshDraft(r))}>
                {t('rules.undo')}
              </button>
            )}
            <button
              type="button"
              className="button small primary"
              aria-disabled={cannot !== ''}
              title={cannot || 'Ctrl+S'}
              onClick={save}
            >
              {t('rules.save')}
            </button>
          </div>
          {cannot && dirty && <p className="cannot small">{cannot}</p>}
          <Suspense fallback={<Wait lines={12} />}>
            <Ready onReady={() => setReady(true)} />
            <Editor
              handle={editor}
              text={draft.text}
              loaded={loaded}
              found={found}
              schema={schema.data}
              seen={seen}
              readOnly={rights.known && !rights.act}
              label={t('rules.file')}
              onChange={write}
              onSave={save}
            />
          </Suspense>
        </section>
        {rights.act && (
          <Backtest
            text={draft.text}
            figures={test.figures}
            stale={test.stale}
            problem={test.problem}
            wrong={fresh && errors > 0}
            untouched={!dirty}
          />
        )}
      </div>
      {saving && (
        <SaveDialog
          what={saving}
          etag={'text' in saving ? draft.base.etag : r.etag}
          figures={test.stale ? undefined : test.figures}
          onSaved={now => {
            client.setQueryData(['rules'], now)
            client.invalidateQueries({ queryKey: ['rule-versions'] })
            if ('text' in saving || !dirty) setDraft(freshDraft(now))
            setSaved(now.version.version)
            setSaving(undefined)
          }}
          onConflict={p => {
            if (p.body.rules) setConflict(p.body.rules)
            setSaving(undefined)
            client.invalidateQueries({ queryKey: ['rules'] })
          }}
          onClose={() => setSaving(undefined)}
        />
      )}
      {conflict && (
        <Conflict
          mine={draft.text}
          base={draft.base.text}
          theirs={conflict.text}
          by={conflict.version}
          onDone={text => {
            setDraft({ base: { text: conflict.text, etag: conflict.etag }, text })
            setConflict(undefined)
          }}
          onClose={() => setConflict(undefined)}
        />
      )}
      {history !== undefined && (
        <Versions
          now={r.version.version}
          first={history}
          onBack={
            rights.admin && r.writable.ok
              ? v => {
                  setHistory(undefined)
                  setSaving({ version: v })
                }
              : undefined
          }
          onClose={() => setHistory(undefined)}
        />
      )}
    </div>
  )
}

/** Says that what stands beside it has been loaded and shown. */
function Ready({ onReady }: { onReady: () => void }) {
  const tell = useRef(onReady)
  tell.current = onReady
  useEffect(() => {
    const frame = requestAnimationFrame(() => tell.current())
    return () => cancelAnimationFrame(frame)
  }, [])
  return null
}
