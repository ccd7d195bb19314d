import { steer } from './mock'
import { expect, test } from './page'

test.beforeEach(({ page }) => steer(page, 'reset'))

// Numbers that lead to letters, on every view that has any.
const views = ['/', '/operations', '/rules', '/alerts', '/consumer-groups', '/system']
const number = (text: string) => Number(text.replace(/[^\d]/g, ''))

test('every number that is a link opens a list that says the same number', async ({ page }) => {
  test.setTimeout(300_000)
  const links = new Map<string, { view: string; text: string; n: number }>()
  for (const view of views) {
    await page.goto(view)
    await expect(page.locator('main').getByRole('link').first()).toBeVisible()
    await expect(page.locator('.skeleton, [aria-busy=true]')).toHaveCount(0)
    const found = await page
      .locator('a[href^="/letters"]')
      .evaluateAll(all =>
        all.map(a => ({ href: a.getAttribute('href') ?? '', text: a.textContent?.replace(/\s+/g, ' ') ?? '' })),
      )
    for (const { href, text } of found) {
      // Where a link says two numbers, the letters stand last: "9 deaths in 24 h · 156 letters". A bar has its own test.
      const said = /(\d[\d\u202f,]*)\+?(?!.*\d)/.exec(text.replace(/\(.*\)/, ''))?.[1]
      if (said === undefined || href.includes('arrived_after') || /^\/letters\/\d/.test(href)) continue
      links.set(`${view} ${href}`, { view, text, n: number(said) })
    }
  }
  expect([...new Set([...links.values()].map(l => l.view))]).toEqual(
    expect.arrayContaining(['/', '/rules', '/consumer-groups']),
  )
  expect(links.size).toBeGreaterThan(25)
  const wrong: string[] = []
  for (const [key, { text, n }] of links) {
    const href = key.slice(key.indexOf(' ') + 1)
    await page.goto(href)
    if (n === 0) {
      await expect(page.locator('#list .empty')).toBeVisible()
      continue
    }
    const head = page.locator('table.list thead .c-main')
    await expect(head).toHaveText(/\d letters?$/)
    const listed = number((await head.textContent()) ?? '')
    if (listed !== n) wrong.push(`${key}: "${text}" opens ${listed}`)
  }
  expect(wrong).toEqual([])
})

test('numbers of the overview that are no letters are what their view shows', async ({ page }) => {
  await page.goto('/')
  const sentence = page.locator('.sentence')
  const gaps = number((await sentence.getByRole('link', { name: /gap/ }).textContent()) ?? '')
  const alerts = number((await sentence.getByRole('link', { name: /alerts? fires?/ }).textContent()) ?? '')
  const unread = number(
    /\d+/.exec((await sentence.getByRole('link', { name: /not yet read/ }).textContent()) ?? '')?.[0] ?? '',
  )
  await page.goto('/system')
  await expect(page.getByRole('region', { name: /^Gaps/ }).locator('tbody tr')).toHaveCount(gaps)
  await page.goto('/alerts')
  await expect(page.getByRole('heading', { name: /^Firing/ })).toHaveText(`Firing ${alerts} · 1 silenced`)
  const groups = await page.request.get('/api/v1/consumer-groups')
  const { items } = await groups.json()
  expect(items.reduce((sum: number, g: { unread: number }) => sum + g.unread, 0)).toBe(unread)
})
