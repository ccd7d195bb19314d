import { openEasy, pane, steer } from './mock'
import { axeFindings, expect, test } from './page'

test.beforeEach(async ({ page }) => {
  await steer(page, 'reset')
})

test.describe('accessible in both themes and languages', () => {
  const views: [string, string][] = [
    ['overview', '/'],
    ['list', '/letters'],
    ['list and letter', '/letters?letter=5'],
    ['letter', '/letters/5'],
    ['letter in flight', '/letters/18'],
    ['hostile letter', '/letters/402'],
    ['nothing found', '/letters?q=zzz&topic=orders'],
    ['operations', '/operations'],
    ['running operation', '/operations/8'],
    ['operation stopped by its brake', '/operations/6?part=log'],
    ['settled operation', '/operations/1?part=preview'],
    ['rules', '/rules'],
    ['alerts', '/alerts'],
    ['alert rules', '/alerts/rules'],
    ['silences', '/alerts/silences'],
    ['deliveries', '/alerts/deliveries'],
    ['delivery', '/alerts/deliveries/dlv_MOCK0000000000000000000007'],
    ['receivers', '/alerts/receivers'],
    ['consumer groups', '/consumer-groups'],
    ['system', '/system'],
    ['no such page', '/nowhere'],
  ]
  for (const locale of ['en-GB', 'zh-CN'])
    for (const part of [0, 1])
      test(`${locale}, ${part === 0 ? 'the first half' : 'the second half'}`, async ({ browser }) => {
        test.setTimeout(400_000)
        const page = await browser.newPage({ locale })
        const found: string[] = []
        for (const [name, path] of views.filter((_, i) => i % 2 === part)) {
          await page.goto(path)
          for (const colorScheme of ['light', 'dark'] as const)
            for (const width of [1440, 420]) {
              await page.emulateMedia({ colorScheme })
              await page.setViewportSize({ width, height: 900 })
              await expect(page.getByRole('main')).toBeVisible()
              await expect(page.locator('main .wait')).toHaveCount(0)
              await expect(page.locator('.live.live')).toBeVisible()
              await page.evaluate(() =>
                Promise.all(document.getAnimations().map(a => a instanceof CSSTransition && a.finished)),
              )
              const at = `${name} (${path}), ${colorScheme}, ${width} px`
              for (const f of await axeFindings(page)) found.push(`${at}: ${f}`)
              const wider = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth)
              if (wider > 0) found.push(`${at}: ${wider} px wider than the window`)
            }
        }
        expect(found).toEqual([])
        await page.close()
      })

  test('dialogs, menus, options, strips and log-in', async ({ page }) => {
    test.setTimeout(240_000)
    // High enough that no field of the options lies half under their footer, which stays in sight as they scroll.
    await page.setViewportSize({ width: 1440, height: 1400 })
    await steer(page, 'status', {
      cluster: { simulated: true, reachable: false, error: 'no answer', foreign_console: true },
      rules: { refused: true, errors: 1 },
      store: { full: true },
      demo: { shop_url: 'http://127.0.0.1:1/' },
    })
    await openEasy(page)
    await page.keyboard.press('R')
    await expect(page.getByRole('form', { name: 'Replay options' })).toBeVisible()
    expect(await axeFindings(page)).toEqual([])
    await page.keyboard.press('.')
    await expect(page.getByRole('menu')).toBeVisible()
    expect(await axeFindings(page)).toEqual([])
    await page.keyboard.press('Escape')
    for (const key of ['s', 'd', 'n', '?']) {
      await page.keyboard.press(key)
      await expect(page.getByRole('dialog')).toBeVisible()
      expect(await axeFindings(page), `dialog of ${key}`).toEqual([])
      await page.keyboard.press('Escape')
      await expect(page.getByRole('dialog')).toHaveCount(0)
    }
    for (const tab of ['Body', 'Properties', 'Timeline']) {
      await pane(page).getByRole('tab', { name: tab }).click()
      await expect(pane(page).locator('.letter-panel .wait')).toHaveCount(0)
      expect(await axeFindings(page), tab).toEqual([])
    }
    await steer(page, 'session', { login: 'required', role: '', actor: '' })
    await page.reload()
    await expect(page.getByLabel('Token')).toBeFocused()
    expect(await axeFindings(page)).toEqual([])
    await steer(page, 'session', { login: 'none', role: 'admin', actor: 'local' })
  })
  test.use({ allowed: [/401/] })
})
