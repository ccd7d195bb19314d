import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { test as base, expect, type Page } from '@playwright/test'
import { mockPort } from './mockPort'

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')

/** A page that fails its test when anything goes wrong in the browser, or when the page's policy had to stop something. */
export const test = base.extend<{ allowed: RegExp[] }>({
  allowed: [[], { option: true }],
  // biome-ignore lint/correctness/noEmptyPattern: Playwright reads what a fixture needs from its parameter
  baseURL: async ({}, use, info) => use(`http://127.0.0.1:${mockPort(info.parallelIndex)}`),
  page: async ({ page, allowed }, use) => {
    const wrong: string[] = []
    page.on('pageerror', e => wrong.push(`error: ${e.message}`))
    page.on('console', m => {
      const text = m.text()
      if (m.type() === 'error' && !allowed.some(a => a.test(text))) wrong.push(`console: ${text}`)
    })
    await use(page)
    expect(wrong).toEqual([])
  },
})

/** Everything that axe finds on the page as it is now, one line for each kind. */
export async function axeFindings(page: Page): Promise<string[]> {
  // Not as a <script> element: the page's policy would rightly refuse it.
  await page.evaluate(axe)
  return page.evaluate(async () => {
    const { axe } = window as unknown as {
      axe: {
        run: (
          d: Document,
          o: object,
        ) => Promise<{ violations: { id: string; nodes: { target: string[]; failureSummary?: string }[] }[] }>
      }
    }
    const result = await axe.run(document, {
      runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'],
    })
    return result.violations.map(
      v =>
        `${v.id}: ${v.nodes.map(n => `${n.target.join(' ')} (${n.failureSummary?.split('\n')[1]?.trim()})`).join(' · ')}`,
    )
  })
}

export { expect }
