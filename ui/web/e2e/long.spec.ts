import type { Page } from '@playwright/test'
import { rows, steer } from './mock'
import { expect, test } from './page'

// 40 consumer groups with names of 80 characters, as the consoles of clouds make them.
test.beforeEach(({ page }) => steer(page, 'reset', { long: true }))

const views = [
  '/',
  '/letters',
  '/letters?letter=5',
  '/letters/5?show=body',
  '/letters/5?show=properties',
  '/letters/5?show=timeline',
  '/operations',
  '/rules',
  '/alerts',
  '/consumer-groups',
  '/system',
]

/** What does not hold on the page as it is: wider than its place, torn letter by letter, or lying over each other. */
function faults(page: Page) {
  return page.evaluate(() => {
    const found: string[] = []
    const wide = document.documentElement.scrollWidth - innerWidth
    if (wide > 0) found.push(`the page is ${wide} px too wide`)
    const say = (e: Element) => `${e.tagName.toLowerCase()}.${e.className}: ${e.textContent?.slice(0, 60)}`
    const scrolls = (e: Element) => /auto|scroll/.test(getComputedStyle(e).overflowX)
    const shown: { edge: { left: number; right: number; top: number; bottom: number }; e: Element }[] = []
    const walker = document.createTreeWalker(document.querySelector('main') as Node, NodeFilter.SHOW_TEXT)
    for (let n = walker.nextNode(); n; n = walker.nextNode()) {
      const text = n.textContent?.trim() ?? ''
      const e = n.parentElement as Element
      if (!text || !e.checkVisibility({ visibilityProperty: true }) || e.closest('.off-screen, .cm-editor, svg'))
        continue
      const range = document.createRange()
      range.selectNodeContents(n)
      const lines = new Set([...range.getClientRects()].map(r => Math.round(r.top / 8))).size
      if (text.length > 12 && lines > 2 && text.length / lines < 6) found.push(`torn into ${lines} lines: ${say(e)}`)
      // What a box hides is not in the way; where a box scrolls, being wider is meant.
      const clips: DOMRect[] = []
      let free = true
      for (let up: Element | null = e; up && free; up = up.parentElement) {
        const style = getComputedStyle(up)
        if (scrolls(up) && up.scrollWidth > up.clientWidth) free = false
        if (style.position === 'sticky' || style.position === 'fixed' || up.matches('.bulk-bar')) free = false
        if (style.overflowX !== 'visible') clips.push(up.getBoundingClientRect())
      }
      if (!free) continue
      // Each line of it by itself: the box of all lines holds what stands beside them.
      for (const line of range.getClientRects()) {
        const edge = { left: line.left, right: line.right, top: line.top, bottom: line.bottom }
        for (const c of clips) {
          edge.left = Math.max(edge.left, c.left)
          edge.right = Math.min(edge.right, c.right)
          edge.top = Math.max(edge.top, c.top)
          edge.bottom = Math.min(edge.bottom, c.bottom)
        }
        if (edge.right - edge.left <= 1 || edge.bottom - edge.top <= 1) continue
        if (edge.right > innerWidth + 1) found.push(`beyond the right edge: ${say(e)}`)
        shown.push({ edge, e })
      }
    }
    for (const [i, { edge: a, e }] of shown.entries())
      for (const { edge: b, e: other } of shown.slice(i + 1)) {
        const x = Math.min(a.right, b.right) - Math.max(a.left, b.left)
        const y = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top)
        if (x > 3 && y > 6 && e !== other) found.push(`over each other: ${say(e)} | ${say(other)}`)
      }
    return [...new Set(found)].slice(0, 8)
  })
}

for (const lang of ['en', 'zh'] as const)
  for (const width of [1440, 1280, 390])
    test(`long names hold in every view at ${width} px (${lang})`, async ({ page }) => {
      test.setTimeout(240_000)
      await page.setViewportSize({ width, height: width < 500 ? 844 : 900 })
      await page.addInitScript(l => localStorage.setItem('dlq.lang', l), lang)
      for (const view of views) {
        await page.goto(view)
        await expect(page.locator('.live.live')).toBeVisible()
        await expect(page.locator('main .wait')).toHaveCount(0)
        expect.soft(await faults(page), view).toEqual([])
      }
      // Marked rows, and the options of a replay.
      await page.goto('/letters')
      await rows(page).first().getByRole('checkbox').check()
      const bar = page.locator('.bulk-bar')
      await expect(bar).toBeVisible()
      const box = await bar.boundingBox()
      expect((box?.x ?? -1) >= 0 && (box?.x ?? 0) + (box?.width ?? 0) <= width, 'the selection bar fits').toBe(true)
      for (const b of await bar.getByRole('button').all()) {
        const r = await b.boundingBox()
        expect(r && r.x >= 0 && r.x + r.width <= width, 'its buttons fit').toBeTruthy()
      }
      await page.goto('/letters/4')
      await page.locator('.actions .split button').nth(1).click()
      await expect(page.locator('.replay-panel')).toBeVisible()
      expect.soft(await faults(page), 'the options of a replay').toEqual([])
    })

test('a name is cut in its middle, whole on hover and when it is copied', async ({ page }) => {
  await page.goto('/letters')
  const facet = page.getByRole('region', { name: 'Consumer group' }).getByRole('button').first()
  const whole = await facet.getAttribute('title')
  expect(whole?.length).toBe(80)
  await expect(facet.locator('.name')).toHaveText(whole ?? '')
  const [head, tail] = await facet.locator('.name > span').all()
  expect(await head?.evaluate(e => e.scrollWidth > e.clientWidth)).toBe(true)
  expect(await tail?.evaluate(e => e.scrollWidth <= e.clientWidth)).toBe(true)
  await expect(rows(page).first().locator('.c-where .name').first()).toHaveAttribute('title', /^MQ_INST_.{70}/)
})

test('consumer groups are found, put in order, and kept in the address', async ({ page }) => {
  await page.goto('/consumer-groups')
  const names = page.locator('.groups-table > tbody > tr > th')
  await expect(names).toHaveCount(40)
  await page.getByRole('searchbox', { name: 'Find a consumer group' }).fill('payment_NOTIFICATION')
  await expect(names).toHaveCount(13)
  await expect(page.getByText('13 of 40 consumer groups')).toBeVisible()
  const head = page.getByRole('columnheader', { name: 'Consumer group' })
  await head.getByRole('button').click()
  await expect(head).toHaveAttribute('aria-sort', 'ascending')
  const up = await names.allTextContents()
  expect(up).toEqual([...up].sort(new Intl.Collator('en', { numeric: true }).compare))
  await head.getByRole('button').click()
  await expect(page).toHaveURL(/sort=-name/)
  await page.reload()
  await expect(names.first()).toHaveText(up.at(-1) ?? '')
  await expect(page.getByRole('columnheader', { name: 'Consumer group' })).toHaveAttribute('aria-sort', 'descending')
})
