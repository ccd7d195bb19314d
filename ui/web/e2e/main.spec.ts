import { expect, type Page, test } from '@playwright/test'
import { Demo } from './demo'
import { Hook } from './hook'

// The main job, on what `make run` starts: a letter dies, appears live, is replayed with a delay after the shop was
// healed, and turns resolved: confirmed; another fails again and is reopened. A rule is mended in the page and the next
// letter follows it; an alert fires, reaches its receiver, is silenced, and resolves.
for (const version of ['5.5.0', '4.9.7']) {
  test.describe(`RocketMQ ${version}`, () => {
    test.describe.configure({ mode: 'serial', timeout: 180_000 })
    let demo: Demo
    let hook: Hook

    test.beforeAll(async () => {
      test.setTimeout(240_000)
      hook = await Hook.start()
      demo = await Demo.start(version, { DLQ_OPS_URL: hook.url, DLQ_OPS_SECRET: hook.secret })
    })

    test.afterAll(async () => {
      await demo?.stop()
      await hook?.stop()
    })

    test('dead letters appear live', async ({ page }) => {
      await page.goto(`${demo.console}/letters`)
      await expect(page.getByRole('link', { name: /^(ORD|PAY|SMS|PSH|LTR|RSV)-/ }).first()).toBeVisible({
        timeout: 20_000,
      })
      const bar = page.getByRole('button').filter({ hasText: /\d+ new letters?\s*· show/ })
      await expect(bar).toBeVisible({ timeout: 60_000 })
      await bar.click()
      await expect(bar).toBeHidden()
    })

    test('a letter is replayed with a delay and confirmed', async ({ page }) => {
      await openNewest(page, demo, 'data_format_error')
      await demo.turn('order-format', 'heal')
      await page.getByRole('button', { name: 'Replay options' }).click()
      const form = page.getByRole('form', { name: 'Replay options' })
      await form.getByLabel('Delay').selectOption('5s')
      await form.getByRole('button', { name: 'Replay to shop-orders-service in 5 s' }).click()

      const undo = page.getByRole('region', { name: 'Replays that can be undone' })
      await expect(undo.getByRole('button', { name: 'Undo' })).toBeVisible()
      const way = page.getByRole('region', { name: /way|replay/i }).filter({ hasText: 'Replay 1' })
      await expect(way).toContainText('Held at the broker', { timeout: 30_000 }) // after the ten seconds of undo
      await expect(way).toContainText('confirmed', { timeout: 90_000 })
      await expect(chip(page)).toContainText('resolved')
      await expect(chip(page)).toContainText('confirmed')
    })

    test('a letter whose cause is not gone fails again and is reopened', async ({ page }) => {
      await openNewest(page, demo, 'business_validation_error')
      await page.getByRole('button', { name: /^Replay to shop-orders-service/ }).click()
      await page.getByRole('button', { name: 'Send now' }).click()
      await expect(page.getByRole('region', { name: 'Letter' })).toContainText(/failed again \(2\)/i, {
        timeout: 90_000,
      })
      await expect(chip(page)).toContainText('open')
      await page.getByRole('tab', { name: 'Why' }).click()
      await expect(page.getByRole('heading', { name: /Deaths 2/ })).toBeVisible()
    })

    test('an undone replay is not sent', async ({ page }) => {
      await openNewest(page, demo, 'authorization_error')
      await page.getByRole('button', { name: /^Replay to shop-payment-service/ }).click()
      await page.getByRole('button', { name: 'Undo' }).click()
      await expect(page.getByRole('region', { name: 'Replays that can be undone' }).getByText('Replaying')).toBeHidden()
      await page.waitForTimeout(11_000) // the ten seconds in which it would have been sent
      await page.reload()
      await expect(chip(page)).toContainText('open')
      await expect(page.getByText('Replay 1')).toBeHidden()
    })

    test('all that match a filter are replayed in bulk, and the ledger tells what became of them', async ({ page }) => {
      await page.goto(`${demo.console}/letters?reason=data_format_error`)
      await page.getByRole('row').nth(1).getByRole('checkbox').check()
      const bar = page.getByRole('toolbar', { name: 'Selected letters' })
      const all = bar.getByRole('button', { name: /select all \d+ that match/ })
      if (await all.isVisible()) await all.click()
      await bar.getByRole('button', { name: /^Replay/ }).click()
      const sheet = page.getByRole('dialog')
      await expect(sheet).toContainText('shop-orders-service')
      await sheet.getByLabel('Note (required)').fill('the format was mended')
      const start = sheet.getByRole('button', { name: /^Replay \d+ letters?$/ })
      const letters = Number(/\d+/.exec(await start.innerText())?.[0])
      await start.click()
      await page.goto(`${demo.console}/operations`)
      await page.locator('.op-title').first().click()
      const view = page.getByRole('main')
      await expect(view).toContainText('the format was mended')
      await expect(view).toContainText('settled', { timeout: 120_000 })
      await expect(view.getByRole('link', { name: new RegExp(`^${letters}\\s+confirmed`) })).toBeVisible()
      await view.getByRole('link', { name: new RegExp(`^${letters}\\s+confirmed`) }).click()
      await expect(view.getByRole('link', { name: /^ORD-/ })).toHaveCount(letters)
    })

    test('compensations settle letters by themselves', async ({ page }) => {
      await page.goto(`${demo.console}/letters?tab=resolved&reason=inventory_shortage`)
      await page.getByRole('link', { name: /^RSV-/ }).first().click()
      await expect(chip(page)).toContainText('compensated')
    })

    test('a rule is made and mended in the page, the next letter follows it, and it is rolled back', async ({
      page,
    }) => {
      await openNewest(page, demo, 'business_validation_error')
      await page.getByRole('tab', { name: 'Why' }).click()
      await page.getByRole('link', { name: 'Make a rule from this letter' }).click()
      const line = page.locator('.cm-activeLine')
      await expect(line).toContainText('name: business_validation_error of shop-')
      const text = page.locator('.editor .cm-content')
      // A mistake is marked while one types, and mended.
      await page.keyboard.press('ArrowDown')
      await page.keyboard.press('ArrowDown')
      await page.keyboard.press('End')
      await expect(line).toContainText('route: manual')
      await page.keyboard.type('x')
      await expect(page.locator('.dlq-note.dlq-error')).toContainText('manualx')
      await expect(page.getByRole('button', { name: 'Save…' })).toBeDisabled()
      for (let i = 0; i < 'manualx'.length; i++) await page.keyboard.press('Backspace')
      await page.keyboard.type('retry')
      await expect(page.locator('.dlq-note.dlq-error')).toHaveCount(0)

      const matrix = page.getByRole('region', { name: 'What would change' })
      await expect(matrix).toContainText('would take another route')
      await matrix.getByRole('button', { name: /manual now, retry then/ }).click()
      const behind = page.getByRole('dialog', { name: 'Letters behind the number' })
      await expect(behind.getByRole('listitem').first()).toContainText('business_validation_error')
      await page.keyboard.press('Escape')

      await page.getByRole('button', { name: 'Save…' }).click()
      await page.getByLabel('Note (required)').fill('they heal by themselves')
      await page.getByRole('button', { name: 'Save', exact: true }).click()
      await expect(page.getByText('saved as version 2')).toBeVisible()
      // It waits for its replay now: automation is on in the demo, and the rule says retry.
      const rule = encodeURIComponent('business_validation_error of shop-orders-service')
      await page.goto(`${demo.console}/letters?tab=in_flight&rule=${rule}`)
      await expect(page.getByRole('link', { name: /^ORD-/ }).first()).toBeVisible({ timeout: 90_000 })

      await page.goto(`${demo.console}/rules`)
      await page.getByRole('button', { name: 'Versions' }).click()
      await page.getByRole('button', { name: /^Version 1/ }).click()
      await page.getByRole('button', { name: 'Roll back to this version…' }).click()
      await page.getByLabel('Note (required)').fill('they do not')
      await page.getByRole('button', { name: 'Roll back', exact: true }).click()
      await expect(page.getByText(/Version 3 in force/)).toBeVisible()
      await expect(text).not.toContainText('business_validation_error of shop-')
    })

    test('an alert fires on dead letters, reaches its receiver signed, is silenced, and resolves', async ({ page }) => {
      await demo.rules('tell us at once', text => text.replace('above: 100', 'above: 1').replace('for: 5m', 'for: 1s'))
      await demo.until('the receiver is told', 60_000, async () => hook.of('alert.firing').length > 0)
      expect(hook.calls.every(c => c.signed)).toBe(true)
      expect(hook.of('alert.firing')[0]?.rules).toContain('dead letters pile up')

      await page.goto(`${demo.console}/alerts`)
      const card = page.getByRole('region', { name: 'Firing' }).getByRole('listitem').first()
      await expect(card).toContainText('dead letters pile up')
      await expect(card).toContainText(/ops\s*told/)
      await card.getByRole('button', { name: 'Silence…' }).click()
      const dialog = page.getByRole('dialog', { name: 'Silence alerts' })
      await dialog.getByLabel('Note (required)').fill('we know')
      await dialog.getByRole('button', { name: 'Silence', exact: true }).click()
      await expect(card).toContainText('silenced')
      await card.getByRole('link', { name: 'Show the silence' }).click()
      await page.getByRole('listitem').filter({ hasText: 'we know' }).getByRole('button', { name: 'End now' }).click()

      await demo.rules('enough of it', text => text.replace('above: 1\n', 'above: 100000\n'))
      await demo.until('the receiver is told that it is over', 90_000, async () => hook.of('alert.resolved').length > 0)
      const first = hook.calls.findIndex(c => c.type === 'alert.resolved')
      expect(hook.calls.findIndex(c => c.type === 'alert.firing')).toBeLessThan(first)
      await page.goto(`${demo.console}/alerts`)
      await expect(page.getByRole('region', { name: 'Over' })).toContainText('dead letters pile up')
    })
  })
}

/** Opens the newest letter that needs attention for this reason, whole. */
async function openNewest(page: Page, demo: Demo, reason: string) {
  await page.goto(`${demo.console}/letters?reason=${reason}`)
  await page
    .getByRole('link', { name: /^(ORD|PAY)-/ })
    .first()
    .click()
  await expect(page.getByRole('region', { name: 'Letter' })).toContainText(reason)
}

function chip(page: Page) {
  return page.getByRole('region', { name: 'Letter' }).locator('header').first()
}
