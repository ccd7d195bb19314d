import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import { beforeEach, describe, expect, it, vi } from 'vitest'
import { english } from './all'
import type { Chapter, Key } from './i18n'

// Which words a part of the page can say is read from its sources: its own, and those that are loaded with it.
const src = join(import.meta.dirname, '..')
const names = readdirSync(src, { recursive: true, encoding: 'utf8' })
const files = names.filter(f => /[.]tsx?$/.test(f) && !/[.]test[.]|^i18n.(en|zh|all)\b/.test(f))
const text = new Map(files.map(f => [f, readFileSync(join(src, f), 'utf8')]))
const keys = Object.keys(english)

const chapterOf = new Map<string, string>()
for (const f of names.map(f => /^i18n.(en(?:[.](\w+))?[.]ts)$/.exec(f)))
  if (f?.[1])
    for (const m of readFileSync(join(src, 'i18n', f[1]), 'utf8').matchAll(/^ {2}'?([\w. -]+?)'?:/gm))
      chapterOf.set(m[1] ?? '', f[2] ?? '')

function resolve(from: string, to: string): string | undefined {
  const path = normalize(join(dirname(from), to))
  return [path, `${path}.ts`, `${path}.tsx`].find(p => text.has(p))
}

/** A module with all that is loaded with it. */
function loaded(module: string, seen = new Set<string>()): Set<string> {
  if (seen.has(module)) return seen
  seen.add(module)
  for (const m of (text.get(module) ?? '').matchAll(
    /^(?:import|export)\s(?!type\b)(?:[^'"]*?\sfrom\s)?'([.][^']+)'/gms,
  )) {
    const next = resolve(module, m[1] ?? '')
    if (next) loaded(next, seen)
  }
  return seen
}

// Templates that begin with a code: which codes they are.
const begun: Readonly<Record<string, readonly string[]>> = {
  'letter/ActDialog.tsx': ['discard', 'resolve', 'snooze', 'notes', 'reroute', 'unquarantine'],
}

/** The keys that a module names: as they are, by a template, or by the family of a code. */
function said(module: string): Set<string> {
  const source = text.get(module) ?? ''
  const found = new Set<string>()
  const literals = [...source.matchAll(/'([^'\n]+)'/g)].map(m => m[1] ?? '').filter(k => k.includes('.'))
  // A key without a dot is a common word: it counts where it is translated.
  const calls = [...source.matchAll(/\btx?\(([^)]{0,200})/g)]
  const short = calls.flatMap(m => [...(m[1] ?? '').matchAll(/'([^']+)'/g)].map(k => k[1] ?? ''))
  for (const k of [...literals, ...short]) if (chapterOf.has(k)) found.add(k)
  const forms = [...source.matchAll(/\bcode(?:Words)?\(\s*'([\w.]+)'/g)].map(m => `${m[1]}.*`)
  for (const m of source.matchAll(/`([a-z][\w.]*[.])\$\{[^`]*?\}([\w.]*)`/g)) forms.push(`${m[1]}*${m[2]}`)
  if (/\btx?\(`\$\{/.test(source)) {
    expect(begun, `${module} begins a key with a code`).toHaveProperty([module])
    for (const m of source.matchAll(/\btx?\(`\$\{\w+\}([\w.]+)`/g))
      for (const c of begun[module] ?? []) forms.push(`${c}${m[1]}`)
  }
  for (const form of forms) {
    const fit = new RegExp(`^${form.replaceAll('.', '[.]').replace('*', '[^.]+')}$`)
    for (const k of keys) if (fit.test(k)) found.add(k)
  }
  return found
}

// An error shows what the server says until these words have come, which it asks for itself.
const later = new Set(['parts/problemWords.ts', 'parts/sentences.ts'])

/** The chapters that a part of the page speaks in, each with the keys. */
function needs(entry: string, there: ReadonlySet<string>): Map<string, string[]> {
  const out = new Map<string, string[]>()
  for (const module of loaded(entry)) {
    if (there.has(module) || later.has(module)) continue
    for (const k of said(module)) {
      const chapter = chapterOf.get(k)
      if (chapter) out.set(chapter, [...(out.get(chapter) ?? []), `${k} in ${module}`])
    }
  }
  return out
}

const frame = loaded('main.tsx')
const entries = files.flatMap(from =>
  [...(text.get(from) ?? '').matchAll(/(?:withWords\(\s*\[([^\]]*)\],\s*)?\bimport\('([.][^']+)'\)/g)].flatMap(m => {
    const entry = resolve(from, m[2] ?? '')
    const brought = (m[1] ?? '').match(/\w+/g) ?? []
    return entry ? [{ from, entry, brought }] : []
  }),
)
/** The chapters that are there wherever a module shows something: those of the parts that it is loaded with. */
function there(module: string, seen: readonly string[] = []): Set<string> {
  if (frame.has(module) || seen.includes(module)) return new Set()
  const ways = entries.filter(e => loaded(e.entry).has(module))
  const sets = ways.map(e => new Set([...e.brought, ...there(e.from, [...seen, module])]))
  return new Set([...(sets[0] ?? [])].filter(c => sets.every(s => s.has(c))))
}

describe('the words of a part of the page are loaded before it is shown', () => {
  it('of the frame', () => {
    expect(Object.fromEntries(needs('main.tsx', new Set()))).toEqual({})
  })
  it('of everything that is loaded later', () => {
    expect(entries.length).toBeGreaterThan(15)
  })
  it.each(entries)('$entry, from $from', ({ from, entry, brought }) => {
    const ready = new Set([...brought, ...there(from)])
    const missing = [...needs(entry, frame)].filter(([chapter]) => !ready.has(chapter))
    expect(Object.fromEntries(missing)).toEqual({})
  })
  it('in every view, some', () => {
    // The reading of the sources sees what it shall see.
    expect([...needs('overview/OverviewView.tsx', frame).keys()]).toEqual(['overview'])
    expect([...needs('letter/LetterPane.tsx', frame).keys()]).toContain('codes')
    expect([...needs('letters/LettersView.tsx', frame).keys()]).toEqual([])
  })
})

// The module anew, so that nothing is loaded yet.
const fresh = async () => {
  vi.resetModules()
  return import('./i18n')
}

describe('chapters', () => {
  beforeEach(() => localStorage.clear())
  const own: Readonly<Record<Chapter, Key>> = {
    alerts: 'alerts.now',
    codes: 'door.A',
    dialogs: 'login.do',
    edit: 'edit.body',
    errors: 'problem.hint.conflict',
    letter: 'letter.why',
    operations: 'operations.text',
    overview: 'overview.states',
    places: 'groups.kind',
    rules: 'rules.list',
  }
  it.each(Object.keys(own) as Chapter[])('%s comes with its view, in each language and after each switch', async c => {
    const { setLang, withWords, t } = await fresh()
    await setLang('en', false)
    expect(t('nav.letters')).toBe('Letters')
    expect(t(own[c])).toBe(own[c])
    await withWords([c], Promise.resolve())
    const inEnglish = t(own[c])
    expect(inEnglish).toBe(english[own[c]])
    await setLang('zh', false)
    expect(t(own[c])).toMatch(/[\u4e00-\u9fff]/)
    await setLang('en', false)
    expect(t(own[c])).toBe(inEnglish)
  })
  it('are whole in the new language when a view opens while it is switched', async () => {
    const { setLang, withWords, t, onWords } = await fresh()
    await setLang('en', false)
    await withWords(['overview'], Promise.resolve())
    const shown: string[] = []
    onWords(() => shown.push(t('overview.states')))
    await Promise.all([
      setLang('zh', false),
      withWords(['letter'], Promise.resolve()),
      setLang('en', false),
      withWords(['rules'], Promise.resolve()),
      setLang('zh', false),
    ])
    expect(t('letter.why')).toBe('原因')
    expect(t('rules.list')).toMatch(/[\u4e00-\u9fff]/)
    // What was on the page had words all the time.
    expect(shown.length).toBeGreaterThan(0)
    expect(shown).not.toContain('overview.states')
  })
})
