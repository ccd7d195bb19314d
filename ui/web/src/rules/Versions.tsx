import { useInfiniteQuery, useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { get } from '../api/client'
import { code, t } from '../i18n/i18n'
import { Copy } from '../parts/Copy'
import { Dialog } from '../parts/Dialog'
import { More } from '../parts/More'
import { ProblemBox } from '../parts/Problem'
import { Foreign } from '../parts/Text'
import { Time } from '../parts/Time'
import { Wait } from '../parts/Wait'
import type { RuleVersion } from './types'

interface Page {
  items: RuleVersion[]
  next?: string
}

/** Every version that was in force: who, when, why and what it changed. */
export function Versions({
  now,
  first,
  onBack,
  onClose,
}: {
  now: number
  /** The version that is shown open at first. */
  first: number
  /** Left out where the person may not roll back. */
  onBack: ((v: RuleVersion) => void) | undefined
  onClose: () => void
}) {
  const [open, setOpen] = useState(first)
  const query = useInfiniteQuery({
    queryKey: ['rule-versions'],
    queryFn: ({ pageParam, signal }) =>
      get<Page>(`/rules/versions?limit=50${pageParam ? `&cursor=${encodeURIComponent(pageParam)}` : ''}`, signal),
    initialPageParam: '',
    getNextPageParam: page => page.next || undefined,
    gcTime: 0,
  })
  const items = query.data?.pages.flatMap(p => p.items) ?? []
  return (
    <Dialog title={t('versions')} kind="sheet" onClose={onClose}>
      <div className="dialog-body">
        {query.error && <ProblemBox error={query.error} again={() => query.refetch()} />}
        {!query.data && !query.error && <Wait lines={8} />}
        <ol className="versions">
          {items.map(v => (
            <li key={v.version}>
              <button
                type="button"
                aria-expanded={open === v.version}
                onClick={() => setOpen(open === v.version ? 0 : v.version)}
              >
                <span className="num strong">{t('versions.n', { n: v.version })}</span>
                {v.version === now && <span className="chip green">{t('versions.now')}</span>}
                <span className="grow">
                  <Foreign text={v.note || (v.author === 'file' ? t('versions.file') : '')} />
                  {v.reverts ? <span className="quiet"> {t('versions.reverts', { n: v.reverts })}</span> : null}
                </span>
                <span className="quiet">
                  {v.author !== 'file' && (
                    <>
                      <Foreign text={code('actor', v.author)} /> ·{' '}
                    </>
                  )}
                  <Time at={v.at} form="moment" />
                </span>
              </button>
              {open === v.version && <Changed v={v} onBack={v.version === now ? undefined : onBack} />}
            </li>
          ))}
        </ol>
        <More query={query} />
      </div>
    </Dialog>
  )
}

function Changed({ v, onBack }: { v: RuleVersion; onBack: ((v: RuleVersion) => void) | undefined }) {
  const query = useQuery({
    queryKey: ['rule-version', v.version],
    queryFn: ({ signal }) =>
      get<{ version: RuleVersion; against: number; diff: string }>(`/rules/versions/${v.version}`, signal),
    staleTime: Number.POSITIVE_INFINITY,
  })
  if (query.error) return <ProblemBox error={query.error} again={() => query.refetch()} />
  if (!query.data) return <Wait lines={4} />
  const { diff, against } = query.data
  return (
    <div className="changed">
      <p className="quiet small">{against > 0 ? t('versions.against', { n: against }) : t('versions.first')}</p>
      {diff ? <Diff text={diff} /> : <p className="quiet">{t('versions.same')}</p>}
      <div className="line">
        {onBack && (
          <button type="button" className="button small" onClick={() => onBack(v)}>
            {t('rules.back')}
          </button>
        )}
        <Copy value={query.data.version.text ?? ''} label={t('versions.copy')} />
      </div>
    </div>
  )
}

/** A unified diff; the signs at the beginning of lines stay, so that colour is not all that tells. */
function Diff({ text }: { text: string }) {
  const lines = text
    .replace(/\n$/, '')
    .split('\n')
    .filter(l => !/^(---|\+\+\+) /.test(l))
  return (
    <pre className="diff mono">
      {lines.map((l, i) => (
        <span
          // biome-ignore lint/suspicious/noArrayIndexKey: lines of a text that does not change
          key={i}
          className={l.startsWith('+') ? 'plus' : l.startsWith('-') ? 'minus' : l.startsWith('@@') ? 'at' : undefined}
        >
          <Foreign text={l} />
          {'\n'}
        </span>
      ))}
    </pre>
  )
}
