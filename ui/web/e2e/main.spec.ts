import { expect, type Page, test } from '@playwright/test'
import { Demo } from './demo'

// The main job, on what `make run` starts: a letter dies, appears live, is replayed with a delay after the shop was
// healed, and turns resolved: confirmed; another fails again and is reopened.
for (const version of ['5.5.0', '4.9.7']) {
  test.describe(`RocketMQ ${version}`, () => {
    test.describe.configure({ mode: 'serial', timeout: 180_000 })
    let demo: Demo

    test.beforeAll(async () => {
      test.setTimeout(240_000)
      demo = await Demo.start(version)
    })

    test.afterAll(async () => {
      await demo?.stop()
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

    test('compensations settle letters by themselves', async ({ page }) => {
      await page.goto(`${demo.console}/letters?tab=resolved&reason=inventory_shortage`)
      await page.getByRole('link', { name: /^RSV-/ }).first().click()
      await expect(chip(page)).toContainText('compensated')
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
