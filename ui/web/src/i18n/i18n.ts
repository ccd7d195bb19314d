import { createElement, Fragment, type ReactNode, useSyncExternalStore } from 'react'
import { insist } from '../parts/insist'
import type { en } from './en'
import type { enAlerts } from './en.alerts'
import type { enCodes } from './en.codes'
import type { enDialogs } from './en.dialogs'
import type { enEdit } from './en.edit'
import type { enErrors } from './en.errors'
import type { enLetter } from './en.letter'
import type { enOperations } from './en.operations'
import type { enOverview } from './en.overview'
import type { enPlaces } from './en.places'
import type { enRules } from './en.rules'

export type Lang = 'en' | 'zh'
export const langs: readonly Lang[] = ['en', 'zh']

export interface Plural {
  one: string
  other: string
}
type Later = typeof enAlerts &
  typeof enCodes &
  typeof enDialogs &
  typeof enEdit &
  typeof enErrors &
  typeof enLetter &
  typeof enOperations &
  typeof enOverview &
  typeof enPlaces &
  typeof enRules
type English = typeof en & Later
export type Key = keyof English
/** What every language must have: the same keys, a plural where English has one. */
export type Words<E> = { readonly [K in keyof E]: E[K] extends string ? string : Plural }
/** The words of the frame and the list, and with them the chapters that views have asked for. */
export type Catalog = Words<typeof en> & Partial<Words<Later>>

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

// The words of the frame and the list come first; each view brings the chapters that it speaks in.
const first = {
  en: () => import('./en').then(m => m.en),
  zh: () => import('./zh').then(m => m.zh),
}
const chapters = {
  en: {
    alerts: () => import('./en.alerts').then(m => m.enAlerts),
    codes: () => import('./en.codes').then(m => m.enCodes),
    dialogs: () => import('./en.dialogs').then(m => m.enDialogs),
    edit: () => import('./en.edit').then(m => m.enEdit),
    errors: () => import('./en.errors').then(m => m.enErrors),
    letter: () => import('./en.letter').then(m => m.enLetter),
    operations: () => import('./en.operations').then(m => m.enOperations),
    overview: () => import('./en.overview').then(m => m.enOverview),
    places: () => import('./en.places').then(m => m.enPlaces),
    rules: () => import('./en.rules').then(m => m.enRules),
  },
  zh: {
    alerts: () => import('./zh.alerts').then(m => m.zhAlerts),
    codes: () => import('./zh.codes').then(m => m.zhCodes),
    dialogs: () => import('./zh.dialogs').then(m => m.zhDialogs),
    edit: () => import('./zh.edit').then(m => m.zhEdit),
    errors: () => import('./zh.errors').then(m => m.zhErrors),
    letter: () => import('./zh.letter').then(m => m.zhLetter),
    operations: () => import('./zh.operations').then(m => m.zhOperations),
    overview: () => import('./zh.overview').then(m => m.zhOverview),
    places: () => import('./zh.places').then(m => m.zhPlaces),
    rules: () => import('./zh.rules').then(m => m.zhRules),
  },
}
/** A part of the words that is loaded by itself. */
export type Chapter = keyof typeof chapters.en
const wanted = new Set<Chapter>()
let loaded: ReadonlySet<Chapter> = new Set()

async function load(next: Lang, which: ReadonlySet<Chapter>): Promise<Catalog> {
  const parts = await Promise.all([
    insist<Catalog>(first[next]),
    ...[...which].map(c => insist<Partial<Catalog>>(chapters[next][c])),
  ])
  return Object.assign({}, ...parts)
}

let turn = 0

/** Loads a language, with all chapters that views have asked for, and shows the page in it. */
export async function setLang(next: Lang, remember = true): Promise<void> {
  const mine = ++turn
  for (;;) {
    const which = new Set(wanted)
    const words = await load(next, which)
    if (mine !== turn) return // another language was chosen meanwhile
    // A view may have asked for its words meanwhile.
    if (which.size < wanted.size) continue
    applyCatalog(next, words, which)
    break
  }
  if (!remember) return
  try {
    localStorage.setItem(store, next)
  } catch {
    // Not remembered; nothing else is lost.
  }
}

/** Waits for a view and for the chapters that it speaks in, so that it never shows a key in place of words. */
export async function withWords<T>(which: readonly Chapter[], view: Promise<T>): Promise<T> {
  for (const c of which) wanted.add(c)
  // It may fail while the words are still being waited for; who called sees that below.
  view.catch(() => undefined)
  while (!which.every(c => loaded.has(c))) {
    const asked = lang
    const all = new Set(wanted)
    const words = await load(asked, all)
    if (asked === lang && all.size >= loaded.size) applyCatalog(asked, words, all)
  }
  return view
}

/** Brings the words of errors, which come with no view. Without them codes are shown as they are. */
export const errorWords = (): Promise<void> => withWords(['errors'], Promise.resolve()).catch(() => undefined)

/** Puts a loaded catalogue in force. */
export function applyCatalog(next: Lang, words: Catalog, which: ReadonlySet<Chapter> = new Set()): void {
  lang = next
  catalog = words
  loaded = which
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

/** Tells of each change of the language or of the words. */
export function onWords(listener: () => void): () => void {
  listeners.add(listener)
  return () => listeners.delete(listener)
}

/** Makes a component follow the language and the words that come later. */
export function useLang(): Lang {
  useSyncExternalStore(onWords, () => catalog)
  return lang
}
