import { gzipSync } from 'node:zlib'
import type { Page } from '@playwright/test'
import { pane, steer } from './mock'
import { axeFindings, expect, test } from './page'

test.beforeEach(async ({ page }) => {
  await steer(page, 'reset')
})

// {"orderNo":"订单20260101","买家":"张三","failure_reason":"network_timeout","failure_detail":"连接超时"}
const gb = Buffer.from(
  '7b226f726465724e6f223a22b6a9b5a53230323630313031222c22c2f2bcd2223a22d5c5c8fd222c226661696c7572655f726561736f6e223a22' +
    '6e6574776f726b5f74696d656f7574222c226661696c7572655f64657461696c223a22c1acbdd3b3accab1227d',
  'hex',
)
const binary = Buffer.from('\x00\x01\x0corder-123456\x00\x93\xff\xfeskus\x04', 'latin1')
const utf16 = Buffer.from('{"orderNo":"订单","payer":"张三"}', 'utf16le')
const kinds: Record<string, { body: Buffer; charset?: string }> = {
  gb18030: { body: gb, charset: 'gb18030' },
  utf16: { body: utf16, charset: 'utf-16le' },
  binary: { body: binary, charset: '' },
  gzip: { body: gzipSync('{"order":"PAY-1","text":"库存不足"}') },
  bomb: { body: gzipSync('order '.repeat(1 << 20)) },
}

async function openBody(page: Page, kind: string) {
  const { body, charset } = kinds[kind] as { body: Buffer; charset?: string }
  await steer(page, 'letter', {
    id: '5',
    body: body.toString('base64'),
    charset,
    letter: { consumer_group: 'pay-service', topic: 'payments', reason_field: '', envelope: '' },
  })
  await page.goto('/letters/5')
  await page.getByRole('tab', { name: /^(Body|消息体)/ }).click()
}

test('a body in GB18030 is text, and is read in whatever charset somebody chooses', async ({ page }) => {
  await openBody(page, 'gb18030')
  await expect(pane(page)).toContainText('张三')
  await expect(pane(page)).toContainText('Read as GB18030. A replay sends the bytes as they came.')
  const pick = pane(page).getByLabel('Charset')
  await expect(pick.locator('option:checked')).toHaveText('GB18030 (detected)')
  const asked = page.waitForRequest(r => r.url().endsWith('/text?charset=big5'))
  await pick.selectOption('Big5')
  await asked
  await expect(pane(page)).toContainText('Read as Big5.')
  await expect(pane(page)).not.toContainText('张三')
  await pick.selectOption('UTF-8')
  await expect(pane(page)).toContainText(/places are not UTF-8; they are shown as/)
  await pick.selectOption({ index: 0 })
  await expect(pane(page)).toContainText('张三')
  await pane(page).getByRole('button', { name: 'Hex' }).click()
  await expect(pane(page)).toContainText('7b 22 6f 72 64 65 72 4e')
  expect(await axeFindings(page)).toEqual([])
})

test('a body in GB18030 is edited as text and sent to be written in GB18030', async ({ page }) => {
  await openBody(page, 'gb18030')
  await page.keyboard.press('e')
  const sheet = page.getByRole('dialog', { name: /^Edit / })
  await expect(sheet.locator('.cm-content')).toContainText('张三')
  await expect(sheet.getByLabel('Charset').locator('option:checked')).toHaveText('GB18030 (detected)')
  await sheet.locator('.cm-content').click()
  await page.keyboard.press('Control+End')
  await page.keyboard.press('ArrowLeft')
  await page.keyboard.insertText(',"备注":"已核对"')
  await expect(sheet.getByLabel('Charset')).toBeDisabled()
  await sheet.getByRole('button', { name: 'Look at the changes…' }).click()
  await expect(sheet.getByRole('region', { name: 'What changes' })).toContainText('已核对')
  await sheet.getByRole('textbox', { name: /reason|why|note/i }).fill('checked by hand')
  const posted = page
    .waitForRequest(r => r.method() === 'POST' && r.url().endsWith('/edits'))
    .then(r => r.postDataJSON())
  await sheet.getByRole('button', { name: 'Save the version', exact: true }).click()
  const sent = await posted
  expect(sent.charset).toBe('gb18030')
  expect(Buffer.from(sent.body, 'base64').toString()).toMatch(/"买家":"张三".*"备注":"已核对"}$/)
})

test('texts in a binary body stand beside its bytes', async ({ page }) => {
  await openBody(page, 'binary')
  await expect(pane(page)).toContainText('No charset was found in which the body is text: it is shown as hex.')
  await expect(pane(page).getByRole('region', { name: 'Text in these bytes' })).toContainText('00000003  order-123456')
  await expect(pane(page)).toContainText('00 01 0c 6f 72 64 65 72')
})

test('a compressed body is opened for reading, and one that holds very much up to a size', async ({ page }) => {
  await openBody(page, 'gzip')
  await expect(pane(page)).toContainText('库存不足')
  await expect(pane(page)).toContainText('A replay sends it compressed, as it came.')
  await openBody(page, 'bomb')
  await expect(pane(page)).toContainText('it holds far more than it takes')
  await pane(page)
    .getByRole('button', { name: 'Up to 1 MB' })
    .or(pane(page).getByRole('button', { name: /^Up to 1 M/ }))
    .click()
  await expect(pane(page)).toContainText(/Only the first 1 Mi?B of what is inside are shown/)
  await expect(pane(page).locator('pre.text')).toContainText('order order')
})

// Pictures for people who ask for them.
for (const [name, init] of Object.entries(process.env.DLQ_SHOTS ? { light: 'en-GB', dark: 'zh-CN' } : {}))
  test(`bodies look right: ${name}`, async ({ browser, baseURL }) => {
    const context = await browser.newContext({
      locale: init,
      colorScheme: name as 'light' | 'dark',
      viewport: { width: 1100, height: 900 },
      ...(baseURL && { baseURL }),
    })
    const page = await context.newPage()
    for (const kind of Object.keys(kinds)) {
      await openBody(page, kind)
      await page.waitForTimeout(500)
      await page.screenshot({ path: `${process.env.DLQ_SHOTS}/${kind}-${name}.png` })
    }
    await context.close()
  })
