import { type Browser, expect, test } from '@playwright/test'
import { Demo } from './demo'

// What a browser that has nothing of the page yet receives until the first view stands still, headers and data included.
const most = 100_000

test.describe('the first load', () => {
  test.describe.configure({ mode: 'default', timeout: 180_000 })
  let demo: Demo

  test.beforeAll(async () => {
    test.setTimeout(240_000)
    demo = await Demo.simulated({ DLQ_SHOP_EVERY: '50ms' })
    const open = async () => {
      const answer = await fetch(`${demo.console}/api/v1/facets?tab=attention`)
      return ((await answer.json()) as { tabs: Record<string, number> }).tabs.attention ?? 0
    }
    // More letters than a first page shows; then nothing dies any more, so that only the load itself is counted.
    await demo.until('a page of letters', 120_000, async () => (await open()) > 60)
    await demo.turn('all', 'heal')
  })
  test.afterAll(() => demo?.stop())

  for (const path of ['/', '/letters'])
    for (const locale of ['en-GB', 'zh-CN'])
      for (const coding of ['br', 'gzip'])
        test(`of ${path} in ${locale} takes ${most} bytes at most, by ${coding}`, async ({ browser }) => {
          const received = await firstLoad(browser, demo.console + path, locale, coding)
          const total = received.reduce((n, r) => n + r.bytes, 0)
          const table = received.map(r => `${String(r.bytes).padStart(8)} ${r.coding.padEnd(5)} ${r.path}`).join('\n')
          if (process.env.TABLE) console.log(`${total} bytes\n${table}`)
          expect(total, `${total} bytes\n${table}`).toBeLessThanOrEqual(most)
          // It was the whole of it.
          const paths = received.map(r => r.path).join('\n')
          expect(paths).toMatch(/^[/]assets[/].*[.]js$/m)
          expect(received.map(r => r.coding)).toContain(coding)
          expect(paths).toMatch(path === '/' ? /^[/]api[/]v1[/]summary$/m : /^[/]api[/]v1[/]letters[?]/m)
        })
})

interface Received {
  path: string
  coding: string
  bytes: number
}

async function firstLoad(browser: Browser, url: string, locale: string, coding: string): Promise<Received[]> {
  const context = await browser.newContext({ locale, viewport: { width: 1440, height: 900 } })
  // Over http browsers take brotli from this machine only; from all others they get gzip.
  if (coding === 'gzip') await context.setExtraHTTPHeaders({ 'Accept-Encoding': 'gzip' })
  const page = await context.newPage()
  const network = await context.newCDPSession(page)
  await network.send('Network.enable')
  const received = new Map<string, Received>()
  let last = Date.now()
  network.on('Network.requestWillBeSent', () => {
    last = Date.now()
  })
  network.on('Network.responseReceived', ({ requestId, response }) => {
    const header = Object.entries(response.headers).find(([name]) => name.toLowerCase() === 'content-encoding')
    const { pathname, search } = new URL(response.url)
    received.set(requestId, {
      path: pathname + search,
      coding: header?.[1] ?? '',
      bytes: response.encodedDataLength,
    })
  })
  // The stream of events does not end: it is counted as it comes.
  network.on('Network.dataReceived', ({ requestId, encodedDataLength }) => {
    const r = received.get(requestId)
    if (r) r.bytes += encodedDataLength
  })
  network.on('Network.loadingFinished', ({ requestId, encodedDataLength }) => {
    const r = received.get(requestId)
    if (r) r.bytes = encodedDataLength
    last = Date.now()
  })
  await page.goto(url)
  await expect(page.locator('.sentence, table.list tbody tr').first()).toBeVisible()
  await expect(page.locator('.live.live')).toBeVisible()
  // Whatever the page loads by itself, later than it paints, counts too.
  await expect(async () => expect(Date.now() - last).toBeGreaterThan(3000)).toPass({ timeout: 60_000 })
  await context.close()
  return [...received.values()].sort((a, b) => b.bytes - a.bytes)
}
