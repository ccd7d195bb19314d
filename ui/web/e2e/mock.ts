import type { Page } from '@playwright/test'
import { expect } from './page'

// The mock holds 400 letters and, from 401 on, seven hostile ones.
export const steer = (page: Page, what: string, body: object = {}) =>
  page.request.post(`/__mock/${what}`, { data: body })

export const rows = (page: Page) => page.locator('table.list tbody tr')
export const pane = (page: Page) => page.getByRole('region', { name: 'Letter', exact: true })
/** The first row whose consumer group takes a replay without questions. */
export const easy = (page: Page) => rows(page).filter({ hasText: 'pay-service' }).filter({ hasText: 'PAY-' }).first()

export async function openEasy(page: Page) {
  await page.goto('/letters?consumer_group=pay-service&reason=system_error')
  await easy(page).click({ position: { x: 300, y: 30 } })
  await expect(pane(page).getByRole('button', { name: 'Replay to pay-service in 10 s' })).toBeEnabled()
}
