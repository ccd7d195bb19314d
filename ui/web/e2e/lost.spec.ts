import { openEasy, pane, steer } from './mock'
import { expect, test } from './page'

// Answers are lost on their way while the act is done: the page may not say that it was not.
test.use({ allowed: [/ERR_|Failed to load resource/] })
test.beforeEach(({ page }) => steer(page, 'reset'))

const toasts = (page: Parameters<typeof steer>[0]) => page.getByRole('region', { name: 'Replays that can be undone' })
const never = /was not replayed/

test('a replay whose answer is lost is asked about until the answer comes, and sent once', async ({ page }) => {
  await steer(page, 'cut', { path: 'POST /letters/\\d+/replay', times: 3, half: true })
  const keys: string[] = []
  page.on('request', r => {
    if (r.method() === 'POST' && r.url().endsWith('/replay')) keys.push(r.headers()['idempotency-key'] ?? '')
  })
  await openEasy(page)
  await page.keyboard.press('r')
  await toasts(page).getByRole('button', { name: 'Send now' }).click()
  await expect(toasts(page)).toContainText('Result unknown, asking…')
  await expect(page.locator('body')).not.toContainText(never)
  await expect(toasts(page)).toContainText('was sent towards')
  expect(keys).toHaveLength(4)
  expect(new Set(keys).size).toBe(1)
  await pane(page).getByRole('tab', { name: 'Timeline' }).click()
  await expect(pane(page).getByText('Sent', { exact: true })).toHaveCount(1)
})

test('an act without a dialog says so over the page', async ({ page }) => {
  await steer(page, 'cut', { path: 'POST /letters/\\d+/take', times: 2, half: true })
  await openEasy(page)
  await page.keyboard.press('t')
  await expect(toasts(page)).toContainText(/Letter \d+: Result unknown, asking…/)
  await expect(pane(page).getByRole('button', { name: 'Release' })).toBeVisible()
  await expect(toasts(page).locator('.toast')).toHaveCount(0)
})

test('a dialog says that it asks, and asking can be ended and begun again', async ({ page }) => {
  await steer(page, 'cut', { path: 'POST /letters/\\d+/discard', times: 1000 })
  await openEasy(page)
  await page.keyboard.press('d')
  const dialog = page.getByRole('dialog', { name: 'Discard this letter' })
  await dialog.getByLabel('Note (required)').fill('test order')
  await dialog.getByRole('button', { name: 'Discard' }).click()
  await expect(dialog.getByText('Result unknown, asking…')).toBeVisible()
  await dialog.getByRole('button', { name: 'Stop asking' }).click()
  await expect(dialog.getByRole('alert')).toContainText('Whether it was done is not known')
  await page.keyboard.press('Escape')
  await expect(toasts(page)).toContainText('whether it was done is not known')
  await steer(page, 'cut', { times: 0 })
  await toasts(page).getByRole('button', { name: 'Ask again' }).click()
  await expect(toasts(page)).toContainText('it was done; the answer came late')
  await expect(pane(page).getByRole('button', { name: 'Restore' })).toBeVisible()
})

test('a reload goes on asking', async ({ page }) => {
  await steer(page, 'cut', { path: 'POST /letters/\\d+/replay', times: 3, half: true })
  await openEasy(page)
  await page.keyboard.press('r')
  await toasts(page).getByRole('button', { name: 'Send now' }).click()
  await expect(toasts(page)).toContainText('Result unknown, asking…')
  await page.evaluate(() => localStorage.setItem('dlq.lang', 'zh'))
  await page.reload()
  const chinese = page.getByRole('region', { name: '可撤销的重投' })
  await expect(chinese).toContainText(/死信 \d+：结果未知，正在询问…/)
  await expect(chinese).toContainText('已完成，只是应答来迟了。')
})

test('operations, automation, rules and silences ask likewise', async ({ page }) => {
  await steer(page, 'cut', { path: '^(POST|PUT) /(automation|silences|operations)', times: 3, half: true })
  await page.goto('/system')
  await page.getByRole('switch', { name: 'Automation' }).click()
  const dialog = page.getByRole('dialog', { name: 'Switch automation on' })
  await dialog.getByLabel('Note (required)').fill('rules were reviewed')
  await dialog.getByRole('button', { name: 'Switch on' }).click()
  await expect(dialog.getByText('Result unknown, asking…')).toBeVisible()
  await expect(dialog).toHaveCount(0)
  await expect(page.getByRole('switch', { name: 'Automation' })).toHaveAttribute('aria-checked', 'true')
})
