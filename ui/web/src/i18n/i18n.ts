import { createElement, Fragment, type ReactNode, useSyncExternalStore } from 'react'
import { insist } from '../parts/insist'
import type { en } from './en'
import type { enMore } from './en.more'

export type Lang = 'en' | 'zh'
export const langs: readonly Lang[] = ['en', 'zh']

export interface Plural {
  one: string
  other: string
}
type English = typeof en & typeof enMore
export type Key = keyof English
/** What every language must have: the same keys, a plural where English has one. */
export type Words<E> = { readonly [K in keyof E]: E[K] extends string ? string : Plural }
/** The words of the first view, and with them the rest once a view has asked for it. */
export type Catalog = Words<typeof en> & Partial<Words<typeof enMore>>

export type Params = Record<string, string | number>

const store = 'dlq.lang'
let lang: Lang = 'en'
let catalog: Catalog
const listeners = new Set<() => void>()

/** The language to start with: what was chosen before, else the browser's. */
export function firstLang(): Lang {
  let saved: string | null = null
  try {
    saved = localStorage.getItem(store)
  } catch {
    // Storage can be forbidden; the browser's language is good enough then.
  }
  if (saved === 'en' || saved === 'zh') return saved
  return (navigator.languages ?? [navigator.language])
    .find(l => /^(zh|en)\b/i.test(l))
    ?.toLowerCase()
    .startsWith('zh')
    ? 'zh'
    : 'en'
}

// The words of the frame and the list come first; the rest when a view that needs it is opened.
const load = {
  en: async (more: boolean): Promise<Catalog> => {
    const [first, rest] = await Promise.all([
      insist(() => import('./en')),
      more ? insist(() => import('./en.more')) : undefined,
    ])
    return { ...first.en, ...rest?.enMore }
  },
  zh: async (more: boolean): Promise<Catalog> => {
    const [first, rest] = await Promise.all([
      insist(() => import('./zh')),
      more ? insist(() => import('./zh.more')) : undefined,
    ])
    return { ...first.zh, ...rest?.zhMore }
  },
}
let wantMore = false

/** Loads a language and shows the page in it. */
export async function setLang(next: Lang, remember = true): Promise<void> {
  let words = await load[next](wantMore)
  // A view may have asked for its words meanwhile.
  if (wantMore && !complete(words)) words = await load[next](true)
  applyCatalog(next, words)
  if (!remember) return
  try {
    localStorage.setItem(store, next)
  } catch {
    // Not remembered; nothing else is lost.
  }
}

/** Waits for a view and for the words that it needs. */
export async function loadMore<T>(view: Promise<T>): Promise<T> {
  wantMore = true
  // It may fail while the words are still being waited for; who called sees that below.
  view.catch(() => undefined)
  while (!complete(catalog)) {
    const asked = lang
    const words = await load[asked](true)
    if (asked === lang) applyCatalog(asked, words)
  }
  return view
}

/** Brings the words that came with no view yet. Without them codes are shown as they are. */
export const moreWords = (): Promise<void> => loadMore(Promise.resolve()).catch(() => undefined)

const complete = (words: Catalog) => 'act.replay' in words

/** Puts a loaded catalogue in force. */
export function applyCatalog(next: Lang, words: Catalog): void {
  lang = next
  catalog = words
  if (typeof document !== 'undefined') document.documentElement.lang = next === 'zh' ? 'zh-CN' : 'en'
  for (const l of listeners) l()
}

export const currentLang = (): Lang => lang
/** The locale for Intl. */
export const locale = (): string => (lang === 'zh' ? 'zh-CN' : 'en-GB')

const pluralRules = new Map<string, Intl.PluralRules>()
const numbers = new Map<string, Intl.NumberFormat>()

export function formatNumber(n: number): string {
  let f = numbers.get(lang)
  if (!f) {
    // A thin blank groups the digits alike in both languages.
    f = new Intl.NumberFormat(locale(), { maximumFractionDigits: 1 })
    numbers.set(lang, f)
  }
  return f
    .formatToParts(n)
    .map(p => (p.type === 'group' ? '\u202f' : p.value))
    .join('')
}

function pattern(key: Key, params?: Params): string {
  const word = catalog[key] as string | Plural | undefined
  if (word === undefined) return key
  if (typeof word === 'string') return word
  let rules = pluralRules.get(lang)
  if (!rules) {
    rules = new Intl.PluralRules(locale())
    pluralRules.set(lang, rules)
  }
  return rules.select(Number(params?.n ?? 0)) === 'one' ? word.one : word.other
}

/** A message in the page's language. Numbers among the parameters are grouped as the language does it. */
export function t(key: Key, params?: Params): string {
  const text = pattern(key, params)
  if (!params) return text
  return text.replace(/\{(\w+)\}/g, (whole, name: string) => {
    const v = params[name]
    return v === undefined ? whole : typeof v === 'number' ? formatNumber(v) : v
  })
}

/** A message with elements in its places. */
export function tx(key: Key, params: Record<string, ReactNode>): ReactNode {
  const n = params.n
  const parts = pattern(key, typeof n === 'number' ? { n } : undefined).split(/(\{\w+\})/)
  return createElement(
    Fragment,
    null,
    ...parts.map(part => {
      const name = /^\{(\w+)\}$/.exec(part)?.[1]
      if (!name || !(name in params)) return part
      const v = params[name]
      return typeof v === 'number' ? formatNumber(v) : v
    }),
  )
}

/** The words for a code of the API, or undefined where this page does not know it (yet). */
export function codeWords(family: string, code: string, params?: Params): string | undefined {
  const key = `${family}.${code}` as Key
  return key in catalog ? t(key, params) : undefined
}

/** The words for a code; a code without words is shown as it is. */
export function code(family: string, value: string, params?: Params): string {
  return codeWords(family, value, params) ?? value
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener)
  return () => listeners.delete(listener)
}

/** Makes a component follow the language. */
export function useLang(): Lang {
  return useSyncExternalStore(subscribe, currentLang)
}
