import { openEasy, pane, rows, steer } from './mock'
import { expect, test } from './page'

// While the console is away its connections break, as when it is stopped or the network is gone.
test.use({ allowed: [/ERR_|Failed to load/] })
test.beforeEach(({ page }) => steer(page, 'reset'))

const views: [string, RegExp | string][] = [
  ['Overview', /letters need attention/],
  ['Letters', /Needs attention/],
  ['Operations', 'Operations'],
  ['Rules', 'passing troubles heal by themselves'],
  ['Alerts', 'Firing'],
  ['Consumer groups', 'settlement-grpc'],
  ['System', 'DefaultCluster'],
]
for (const [view, content] of views)
  test(`${view} comes up by itself when the console answers again`, async ({ page }) => {
    // From another view, so that neither its parts nor its data are there.
    await page.goto(view === 'System' ? '/letters' : '/system')
    await expect(page.locator('.live.live')).toBeVisible()
    await expect(page.locator('main .wait')).toHaveCount(0)
    await steer(page, 'away', { away: true })
    await page
      .getByRole('link', { name: new RegExp(`^${view}`) })
      .first()
      .click()
    await expect(page.getByText(/lost since/)).toBeVisible()
    await steer(page, 'away', { away: false })
    // What was shown before is still there, hidden, until the view is.
    await expect(page.locator('main').getByText(content).locator('visible=true').first()).toBeVisible({
      timeout: 40_000,
    })
    await expect(page.locator('main').getByRole('heading').locator('visible=true').first()).toBeVisible()
    await expect(page.locator('main [role=alert]').filter({ hasText: 'does not answer' })).toHaveCount(0, {
      timeout: 40_000,
    })
  })

test('a letter comes up by itself, with its style', async ({ page }) => {
  await page.goto('/letters?consumer_group=pay-service')
  await expect(rows(page).first()).toBeVisible()
  await steer(page, 'away', { away: true })
  await rows(page)
    .first()
    .click({ position: { x: 300, y: 30 } })
  await expect(page.getByText(/lost since/)).toBeVisible()
  await steer(page, 'away', { away: false })
  await expect(pane(page).getByRole('tab', { name: 'Why' })).toBeVisible({ timeout: 40_000 })
  const head = pane(page).locator('.letter-bar')
  expect(await head.evaluate(e => getComputedStyle(e).display)).toBe('flex')
})

test('the page itself comes up when the console was away at its start', async ({ page }) => {
  await page.goto('/letters')
  await page.route('**/api/v1/session', r => r.abort())
  await page.reload()
  await expect(page.getByRole('alert')).toContainText('The console does not answer')
  await page.unroute('**/api/v1/session')
  await expect(rows(page).first()).toBeVisible({ timeout: 40_000 })
})

test.describe('a link', () => {
  test('shows the tab of the letter that it was copied from', async ({ page }) => {
    await openEasy(page)
    await pane(page).getByRole('tab', { name: 'Timeline' }).click()
    await expect(page).toHaveURL(/show=timeline/)
    await page.keyboard.press('j')
    await expect(page).toHaveURL(/show=timeline/)
    const copied = page.url()
    await page.goto('/')
    await page.goto(copied)
    await expect(pane(page).getByRole('tab', { name: 'Timeline' })).toHaveAttribute('aria-selected', 'true')
    await pane(page).getByRole('tab', { name: 'Why' }).click()
    await expect(page).not.toHaveURL(/show=/)
  })

  test('to a tab that does not exist says which do', async ({ page }) => {
    await page.goto('/letters?show=boody')
    await expect(page.locator('main')).toContainText('boody')
    await page.getByRole('button', { name: /body/ }).first().click()
    await expect(page).toHaveURL(/show=body/)
  })

  for (const link of ['/letters?letter=5&show=body', '/letters?consumer_group=pay-service&letter=5&show=body'])
    test(`opens the letter on a phone too: ${link}`, async ({ page }) => {
      await page.setViewportSize({ width: 390, height: 844 })
      await page.goto(link)
      await expect(pane(page).getByRole('tab', { name: 'Body' })).toHaveAttribute('aria-selected', 'true')
      await expect(pane(page).getByRole('heading', { level: 1 })).toBeVisible()
      await pane(page).getByRole('tab', { name: 'Timeline' }).click()
      await expect(page).toHaveURL(/show=timeline/)
      await pane(page).getByRole('link', { name: 'Back to the list' }).click()
      await expect(rows(page).first()).toBeVisible()
    })
})
